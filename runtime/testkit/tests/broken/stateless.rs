//! A transform and a converter with a fault of choice.

use std::sync::atomic::{AtomicU32, Ordering};

use tributary_api::{
    ByteString, Bytes, ConfigDef, ConfigKey, ConfigType, Converter, Datum, DecodeContext, EncodeContext, Error, Plugin,
    PluginMetrics, Props, Record, Records, Requirements, Result, TransformContext, Transformation, Value,
};
use tributary_testkit::battery::{ConverterSubject, TransformationSubject};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    NoDocumentation,
    NeedsMoreThanItSays,
    NeedsLessThanItSays,
    NeedsSomethingElse,
    RefusesItsOwn,
    Counts,
    CountsInItself,
    ForgetsTheOrigin,
    PanicsAtNull,
    PanicsAtNumbers,
    FatalForABadRecord,
    MetricTwice,
    // Faults of converters only.
    ReadsWrong,
    NeedsItsOwnMemory,
    WritesNull,
    PanicsAtBytes,
}

fn definition(fault: Fault) -> ConfigDef {
    let doc = if fault == Fault::NoDocumentation { "" } else { "The prefix." };
    ConfigDef::new([ConfigKey::new("prefix", ConfigType::String).default(">").doc(doc)])
}

fn metrics(fault: Fault, metrics: &PluginMetrics) -> Result<()> {
    let first = metrics.counter("calls", "Calls.", &[])?;
    if fault == Fault::MetricTwice {
        metrics.counter("calls", "Calls.", &[])?;
    }
    drop(first);
    Ok(())
}

/// Adds a prefix to strings.
pub(crate) struct Prefix(pub(crate) Fault);

struct PrefixTransform {
    fault: Fault,
    calls: u32,
}

static MADE: AtomicU32 = AtomicU32::new(0);

impl Transformation for PrefixTransform {
    fn requirements(&self) -> Requirements {
        match self.fault {
            Fault::NeedsMoreThanItSays => Requirements::default().with_timers(),
            Fault::NeedsSomethingElse => {
                Requirements::default().store(format!("{}", MADE.fetch_add(1, Ordering::Relaxed)))
            }
            _ => Requirements::default(),
        }
    }

    fn with_plugin_metrics(&mut self, given: &PluginMetrics) -> Result<()> {
        metrics(self.fault, given)
    }

    fn apply(&mut self, record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        self.calls += 1;
        let text = match (&record.value.value, self.fault) {
            (Value::Null, Fault::PanicsAtNull) => panic!("a tombstone"),
            (Value::Int32(_), Fault::PanicsAtNumbers) => panic!("a number"),
            (Value::String(_), Fault::RefusesItsOwn) => return Err(Error::data("refused")),
            (Value::String(text), Fault::Counts) => format!("{}{text}", MADE.fetch_add(1, Ordering::Relaxed)),
            (Value::String(text), Fault::CountsInItself) => format!("{}{text}", self.calls),
            (Value::String(text), _) => format!(">{text}"),
            (_, Fault::FatalForABadRecord) => return Err(Error::fatal("not a text")),
            _ => return Err(Error::data("not a text")),
        };
        let changed = Record::new(record.topic.clone(), Datum::schemaless(text));
        Ok(match self.fault {
            Fault::ForgetsTheOrigin => changed.into(),
            _ => changed.with_origin(record.origin).into(),
        })
    }
}

impl TransformationSubject for Prefix {
    fn plugin(&self) -> Plugin {
        let fault = self.0;
        let make = move |_: &_| Ok(PrefixTransform { fault, calls: 0 });
        let plugin = Plugin::transformation("test.Prefix", "1", definition(fault), make).doc("Adds a prefix.");
        match fault {
            Fault::NeedsLessThanItSays | Fault::NeedsSomethingElse => plugin.needs_processor(),
            _ => plugin,
        }
    }

    fn props(&self) -> Props {
        Props::new()
    }

    fn records(&self) -> Vec<Record> {
        vec![Record::new("t", Datum::schemaless("a")), Record::new("t", Datum::schemaless("b"))]
    }
}

/// Converts strings to UTF-8.
pub(crate) struct Text(pub(crate) Fault);

struct TextConverter {
    fault: Fault,
    last: Option<Bytes>,
    calls: u8,
}

impl Converter for TextConverter {
    fn with_plugin_metrics(&mut self, given: &PluginMetrics) -> Result<()> {
        metrics(self.fault, given)
    }

    fn from_connect_data(&mut self, _cx: &mut EncodeContext<'_>, datum: &Datum) -> Result<Option<Bytes>> {
        self.calls = self.calls.wrapping_add(1);
        let bytes = match (&datum.value, self.fault) {
            (Value::Null, Fault::WritesNull) => Bytes::from_static(b"null"),
            (Value::Null, _) => return Ok(None),
            (Value::Int32(_), Fault::PanicsAtNumbers) => panic!("a number"),
            (Value::String(_), Fault::RefusesItsOwn) => return Err(Error::data("refused")),
            (Value::String(text), Fault::CountsInItself) => format!("{text}\0{}", self.calls).into(),
            (Value::String(text), _) => text.clone().into_bytes(),
            (_, Fault::FatalForABadRecord) => return Err(Error::fatal("not a text")),
            _ => return Err(Error::data("not a text")),
        };
        self.last = Some(bytes.clone());
        Ok(Some(bytes))
    }

    fn to_connect_data(&mut self, _cx: &DecodeContext<'_>, bytes: Option<Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else { return Ok(Datum::NULL) };
        let text = match (ByteString::try_from(bytes.clone()), self.fault) {
            (Err(_), Fault::PanicsAtBytes) => panic!("no text"),
            (Err(_), _) => return Err(Error::data("no text")),
            (Ok(text), Fault::ReadsWrong) => ByteString::from(text.to_uppercase()),
            (Ok(text), Fault::CountsInItself) => text.split('\0').next().unwrap_or_default().into(),
            (Ok(_), Fault::NeedsItsOwnMemory) if self.last.as_ref() != Some(&bytes) => {
                return Err(Error::data("never written"));
            }
            (Ok(text), _) => text,
        };
        Ok(Datum::schemaless(Value::String(text)))
    }
}

impl ConverterSubject for Text {
    fn plugin(&self) -> Plugin {
        let fault = self.0;
        let make = move |_: &_, _| Ok(TextConverter { fault, last: None, calls: 0 });
        Plugin::converter("test.Text", "1", definition(fault), make).doc("Texts.")
    }

    fn data(&self) -> Vec<Datum> {
        vec![Datum::schemaless("na\u{ef}ve"), Datum::schemaless("b")]
    }
}
