//! Finds null where a schema requires a value, as Kafka's `ConnectSchema.validateValue` does.

use tributary_api::{Error, Field, Result, Schema, SchemaType, Value};

/// Refuses a field's value that is null, or has null in it, though the schema does not allow it.
pub(super) fn check(field: &Field, value: &Value) -> Result<()> {
    let Some((place, kind)) = null_in(&field.schema, value) else { return Ok(()) };
    let (name, kind) = (&field.name, kind.upper_name());
    Err(Error::data(format!("Invalid value: null used for required {place}field: \"{name}\", schema type: {kind}")))
}

/// Where null is in the place of a required value, and of which type; none if nowhere. Structs were checked when they
/// were made.
pub(super) fn null_in(schema: &Schema, value: &Value) -> Option<(String, SchemaType)> {
    let within = |schema: Option<&Schema>, value, what: &str| {
        null_in(schema?, value).map(|(place, kind)| (format!("{place}{what} "), kind))
    };
    match value {
        Value::Null if schema.optional => None,
        Value::Null => Some((String::new(), schema.kind)),
        Value::Array(items) => {
            items.iter().find_map(|item| within(schema.value_schema.as_deref(), item, "element of array"))
        }
        Value::Map(entries) => entries.iter().find_map(|(key, value)| {
            let of_key = within(schema.key_schema.as_deref(), key, "key of map");
            of_key.or_else(|| within(schema.value_schema.as_deref(), value, "value of map"))
        }),
        _ => None,
    }
}
