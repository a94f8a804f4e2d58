use std::sync::Arc;

use tributary_api::{Field, Result, Schema, SchemaRef, Struct, Value};

/// Schemas that are remembered.
const MOST: usize = 64;

/// Schemas that were made of others: they are the same objects for all records of a table.
#[derive(Debug, Default)]
pub(super) struct MadeSchemas(Vec<Made>);

#[derive(Debug)]
struct Made {
    of: (SchemaRef, SchemaRef),
    schema: SchemaRef,
}

impl MadeSchemas {
    /// The schema that was made of two others, or is made now.
    pub(super) fn of(&mut self, one: &SchemaRef, other: &SchemaRef, make: impl FnOnce() -> Schema) -> SchemaRef {
        let same = |made: &&Made| Arc::ptr_eq(&made.of.0, one) && Arc::ptr_eq(&made.of.1, other);
        if let Some(made) = self.0.iter().find(same) {
            return SchemaRef::clone(&made.schema);
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let schema = make().into_ref();
        self.0.push(Made { of: (SchemaRef::clone(one), SchemaRef::clone(other)), schema: SchemaRef::clone(&schema) });
        schema
    }
}

/// What Kafka calls the basics of a schema: name, version, documentation and parameters, and neither whether it is optional
/// nor its default.
pub(super) fn basics(schema: &Schema) -> Schema {
    let mut copy = Schema::new(schema.kind);
    copy.name.clone_from(&schema.name);
    copy.version = schema.version;
    copy.doc.clone_from(&schema.doc);
    copy.parameters.clone_from(&schema.parameters);
    copy.key.clone_from(&schema.key);
    copy.element.clone_from(&schema.element);
    copy
}

/// A structure without some of its fields, and with defaults in place of null, as `ReplaceField` makes it.
pub(super) fn without(value: Struct, names: &[String], made: &mut MadeSchemas) -> Result<Struct> {
    let (schema, values) = value.into_parts();
    let stays = |field: &Field| !names.iter().any(|name| field.name == name.as_str());
    let left = || schema.fields.iter().filter(|field| stays(field));
    let make = || basics(&schema).with_fields(left().cloned().collect());
    let known = made.of(&schema, &schema, make);
    // Which fields go may differ from record to record.
    let fits = known.fields.iter().map(|field| &field.name).eq(left().map(|field| &field.name));
    let smaller = if fits { known } else { make().into_ref() };
    let values = schema.fields.iter().zip(values).filter(|(field, _)| stays(field));
    let values = values.map(|(field, value)| or_default(&field.schema, value)).collect();
    Struct::new(smaller, values)
}

/// The schema's default in place of null.
pub(super) fn or_default(schema: &Schema, value: Value) -> Value {
    match (&schema.default, value) {
        (Some(default), Value::Null) => default.clone(),
        (_, value) => value,
    }
}
