use tributary_api::{ConfigDef, ConfigKey, ConfigType, Validator};

use crate::settings::OverridePolicy;

const KAFKA: &str = "Kafka";
const CONVERTERS: &str = "Converters";
const TOPICS: &str = "Internal topics";
const TASKS: &str = "Tasks";

pub(crate) const POLICY: &str = "connector.client.config.override.policy";
pub(crate) const ALLOWLIST: &str = "connector.client.config.override.allowlist";

pub(crate) const EXACTLY_ONCE_SOURCE: &str = "exactly.once.source.support";
pub(crate) const EXACTLY_ONCE_SOURCE_VALUES: [&str; 3] = ["disabled", "preparing", "enabled"];

/// The properties of a worker that the engine reads itself.
pub(crate) fn worker_definition() -> ConfigDef {
    let text = |name: &str, group: &str| ConfigKey::new(name, ConfigType::String).group(group);
    let ms = |name: &str, default: u64| {
        let key = ConfigKey::new(name, ConfigType::Long).default(default).validator(Validator::AtLeast(0));
        key.group(TASKS)
    };
    let partitions = |name: &str, default: i32| {
        let key = ConfigKey::new(name, ConfigType::Int)
            .default(default)
            .validator(positive_or_default("Number of partitions"));
        key.group(TOPICS)
    };
    let replicas = |name: &str| {
        ConfigKey::new(name, ConfigType::Short)
            .default(3)
            .validator(positive_or_default("Replication factor"))
            .group(TOPICS)
    };
    let topic = |name: &str| text(name, TOPICS).required().validator(Validator::TopicName);
    let flag = |name: &str| ConfigKey::new(name, ConfigType::Boolean).default(true).group(TASKS);
    ConfigDef::new([
        text("bootstrap.servers", KAFKA).required().doc(
            "Kafka brokers to start from, host:port, separated by commas. Without the property the embedded broker starts.",
        ),
        text("group.id", KAFKA).required().validator(Validator::NonEmpty).doc(
            "Name of the Connect cluster. The configurations and offsets of a Java worker with the same group and topics are \
             taken over.",
        ),
        text(POLICY, KAFKA).default("All").validator(override_policy()).doc(
            "Which client settings a connector may override: All, None, Principal (sasl.jaas.config, sasl.mechanism and \
             security.protocol) or Allowlist.",
        ),
        ConfigKey::new(ALLOWLIST, ConfigType::List)
            .default("")
            .group(KAFKA)
            .doc("The client settings that a connector may override under the policy Allowlist."),
        text("key.converter", CONVERTERS).required().doc("Converter for the keys of connectors that name none."),
        text("value.converter", CONVERTERS).required().doc("Converter for the values of connectors that name none."),
        text("header.converter", CONVERTERS)
            .default("org.apache.kafka.connect.storage.SimpleHeaderConverter")
            .doc("Converter for the headers of connectors that name none."),
        ConfigKey::new("config.providers", ConfigType::List).default("").group(CONVERTERS).doc(
            "Names of configuration providers, each with config.providers.NAME.class and \
             config.providers.NAME.param.*: ${NAME:path:key} in a configuration is replaced by the provider's value.",
        ),
        topic("config.storage.topic").doc("Compacted topic of connector configurations."),
        replicas("config.storage.replication.factor")
            .doc("Replicas of the configuration topic when it is created; -1: the broker's default."),
        topic("offset.storage.topic").doc("Compacted topic of source offsets."),
        replicas("offset.storage.replication.factor")
            .doc("Replicas of the offset topic when it is created; -1: the broker's default."),
        partitions("offset.storage.partitions", 25)
            .doc("Partitions of the offset topic when it is created; -1: the broker's default."),
        topic("status.storage.topic").doc("Compacted topic of states."),
        replicas("status.storage.replication.factor")
            .doc("Replicas of the status topic when it is created; -1: the broker's default."),
        partitions("status.storage.partitions", 5)
            .doc("Partitions of the status topic when it is created; -1: the broker's default."),
        ms("offset.flush.interval.ms", 60_000)
            .doc("Milliseconds between commits of source offsets and of sinks' completed offsets."),
        ms("offset.flush.timeout.ms", 5_000).doc("Milliseconds that storing offsets may take."),
        ms("task.shutdown.graceful.timeout.ms", 3_000).doc(
            "Milliseconds that tasks may take to end. The default is less than Connect's 5000, so that the whole process has \
             ended within 5 seconds.",
        ),
        text(EXACTLY_ONCE_SOURCE, TASKS)
            .default("disabled")
            .validator(Validator::OneOfIgnoringCase(EXACTLY_ONCE_SOURCE_VALUES.map(str::to_owned).to_vec()))
            .doc(
                "Whether source connectors write their records and offsets in transactions, so that readers with \
                 isolation.level=read_committed see each record once: disabled, preparing or enabled. A cluster goes from \
                 disabled to preparing on all its workers before it goes to enabled. Not on the embedded broker.",
            ),
        flag("topic.creation.enable").doc("Whether source connectors may create topics by topic.creation.*."),
        flag("topic.tracking.enable").doc("Whether the topics that each connector uses are recorded."),
        flag("topic.tracking.allow.reset").doc("Whether that record may be reset over REST."),
    ])
}

/// As in Kafka Connect: a count, or -1 for the broker's default.
fn positive_or_default(what: &'static str) -> Validator {
    let range = "a positive number, or -1 for the broker's default";
    Validator::custom(range, move |text| match text.parse::<i64>() {
        Ok(-1 | 1..) => Ok(()),
        _ => Err(format!("{what} must be positive, or -1 to use the broker's default")),
    })
}

/// A policy's name, or that of Kafka Connect's class for it.
fn override_policy() -> Validator {
    Validator::custom("All, None, Principal or Allowlist", |text| match OverridePolicy::short_name(text) {
        "All" | "None" | "Principal" | "Allowlist" => Ok(()),
        _ => Err("write All, None, Principal or Allowlist".to_owned()),
    })
}
