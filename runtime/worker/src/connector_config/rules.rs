use tributary_api::{ConfigDef, ConfigIssue, ConfigKey, ConfigType, PluginKind, Props, Validator};

use super::Parts;
use super::input_topics::{BY_NAME, InputTopics};
use crate::processor;
use crate::settings::{ExactlyOnce, WorkerSettings};

const QUEUE: &str = "errors.deadletterqueue.topic.name";
const QUEUE_REPLICAS: &str = "errors.deadletterqueue.topic.replication.factor";

/// Checks of combinations of properties.
pub(super) fn check(
    props: &Props,
    kind: PluginKind,
    settings: &WorkerSettings,
    parts: &Parts,
    issues: &mut Vec<ConfigIssue>,
) {
    match kind {
        PluginKind::Source => source(props, settings, issues),
        _ => sink(props, settings, parts.input.as_ref(), issues),
    }
    match (&parts.processor, &parts.input) {
        (Some(_), Some(InputTopics::Matching(_))) => issues.push(ConfigIssue::new("topics.regex", BY_NAME)),
        (Some(Err(error)), Some(InputTopics::Topics(_))) if !processor::is_refused_by_definition(props) => {
            issues.push(ConfigIssue::of_error(error, "connector.class"));
        }
        _ => {}
    }
    // The definition checks the value without surrounding white space.
    let around = |name: &&String| name.trim() != name.trim_matches(|c: char| c == ' ');
    if let Some(name) = props.get("name").filter(around) {
        let message =
            format!("Invalid value {name:?} for configuration name: it begins or ends with control characters");
        issues.push(ConfigIssue::new("name", message));
    }
}

fn sink(props: &Props, settings: &WorkerSettings, input: Option<&InputTopics>, issues: &mut Vec<ConfigIssue>) {
    // An empty name is an error of the definition, in Connect's words.
    let names = props.get("topics").filter(|names| names.split(',').all(|name| !name.trim().is_empty()));
    if let (Some(InputTopics::Topics(_)), Some(_)) = (input, names) {
        issues.extend(fault(props, ConfigKey::new("topics", ConfigType::List).validator(Validator::TopicName)));
    }
    let queue = props.get(QUEUE).map(|queue| queue.trim()).filter(|queue| !queue.is_empty());
    if let Some(queue) = queue {
        issues.extend(fault(props, ConfigKey::new(QUEUE, ConfigType::String).validator(Validator::TopicName)));
        issues.extend(replicas(props));
        issues.extend(input.and_then(|input| own_queue(props, queue, input)));
    }
    let name = props.get("name").map(String::as_str).unwrap_or_default();
    let worker = &settings.group_id;
    match props.get("consumer.override.group.id") {
        Some(group) if group == worker => issues.push(ConfigIssue::new(
            "consumer.override.group.id",
            format!("Consumer group {group} conflicts with Connect worker group {worker}"),
        )),
        None if format!("connect-{name}") == *worker => issues.push(ConfigIssue::new(
            "name",
            format!("Consumer group for sink connector named {name} conflicts with Connect worker group {worker}"),
        )),
        _ => {}
    }
}

/// What is wrong with one property.
fn fault(props: &Props, key: ConfigKey) -> Option<ConfigIssue> {
    let name = key.name.clone();
    ConfigDef::new([key]).parse(props).err().map(|error| ConfigIssue::of_error(&error, &name))
}

/// The broker would refuse to create the topic.
fn replicas(props: &Props) -> Option<ConfigIssue> {
    let text = props.get(QUEUE_REPLICAS)?.trim();
    let message = || {
        format!(
            "Invalid value {text} for configuration {QUEUE_REPLICAS}: Replication factor must be positive, or -1 to use the \
             broker's default"
        )
    };
    // The definition refuses what is not a number.
    let number: i16 = text.parse().ok()?;
    (number != -1 && number < 1).then(|| ConfigIssue::new(QUEUE_REPLICAS, message()))
}

/// A connector that reads its own dead letter queue would process the same failed records without end.
fn own_queue(props: &Props, queue: &str, input: &InputTopics) -> Option<ConfigIssue> {
    match input {
        InputTopics::Topics(topics) if topics.iter().any(|topic| topic == queue) => Some(ConfigIssue::new(
            "topics",
            format!(
                "The DLQ topic '{queue}' may not be included in the list of topics ('topics=[{}]') consumed by the connector",
                topics.join(", ")
            ),
        )),
        InputTopics::Matching(pattern) if pattern.is_match(queue).unwrap_or(false) => Some(ConfigIssue::new(
            "topics.regex",
            format!(
                "The DLQ topic '{queue}' may not be matched by the regex for the topics ('topics.regex={}') consumed by the \
                 connector",
                props.get("topics.regex").map_or("", |value| value.trim())
            ),
        )),
        _ => None,
    }
}

fn source(props: &Props, settings: &WorkerSettings, issues: &mut Vec<ConfigIssue>) {
    let required = props.get("exactly.once.support").is_some_and(|value| value.trim().eq_ignore_ascii_case("required"));
    if required && settings.exactly_once != ExactlyOnce::Enabled {
        let message = "This worker does not have exactly-once source support enabled.";
        let why = match settings.embedded_broker {
            true => " The embedded broker has no transactions to rely on: set bootstrap.servers to a Kafka cluster.",
            false => "",
        };
        issues.push(ConfigIssue::new("exactly.once.support", format!("{message}{why}")));
    }
}
