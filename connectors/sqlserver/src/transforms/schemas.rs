use tributary_api::{Field, Result, Schema, SchemaCache, Struct, Value};

/// A structure without some of its fields, and with defaults in place of null, as `ReplaceField` makes it.
pub(super) fn without(value: Struct, names: &[String], smaller: &mut SchemaCache) -> Result<Struct> {
    let (schema, values) = value.into_parts();
    let stays = |field: &Field| !names.iter().any(|name| field.name == name.as_str());
    let left = || schema.fields.iter().filter(|field| stays(field));
    let derive = || Ok(schema.copy_basics().with_fields(left().cloned().collect()).into_ref());
    let known = smaller.get([&schema], derive)?;
    // Which fields are left out may differ from record to record.
    let fits = known.fields.iter().map(|field| &field.name).eq(left().map(|field| &field.name));
    let new_schema = if fits { known } else { derive()? };
    let values = schema.fields.iter().zip(values).filter(|(field, _)| stays(field));
    let values = values.map(|(field, value)| or_default(&field.schema, value)).collect();
    Struct::new(new_schema, values)
}

/// The value, or the schema's default in place of null.
pub(super) fn or_default(schema: &Schema, value: Value) -> Value {
    schema.default_for(&value).cloned().unwrap_or(value)
}
