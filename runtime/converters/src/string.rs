use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Converter, Datum, DecodeContext, EncodeContext, Error, Factory,
    Importance, KAFKA_VERSION, Plugin, Result, Schema, SchemaRef, SchemaType, Value, Width,
};

use crate::as_header::AsHeader;
use crate::utf8;

const CLASS: &str = "org.apache.kafka.connect.storage.StringConverter";
const ENCODING: &str = "converter.encoding";

/// For keys and values, and for headers.
pub(crate) fn plugins() -> [Plugin; 2] {
    let converter = Factory::Converter(Arc::new(|config, _| Ok(Box::new(StringConverter::new(config)?))));
    let header = Factory::HeaderConverter(Arc::new(|config| Ok(Box::new(AsHeader(StringConverter::new(config)?)))));
    let doc = "Any value as text; text is passed on without a copy.";
    [
        Plugin::new(CLASS, KAFKA_VERSION, config("value"), converter).doc(doc),
        Plugin::new(CLASS, KAFKA_VERSION, config("header"), header).doc(doc),
    ]
}

fn config(used_for: &str) -> ConfigDef {
    crate::converter_type(used_for).with(
        ConfigKey::new(ENCODING, ConfigType::String)
            .default("UTF-8")
            .importance(Importance::High)
            .width(Width::Medium)
            .display_name("Encoding")
            .doc("The character encoding: UTF-8, ISO-8859-1, US-ASCII, UTF-16, UTF-16BE or UTF-16LE."),
    )
}

struct StringConverter {
    encoding: Encoding,
    schema: SchemaRef,
}

impl StringConverter {
    fn new(config: &Config) -> Result<Self> {
        let encoding = Encoding::named(config.string(ENCODING)?)?;
        Ok(Self { encoding, schema: Schema::new(SchemaType::String).optional().into_ref() })
    }

    fn write(&self, datum: &Datum) -> Option<Bytes> {
        let text = match &datum.value {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            other => ByteString::from(other.to_string()),
        };
        Some(self.encoding.encode(text))
    }

    fn read(&self, bytes: Option<Bytes>) -> Datum {
        let value = bytes.map_or(Value::Null, |bytes| Value::String(self.encoding.decode(bytes)));
        Datum { schema: Some(self.schema.clone()), value }
    }
}

impl Converter for StringConverter {
    fn from_connect_data(&mut self, _cx: &mut EncodeContext<'_>, datum: &Datum) -> Result<Option<Bytes>> {
        Ok(self.write(datum))
    }

    fn to_connect_data(&mut self, _cx: &DecodeContext<'_>, bytes: Option<Bytes>) -> Result<Datum> {
        Ok(self.read(bytes))
    }
}

/// The charsets that every Java runtime has.
#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Latin1,
    Ascii,
    /// Big-endian unless the text begins with a byte order mark; written with one.
    Utf16,
    Utf16Be,
    Utf16Le,
}

impl Encoding {
    fn named(name: &str) -> Result<Self> {
        match name.to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" => Ok(Self::Utf8),
            "ISO-8859-1" | "ISO8859-1" | "ISO8859_1" | "LATIN1" => Ok(Self::Latin1),
            "US-ASCII" | "ASCII" => Ok(Self::Ascii),
            "UTF-16" | "UTF16" => Ok(Self::Utf16),
            "UTF-16BE" => Ok(Self::Utf16Be),
            "UTF-16LE" => Ok(Self::Utf16Le),
            _ => {
                let known = "UTF-8, ISO-8859-1, US-ASCII, UTF-16, UTF-16BE or UTF-16LE";
                Err(Error::config_at(ENCODING, format!("{ENCODING} {name} is not known: use {known}")))
            }
        }
    }

    /// A character that the encoding lacks becomes a question mark.
    fn encode(self, text: ByteString) -> Bytes {
        let narrow = |limit: u32| {
            text.chars().map(|c| if (c as u32) < limit { c as u8 } else { b'?' }).collect::<Vec<u8>>().into()
        };
        match self {
            Self::Utf8 => text.into_bytes(),
            Self::Latin1 => narrow(0x100),
            Self::Ascii => narrow(0x80),
            Self::Utf16 if text.is_empty() => Bytes::new(),
            Self::Utf16 => [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect(),
            Self::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Self::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        }
    }

    /// What the encoding lacks becomes U+FFFD.
    fn decode(self, bytes: Bytes) -> ByteString {
        match self {
            Self::Utf8 => utf8::decode(bytes),
            Self::Latin1 => bytes.iter().map(|&byte| char::from(byte)).collect::<String>().into(),
            Self::Ascii => {
                let decode = |&byte: &u8| if byte.is_ascii() { char::from(byte) } else { char::REPLACEMENT_CHARACTER };
                bytes.iter().map(decode).collect::<String>().into()
            }
            Self::Utf16 => match bytes.get(..2) {
                Some([0xff, 0xfe]) => utf16(&bytes[2..], u16::from_le_bytes),
                Some([0xfe, 0xff]) => utf16(&bytes[2..], u16::from_be_bytes),
                _ => utf16(&bytes, u16::from_be_bytes),
            },
            Self::Utf16Be => utf16(&bytes, u16::from_be_bytes),
            Self::Utf16Le => utf16(&bytes, u16::from_le_bytes),
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> ByteString {
    let pairs = bytes.chunks_exact(2);
    let mut cut = !pairs.remainder().is_empty();
    let mut units = pairs.map(|pair| unit([pair[0], pair[1]]));
    let mut text = String::with_capacity(bytes.len());
    while let Some(first) = units.next() {
        let is_high = (0xd800..0xdc00).contains(&first);
        // As in Java, what follows half of a pair is lost with it.
        let second = if is_high { units.next() } else { None };
        cut &= !(is_high && second.is_none());
        let read = char::decode_utf16([first].into_iter().chain(second)).next();
        text.push(read.and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    if cut {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text.into()
}
