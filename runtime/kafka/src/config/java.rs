use tributary_api::{Error, Result};

use super::{Native, Role, not_a_number};

/// How a setting of Java's clients is translated (`ProducerConfig`, `ConsumerConfig`, `AdminClientConfig`,
/// `SaslConfigs` and `SslConfigs` of Kafka 4).
pub(super) enum Rule {
    /// Passed on as it is, under this name.
    Text(Scope, &'static str),
    /// A whole number, limited to librdkafka's range. Java has no upper limits.
    Number(Scope, &'static str, i64, i64),
    /// Translated by a function.
    Special(Scope, fn(&str, &str, &mut Native) -> Result<()>),
    /// Read elsewhere in this crate.
    Own,
    /// Has no counterpart.
    Ignored,
    /// `librdkafka.` in front of a name of its own.
    Native,
}

/// The clients that a setting applies to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    Producer,
    Consumer,
}

use Rule::{Ignored, Number, Own, Special, Text};
use Scope::{All, Consumer, Producer};

/// The prefix of names that are librdkafka's.
const NATIVE_PREFIX: &str = "librdkafka.";
const MAX: i64 = i32::MAX as i64;

/// The rule for a name; none for one that Java's clients do not know.
pub(super) fn rule(name: &str) -> Option<Rule> {
    let rule = match name {
        "bootstrap.servers" => Text(All, "bootstrap.servers"),
        "client.id" => Text(All, "client.id"),
        "client.rack" => Text(Consumer, "client.rack"),
        "client.dns.lookup" => Text(All, "client.dns.lookup"),
        "security.protocol" => Special(All, lower_case),
        "request.timeout.ms" => Special(All, request_timeout),
        "socket.connection.setup.timeout.ms" => Number(All, "socket.connection.setup.timeout.ms", 1000, MAX),
        "reconnect.backoff.ms" => Number(All, "reconnect.backoff.ms", 0, 3_600_000),
        "reconnect.backoff.max.ms" => Number(All, "reconnect.backoff.max.ms", 0, 3_600_000),
        "retry.backoff.ms" => Number(All, "retry.backoff.ms", 1, 300_000),
        "retry.backoff.max.ms" => Number(All, "retry.backoff.max.ms", 1, 300_000),
        "connections.max.idle.ms" => Number(All, "connections.max.idle.ms", 0, MAX),
        "metadata.max.age.ms" => Number(All, "topic.metadata.refresh.interval.ms", 10, 3_600_000),
        "metadata.recovery.strategy" => Special(All, lower_case),
        "metadata.recovery.rebootstrap.trigger.ms" => Number(All, "metadata.recovery.rebootstrap.trigger.ms", 0, MAX),
        "send.buffer.bytes" => Number(All, "socket.send.buffer.bytes", 0, 100_000_000),
        "receive.buffer.bytes" => Number(All, "socket.receive.buffer.bytes", 0, 100_000_000),
        "enable.metrics.push" => Text(All, "enable.metrics.push"),

        "acks" => Special(Producer, acks),
        "retries" => Number(Producer, "retries", 0, MAX),
        "linger.ms" => Number(Producer, "linger.ms", 0, 900_000),
        "batch.size" => Number(Producer, "batch.size", 1, MAX),
        "max.request.size" => Number(Producer, "message.max.bytes", 1000, 1_000_000_000),
        "max.in.flight.requests.per.connection" => {
            Number(Producer, "max.in.flight.requests.per.connection", 1, 1_000_000)
        }
        "delivery.timeout.ms" => Special(Producer, delivery_timeout),
        "compression.type" => Special(Producer, lower_case),
        "compression.gzip.level" | "compression.lz4.level" | "compression.zstd.level" => Own,
        "buffer.memory" => Special(Producer, buffer_memory),
        "enable.idempotence" => Special(Producer, boolean),
        "transactional.id" => Text(Producer, "transactional.id"),
        "transaction.timeout.ms" => Number(Producer, "transaction.timeout.ms", 1000, MAX),
        "max.block.ms" | "default.api.timeout.ms" => Own,

        "group.id" => Text(Consumer, "group.id"),
        "group.instance.id" => Text(Consumer, "group.instance.id"),
        "group.protocol" => Special(Consumer, lower_case),
        "group.remote.assignor" => Text(Consumer, "group.remote.assignor"),
        "session.timeout.ms" => Number(Consumer, "session.timeout.ms", 1, 3_600_000),
        "heartbeat.interval.ms" => Number(Consumer, "heartbeat.interval.ms", 1, 3_600_000),
        "max.poll.interval.ms" => Number(Consumer, "max.poll.interval.ms", 1, 86_400_000),
        "auto.offset.reset" => Special(Consumer, offset_reset),
        "isolation.level" => Special(Consumer, lower_case),
        "fetch.min.bytes" => Number(Consumer, "fetch.min.bytes", 1, 100_000_000),
        "fetch.max.bytes" => Number(Consumer, "fetch.max.bytes", 0, 2_147_483_135),
        "fetch.max.wait.ms" => Number(Consumer, "fetch.wait.max.ms", 0, 300_000),
        "max.partition.fetch.bytes" => Number(Consumer, "max.partition.fetch.bytes", 1, 1_000_000_000),
        "partition.assignment.strategy" => Special(Consumer, assignment_strategy),
        "check.crcs" => Special(Consumer, boolean),
        "allow.auto.create.topics" => Special(Consumer, boolean),
        // Offsets are committed only by the task.
        "enable.auto.commit" | "auto.commit.interval.ms" | "max.poll.records" => Own,

        "sasl.mechanism" | "sasl.jaas.config" | "sasl.kerberos.service.name" => Own,
        "sasl.oauthbearer.token.endpoint.url" => Own,
        "sasl.oauthbearer.client.credentials.client.id" | "sasl.oauthbearer.client.credentials.client.secret" => Own,
        "sasl.oauthbearer.scope" => Own,
        "ssl.truststore.location" | "ssl.truststore.type" | "ssl.truststore.certificates" => Own,
        "ssl.keystore.location" | "ssl.keystore.type" | "ssl.keystore.password" | "ssl.keystore.key" => Own,
        "ssl.keystore.certificate.chain" | "ssl.key.password" | "ssl.endpoint.identification.algorithm" => Own,

        // Security settings that are not supported: the client is refused rather than created without them.
        "security.providers" | "sasl.login.class" | "sasl.client.callback.handler.class" => Special(All, refused),
        "sasl.login.callback.handler.class" | "ssl.engine.factory.class" | "ssl.provider" => Special(All, refused),
        "ssl.cipher.suites" => Special(All, refused),
        "ssl.enabled.protocols" => Special(All, protocols),

        _ if name.starts_with(NATIVE_PREFIX) => Rule::Native,
        _ if is_java_only(name) => Ignored,
        _ => return None,
    };
    Some(rule)
}

/// Settings that Java's clients know and that mean nothing outside a JVM.
fn is_java_only(name: &str) -> bool {
    const NAMES: [&str; 18] = [
        "key.serializer",
        "value.serializer",
        "key.deserializer",
        "value.deserializer",
        "interceptor.classes",
        "metric.reporters",
        "auto.include.jmx.reporter",
        "partitioner.class",
        "partitioner.ignore.keys",
        "partitioner.adaptive.partitioning.enable",
        "partitioner.availability.timeout.ms",
        "exclude.internal.topics",
        "metadata.max.idle.ms",
        "socket.connection.setup.timeout.max.ms",
        "transaction.two.phase.commit.enable",
        "bootstrap.controllers",
        "config.providers",
        "ssl.truststore.password",
    ];
    NAMES.contains(&name) || ["metrics.", "ssl.", "sasl."].iter().any(|prefix| name.starts_with(prefix))
}

impl Rule {
    pub(super) fn concerns(&self, role: Role) -> bool {
        match self {
            Text(scope, _) | Number(scope, ..) | Special(scope, _) => match scope {
                All => true,
                Producer => role == Role::Producer,
                Consumer => role == Role::Consumer,
            },
            Rule::Native => true,
            Own | Ignored => false,
        }
    }

