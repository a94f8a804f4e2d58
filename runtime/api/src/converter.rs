use bytes::Bytes;
use bytestring::ByteString;

use crate::{Datum, PluginMetrics, Result};

/// Headers as Kafka has them: names, which may repeat, and bytes.
pub type RawHeaders = Vec<(ByteString, Option<Bytes>)>;

/// The use of a converter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConverterOptions {
    /// Whether it converts keys; values otherwise.
    pub is_key: bool,
}

impl ConverterOptions {
    /// A converter of keys.
    pub const KEY: Self = Self { is_key: true };
    /// A converter of values.
    pub const VALUE: Self = Self { is_key: false };
}

/// What is known of a record whose key or value is about to be written.
#[derive(Debug)]
pub struct EncodeContext<'a> {
    topic: &'a str,
    headers: &'a mut RawHeaders,
}

impl<'a> EncodeContext<'a> {
    /// A record for a topic, with these headers so far.
    pub fn new(topic: &'a str, headers: &'a mut RawHeaders) -> Self {
        Self { topic, headers }
    }

    /// The topic it is written to.
    pub fn topic(&self) -> &str {
        self.topic
    }

    /// Its headers: those of the record, converted, and those added by the key's converter, which is called before the
    /// value's.
    pub fn headers(&self) -> &[(ByteString, Option<Bytes>)] {
        self.headers
    }

    /// Adds a header, such as the id of the schema.
    pub fn push_header(&mut self, name: impl Into<ByteString>, value: Option<Bytes>) {
        self.headers.push((name.into(), value));
    }
}

/// What is known of a record whose key or value is about to be read.
#[derive(Clone, Copy, Debug)]
pub struct DecodeContext<'a> {
    topic: &'a str,
    headers: &'a [(ByteString, Option<Bytes>)],
}

impl<'a> DecodeContext<'a> {
    /// A record of a topic, with these headers.
    pub fn new(topic: &'a str, headers: &'a [(ByteString, Option<Bytes>)]) -> Self {
        Self { topic, headers }
    }

    /// The topic it was read from.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// Its headers.
    pub fn headers(&self) -> &'a [(ByteString, Option<Bytes>)] {
        self.headers
    }

    /// The bytes of the last header of a name, which is the one that counts.
    pub fn header(&self, name: &str) -> Option<&'a Bytes> {
        self.headers.iter().rev().find(|(known, _)| known == name)?.1.as_ref()
    }
}

/// Turns keys or values into bytes and back. Each task has its own; what tasks share, such as a cache of schemas, is
/// held by their factory and passed to each.
///
/// A call may wait, for example for a schema registry: it occupies a thread meanwhile, and delays only its own task. It
/// is called for each record, so results should be cached.
///
/// ```
/// use tributary_api::{Bytes, Converter, Datum, DecodeContext, EncodeContext, Error, Result};
///
/// /// Text that says in a header how it is encoded.
/// struct Latin1;
///
/// impl Converter for Latin1 {
///     fn from_connect_data(&mut self, cx: &mut EncodeContext<'_>, datum: &Datum) -> Result<Option<Bytes>> {
///         if datum.value.is_null() {
///             return Ok(None);
///         }
///         let text = datum.value.as_str().ok_or_else(|| Error::data("the value is no text"))?;
///         let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
///         let bytes = bytes.ok_or_else(|| Error::data(format!("a letter for {} is not of Latin-1", cx.topic())))?;
///         cx.push_header("charset", Some(Bytes::from_static(b"latin1")));
///         Ok(Some(bytes.into()))
///     }
///
///     fn to_connect_data(&mut self, cx: &DecodeContext<'_>, bytes: Option<Bytes>) -> Result<Datum> {
///         let Some(bytes) = bytes else { return Ok(Datum::NULL) };
///         if cx.header("charset").is_none_or(|name| name != "latin1") {
///             return Err(Error::data("the header charset does not say latin1"));
///         }
///         Ok(Datum::schemaless(bytes.iter().map(|byte| char::from(*byte)).collect::<String>()))
///     }
/// }
///
/// let mut headers = Vec::new();
/// let bytes = Latin1.from_connect_data(&mut EncodeContext::new("t", &mut headers), &Datum::schemaless("caf\u{e9}"));
/// let bytes = bytes.unwrap();
/// assert_eq!(bytes.as_deref(), Some(&b"caf\xe9"[..]));
/// let read = Latin1.to_connect_data(&DecodeContext::new("t", &headers), bytes.clone());
/// assert_eq!(read.unwrap(), Datum::schemaless("caf\u{e9}"));
/// assert!(Latin1.to_connect_data(&DecodeContext::new("t", &[]), bytes).is_err());
/// ```
#[allow(clippy::wrong_self_convention)] // the names are Kafka Connect's
pub trait Converter: Send {
    /// Called before the first record: a plugin with metrics of its own (KIP-877) registers them here and keeps the handles.
    ///
    /// # Errors
    /// Any error fails the task.
    fn with_plugin_metrics(&mut self, _metrics: &PluginMetrics) -> Result<()> {
        Ok(())
    }

    /// To bytes; `None` is a null key or a tombstone. Text and bytes should be passed on, not copied.
    ///
    /// # Errors
    /// `Data` when the value does not fit the format.
    fn from_connect_data(&mut self, cx: &mut EncodeContext<'_>, datum: &Datum) -> Result<Option<Bytes>>;

    /// From bytes.
    ///
    /// # Errors
    /// `Data` when the bytes are not of the format.
    fn to_connect_data(&mut self, cx: &DecodeContext<'_>, bytes: Option<Bytes>) -> Result<Datum>;
}

/// Turns header values into bytes and back.
///
/// ```
/// use tributary_api::{Bytes, Datum, HeaderConverter, Result, Value};
///
/// /// Bytes as they are, and nothing for all else.
/// struct Raw;
///
/// impl HeaderConverter for Raw {
///     fn from_connect_header(&mut self, _topic: &str, _name: &str, datum: &Datum) -> Result<Option<Bytes>> {
///         Ok(match &datum.value {
///             Value::Bytes(bytes) => Some(bytes.clone()),
///             _ => None,
///         })
///     }
///
///     fn to_connect_header(&mut self, _topic: &str, _name: &str, bytes: Option<Bytes>) -> Result<Datum> {
///         Ok(bytes.map_or(Datum::NULL, |bytes| Datum::schemaless(Value::Bytes(bytes))))
///     }
/// }
/// ```
#[allow(clippy::wrong_self_convention)] // the names are Kafka Connect's
pub trait HeaderConverter: Send {
    /// Called before the first record: a plugin with metrics of its own (KIP-877) registers them here and keeps the handles.
    ///
    /// # Errors
    /// Any error fails the task.
    fn with_plugin_metrics(&mut self, _metrics: &PluginMetrics) -> Result<()> {
        Ok(())
    }

    /// To bytes.
    ///
    /// # Errors
    /// `Data` when the value does not fit the format.
    fn from_connect_header(&mut self, topic: &str, name: &str, datum: &Datum) -> Result<Option<Bytes>>;

    /// From bytes.
    ///
    /// # Errors
    /// `Data` when the bytes are not of the format.
    fn to_connect_header(&mut self, topic: &str, name: &str, bytes: Option<Bytes>) -> Result<Datum>;
}
