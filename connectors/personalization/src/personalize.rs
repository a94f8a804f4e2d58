use std::fs;

use bytes::Bytes;
use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Error, Importance, Record, Records, Requirements, Result, StoreId,
    StoreSpec, TableId, TableSpec, Timer, TransformContext, Transformation, Validator, Value, json,
};

use crate::decision::{Case, Decision, decide};
use crate::event::{DWELL_TIMER, Event, PAGE_VIEW, PRODUCT_VIEW};
use crate::outputs::{self, Outputs, stable_id};
use crate::person::Person;
use crate::rules::RulePack;
use crate::signals::Signals;

const PEOPLE: StoreId = StoreId(0);
const PROFILES: TableId = TableId(0);

/// Decides about every click, with what is remembered of the person. A click whose id was seen before is dropped.
#[derive(Debug)]
pub(crate) struct Personalize {
    pack: RulePack,
    outputs: Outputs,
    profiles_topic: String,
    timers: bool,
}

pub(crate) fn definition() -> ConfigDef {
    let definition = ConfigDef::new([
        ConfigKey::new("rules.file", ConfigType::String)
            .importance(Importance::High)
            .doc("File of the rule pack, in YAML; read when the task starts."),
        ConfigKey::new("rules", ConfigType::String).doc("The rule pack itself, in YAML, instead of a file."),
        ConfigKey::new("profiles.topic", ConfigType::String)
            .default("customers")
            .validator(Validator::NonEmpty)
            .doc("Compacted topic of profiles, keyed by customer_id: consent and whatever rules look at."),
    ]);
    Outputs::define(definition)
}

impl Personalize {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let pack = match (config.optional_string("rules")?, config.optional_string("rules.file")?) {
            (Some(yaml), None) => RulePack::parse(yaml)?,
            (None, Some(path)) => {
                let yaml = fs::read_to_string(path).map_err(|error| {
                    Error::config(format!("cannot read the rule pack {path}: correct rules.file")).cause(&error)
                })?;
                RulePack::parse(&yaml).map_err(|error| error.context(path))?
            }
            _ => return Err(Error::config("give the rule pack by rules.file or by rules, one of them")),
        };
        Ok(Self {
            timers: pack.signals.iter().any(|signal| signal.dwell.is_some_and(|dwell| dwell.timer)),
            pack,
            outputs: Outputs::new(config)?,
            profiles_topic: config.string("profiles.topic")?.to_owned(),
        })
    }

    /// A page that was opened arms the timers of its product, and ends those of the page before.
    fn set_timers(&self, event: &Event<'_>, cx: &mut TransformContext<'_>) -> Result<()> {
        for signal in &self.pack.signals {
            let Some(dwell) = signal.dwell.filter(|dwell| dwell.timer) else { continue };
            let key = Bytes::from(format!("{}\0{}", event.person, signal.name));
            if event.kind == signal.on && event.product.is_some() && event.page.is_some() {
                let at = event.received_at + i64::from(dwell.at_least_s) * 1000;
                let payload = timer_event(event, &signal.name, at);
                cx.schedule(Timer { key, at, payload: json::to_vec(&payload)?.into() })?;
            } else if [PRODUCT_VIEW, PAGE_VIEW].contains(&event.kind) {
                cx.cancel(&key)?;
            }
        }
        Ok(())
    }

    fn person(cx: &mut TransformContext<'_>, event: &Event<'_>) -> Result<Person> {
        match cx.get(PEOPLE, event.person.as_bytes())? {
            Some(bytes) => Person::decode(&bytes),
            None => Ok(Person::default()),
        }
    }

    /// Signals, decision and what is to be written of them but the enriched event.
    fn judge<'p>(
        &'p self,
        event: &Event<'_>,
        person: &mut Person,
        cx: &mut TransformContext<'_>,
        records: &mut Vec<Record>,
    ) -> Result<(Signals<'p>, Decision<'p>)> {
        let now = cx.now();
        let row = match event.customer {
            Some(customer) => cx.table(PROFILES, customer.as_bytes())?,
            None => None,
        };
        let profile = row.map_or(&Value::Null, |row| &row.value);
        let signals = Signals::compute(&self.pack, event, person, profile);
        let case = Case { event, profile, signals: &signals, at: event.received_at, now };
        let decision = decide(&self.pack, &case, person)?;
        let at = event.received_at;
        if let Some(topic) = self.outputs.decisions.as_ref()
            && self.pack.by_event.contains_key(event.kind)
        {
            let value = outputs::decision(&self.pack, event, &signals, &decision);
            records.push(outputs::record(topic, event.person, at, value));
        }
        if let (Some(topic), Some(chosen)) = (&self.outputs.offers, &decision.chosen)
            && let Some(offer) = outputs::offer(&self.pack, event, chosen)
        {
            records.push(outputs::record(topic, event.person, at, offer));
        }
        if let Some(topic) = &self.outputs.view
            && (decision.chosen.is_some() || [PRODUCT_VIEW, PAGE_VIEW].contains(&event.kind))
        {
            let view = outputs::view(&self.pack, event, person, profile);
            records.push(outputs::record(topic, event.person, at, view));
        }
        Ok((signals, decision))
    }
}

