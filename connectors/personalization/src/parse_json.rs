use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Error, Record, Records, Result, TransformContext, Transformation,
    Value, json,
};

/// Reads a line of text as JSON.
#[derive(Debug)]
pub(crate) struct ParseJson {
    key_field: Option<String>,
}

pub(crate) fn definition() -> ConfigDef {
    ConfigDef::new([ConfigKey::new("key.field", ConfigType::String)
        .doc("The field whose text or whole number becomes the record's key, as text; the key stays as it is without it.")])
}

impl ParseJson {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self { key_field: config.optional_string("key.field")?.map(str::to_owned) })
    }
}

impl Transformation for ParseJson {
    fn apply(&mut self, mut record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        let value = match &record.value.value {
            Value::Null => return Ok(Records::One(record)),
            Value::String(text) if text.trim().is_empty() => return Ok(Records::None),
            Value::String(text) => json::from_slice(text.as_bytes())?,
            Value::Bytes(bytes) => json::from_slice(bytes)?,
            _ => return Err(Error::data("the value is not text: use StringConverter or ByteArrayConverter to read it")),
        };
        if let Some(field) = &self.key_field {
            let key = match value.path(field) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Int64(number)) => number.to_string().into(),
                _ => return Err(Error::data(format!("no text in field {field}: it is needed for the key"))),
            };
            record.key = Datum::schemaless(key);
        }
        record.value = Datum::schemaless(value);
        Ok(Records::One(record))
    }
}
