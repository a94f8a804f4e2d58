//! A transform that keeps state, looks into a table and sets timers.

use std::sync::Arc;

use bytes::Bytes;
use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Error, Factory, Plugin, Record, Records, Requirements, Result,
    StoreId, TableId, Timer, TransformContext, Transformation, Value,
};

/// Counts the events of each key and knows the latest of them by name. An event that is known is dropped.
struct Count {
    output: String,
    table: String,
}

pub(crate) fn plugin() -> Plugin {
    let text = |name: &str| ConfigKey::new(name, ConfigType::String).required();
    let make = |config: &Config| -> Result<Box<dyn Transformation>> {
        let text = |name: &str| config.string(name).map(str::to_owned);
        Ok(Box::new(Count { output: text("output")?, table: text("table")? }))
    };
    Plugin::new(
        "test.Count",
        "1",
        ConfigDef::new([text("output"), text("table")]),
        Factory::Transformation(Arc::new(make)),
    )
    .needs_processor()
}

impl Transformation for Count {
    fn requirements(&self) -> Requirements {
        Requirements::default().store("counts").table("rows", &*self.table).with_timers()
    }

    fn apply(&mut self, mut record: Record, cx: &mut TransformContext<'_>) -> Result<Records> {
        let key = Bytes::copy_from_slice(record.key.value.as_str().unwrap_or_default().as_bytes());
        let event = record.value.value.as_str().unwrap_or_default().to_owned();
        if let Some(ms) = event.strip_prefix("slow-").and_then(|rest| rest.split('-').next()?.parse::<u64>().ok()) {
            std::thread::sleep(std::time::Duration::from_millis(ms));
        }
        if event.starts_with("bad-") {
            return Err(Error::data("the event says that it is bad"));
        }
        let state = cx.get(StoreId(0), &key)?.unwrap_or_default();
        let state = String::from_utf8_lossy(&state).into_owned();
        let mut known = state.split(' ').skip(1);
        if known.any(|known| known == event) {
            return Ok(Records::None);
        }
        let count = state.split(' ').next().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0) + 1;
        let latest: Vec<&str> = state.split(' ').skip(1).filter(|name| !name.is_empty()).collect();
        let latest = latest[latest.len().saturating_sub(99)..].join(" ");
        cx.put(StoreId(0), key.clone(), Some(format!("{count} {latest} {event}").into()))?;
        if let Some(delay) = event.strip_prefix("timer-").and_then(|delay| delay.parse::<i64>().ok()) {
            let at = cx.now() + delay;
            cx.schedule(Timer::new(key.clone(), at, "fired"))?;
        }
        let shown = if event.starts_with("lookup-") {
            let row = cx.table(TableId(0), &key)?.and_then(|row| row.value.as_str().map(str::to_owned));
            format!("{event} {}", row.unwrap_or_else(|| "nothing".to_owned()))
        } else {
            format!("{event} {count}")
        };
        record.topic = self.output.as_str().into();
        record.value = Datum::schemaless(shown);
        Ok(Records::One(record))
    }

    fn on_timer(&mut self, timer: Timer, cx: &mut TransformContext<'_>) -> Result<Records> {
        let late = cx.now() - timer.at;
        let key = String::from_utf8_lossy(&timer.key).into_owned();
        let value = format!("{} {late}", String::from_utf8_lossy(&timer.payload));
        let record = Record::new(self.output.as_str(), Datum::schemaless(Value::string(value)));
        Ok(Records::One(record.with_key(Datum::schemaless(Value::string(key)))))
    }
}
