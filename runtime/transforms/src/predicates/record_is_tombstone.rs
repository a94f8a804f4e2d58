use std::sync::Arc;

use tributary_api::{ConfigDef, Factory, KAFKA_VERSION, Plugin, Predicate, Record, Result};

pub(crate) fn plugin() -> Plugin {
    let factory = Factory::Predicate(Arc::new(|_| Ok(Box::new(RecordIsTombstone))));
    let class = "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone";
    Plugin::new(class, KAFKA_VERSION, ConfigDef::default(), factory).doc("Holds for records whose value is null.")
}

struct RecordIsTombstone;

impl Predicate for RecordIsTombstone {
    fn test(&mut self, record: &Record) -> Result<bool> {
        Ok(record.value.value.is_null())
    }
}
