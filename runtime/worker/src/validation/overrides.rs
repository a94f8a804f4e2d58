use tributary_api::{ConfigDef, ConfigIssue, ConfigKey, ConfigType, Plugin, PluginKind, Props};
use tributary_kafka::ClientConfig;

use crate::settings::{WorkerSettings, under};

/// The settings of Kafka's clients that are numbers or flags, as their `ConfigDef`s have them.
const INTS: [&str; 22] = [
    "auto.commit.interval.ms",
    "batch.size",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "default.api.timeout.ms",
    "delivery.timeout.ms",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "heartbeat.interval.ms",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "max.request.size",
    "receive.buffer.bytes",
    "request.timeout.ms",
    "retries",
    "send.buffer.bytes",
    "session.timeout.ms",
    "transaction.timeout.ms",
];
const LONGS: [&str; 12] = [
    "buffer.memory",
    "connections.max.idle.ms",
    "linger.ms",
    "max.block.ms",
    "metadata.max.age.ms",
    "metadata.max.idle.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "socket.connection.setup.timeout.max.ms",
    "socket.connection.setup.timeout.ms",
];
const FLAGS: [&str; 6] = [
    "allow.auto.create.topics",
    "check.crcs",
    "enable.auto.commit",
    "enable.idempotence",
    "enable.metrics.push",
    "exclude.internal.topics",
];

const PREFIXES: [&str; 3] = ["producer.override.", "consumer.override.", "admin.override."];

/// What the connector wants of its clients: whether the policy allows it, and whether a client takes it.
pub(super) fn check(props: &Props, plugin: &Plugin, settings: &WorkerSettings, issues: &mut Vec<ConfigIssue>) {
    for prefix in PREFIXES {
        for (name, value) in overridden(props, prefix) {
            let setting = &name[prefix.len()..];
            if let Err(policy) = settings.override_policy.allows(setting) {
                let message = format!(
                    "The '{policy}' policy does not allow '{setting}' to be overridden in the connector configuration."
                );
                issues.push(ConfigIssue::new(name, message));
            }
            issues.extend(mistyped(name, setting, value));
        }
    }
    for (prefix, client) in clients(props, plugin, settings) {
        let Err(error) = client.validate() else { continue };
        let message = error.to_string();
        // It names the setting first.
        let setting = message.split(' ').next().unwrap_or_default();
        let name = format!("{prefix}{setting}");
        if props.contains_key(&name) && !issues.iter().any(|issue| issue.name == name) {
            issues.push(ConfigIssue::new(name, message));
        }
    }
}

fn overridden<'a>(props: &'a Props, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a String)> {
    props.range(prefix.to_owned()..).take_while(move |(name, _)| name.starts_with(prefix))
}

/// The words of Java's clients, with the property as the connector has it.
fn mistyped(name: &str, setting: &str, value: &str) -> Option<ConfigIssue> {
    let is = |names: &[&str]| names.contains(&setting);
    let kind = match setting {
        _ if is(&INTS) => ConfigType::Int,
        _ if is(&LONGS) => ConfigType::Long,
        _ if is(&FLAGS) => ConfigType::Boolean,
        _ => return None,
    };
    let one = Props::from([(name.to_owned(), value.to_owned())]);
    let error = ConfigDef::new([ConfigKey::new(name, kind)]).parse(&one).err()?;
    Some(ConfigIssue::new(name, error.to_string()))
}

/// The clients that some override is for, as the connector's tasks will have them.
fn clients(props: &Props, plugin: &Plugin, settings: &WorkerSettings) -> Vec<(&'static str, ClientConfig)> {
    let [producer, consumer, admin] = PREFIXES;
    let name = props.get("name").map(String::as_str).unwrap_or_default();
    let reads = plugin.description.kind != PluginKind::Source;
    let wanted = |prefix: &str| !under(props, prefix).is_empty();
    let mut clients = Vec::new();
    if wanted(producer) {
        clients.push((producer, settings.producer(name, 0, props)));
    }
    if wanted(consumer) && reads {
        clients.push((consumer, settings.consumer(name, 0, props)));
    }
    if wanted(admin) {
        clients.push((admin, settings.admin(name, 0, props)));
    }
    clients
}
