use bytes::Bytes;
use serde::Serialize;
use tributary_api::{Error, Props, Result};
use tributary_kafka::{ClientConfig, CompactedLog, LogOptions, LogRecord, NewTopic, Role};

use crate::settings::{InternalTopic, WorkerSettings, with_prefix};

/// Called with every record of a topic.
pub(super) type OnRecord = Box<dyn FnMut(LogRecord) + Send>;

/// Opens one of the worker's topics, creating it if need be, and reads it to its end.
pub(super) async fn open(
    settings: &WorkerSettings,
    topic: &InternalTopic,
    purpose: &str,
    on_record: OnRecord,
) -> Result<CompactedLog> {
    let isolation = if settings.embedded_broker { "read_uncommitted" } else { "read_committed" };
    let clients = Clients {
        producer: settings.own_client(Role::Producer, purpose),
        consumer: settings.own_client(Role::Consumer, purpose).set("isolation.level", isolation),
        admin: settings.own_client(Role::Admin, "shared-admin"),
    };
    let context = |error: Error| error.context(format!("cannot open the {purpose} topic {}", topic.name));
    open_with(topic, clients, on_record).await.map_err(context)
}

/// Opens a connector's own topic of offsets.
pub(super) async fn open_own(
    settings: &WorkerSettings,
    topic: &InternalTopic,
    (connector, props): (&str, &Props),
    on_record: OnRecord,
) -> Result<CompactedLog> {
    let isolation = if settings.embedded_broker { "read_uncommitted" } else { "read_committed" };
    let named = |client: ClientConfig| client.set("client.id", format!("connector-offsets-{connector}"));
    // What lets a connector's producers write elsewhere lets its offsets be read there.
    let access = with_prefix(props, "producer.override.");
    let consumer = access.iter().fold(settings.consumer(connector, 0, props), |client, (name, value)| {
        if is_access(name) { client.set(name, value) } else { client }
    });
    let admin = access.iter().fold(settings.admin(connector, 0, props), |client, (name, value)| {
        if is_access(name) { client.set(name, value) } else { client }
    });
    let clients = Clients {
        producer: named(settings.producer(connector, 0, props)),
        consumer: named(consumer).set("isolation.level", isolation),
        admin: named(admin),
    };
    let context =
        |error: Error| error.context(format!("cannot open {}, the offsets.storage.topic of {connector}", topic.name));
    open_with(topic, clients, on_record).await.map_err(context)
}

fn is_access(setting: &str) -> bool {
    ["bootstrap.servers", "security.", "sasl.", "ssl."].iter().any(|access| setting.starts_with(access))
}

struct Clients {
    producer: ClientConfig,
    consumer: ClientConfig,
    admin: ClientConfig,
}

async fn open_with(topic: &InternalTopic, clients: Clients, on_record: OnRecord) -> Result<CompactedLog> {
    let mut config = topic.config.clone();
    config.insert("cleanup.policy".to_owned(), "compact".to_owned());
    let new =
        NewTopic { name: topic.name.clone(), partitions: topic.partitions, replication: topic.replication, config };
    let options = LogOptions {
        topic: new,
        create: true,
        // As Java's: one request at a time keeps the order, and no producer id has to be asked for at start.
        producer: clients
            .producer
            .set_default("linger.ms", 0)
            // A caller that waits gets an error in time, and a record that was reported as lost is not written later.
            .set_default("delivery.timeout.ms", 30_000)
            .set("enable.idempotence", false)
            .set("max.in.flight.requests.per.connection", 1),
        consumer: clients.consumer,
        admin: clients.admin,
        require_compacted: true,
    };
    CompactedLog::open(options, on_record).await
}

/// A value as the compact JSON that Java's `JsonConverter` writes without schemas.
pub(super) fn json(value: &impl Serialize) -> Result<Bytes> {
    let json = serde_json::to_vec(value).map_err(|error| Error::fatal("cannot write JSON").cause(&error))?;
    Ok(Bytes::from(json))
}
