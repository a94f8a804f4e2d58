use tributary_api::{
    Bytes, Converter, ConverterOptions, Datum, DecodeContext, EncodeContext, Error, Factory, HeaderConverter, Plugin,
    PluginMetrics, Props, RawHeaders, Result,
};

use super::transformation::{is_right_or_bad, without_panic};
use super::{Checked, Findings, Violation, values};

const TOPIC: &str = "battery";

/// A converter of keys and values, or of headers, with data that survives being written and read.
///
/// ```
/// use tributary_api::{Datum, Plugin};
/// use tributary_testkit::battery::{self, ConverterSubject};
///
/// struct Text(Plugin);
///
/// impl ConverterSubject for Text {
///     fn plugin(&self) -> Plugin {
///         self.0.clone()
///     }
///
///     fn data(&self) -> Vec<Datum> {
///         vec![Datum::schemaless("text"), Datum::NULL]
///     }
/// }
///
/// /// What a test of the converter calls.
/// fn keeps_the_contract(converter: Plugin) {
///     assert_eq!(battery::converter(&Text(converter)), []);
/// }
/// ```
pub trait ConverterSubject {
    /// The converter.
    fn plugin(&self) -> Plugin;

    /// A valid configuration.
    fn props(&self) -> Props {
        Props::new()
    }

    /// Data that must be the same after it was written and read.
    fn data(&self) -> Vec<Datum>;
}

/// Runs all checks of a converter.
pub fn converter(subject: &impl ConverterSubject) -> Vec<Violation> {
    let (plugin, props) = (subject.plugin(), subject.props());
    let mut found = Findings::of_definition(&plugin, &props);
    found.note("reads what it writes", reads_what_it_writes(subject));
    found.note("writes the same bytes", writes_the_same_bytes(subject));
    found.note("keeps tombstones", keeps_tombstones(subject));
    found.note("handles any value without a fatal error", handles_any_value_without_a_fatal_error(subject));
    found.note("handles any bytes without a fatal error", handles_any_bytes_without_a_fatal_error(subject));
    found.note("registers its metrics", registers_its_metrics(subject));
    found.0
}

/// The reader is another instance, as in another task: it gets only the bytes and the headers.
fn reads_what_it_writes(subject: &impl ConverterSubject) -> Checked {
    for role in Role::all(subject).iter().copied() {
        let (mut writer, mut reader) = (Either::make(subject, role)?, Either::make(subject, role)?);
        for datum in subject.data() {
            let mut headers = RawHeaders::new();
            let bytes =
                writer.write(&datum, &mut headers)?.map_err(|error| format!("{datum:?} is refused: {error}"))?;
            let read = reader.read(bytes, &headers)?.map_err(|error| format!("{datum:?} is not read: {error}"))?;
            if read != datum {
                return Err(format!("{datum:?} is read as {read:?}"));
            }
        }
    }
    Ok(())
}

/// The bytes of a key decide the partition of its record, so equal keys must give equal bytes.
fn writes_the_same_bytes(subject: &impl ConverterSubject) -> Checked {
    for role in Role::all(subject).iter().copied() {
        let (mut one, mut other) = (Either::make(subject, role)?, Either::make(subject, role)?);
        for datum in subject.data() {
            let write = |converter: &mut Either| converter.write(&datum, &mut RawHeaders::new());
            if write(&mut one)? != write(&mut one)? || write(&mut one)? != write(&mut other)? {
                return Err(format!("{datum:?} gives different bytes when it is written again"));
            }
        }
    }
    Ok(())
}

fn keeps_tombstones(subject: &impl ConverterSubject) -> Checked {
    for role in Role::all(subject).iter().copied() {
        let mut converter = Either::make(subject, role)?;
        let read =
            converter.read(None, &RawHeaders::new())?.map_err(|error| format!("a tombstone is refused: {error}"))?;
        if !read.value.is_null() {
            return Err(format!("a tombstone is read as {read:?}"));
        }
        // Some converters write a header without a value as one with an empty value.
        let written = converter.write(&Datum::NULL, &mut RawHeaders::new())?;
        let written = written.map_err(|error| format!("null is refused: {error}"))?;
        if role != Role::Header && written.is_some() {
            return Err(format!("null is written as {written:?}"));
        }
    }
    Ok(())
}

