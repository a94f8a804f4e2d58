use tributary_api::{ConfigKey, ConfigType, Datum, Error, Importance, Result, Schema, Struct, Value};

use super::REPLACE_NULL;

/// Takes a key or value that has fields apart, with or without a schema.
pub(crate) enum Fields<'a> {
    Map(&'a mut Vec<(Value, Value)>),
    Struct(&'a mut Struct),
}

/// The fields of a datum; the texts of the errors are Kafka's.
pub(crate) fn fields_of<'a>(datum: &'a mut Datum, purpose: &str) -> Result<Fields<'a>> {
    let class = datum.value.java_class();
    match (&datum.schema, &mut datum.value) {
        (None, Value::Map(entries)) => Ok(Fields::Map(entries)),
        (Some(_), Value::Struct(object)) => Ok(Fields::Struct(object)),
        (None, _) => {
            let message = "Only Map objects supported in absence of schema for";
            Err(Error::data(format!("{message} [{purpose}], found: {class}")))
        }
        (Some(_), _) => Err(Error::data(format!("Only Struct objects supported for [{purpose}], found: {class}"))),
    }
}

/// The value of a field, or its schema's default in place of null.
pub(crate) fn field_value(schema: &Schema, value: Value, replace_null: bool) -> Value {
    let default = schema.default_for(&value).filter(|_| replace_null).cloned();
    default.unwrap_or(value)
}

pub(crate) fn replace_null_key() -> ConfigKey {
    ConfigKey::new(REPLACE_NULL, ConfigType::Boolean)
        .default(true)
        .importance(Importance::Medium)
        .doc("Replace null by the field's default.")
}
