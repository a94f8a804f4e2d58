use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Error, Importance, Record, Records, Requirements, Result, TableId,
    TransformContext, Transformation, Validator, Value,
};

/// A left join with a table: a record without a match passes with a null field.
#[derive(Debug)]
pub(crate) struct Enrich {
    topic: String,
    key_field: String,
    target: String,
}

pub(crate) fn definition() -> ConfigDef {
    ConfigDef::new([
        ConfigKey::new("table.topic", ConfigType::String)
            .default("customers")
            .validator(Validator::TopicName)
            .importance(Importance::High)
            .doc("Compacted topic of the table; its keys are plain text."),
        ConfigKey::new("key.field", ConfigType::String)
            .default("customer_id")
            .validator(Validator::NonEmpty)
            .doc("The record's field that holds the table's key; names separated by dots lead into nested fields."),
        ConfigKey::new("target.field", ConfigType::String)
            .default("profile")
            .validator(Validator::NonEmpty)
            .doc("The field to which the table's row is written; null when there is none."),
    ])
}

impl Enrich {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            topic: config.string("table.topic")?.to_owned(),
            key_field: config.string("key.field")?.to_owned(),
            target: config.string("target.field")?.to_owned(),
        })
    }
}

impl Transformation for Enrich {
    fn requirements(&self) -> Requirements {
        Requirements::default().table("profiles", &*self.topic)
    }

    fn apply(&mut self, mut record: Record, cx: &mut TransformContext<'_>) -> Result<Records> {
        if record.value.value.is_null() {
            return Ok(Records::None); // a tombstone is no click
        }
        let row = match record.value.value.path(&self.key_field).and_then(Value::as_str) {
            Some(key) => cx.table(TableId(0), key.as_bytes())?.map(|row| row.value.clone()),
            None => None,
        };
        record.value.schema = None;
        let within = |error: Error| error.context("cannot enrich: the value must be a JSON object");
        record.value.value.insert(self.target.as_str(), row.unwrap_or(Value::Null)).map_err(within)?;
        Ok(Records::One(record))
    }
}
