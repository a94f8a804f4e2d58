use std::sync::Arc;

use tributary_api::{
    ByteString, Config, ConfigDef, ConfigKey, ConfigType, Datum, Error, Factory, Field, Importance, KAFKA_VERSION,
    Plugin, Record, Records, Result, Schema, SchemaCache, SchemaRef, SchemaType, Struct, TransformContext,
    Transformation, Validator, Value,
};

use crate::support::{Fields, REPLACE_NULL, field_value, fields_of, replace_null_key};

const FIELDS: &str = "fields";

pub(crate) fn plugin() -> Plugin {
    let config = ConfigDef::new([
        ConfigKey::new(FIELDS, ConfigType::List)
            .required()
            .validator(Validator::Distinct { empty: false })
            .importance(Importance::High)
            .doc("The fields of the value that make the key."),
        replace_null_key(),
    ]);
    let factory = Factory::Transformation(Arc::new(|config| Ok(Box::new(ValueToKey::new(config)?))));
    Plugin::new("org.apache.kafka.connect.transforms.ValueToKey", KAFKA_VERSION, config, factory)
        .doc("Makes the key from fields of the value.")
}

struct ValueToKey {
    fields: Vec<ByteString>,
    replace_null: bool,
    schemas: SchemaCache,
}

impl ValueToKey {
    fn new(config: &Config) -> Result<Self> {
        let fields: Vec<ByteString> = config.list(FIELDS)?.iter().map(|field| field.as_str().into()).collect();
        Ok(Self { fields, replace_null: config.boolean(REPLACE_NULL)?, schemas: SchemaCache::default() })
    }

    fn key_of_struct(&mut self, value: &Struct) -> Result<Datum> {
        let fields = &self.fields;
        let schema = self.schemas.get([value.schema()], || key_schema(value.schema(), fields))?;
        let key_fields = schema.fields.iter().map(|field| {
            let value = value.get(&field.name).cloned().unwrap_or_default();
            field_value(&field.schema, value, self.replace_null)
        });
        Ok(Datum::new(schema.clone(), Struct::new(schema.clone(), key_fields.collect())?))
    }

    fn key_of_map(&self, value: &[(Value, Value)]) -> Datum {
        let find = |field: &ByteString| {
            let entry = value.iter().find(|(key, _)| key.as_str() == Some(field));
            entry.map_or(Value::Null, |(_, value)| value.clone())
        };
        Datum::schemaless(Value::map(self.fields.iter().map(|field| (field.clone(), find(field)))))
    }
}

impl Transformation for ValueToKey {
    fn apply(&mut self, mut record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        record.key = match fields_of(&mut record.value, "copying fields from value to key")? {
            Fields::Map(value) => self.key_of_map(value),
            Fields::Struct(value) => self.key_of_struct(value)?,
        };
        Ok(record.into())
    }
}

fn key_schema(value: &SchemaRef, fields: &[ByteString]) -> Result<SchemaRef> {
    let field = |name: &ByteString| {
        let index = value.field_index(name).ok_or_else(|| Error::data(format!("Field does not exist: {name}")))?;
        Ok(Field::new(name.clone(), value.fields[index].schema.clone()))
    };
    let fields = fields.iter().map(field).collect::<Result<_>>()?;
    Ok(Schema::new(SchemaType::Struct).with_fields(fields).into_ref())
}
