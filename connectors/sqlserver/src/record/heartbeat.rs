use std::time::{Duration, Instant};

use tributary_api::{
    Datum, Record, Result, Schema, SchemaRef, SchemaType, SourceOffset, SourcePartition, Struct, Topic, Value,
};

use super::{Adjustment, Names};
use crate::clock::now_millis;

/// Heartbeats: records at regular intervals that carry an offset, so that it is stored while no captured table changes.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    topic: Topic,
    key: Datum,
    value: SchemaRef,
    every: Duration,
    last: Instant,
}

impl Heartbeats {
    /// `None` if heartbeats are switched off.
    pub(crate) fn new(names: &Names, adjustment: Adjustment, every: Duration) -> Result<Option<Self>> {
        if every.is_zero() {
            return Ok(None);
        }
        let named = |name: &str| adjustment.schema_name(name).into_owned();
        let key = Schema::structure([("serverName", Schema::new(SchemaType::String).into_ref())])
            .named(named("io.debezium.connector.common.ServerNameKey"))
            .with_version(1)
            .into_ref();
        let value = Schema::structure([("ts_ms", Schema::new(SchemaType::Int64).into_ref())])
            .named(named("io.debezium.connector.common.Heartbeat"))
            .with_version(1)
            .into_ref();
        let server = Struct::new(key.clone(), vec![names.prefix.as_str().into()])?;
        Ok(Some(Self { topic: names.heartbeats(), key: Datum::new(key, server), value, every, last: Instant::now() }))
    }

    /// Returns a heartbeat if one is due.
    pub(crate) fn next_if_due(
        &mut self,
        partition: &SourcePartition,
        offset: impl FnOnce() -> SourceOffset,
    ) -> Result<Option<Record>> {
        if self.last.elapsed() < self.every {
            return Ok(None);
        }
        self.last = Instant::now();
        let value = Struct::new(self.value.clone(), vec![Value::Int64(now_millis())])?;
        let record = Record::new(Topic::clone(&self.topic), Datum::new(self.value.clone(), value))
            .with_key(self.key.clone())
            .with_partition(0)
            .from_source(partition, offset());
        Ok(Some(record))
    }
}
