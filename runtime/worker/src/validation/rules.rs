use tributary_api::{ConfigIssue, Plugin, PluginKind, Props};

use super::{limits, overrides};
use crate::processor;
use crate::settings::WorkerSettings;

/// What only the combination of properties shows.
pub(super) fn check(props: &Props, plugin: &Plugin, settings: &WorkerSettings) -> Vec<ConfigIssue> {
    let mut issues = Vec::new();
    match plugin.description.kind {
        PluginKind::Source => source(props, &mut issues),
        kind => {
            sink(props, settings, &mut issues);
            issues.extend(processor::issue(props, settings).filter(|_| kind == PluginKind::Processor));
        }
    }
    overrides::check(props, plugin, settings, &mut issues);
    limits::check(props, plugin.description.kind, settings, &mut issues);
    // The definition looks at it without what is around it.
    let around = |name: &&String| name.trim() != name.trim_matches(|c: char| c == ' ');
    if let Some(name) = props.get("name").filter(around) {
        let message =
            format!("Invalid value {name:?} for configuration name: it begins or ends with control characters");
        issues.push(ConfigIssue::new("name", message));
    }
    issues
}

fn sink(props: &Props, settings: &WorkerSettings, issues: &mut Vec<ConfigIssue>) {
    let given = |name: &str| props.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let (topics, regex) = (given("topics"), given("topics.regex"));
    let both = |message: &str| ["topics", "topics.regex"].map(|name| ConfigIssue::new(name, message));
    match (topics, regex) {
        (None, None) => issues.extend(both("Must configure one of topics or topics.regex")),
        (Some(_), Some(_)) => {
            issues.extend(both("topics and topics.regex are mutually exclusive options, but both are set."));
        }
        _ => {}
    }
    let dlq = "errors.deadletterqueue.topic.name";
    if let (Some(queue), Some(topics)) = (given(dlq), topics)
        && topics.split(',').any(|topic| topic.trim() == queue)
    {
        let message = format!(
            "The DLQ topic '{queue}' may not be included in the list of topics ('topics=[{topics}]') consumed by the \
             connector"
        );
        issues.push(ConfigIssue::new("topics", message));
    }
    if let (Some(queue), Some(regex)) = (given(dlq), regex)
        && fancy_regex::Regex::new(&format!("^(?:{regex})$")).is_ok_and(|regex| regex.is_match(queue).unwrap_or(false))
    {
        let message = format!(
            "The DLQ topic '{queue}' may not be included in the regex matching the topics ('topics.regex={regex}') \
             consumed by the connector"
        );
        issues.push(ConfigIssue::new("topics.regex", message));
    }
    let name = props.get("name").map(String::as_str).unwrap_or_default();
    let own_group = format!("connect-{name}");
    let group = props.get("consumer.override.group.id").unwrap_or(&own_group);
    if *group == settings.group_id {
        let message =
            format!("Consumer group for sink connector named {name} conflicts with Connect worker group {group}");
        issues.push(ConfigIssue::new("name", message));
    }
}

fn source(props: &Props, issues: &mut Vec<ConfigIssue>) {
    let creates = props.keys().any(|name| name.starts_with("topic.creation."));
    for required in ["topic.creation.default.replication.factor", "topic.creation.default.partitions"] {
        match props.get(required).map(|value| value.trim().parse::<i32>()) {
            None if creates => {
                let message = format!("Missing required configuration \"{required}\" which has no default value.");
                issues.push(ConfigIssue::new(required, message));
            }
            Some(Err(_)) => {
                let message = format!("Invalid value {} for configuration {required}: Not a number", props[required]);
                issues.push(ConfigIssue::new(required, message));
            }
            _ => {}
        }
    }
    if props.get("exactly.once.support").is_some_and(|value| value.eq_ignore_ascii_case("required")) {
        let message =
            "This worker does not write source records in transactions: set exactly.once.support to requested";
        issues.push(ConfigIssue::new("exactly.once.support", message));
    }
}
