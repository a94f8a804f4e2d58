use tributary_api::{ConfigIssue, PluginKind, Props};

use super::input_topics::{BY_NAME, InputTopics};
use crate::processor;
use crate::settings::{ExactlyOnce, WorkerSettings};

/// Checks of combinations of properties.
pub(super) fn check(
    props: &Props,
    kind: PluginKind,
    settings: &WorkerSettings,
    input: Option<&InputTopics>,
    issues: &mut Vec<ConfigIssue>,
) {
    match kind {
        PluginKind::Source => source(props, settings, issues),
        _ => sink(props, settings, input, issues),
    }
    if kind == PluginKind::Processor {
        match input {
            Some(InputTopics::Matching(_)) => issues.push(ConfigIssue::new("topics.regex", BY_NAME)),
            _ => issues.extend(processor::issue(props, settings)),
        }
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
    let queue = props.get("errors.deadletterqueue.topic.name").map(|queue| queue.trim());
    if let (Some(queue), Some(input)) = (queue.filter(|queue| !queue.is_empty()), input) {
        issues.extend(own_queue(props, queue, input));
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
