use bytestring::ByteString;
use tributary_api::{Error, Result, Schema, SchemaRef, Struct, Value};

/// A field of an envelope that is added to a record: `op`, `source.ts_ms`, `version:VERSION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldReference {
    /// The structure that contains the field; `None`: the envelope itself.
    structure: Option<String>,
    pub(super) field: String,
    pub(super) new_name: ByteString,
}

impl FieldReference {
    /// Parses a list.
    pub(super) fn list(property: &str, prefix: &str, list: &[String]) -> Result<Vec<Self>> {
        let fields = list.iter().map(|field| field.trim()).filter(|field| !field.is_empty());
        fields.map(|field| Self::new(property, prefix, field)).collect()
    }

    fn new(property: &str, prefix: &str, text: &str) -> Result<Self> {
        let (path, name) = match text.split_once(':') {
            None => (text, None),
            Some((path, name)) if !name.is_empty() && !name.contains(':') => (path, Some(name)),
            Some(_) => return Err(Error::config_at(property, format!("Unexpected field name: {text}"))),
        };
        let mut parts = path.split('.');
        let (first, second) = (parts.next().unwrap_or_default(), parts.next());
        let (structure, field) = match second {
            Some(field) => (Some(first), field),
            None => (structure_of(first), first),
        };
        let new_name = match (name, second) {
            (Some(name), _) => format!("{prefix}{name}"),
            (None, Some(field)) => format!("{prefix}{first}_{field}"),
            (None, None) => format!("{prefix}{field}"),
        };
        Ok(Self { structure: structure.map(str::to_owned), field: field.to_owned(), new_name: new_name.into() })
    }

    /// The schema of the field in the record it is added to; `None` if the envelope has no such field.
    pub(super) fn schema(&self, envelope: &Schema) -> Option<Schema> {
        let field = |schema: &Schema| schema.field_index(&self.field).map(|place| schema.fields[place].schema.clone());
        let found: Option<SchemaRef> = match &self.structure {
            None => field(envelope),
            Some(structure) => {
                let place = envelope.field_index(structure)?;
                field(&envelope.fields[place].schema).or_else(|| field(envelope))
            }
        };
        found.map(|schema| schema.copy_basics().with_fields(schema.fields.clone()).optional())
    }

    pub(super) fn value(&self, envelope: &Struct) -> Value {
        let parent = match &self.structure {
            None => Some(envelope),
            Some(structure) => match envelope.get(structure) {
                Some(Value::Struct(parent)) => Some(parent),
                _ => None,
            },
        };
        let Some(parent) = parent else { return Value::Null };
        parent.get(&self.field).or_else(|| envelope.get(&self.field)).cloned().unwrap_or_default()
    }
}

/// The structure that a field is in if only its name is given.
fn structure_of(field: &str) -> Option<&'static str> {
    match field {
        "id" | "data_collection_order" | "total_order" => Some("transaction"),
        "op" | "ts_ms" | "ts_us" | "ts_ns" => None,
        "updateDescription" => Some("updateDescription"),
        _ => Some("source"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_field_is_named_with_or_without_its_structure_and_may_have_another_name() {
        let field = |text: &str| {
            let field = FieldReference::new("add.fields", "__", text).unwrap();
            (field.structure.unwrap_or_default(), field.field, field.new_name.to_string())
        };
        let text = |one: &str, two: &str, three: &str| (one.to_owned(), two.to_owned(), three.to_owned());
        assert_eq!(field("op"), text("", "op", "__op"));
        assert_eq!(field("table"), text("source", "table", "__table"));
        assert_eq!(field("source.ts_ms"), text("source", "ts_ms", "__source_ts_ms"));
        assert_eq!(field("id:tx"), text("transaction", "id", "__tx"));
        assert!(FieldReference::new("add.fields", "__", "a:b:c").is_err());
    }
}
