use std::fmt;
use std::path::Path;
use std::sync::Arc;

use jsonschema::{Retrieve, Uri, Validator};
use tributary_api::{Error, Result, Value, read_small_file};

const MAX_FILE_BYTES: u64 = 1 << 20;
/// A reason beyond this is cut: a schema may list hundreds of values.
const MAX_REASON_BYTES: usize = 300;

/// A JSON Schema that events are checked with as they are sent.
#[derive(Clone)]
pub(super) struct EventSchema(Arc<Validator>);

/// Reads no other file and asks no server: what a schema refers to is within itself.
struct Nothing;

impl Retrieve for Nothing {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> std::result::Result<serde_json::Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("{uri} is not read: put it under $defs").into())
    }
}

impl EventSchema {
    /// Reads the schema of a file.
    ///
    /// # Errors
    /// When it cannot be read or is no JSON Schema; shows nothing of what is in it.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let unusable = |what: &str| Error::config(format!("{} {what}", path.display()));
        let text = read_small_file(path, MAX_FILE_BYTES).map_err(|error| unusable("cannot be read").cause(&error))?;
        let schema = serde_json::from_slice(&text).map_err(|_| unusable("is not JSON"))?;
        let is_object = |schema: &serde_json::Value| schema.is_object();
        if !is_object(&schema) {
            return Err(unusable("is no JSON Schema, which is an object"));
        }
        let what = "is no JSON Schema, or refers to others: put them under $defs";
        let validator = jsonschema::options().with_retriever(Nothing).build(&schema).map_err(|_| unusable(what))?;
        Ok(Self(Arc::new(validator)))
    }

    /// Why an event does not have the schema, if it does not.
    pub(super) fn fault(&self, event: &Value) -> Option<String> {
        let event = to_json(event);
        let error = self.0.iter_errors(&event).next()?;
        let place = error.instance_path().to_string();
        let mut reason = format!("does not have the schema: {} at {place:?}", error.masked());
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        Some(reason)
    }
}

impl fmt::Debug for EventSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSchema")
    }
}

/// Events have the types of JSON only; their depth is limited when they are parsed.
fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Boolean(value) => (*value).into(),
        Value::Int64(number) => (*number).into(),
        Value::Float64(number) => (*number).into(),
        Value::String(text) => text.to_string().into(),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => {
            let name = |name: &Value| name.as_str().unwrap_or_default().to_owned();
            serde_json::Value::Object(entries.iter().map(|(key, value)| (name(key), to_json(value))).collect())
        }
        _ => serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(text: &str) -> Result<EventSchema> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        EventSchema::read(file.path())
    }

    fn fault(schema: &EventSchema, event: &str) -> String {
        schema.fault(&tributary_api::json::from_slice(event.as_bytes()).unwrap()).unwrap_or_default()
    }

    #[test]
    fn an_event_that_does_not_have_the_schema_is_told_where_and_without_its_values() {
        let schema = schema(
            r##"{"$defs":{"money":{"type":"number","minimum":0}},"required":["type"],"properties":{"type":{"enum":["order"]},
            "lines":{"items":{"properties":{"price":{"$ref":"#/$defs/money"}}}}}}"##,
        )
        .unwrap();
        assert_eq!(fault(&schema, r#"{"type":"order","lines":[{"price":1.5},{"price":0}],"other":null}"#), "");
        let reason = fault(&schema, r#"{"type":"order","lines":[{"price":1},{"price":"secret"}]}"#);
        assert!(reason.contains("/lines/1/price") && !reason.contains("secret"), "{reason}");
        assert!(fault(&schema, "{}").contains("required"));
        assert!(fault(&schema, r#"{"type":"x"}"#).len() <= MAX_REASON_BYTES);
    }

    #[test]
    fn a_schema_refers_to_no_file_and_no_server_and_its_text_is_not_shown() {
        for text in [
            r#"{"$ref":"file:///etc/passwd"}"#,
            r#"{"$ref":"http://127.0.0.1:1/schema"}"#,
            r#"{"type":"secret"}"#,
            "secret",
            "7",
            r#"{"pattern":"("}"#,
        ] {
            let message = schema(text).unwrap_err().to_string();
            assert!(!message.contains("secret") && !message.contains("passwd"), "{message}");
        }
        assert!(EventSchema::read(Path::new("/nowhere")).unwrap_err().to_string().contains("/nowhere"));
    }
}
