use tributary_api::{ConfigDef, ConfigIssue, ConfigKey, ConfigType, Props, Validator};

use crate::settings::WorkerSettings;

/// The settings of Kafka's clients that are numbers, each with its least value, as their `ConfigDef`s have them.
const INTS: [(&str, Option<i64>); 22] = [
    ("auto.commit.interval.ms", Some(0)),
    ("batch.size", Some(0)),
    ("compression.gzip.level", None),
    ("compression.lz4.level", None),
    ("compression.zstd.level", None),
    ("default.api.timeout.ms", Some(0)),
    ("delivery.timeout.ms", Some(0)),
    ("fetch.max.bytes", Some(0)),
    ("fetch.max.wait.ms", Some(0)),
    ("fetch.min.bytes", Some(0)),
    ("heartbeat.interval.ms", None),
    ("max.in.flight.requests.per.connection", Some(1)),
    ("max.partition.fetch.bytes", Some(0)),
    ("max.poll.interval.ms", Some(1)),
    ("max.poll.records", Some(1)),
    ("max.request.size", Some(0)),
    ("receive.buffer.bytes", Some(-1)),
    ("request.timeout.ms", Some(0)),
    ("retries", Some(0)),
    ("send.buffer.bytes", Some(-1)),
    ("session.timeout.ms", None),
    ("transaction.timeout.ms", None),
];
const LONGS: [(&str, Option<i64>); 12] = [
    ("buffer.memory", Some(0)),
    ("connections.max.idle.ms", None),
    ("linger.ms", Some(0)),
    ("max.block.ms", Some(0)),
    ("metadata.max.age.ms", Some(0)),
    ("metadata.max.idle.ms", Some(5_000)),
    ("reconnect.backoff.max.ms", Some(0)),
    ("reconnect.backoff.ms", Some(0)),
    ("retry.backoff.max.ms", Some(0)),
    ("retry.backoff.ms", Some(0)),
    ("socket.connection.setup.timeout.max.ms", None),
    ("socket.connection.setup.timeout.ms", None),
];
const FLAGS: [&str; 6] = [
    "allow.auto.create.topics",
    "check.crcs",
    "enable.auto.commit",
    "enable.idempotence",
    "enable.metrics.push",
    "exclude.internal.topics",
];

/// The prefixes under which a connector overrides the settings of its producers, consumers and administration clients.
pub(crate) const PREFIXES: [&str; 3] = ["producer.override.", "consumer.override.", "admin.override."];

/// Checks the client settings that a connector overrides: whether the policy allows them, and whether the values have
/// the setting's type.
pub(super) fn check(props: &Props, settings: &WorkerSettings, issues: &mut Vec<ConfigIssue>) {
    for prefix in PREFIXES {
        for (name, value) in overridden(props, prefix) {
            let setting = &name[prefix.len()..];
            if let Err(policy) = settings.override_policy.allows(setting) {
                let message = format!(
                    "The '{policy}' policy does not allow '{setting}' to be overridden in the connector configuration."
                );
                issues.push(ConfigIssue::new(name, message));
            }
            issues.extend(fault(name, setting, value));
        }
    }
}

fn overridden<'a>(props: &'a Props, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a String)> {
    props.range(prefix.to_owned()..).take_while(move |(name, _)| name.starts_with(prefix))
}

/// What is wrong with a client setting, with the message of Java's clients, for the property that sets it.
pub(super) fn fault(property: &str, setting: &str, value: &str) -> Option<ConfigIssue> {
    let of =
        |settings: &[(&str, Option<i64>)]| settings.iter().find(|(name, _)| *name == setting).map(|(_, least)| *least);
    let (kind, least) = match (of(&INTS), of(&LONGS)) {
        (Some(least), _) => (ConfigType::Int, least),
        (_, Some(least)) => (ConfigType::Long, least),
        _ if FLAGS.contains(&setting) => (ConfigType::Boolean, None),
        _ => return None,
    };
    let key = ConfigKey::new(property, kind);
    let key = match least {
        Some(least) => key.validator(Validator::AtLeast(least)),
        None => key,
    };
    let one = Props::from([(property.to_owned(), value.to_owned())]);
    let error = ConfigDef::new([key]).parse(&one).err()?;
    Some(ConfigIssue::new(property, error.to_string()))
}
