//! The properties that every connector has, whatever its plugin: Kafka Connect's own, in its order, for `/validate`; and
//! those of the worker.

mod worker;

use tributary_api::{
    ConfigDef, ConfigKey, ConfigType, Importance, KAFKA_VERSION, PluginKind, PluginRegistry, Props, Validator, Width,
};

pub(crate) use self::worker::{ALLOWLIST, EXACTLY_ONCE_SOURCE, POLICY, worker_definition};

/// How many tasks a connector may have. Java has no such limit; a thousand are more than one worker can use.
pub const MAX_TASKS: u32 = 1_000;

const COMMON: &str = "Common";
const ERRORS: &str = "Error Handling";
const TRANSFORMS: &str = "Transforms";
const PREDICATES: &str = "Predicates";
const TOPIC_CREATION: &str = "Topic Creation";
const EXACTLY_ONCE: &str = "Exactly Once Support";

/// The documentation of each property that asks for a version of a plugin.
pub(crate) const PLUGIN_VERSION: &str = "The version that is wanted, or a range such as [4.0,5.0): the worker has one of each \
                                         plugin, and any other is refused.";

/// The framework's properties of a connector of a kind: Connect's own, and Tributary's own only if they are set,
/// because clients of Connect do not know these. With a worker's properties, its converters are the defaults; a
/// plugin's documentation is made without.
pub(crate) fn connector_definition(
    kind: PluginKind,
    worker: Option<&Props>,
    version: &str,
    given: &Props,
) -> ConfigDef {
    let definition = match kind {
        PluginKind::Source => source_keys(worker, version),
        _ => sink_keys(worker, version),
    };
    let ours =
        restart_keys(kind).into_iter().filter(|key| kind == PluginKind::Processor || given.contains_key(&key.name));
    ours.fold(definition, ConfigDef::with)
}

/// A property of Kafka's converters that is set by the code that creates them.
pub(crate) fn converter_type() -> ConfigKey {
    let key = ConfigKey::new("converter.type", ConfigType::String).required().importance(Importance::Low);
    key.one_of(&["key", "value", "header"]).doc("What the converter is for: key, value or header; set by the worker.")
}

/// The framework's properties of a source connector.
pub fn source_definition(worker: Option<&Props>, version: &str) -> ConfigDef {
    restart_keys(PluginKind::Source).into_iter().fold(source_keys(worker, version), ConfigDef::with)
}

/// The framework's properties of a sink connector.
pub fn sink_definition(worker: Option<&Props>, version: &str) -> ConfigDef {
    restart_keys(PluginKind::Sink).into_iter().fold(sink_keys(worker, version), ConfigDef::with)
}

/// When failed tasks are restarted.
pub(crate) fn restart_keys(kind: PluginKind) -> [ConfigKey; 3] {
    let long = |name: &str, default: i64, least: i64| {
        let key = key(name, ConfigType::Long, ERRORS).default(default).validator(Validator::AtLeast(least));
        key.width(Width::Medium)
    };
    let attempts = if kind == PluginKind::Processor { -1 } else { 0 };
    [
        long("errors.restart.max.attempts", attempts, -1).display_name("Maximum Restarts of a Failed Task").doc(
            "How often in a row the worker restarts a failed task; 0: never, as in Kafka Connect; -1: without \
                 limit, the default of processors. The count is reset when a task has run for longer than \
                 errors.restart.delay.max.ms. Specific to Tributary.",
        ),
        long("errors.restart.delay.ms", 1_000, 1).display_name("First Delay Before a Restart").doc(
            "Milliseconds before the first restart of a failed task; doubled with each one, and reduced by up to \
                 half at random. Specific to Tributary.",
        ),
        long("errors.restart.delay.max.ms", 60_000, 1)
            .display_name("Maximum Delay Before a Restart")
            .doc("The maximum of milliseconds before a restart of a failed task. Specific to Tributary."),
    ]
}