impl Transformation for Personalize {
    fn requirements(&self) -> Requirements {
        Requirements {
            stores: vec![StoreSpec { name: "people".to_owned() }],
            tables: vec![TableSpec { name: "profiles".to_owned(), topic: self.profiles_topic.clone() }],
            timers: self.timers,
        }
    }

    fn apply(&mut self, record: Record, cx: &mut TransformContext<'_>) -> Result<Records> {
        if record.value.value.is_null() {
            return Ok(Records::None);
        }
        let event = Event::read(&record.value.value, record.timestamp.unwrap_or_else(|| cx.now()))?;
        let mut person = Self::person(cx, &event)?;
        if !person.is_new(event.id) {
            return Ok(Records::None);
        }
        person.take(&event);
        let mut records = Vec::with_capacity(4);
        let (signals, _) = self.judge(&event, &mut person, cx, &mut records)?;
        if self.timers {
            self.set_timers(&event, cx)?;
        }
        let key = Bytes::copy_from_slice(event.person.as_bytes());
        cx.put(PEOPLE, key, Some(person.encode()))?;
        if let Some(topic) = &self.outputs.enriched {
            let (person, signals) = (event.person.to_owned(), signals.to_value());
            let mut enriched = record;
            enriched.value.value.insert("signals", signals)?;
            enriched.value.value.insert("ruleset_version", self.pack.version)?;
            enriched.key = Datum::schemaless(person);
            enriched.topic = topic.clone();
            enriched.partition = None;
            records.insert(0, enriched);
        }
        Ok(Records::Many(records))
    }

    fn on_timer(&mut self, timer: Timer, cx: &mut TransformContext<'_>) -> Result<Records> {
        let value = json::from_slice(&timer.payload)?;
        let event = Event::read(&value, timer.at)?;
        let mut person = Self::person(cx, &event)?;
        if person.page(&event).is_none_or(|page| !page.beats.is_empty()) || !person.is_new(event.id) {
            return Ok(Records::None);
        }
        let mut records = Vec::with_capacity(3);
        let (signals, _) = self.judge(&event, &mut person, cx, &mut records)?;
        if !signals.raised.iter().any(|(_, raised)| *raised) {
            return Ok(Records::None);
        }
        let key = Bytes::copy_from_slice(event.person.as_bytes());
        cx.put(PEOPLE, key, Some(person.encode()))?;
        Ok(Records::Many(records))
    }
}

/// The event that a timer stands for, made when it is set: a timer that fires twice is one event.
fn timer_event(event: &Event<'_>, signal: &str, at: i64) -> Value {
    let id = stable_id(&["timer", event.person, event.page.unwrap_or_default(), signal, event.id]);
    Value::map([
        ("event_id", Value::string(id)),
        ("type", Value::string(DWELL_TIMER)),
        ("person_id", Value::string(event.person)),
        ("customer_id", event.customer.into()),
        ("session_id", Value::string(event.session)),
        ("page_id", event.page.into()),
        ("product_id", event.product.into()),
        ("ts", Value::Int64(at)),
        ("received_at", Value::Int64(at)),
        ("consent", event.value.get("consent").cloned().unwrap_or(Value::Null)),
        ("gpc", Value::Boolean(event.flag("gpc"))),
        ("dnt", Value::Boolean(event.flag("dnt"))),
    ])
}
