use std::collections::BTreeSet;

use tributary_api::{Props, list_items};

use super::definition::properties;

const PREFIX: &str = "topic.override.";
/// The worker's properties that can be overridden for a topic too.
const OF_THE_WORKER: [&str; 2] = ["errors.tolerance", "errors.log.enable"];

/// The properties of one topic: the connector's, with the topic's overrides.
pub(super) fn of_topic(topic: &str, props: &Props) -> Props {
    let prefix = format!("{PREFIX}{topic}.");
    let mut merged: Props = props
        .iter()
        .filter(|(name, _)| !name.starts_with(PREFIX))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let own = props.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, value)));
    merged.extend(own.map(|(name, value)| (name.to_owned(), value.clone())));
    merged
}

/// The name of a topic's property in the configuration.
pub(super) fn name_for(topic: &str, property: &str, props: &Props) -> String {
    let own = format!("{PREFIX}{topic}.{property}");
    if props.contains_key(&own) { own } else { property.to_owned() }
}

/// The topics that the configuration names: in `topics`, and in overrides.
pub(super) fn named_topics(props: &Props) -> BTreeSet<String> {
    let mut topics: BTreeSet<String> = list_items(props, "topics").map(str::to_owned).collect();
    // The names of topics and of properties may contain dots: the known property names show where the topic's name
    // ends.
    let definition = properties();
    for rest in props.keys().filter_map(|name| name.strip_prefix(PREFIX)) {
        let known = definition.keys().map(|key| key.name.as_str()).chain(OF_THE_WORKER);
        let topic =
            known.filter_map(|property| rest.strip_suffix(property)?.strip_suffix('.')).min_by_key(|topic| topic.len());
        topics.extend(topic.filter(|topic| !topic.is_empty() && *topic != "%s").map(str::to_owned));
    }
    topics
}
