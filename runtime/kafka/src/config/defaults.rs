use tributary_api::{Error, Result};

use super::{ClientConfig, Native, Role};

/// Adds defaults: Java's where they affect the guarantees, Tributary's own where they affect speed and memory.
pub(super) fn complete(config: &ClientConfig, native: &mut Native) -> Result<()> {
    if native.get("bootstrap.servers").is_none() {
        return Err(Error::config_at(
            "bootstrap.servers",
            "bootstrap.servers is missing: write host:port of one or more brokers",
        ));
    }
    native.put_default("log.connection.close", false);
    // librdkafka waits half of this back-off before its first connection.
    native.put_default("reconnect.backoff.ms", 20);
    native.put_default("reconnect.backoff.max.ms", 1000);
    at_least(native, "reconnect.backoff.max.ms", "reconnect.backoff.ms");
    if let Some(refresh) = native.number("topic.metadata.refresh.interval.ms") {
        native.put_default("metadata.max.age.ms", refresh.saturating_mul(3).clamp(1, 86_400_000));
    }
    match config.role() {
        Role::Producer => producer(config, native)?,
        Role::Consumer => consumer(native),
        Role::Admin => native.put_default("allow.auto.create.topics", false),
    }
    Ok(())
}

fn producer(config: &ClientConfig, native: &mut Native) -> Result<()> {
    // Always Java's partitioning: with librdkafka's own, a key would go to another partition than before.
    native.put("partitioner", "murmur2_random", "partitioner");
    native.put_default("acks", "all");
    // As in Java, so that every record that Java sends is accepted. Batches of several records stay below librdkafka's
    // own limit of a million bytes.
    native.put_default("message.max.bytes", 1_048_576);
    native.put_default("queue.buffering.max.kbytes", 32_768);
    // The limit in bytes counts only payloads. Each queued record takes about 200 bytes more.
    native.put_default("queue.buffering.max.messages", 250_000);
    let level = native.get("compression.type").and_then(|codec| config.get(&format!("compression.{codec}.level")));
    if let Some(level) = level {
        native.put("compression.level", level, "compression.level");
    }
    idempotence(native)?;
    if native.get("transactional.id").is_some() {
        transactional(native);
    } else {
        native.put_default("message.timeout.ms", 120_000);
    }
    at_least(native, "retry.backoff.max.ms", "retry.backoff.ms");
    Ok(())
}

/// On unless the user's other settings exclude it, as in Java.
fn idempotence(native: &mut Native) -> Result<()> {
    let excluded = if !matches!(native.get("acks"), None | Some("all" | "-1")) {
        Some(("acks", "is not all"))
    } else if native.number("retries") == Some(0) {
        Some(("retries", "is 0"))
    } else if native.number("max.in.flight.requests.per.connection").is_some_and(|n| n > 5) {
        Some(("max.in.flight.requests.per.connection", "is more than 5"))
    } else {
        None
    };
    let transactional = native.get("transactional.id").is_some();
    match (native.get("enable.idempotence"), excluded) {
        (Some("false"), _) if transactional => {
            let message = "transactional.id needs enable.idempotence: remove one of the two";
            Err(Error::config_at("enable.idempotence", message))
        }
        (Some("true"), Some((name, what))) => Err(contradiction("enable.idempotence is true", name, what)),
        (None, Some((name, what))) if transactional => Err(contradiction("transactional.id is set", name, what)),
        (None, excluded) => {
            native.put_default("enable.idempotence", excluded.is_none());
            Ok(())
        }
        (Some(_), _) => Ok(()),
    }
}

#[cold]
fn contradiction(wanted: &str, name: &str, what: &str) -> Error {
    Error::config_at(name, format!("{wanted} but {name} {what}: change one of the two"))
}

/// With the default back-off of 100 ms every transaction would take that long, because the broker answers the first
/// requests of a transaction with a retriable error until it has completed the previous one.
fn transactional(native: &mut Native) {
    native.put_default("retry.backoff.ms", 1);
    native.put_default("retry.backoff.max.ms", 2);
    native.put_default("linger.ms", 0);
    // A record's timeout must not exceed its transaction's.
    let bound = native.number("transaction.timeout.ms").unwrap_or(60_000);
    match native.number("message.timeout.ms") {
        Some(timeout) if timeout == 0 || timeout > bound => {
            native.put("message.timeout.ms", bound, "delivery.timeout.ms");
        }
        _ => {}
    }
}

fn consumer(native: &mut Native) {
    native.put("enable.auto.commit", false, "enable.auto.commit");
    native.put("enable.auto.offset.store", false, "enable.auto.offset.store");
    native.put_default("isolation.level", "read_uncommitted");
    native.put_default("auto.offset.reset", "latest");
    native.put_default("allow.auto.create.topics", true);
    // A reader that keeps up must not wait: the queue is limited in bytes instead.
    native.put_default("fetch.queue.backoff.ms", 10);
    native.put_default("queued.min.messages", 20_000);
    native.put_default("queued.max.messages.kbytes", 16_384);
    native.put_default("fetch.error.backoff.ms", 100);
    if native.get("group.protocol") == Some("consumer") {
        // With the new protocol the broker decides these, and librdkafka refuses them.
        for name in ["partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"] {
            native.remove(name);
        }
    } else {
        native.put_default("partition.assignment.strategy", "cooperative-sticky");
        let session = native.number("session.timeout.ms").unwrap_or(45_000);
        if native.number("max.poll.interval.ms").unwrap_or(300_000) < session {
            native.put("max.poll.interval.ms", session, "max.poll.interval.ms");
        }
    }
}

/// Raises a limit to at least this value.
fn at_least(native: &mut Native, bound: &str, value: &str) {
    let Some(low) = native.number(value) else { return };
    if native.number(bound).is_none_or(|high| high < low) {
        native.put(bound, low, bound);
    }
}
