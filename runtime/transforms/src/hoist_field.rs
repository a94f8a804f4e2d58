use std::sync::Arc;

use tributary_api::{
    ByteString, Config, ConfigDef, ConfigKey, ConfigType, Datum, Factory, Field, Importance, KAFKA_VERSION, Plugin,
    Record, Records, Result, Schema, SchemaCache, SchemaType, Struct, TransformContext, Transformation, Value,
};

use crate::support::Side;

const FIELD: &str = "field";

pub(crate) fn plugins() -> [Plugin; 2] {
    Side::BOTH.map(|side| {
        let config = ConfigDef::new([ConfigKey::new(FIELD, ConfigType::String)
            .required()
            .importance(Importance::Medium)
            .doc("The name of the field that holds the whole.")]);
        let make = move |config: &Config| HoistField::new(side, config);
        let factory = Factory::Transformation(Arc::new(move |config| Ok(Box::new(make(config)?))));
        Plugin::new(side.class("org.apache.kafka.connect.transforms.HoistField"), KAFKA_VERSION, config, factory).doc(
            "Makes the whole key or value the only field of a struct, or of a map when it has no schema; a record without \
             a value gets a field of null.",
        )
    })
}

struct HoistField {
    side: Side,
    field: ByteString,
    schemas: SchemaCache,
}

impl HoistField {
    fn new(side: Side, config: &Config) -> Result<Self> {
        Ok(Self { side, field: config.string(FIELD)?.into(), schemas: SchemaCache::default() })
    }
}

impl Transformation for HoistField {
    fn apply(&mut self, mut record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        let side = self.side.of(&mut record);
        let datum = std::mem::take(side);
        *side = match &datum.schema {
            None => Datum::schemaless(Value::map([(self.field.clone(), datum.value)])),
            Some(whole) => {
                let field = &self.field;
                let schema = self.schemas.get([whole], || {
                    let fields = vec![Field::new(field.clone(), whole.clone())];
                    Ok(Schema::new(SchemaType::Struct).with_fields(fields).into_ref())
                })?;
                Datum::new(schema.clone(), Struct::new(schema, vec![datum.value])?)
            }
        };
        Ok(record.into())
    }
}