fn source_keys(worker: Option<&Props>, version: &str) -> ConfigDef {
    let exactly_once = |name: &str, kind: ConfigType| key(name, kind, EXACTLY_ONCE).width(Width::Short);
    let keys = [
        key("topic.creation.groups", ConfigType::List, TOPIC_CREATION)
            .default("")
            .importance(Importance::Low)
            .width(Width::Long)
            .display_name("Topic Creation Groups")
            .doc("Groups of topics to create with settings of their own: topic.creation.<group>.include, .partitions, ..."),
        exactly_once("exactly.once.support", ConfigType::String)
            .order(2)
            .default("requested")
            .validator(Validator::OneOfIgnoringCase(vec!["REQUIRED".to_owned(), "REQUESTED".to_owned()]))
            .display_name("Exactly once support")
            .doc(
                "With required, the connector is refused unless the worker writes source records and offsets in \
                 transactions (exactly.once.source.support) and the connector supports exactly-once with them.",
            ),
        exactly_once("transaction.boundary", ConfigType::String)
            .order(3)
            .default("poll")
            .validator(Validator::OneOfIgnoringCase(vec![
                // In the order of Java's set, which its messages have.
                "INTERVAL".to_owned(),
                "POLL".to_owned(),
                "CONNECTOR".to_owned(),
            ]))
            .display_name("Transaction Boundary")
            .doc("Where transactions end: at each poll, at an interval, or where the connector defines."),
        exactly_once("transaction.boundary.interval.ms", ConfigType::Long)
            .order(4)
            .validator(Validator::AtLeast(0))
            .importance(Importance::Low)
            .display_name("Transaction boundary interval")
            .doc(
                "Milliseconds that a transaction is open when the boundary is interval, at most half of the producer's \
                 transaction.timeout.ms; the offset flush interval by default.",
            ),
        key("offsets.storage.topic", ConfigType::String, "offsets.topic")
            .validator(Validator::TopicName)
            .importance(Importance::Low)
            .width(Width::Long)
            .display_name("Offsets topic")
            .doc("A compacted topic of the connector's own for its offsets, created if need be; the worker's topic has a copy."),
    ];
    keys.into_iter().fold(common(worker, version), ConfigDef::with)
}

fn sink_keys(worker: Option<&Props>, version: &str) -> ConfigDef {
    let dlq = |name: &str, kind: ConfigType| key(name, kind, ERRORS).width(Width::Medium);
    let keys = [
        key("topics", ConfigType::List, COMMON)
            .order(4)
            .default("")
            .validator(Validator::Distinct { empty: true })
            .importance(Importance::High)
            .width(Width::Long)
            .display_name("Topics")
            .doc("Topics to read, separated by commas."),
        key("topics.regex", ConfigType::String, COMMON)
            .order(4)
            .default("")
            .importance(Importance::High)
            .width(Width::Long)
            .display_name("Topics regex")
            .doc("A Java regular expression; every topic whose whole name matches is read."),
        dlq("errors.deadletterqueue.topic.name", ConfigType::String)
            .default("")
            .display_name("Dead Letter Queue Topic Name")
            .doc("Records that fail are written to this topic; none when empty."),
        dlq("errors.deadletterqueue.topic.replication.factor", ConfigType::Short)
            .default(3)
            .display_name("Dead Letter Queue Topic Replication Factor")
            .doc("Replicas of the dead letter queue when it has to be created; -1: the broker's default."),
        dlq("errors.deadletterqueue.context.headers.enable", ConfigType::Boolean)
            .default(false)
            .display_name("Enable Error Context Headers")
            .doc("Whether headers with the record's position and the cause of the failure are added."),
    ];
    keys.into_iter().fold(common(worker, version), ConfigDef::with)
}

