//! Properties of Debezium's that this connector does not follow yet. A configuration that would give other records
//! because of them is refused; one that would only be run otherwise is warned of.

use tributary_api::{ConfigIssue, Props};

/// Without them the records would be others, or be missing: names, and the values that ask for nothing.
const REFUSED: [(&str, &[&str]); 14] = [
    ("converters", &[""]),
    ("post.processors", &[""]),
    ("include.schema.comments", &["false"]),
    ("signal.data.collection", &[""]),
    ("signal.enabled.channels", &["", "source", "jmx"]),
    ("notification.enabled.channels", &["", "log", "jmx"]),
    ("snapshot.tables.order.by.row.count", &["disabled"]),
    ("snapshot.mode.custom.name", &[""]),
    ("snapshot.query.mode", &["select_all"]),
    ("event.processing.failure.handling.mode", &["fail"]),
    ("topic.naming.strategy", &["io.debezium.schema.SchemaTopicNamingStrategy"]),
    ("sourceinfo.struct.maker", &["io.debezium.connector.sqlserver.SqlServerSourceInfoStructMaker"]),
    ("transaction.metadata.factory", &["io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory"]),
    ("openlineage.integration.enabled", &["false"]),
];

/// The connector runs otherwise, but its records are the same.
const WITHOUT_EFFECT: [&str; 14] = [
    "custom.metric.tags",
    "custom.sanitize.pattern",
    "executor.shutdown.timeout.ms",
    "guardrail.collections.limit.action",
    "guardrail.collections.max",
    "legacy.snapshot.max.threads",
    "max.queue.size.in.bytes",
    "memory.management.schemas.class",
    "memory.management.tables.class",
    "query.fetch.size",
    "snapshot.fetch.size",
    "snapshot.max.threads",
    "snapshot.max.threads.multiplier",
    "statistics.metrics.enabled",
];

/// What a configuration asks for in vain.
pub(crate) fn not_supported(props: &Props) -> Vec<ConfigIssue> {
    let asks = |name: &str, value: &str| {
        let listed = REFUSED.iter().find(|(refused, _)| *refused == name);
        listed.is_some_and(|(_, nothing)| !nothing.iter().any(|one| one.eq_ignore_ascii_case(value.trim())))
    };
    let refused = props.iter().filter(|(name, value)| asks(name, value));
    refused.map(|(name, _)| ConfigIssue::new(name, format!("{name} is not supported yet: leave it out"))).collect()
}

/// Logs what makes no difference to the records.
pub(crate) fn warn_of_no_effect(props: &Props) {
    for name in props.keys() {
        if WITHOUT_EFFECT.contains(&name.as_str()) {
            tracing::warn!(property = name, "the property has no effect: it is not supported yet");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str) -> bool {
        !not_supported(&Props::from([(name.to_owned(), value.to_owned())])).is_empty()
    }

    #[test]
    fn what_would_change_the_records_is_refused_unless_it_asks_for_nothing() {
        assert!(refused("converters", "one"));
        assert!(refused("include.schema.comments", "true"));
        assert!(!refused("include.schema.comments", "FALSE"));
        assert!(!refused("snapshot.max.threads", "4"));
        assert!(!refused("poll.interval.ms", "4"));
    }
}
