//! Properties of Debezium that this connector does not support yet. A configuration is refused if one of them would
//! change the records; a property that changes no record is logged.

use tributary_api::{ConfigIssue, Props};

use super::Overrides;
use super::login::warn_of_unknown_driver_settings;

/// Properties that would change the records or leave some out, each with the values that have no effect and are
/// accepted.
const REFUSED: [(&str, &[&str]); 10] = [
    ("converters", &[""]),
    ("post.processors", &[""]),
    ("include.schema.comments", &["false"]),
    ("snapshot.mode.custom.name", &[""]),
    ("snapshot.query.mode", &["select_all"]),
    ("event.processing.failure.handling.mode", &["fail"]),
    ("topic.naming.strategy", &["io.debezium.schema.SchemaTopicNamingStrategy"]),
    ("sourceinfo.struct.maker", &["io.debezium.connector.sqlserver.SqlServerSourceInfoStructMaker"]),
    ("transaction.metadata.factory", &["io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory"]),
    ("openlineage.integration.enabled", &["false"]),
];

/// Properties that change how the connector runs, but not its records.
const WITHOUT_EFFECT: [&str; 12] = [
    "custom.metric.tags",
    "custom.sanitize.pattern",
    "executor.shutdown.timeout.ms",
    "guardrail.collections.limit.action",
    "guardrail.collections.max",
    "incremental.snapshot.allow.schema.changes",
    "max.queue.size.in.bytes",
    "memory.management.schemas.class",
    "memory.management.tables.class",
    "query.fetch.size",
    "snapshot.fetch.size",
    "statistics.metrics.enabled",
];

/// Properties without effect of which nothing is logged: those that are internal to Debezium, and those that ask for what is
/// always so.
#[cfg(test)]
const NOT_LOGGED: [&str; 6] = [
    "database.instance",
    "internal.advanced.metrics.enable",
    "internal.log.position.check.enable",
    "internal.snapshot.scan.all.columns.force",
    "schema.history.internal.skip.unparseable.ddl",
    "schema.history.internal.store.only.captured.databases.ddl",
];

/// The properties of a configuration that are refused.
pub(super) fn not_supported(props: &Props) -> Vec<ConfigIssue> {
    let asks = |name: &str, value: &str| {
        let listed = REFUSED.iter().find(|(refused, _)| *refused == name);
        listed.is_some_and(|(_, nothing)| !nothing.iter().any(|one| one.eq_ignore_ascii_case(value.trim())))
    };
    let refused = props.iter().filter(|(name, value)| asks(name, value));
    refused.map(|(name, _)| ConfigIssue::new(name, format!("{name} is not supported yet: leave it out"))).collect()
}

/// Logs the properties that have no effect.
pub(crate) fn warn_of_no_effect(props: &Props) {
    for name in props.keys() {
        if WITHOUT_EFFECT.contains(&name.as_str()) {
            tracing::warn!(property = name, "the property has no effect: it is not supported yet");
        }
    }
    warn_of_unknown_driver_settings(props);
    Overrides::warn_of_unusable(props);
}

#[cfg(test)]
pub(super) fn is_refused(name: &str) -> bool {
    REFUSED.iter().any(|(refused, _)| *refused == name)
}

#[cfg(test)]
pub(super) fn is_without_effect(name: &str) -> bool {
    WITHOUT_EFFECT.contains(&name) || NOT_LOGGED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str) -> bool {
        !not_supported(&Props::from([(name.to_owned(), value.to_owned())])).is_empty()
    }

    #[test]
    fn a_property_that_would_change_records_is_refused_unless_its_value_has_no_effect() {
        assert!(refused("converters", "one"));
        assert!(refused("include.schema.comments", "true"));
        assert!(!refused("include.schema.comments", "FALSE"));
        assert!(!refused("snapshot.max.threads", "4"));
        assert!(!refused("poll.interval.ms", "4"));
    }
}