fn common(worker: Option<&Props>, version: &str) -> ConfigDef {
    let converter = |name: &str, display: &str, default: Option<&str>| {
        let own = worker.and_then(|worker| worker.get(name).map(String::as_str).or(default));
        let key = key(name, ConfigType::Class, COMMON)
            .importance(Importance::Low)
            .width(Width::Short)
            .display_name(format!("{display} class"))
            .doc("Converts between records and bytes; the worker's own by default.");
        match own {
            Some(class) => key.default(class),
            None => key,
        }
    };
    let converter_version = |name: &str, display: &str| {
        let key = key(&format!("{name}.plugin.version"), ConfigType::String, COMMON);
        // All converters are Kafka's.
        let key = if worker.is_some() { key.default(KAFKA_VERSION) } else { key };
        key.importance(Importance::Low)
            .width(Width::Short)
            .display_name(format!("{display} version"))
            .doc(PLUGIN_VERSION)
    };
    let retry = |name: &str| key(name, ConfigType::Long, ERRORS).width(Width::Medium);
    let simple_header = "org.apache.kafka.connect.storage.SimpleHeaderConverter";
    ConfigDef::new([
        key("name", ConfigType::String, COMMON)
            .required()
            .validator(Validator::Name)
            .importance(Importance::High)
            .width(Width::Medium)
            .display_name("Connector name")
            .doc("Unique in the cluster."),
        key("connector.class", ConfigType::String, COMMON)
            .required()
            .importance(Importance::High)
            .width(Width::Long)
            .display_name("Connector class")
            .doc("The plugin: its full class name, its simple name, or its simple name without the suffix Connector."),
        key("connector.plugin.version", ConfigType::String, COMMON)
            .default(version)
            .width(Width::Medium)
            .display_name("Connector version")
            .doc(PLUGIN_VERSION),
        key("tasks.max", ConfigType::Int, COMMON)
            .default(1)
            .validator(Validator::Between(1, MAX_TASKS.into()))
            .importance(Importance::High)
            .width(Width::Short)
            .display_name("Tasks max")
            .doc("The maximum number of tasks, up to 1000."),
        key("tasks.max.enforce", ConfigType::Boolean, COMMON)
            .default(true)
            .importance(Importance::Low)
            .width(Width::Short)
            .display_name("Enforce tasks max")
            .doc("Whether a connector that makes more tasks than tasks.max fails."),
        converter("key.converter", "Key converter", None),
        converter_version("key.converter", "Key converter"),
        converter("value.converter", "Value converter", None),
        converter_version("value.converter", "Value converter"),
        converter("header.converter", "Header converter", Some(simple_header)),
        converter_version("header.converter", "Header converter"),
        key("transforms", ConfigType::List, TRANSFORMS)
            .order(12)
            .default("")
            .importance(Importance::Low)
            .width(Width::Long)
            .display_name("Transforms")
            .doc("Aliases of the transforms, in order; each has properties under transforms.<alias>."),
        key("predicates", ConfigType::List, PREDICATES)
            .order(13)
            .default("")
            .importance(Importance::Low)
            .width(Width::Long)
            .display_name("Predicates")
            .doc("Aliases of predicates that transforms refer to; each has properties under predicates.<alias>."),
        key("config.action.reload", ConfigType::String, COMMON)
            .order(14)
            .default("restart")
            .one_of(&["none", "restart"])
            .importance(Importance::Low)
            .width(Width::Medium)
            .display_name("Reload Action")
            .doc("What to do when a value from a configuration provider changes."),
        retry("errors.retry.timeout")
            .default(0)
            .display_name("Retry Timeout for Errors")
            .doc("Milliseconds for which a failed operation is retried; 0: not at all, -1: without limit."),
        retry("errors.retry.delay.max.ms")
            .default(60_000)
            .display_name("Maximum Delay Between Retries for Errors")
            .doc("The maximum of milliseconds between attempts."),
        key("errors.tolerance", ConfigType::String, ERRORS)
            .default("none")
            .one_of(&["none", "all"])
            .width(Width::Short)
            .display_name("Error Tolerance")
            .doc("With all, records that fail are skipped; with none the task fails."),
        key("errors.log.enable", ConfigType::Boolean, ERRORS)
            .default(false)
            .width(Width::Short)
            .display_name("Log Errors")
            .doc("Whether each error is logged with the failed operation."),
        key("errors.log.include.messages", ConfigType::Boolean, ERRORS)
            .default(false)
            .width(Width::Short)
            .display_name("Log Error Details")
            .doc("Whether the log contains the record's topic, partition and offset too."),
    ])
}

fn key(name: &str, kind: ConfigType, group: &str) -> ConfigKey {
    ConfigKey::new(name, kind).group(group)
}

/// The classes that a converter property recommends, in order.
pub(crate) fn recommended_converters(plugins: &PluginRegistry, header: bool) -> Vec<String> {
    let wanted = if header { PluginKind::HeaderConverter } else { PluginKind::Converter };
    let of_kind = plugins.iter().filter(|plugin| plugin.description.kind == wanted);
    let mut classes: Vec<String> = of_kind.map(|plugin| plugin.description.class.clone()).collect();
    classes.sort();
    classes
}