    pub(super) fn apply(&self, name: &str, value: &str, native: &mut Native) -> Result<()> {
        match self {
            Text(_, to) => native.put(to, value, name),
            Number(_, to, min, max) => {
                let number: i64 = value.parse().map_err(|_| not_a_number(name, value))?;
                native.put(to, number.clamp(*min, *max), name);
            }
            Special(_, translate) => translate(name, value, native)?,
            Rule::Native => native.put(name.strip_prefix(NATIVE_PREFIX).unwrap_or(name), value, name),
            Own | Ignored => {}
        }
        Ok(())
    }
}

fn refused(name: &str, _: &str, _: &mut Native) -> Result<()> {
    Err(Error::config_at(
        name,
        format!(
            "{name} applies to Java only and is not supported here: remove it, or set the corresponding property of \
             librdkafka with the prefix librdkafka."
        ),
    ))
}

/// The supported versions are Java's defaults.
fn protocols(name: &str, value: &str, _: &mut Native) -> Result<()> {
    let has = |version: &str| value.split(',').any(|one| one.trim() == version);
    if has("TLSv1.2") && has("TLSv1.3") {
        return Ok(());
    }
    Err(Error::config_at(name, format!("{name} is {value}: TLSv1.2 and TLSv1.3 are spoken, it must have both")))
}

fn lower_case(name: &str, value: &str, native: &mut Native) -> Result<()> {
    native.put(name, value.to_ascii_lowercase(), name);
    Ok(())
}

fn boolean(name: &str, value: &str, native: &mut Native) -> Result<()> {
    let value = value.to_ascii_lowercase();
    if value != "true" && value != "false" {
        return Err(Error::config_at(name, format!("{name} is {value:?}: write true or false")));
    }
    native.put(name, value, name);
    Ok(())
}

fn request_timeout(name: &str, value: &str, native: &mut Native) -> Result<()> {
    let millis: i64 = value.parse().map_err(|_| not_a_number(name, value))?;
    native.put("socket.timeout.ms", millis.clamp(10, 300_000), name);
    if native.role == Role::Producer {
        native.put("request.timeout.ms", millis.clamp(1, 900_000), name);
    }
    Ok(())
}

fn acks(name: &str, value: &str, native: &mut Native) -> Result<()> {
    native.put("acks", if value == "-1" { "all" } else { value }, name);
    Ok(())
}

/// Java's maximum number means without limit, as zero does in librdkafka.
fn delivery_timeout(name: &str, value: &str, native: &mut Native) -> Result<()> {
    let millis: i64 = value.parse().map_err(|_| not_a_number(name, value))?;
    let millis = if millis >= MAX { 0 } else { millis.max(1) };
    native.put("message.timeout.ms", millis, name);
    Ok(())
}

fn buffer_memory(name: &str, value: &str, native: &mut Native) -> Result<()> {
    let bytes: i64 = value.parse().map_err(|_| not_a_number(name, value))?;
    native.put("queue.buffering.max.kbytes", (bytes / 1024).clamp(1, MAX), name);
    Ok(())
}

fn offset_reset(name: &str, value: &str, native: &mut Native) -> Result<()> {
    let value = value.to_ascii_lowercase();
    let value = match value.as_str() {
        "earliest" | "latest" => value.as_str(),
        "none" => "error",
        _ => return Err(Error::config_at(name, format!("{name} is {value:?}: write earliest, latest or none"))),
    };
    native.put(name, value, name);
    Ok(())
}

/// Java lists classes, of which it uses the first that the whole group has in common. librdkafka does not mix
/// assignors that move whole assignments with one that moves single partitions: the cooperative one goes first.
fn assignment_strategy(name: &str, value: &str, native: &mut Native) -> Result<()> {
    let simple = |class: &str| class.trim().rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let names: Vec<String> = value.split(',').map(simple).collect();
    let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_str()));
    let mut eager = Vec::new();
    if has(&["rangeassignor", "range"]) {
        eager.push("range");
    }
    if has(&["roundrobinassignor", "roundrobin"]) {
        eager.push("roundrobin");
    }
    if has(&["cooperativestickyassignor", "cooperative-sticky"]) {
        native.put(name, "cooperative-sticky", name);
    } else if eager.is_empty() {
        tracing::warn!(setting = name, value, "no such assignor outside java, using cooperative-sticky");
    } else {
        native.put(name, eager.join(","), name);
    }
    Ok(())
}
