//! `JsonConverter`: JSON with or without an envelope that holds the schema.

mod cache;
mod decimal;
mod read;
mod required;
mod scan;
mod schema;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Converter, Datum, DecodeContext, EncodeContext, Error, Factory,
    Importance, KAFKA_VERSION, Plugin, Result, Schema, SchemaRef, Validator, Value,
};

use self::cache::{ReadSchemas, WrittenSchemas};
use self::read::Reader;
use self::write::Writer;
use crate::as_header::AsHeader;

pub(crate) use self::decimal::parse_decimal;

const CLASS: &str = "org.apache.kafka.connect.json.JsonConverter";
const SCHEMAS_ENABLE: &str = "schemas.enable";
const SCHEMAS_CACHE_SIZE: &str = "schemas.cache.size";
const DECIMAL_FORMAT: &str = "decimal.format";
const REPLACE_NULL: &str = "replace.null.with.default";
const SCHEMA_CONTENT: &str = "schema.content";

/// The size of the buffer that a converter keeps, in bytes.
const KEPT_BUFFER: usize = 16 * 1024;

/// For keys and values, and for headers.
pub(crate) fn plugins() -> [Plugin; 2] {
    let converter = Factory::Converter(Arc::new(|config, _| Ok(Box::new(JsonConverter::new(config)?))));
    let header = Factory::HeaderConverter(Arc::new(|config| Ok(Box::new(AsHeader(JsonConverter::new(config)?)))));
    let doc = "JSON: with schemas, an object of the fields schema and payload; without, the plain value.";
    [
        Plugin::new(CLASS, KAFKA_VERSION, config("value"), converter).doc(doc),
        Plugin::new(CLASS, KAFKA_VERSION, config("header"), header).doc(doc),
    ]
}

fn config(used_for: &str) -> ConfigDef {
    let formats = Validator::OneOfIgnoringCase(vec!["BASE64".to_owned(), "NUMERIC".to_owned()]);
    crate::converter_type(used_for)
        .with(
            ConfigKey::new(SCHEMAS_ENABLE, ConfigType::Boolean)
                .default(true)
                .importance(Importance::High)
                .group("Schemas")
                .doc("Write, and expect, an envelope with the schema around each value."),
        )
        .with(
            ConfigKey::new(SCHEMAS_CACHE_SIZE, ConfigType::Int)
                .default(1000)
                .importance(Importance::High)
                .group("Schemas")
                .doc("How many schemas are remembered."),
        )
        .with(ConfigKey::new(SCHEMA_CONTENT, ConfigType::String).importance(Importance::High).group("Schemas").doc(
            "The schema, as JSON, of every value that is read: values are then plain JSON, without an envelope. \
                     Needs schemas.enable.",
        ))
        .with(
            ConfigKey::new(DECIMAL_FORMAT, ConfigType::String)
                .default("BASE64")
                .validator(formats)
                .importance(Importance::Low)
                .group("Serialization")
                .doc("Write decimals as base64 of their digits (BASE64) or as numbers (NUMERIC); both are read."),
        )
        .with(
            ConfigKey::new(REPLACE_NULL, ConfigType::Boolean)
                .default(true)
                .importance(Importance::Low)
                .group("Serialization")
                .doc("Put the schema's default in the place of null."),
        )
}

struct JsonConverter {
    schemas: bool,
    /// The schema of all values that are read, if it is configured.
    content: Option<SchemaRef>,
    replace_null: bool,
    writer: Writer,
    written: WrittenSchemas,
    read: ReadSchemas,
    /// Where values are written before they are copied: their sizes differ, and a buffer of each would grow several times.
    buffer: Vec<u8>,
}

impl JsonConverter {
    fn new(config: &Config) -> Result<Self> {
        let cache_size = usize::try_from(config.int::<i32>(SCHEMAS_CACHE_SIZE)?).unwrap_or(0);
        let replace_null = config.boolean(REPLACE_NULL)?;
        let numeric_decimals = config.string(DECIMAL_FORMAT)?.eq_ignore_ascii_case("NUMERIC");
        Ok(Self {
            schemas: config.boolean(SCHEMAS_ENABLE)?,
            content: content(config.optional_string(SCHEMA_CONTENT)?, replace_null)?,
            replace_null,
            writer: Writer { numeric_decimals, replace_null },
            written: WrittenSchemas::new(cache_size),
            read: ReadSchemas::new(cache_size),
            buffer: Vec::new(),
        })
    }

    fn write(&mut self, datum: &Datum) -> Result<Option<Bytes>> {
        if datum.schema.is_none() && datum.value.is_null() {
            return Ok(None);
        }
        let json = &mut self.buffer;
        json.clear();
        json.shrink_to(KEPT_BUFFER);
        if self.schemas {
            json.extend_from_slice(b"{\"schema\":");
            match &datum.schema {
                Some(schema) => json.extend_from_slice(&self.written.get(schema, &self.writer)?),
                None => json.extend_from_slice(b"null"),
            }
            json.extend_from_slice(b",\"payload\":");
        }
        self.writer.value(json, datum.schema.as_ref(), &datum.value)?;
        if self.schemas {
            json.push(b'}');
        }
        Ok(Some(Bytes::copy_from_slice(json)))
    }

    fn read(&mut self, bytes: Option<Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else { return Ok(Datum::NULL) };
        let document = scan::decode(bytes)?;
        let reader = Reader::new(&document, self.replace_null);
        match &self.content {
            Some(schema) if self.schemas => Ok(Datum::new(schema.clone(), reader.of_schema(schema)?)),
            None if self.schemas => read::envelope(&reader, &mut self.read),
            _ => Ok(Datum { schema: None, value: self.read_plain(&reader, &document)? }),
        }
    }

    fn read_plain(&self, reader: &Reader<'_>, document: &ByteString) -> Result<Value> {
        let mut scanner = scan::Scanner::new(document);
        if scanner.is_empty() { Ok(Value::Null) } else { reader.plain(&mut scanner) }
    }
}

/// The schema of `schema.content`; the texts of the errors are Kafka's.
fn content(json: Option<&str>, replace_null: bool) -> Result<Option<SchemaRef>> {
    let Some(json) = json.filter(|json| !json.is_empty()) else { return Ok(None) };
    let document = ByteString::from(json);
    let unreadable = |error: Error| {
        let cause = Error::config(format!("{SCHEMA_CONTENT} is not JSON: correct it")).cause(&error);
        let message = "Failed to parse schema in converter config due to serialization error: ";
        Error::config_at(SCHEMA_CONTENT, message).cause(&cause)
    };
    let json = scan::Scanner::new(&document).skip().map_err(unreadable)?;
    Ok(schema::read(json, &Reader::new(&document, replace_null))?.map(Schema::into_ref))
}

impl Converter for JsonConverter {
    fn from_connect_data(&mut self, _cx: &mut EncodeContext<'_>, datum: &Datum) -> Result<Option<Bytes>> {
        self.write(datum)
    }

    fn to_connect_data(&mut self, _cx: &DecodeContext<'_>, bytes: Option<Bytes>) -> Result<Datum> {
        self.read(bytes)
    }
}