fn handles_any_value_without_a_fatal_error(subject: &impl ConverterSubject) -> Checked {
    for role in Role::all(subject).iter().copied() {
        let mut converter = Either::make(subject, role)?;
        for datum in values::all() {
            is_right_or_bad(&format!("{datum:?}"), converter.write(&datum, &mut RawHeaders::new())?)?;
        }
    }
    Ok(())
}

/// Arbitrary bytes, and the converter's own output, truncated and altered.
fn handles_any_bytes_without_a_fatal_error(subject: &impl ConverterSubject) -> Checked {
    for role in Role::all(subject).iter().copied() {
        let mut converter = Either::make(subject, role)?;
        let mut all: Vec<Vec<u8>> = vec![Vec::new(), vec![0], vec![0xff; 9], b"{".to_vec(), b"null".to_vec()];
        for datum in subject.data() {
            let Ok(Some(bytes)) = converter.write(&datum, &mut RawHeaders::new())? else { continue };
            all.extend((0..bytes.len()).map(|end| bytes[..end].to_vec()));
            all.extend((0..bytes.len()).map(|at| {
                let mut altered = bytes.to_vec();
                altered[at] ^= 0x55;
                altered
            }));
        }
        for bytes in all {
            let shown = format!("{bytes:?}");
            is_right_or_bad(&shown, converter.read(Some(bytes.into()), &RawHeaders::new())?)?;
        }
    }
    Ok(())
}

fn registers_its_metrics(subject: &impl ConverterSubject) -> Checked {
    let metrics = PluginMetrics::new([("connector", "battery"), ("task", "0")]);
    for role in Role::all(subject).iter().copied() {
        let of = metrics.tagged("converter", format!("{role:?}"));
        let registered = match Either::make(subject, role)? {
            Either::Data(mut converter) => converter.with_plugin_metrics(&of),
            Either::Header(mut converter) => converter.with_plugin_metrics(&of),
        };
        registered.map_err(|error| format!("its metrics are refused: {error}"))?;
    }
    Ok(())
}

/// Which part of a record a converter instance is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Key,
    Value,
    Header,
}

impl Role {
    fn all(subject: &impl ConverterSubject) -> &'static [Self] {
        match subject.plugin().factory {
            Factory::HeaderConverter(_) => &[Self::Header],
            _ => &[Self::Key, Self::Value],
        }
    }
}

enum Either {
    Data(Box<dyn Converter>),
    Header(Box<dyn HeaderConverter>),
}

impl Either {
    fn make(subject: &impl ConverterSubject, role: Role) -> std::result::Result<Self, String> {
        let refused = |error: Error| format!("the valid configuration is refused: {error}");
        let plugin = subject.plugin();
        let config = plugin.description.config.parse(&subject.props()).map_err(refused)?;
        let options = if role == Role::Key { ConverterOptions::KEY } else { ConverterOptions::VALUE };
        match &plugin.factory {
            Factory::Converter(make) => make(&config, options).map(Self::Data).map_err(refused),
            Factory::HeaderConverter(make) => make(&config).map(Self::Header).map_err(refused),
            _ => Err(format!("{} is not a converter", plugin.description.class)),
        }
    }

    fn write(&mut self, datum: &Datum, headers: &mut RawHeaders) -> std::result::Result<Result<Option<Bytes>>, String> {
        without_panic(&format!("{datum:?}"), || match self {
            Self::Data(converter) => converter.from_connect_data(&mut EncodeContext::new(TOPIC, headers), datum),
            Self::Header(converter) => converter.from_connect_header(TOPIC, "h", datum),
        })
    }

    fn read(&mut self, bytes: Option<Bytes>, headers: &RawHeaders) -> std::result::Result<Result<Datum>, String> {
        without_panic(&format!("{bytes:?}"), || match self {
            Self::Data(converter) => converter.to_connect_data(&DecodeContext::new(TOPIC, headers), bytes.clone()),
            Self::Header(converter) => converter.to_connect_header(TOPIC, "h", bytes.clone()),
        })
    }
}
