use bytes::Bytes;
use serde::Serialize;
use tributary_api::{Error, Result};
use tributary_kafka::{CompactedLog, LogOptions, LogRecord, NewTopic, Role};

use crate::settings::{InternalTopic, WorkerSettings};

/// Opens one of the worker's topics, creating it if need be, and reads it to its end.
pub(super) async fn open(
    settings: &WorkerSettings,
    topic: &InternalTopic,
    purpose: &str,
    on_record: Box<dyn FnMut(LogRecord) + Send>,
) -> Result<CompactedLog> {
    let isolation = if settings.embedded_broker { "read_uncommitted" } else { "read_committed" };
    let mut config = topic.config.clone();
    config.insert("cleanup.policy".to_owned(), "compact".to_owned());
    let new =
        NewTopic { name: topic.name.clone(), partitions: topic.partitions, replication: topic.replication, config };
    let options = LogOptions {
        topic: new,
        create: true,
        // As Java's: one request at a time keeps the order, and no producer id has to be asked for at start.
        producer: settings
            .own_client(Role::Producer, purpose)
            .set_default("linger.ms", 0)
            // A caller that waits gets an error in time, and a record that was reported as lost is not written later.
            .set_default("delivery.timeout.ms", 30_000)
            .set("enable.idempotence", false)
            .set("max.in.flight.requests.per.connection", 1),
        consumer: settings.own_client(Role::Consumer, purpose).set("isolation.level", isolation),
        admin: settings.own_client(Role::Admin, "shared-admin"),
        require_compacted: true,
    };
    let context = |error: Error| error.context(format!("cannot open the {purpose} topic {}", topic.name));
    CompactedLog::open(options, on_record).await.map_err(context)
}

/// A value as the compact JSON that Java's `JsonConverter` writes without schemas.
pub(super) fn json(value: &impl Serialize) -> Result<Bytes> {
    let json = serde_json::to_vec(value).map_err(|error| Error::fatal("cannot write JSON").cause(&error))?;
    Ok(Bytes::from(json))
}
