#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tributary_api::{ConfigDef, Factory, Plugin};

use super::*;
use crate::fixtures::{props, worker_settings as settings};

/// What a connector of a kind is refused for, by property.
fn issues(kind: PluginKind, entries: &[(&str, &str)]) -> Vec<(String, String)> {
    let found = check(&props(entries), kind, &settings(&[])).1;
    found.into_iter().map(|issue| (issue.name, issue.message)).collect()
}

fn source(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    issues(PluginKind::Source, entries)
}

fn sink(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    issues(PluginKind::Sink, &[&[("topics", "t")], entries].concat())
}

fn parse(entries: &[(&str, &str)], worker: &WorkerSettings) -> Result<ConnectorConfig> {
    // A processor has all of a sink's properties, and no code to make.
    let mut plugin = Plugin::new("t.Sink", "1", ConfigDef::default(), Factory::Processor);
    plugin.description.kind = PluginKind::Sink;
    let base = [("name", "n"), ("connector.class", "t.Sink"), ("topics", "a, b")];
    ConnectorConfig::parse(props(&[&base[..], entries].concat()), &plugin, worker)
}

#[tokio::test]
async fn all_that_is_wrong_is_in_one_error_of_the_first_property() {
    for (entries, property) in [
        (&[("tasks.max", "0"), ("topic.creation.default.partitions", "0")][..], "tasks.max"),
        (&[("topics.regex", "x")][..], "topics"),
    ] {
        let error = parse(entries, &settings(&[])).unwrap_err();
        assert_eq!(error.property(), Some(property), "{error}");
    }
}

const DEFAULT: [(&str, &str); 2] =
    [("topic.creation.default.partitions", "1"), ("topic.creation.default.replication.factor", "-1")];

#[tokio::test]
async fn rules_of_topic_creation_are_refused_for_what_connects_own_connector_fails_with() {
    let with = |more: &[(&str, &str)]| source(&[&DEFAULT[..], more].concat());
    let missing = |name: &str| {
        let message = format!("Missing required configuration \"{name}\" which has no default value.");
        (name.to_owned(), message)
    };
    let defaults =
        ["topic.creation.default.replication.factor", "topic.creation.default.partitions"].map(missing).to_vec();
    for alone in ["topic.creation.groups", "topic.creation.x.partitions"] {
        assert_eq!(source(&[(alone, "")]), defaults, "{alone}");
    }
    for (name, value, reason) in [
        ("topic.creation.default.partitions", "0", "Number of partitions must be positive"),
        ("topic.creation.default.partitions", "x", "Not a number of type INT"),
        ("topic.creation.default.replication.factor", "0", "Replication factor must be positive"),
        ("topic.creation.default.replication.factor", "40000", "Not a number of type SHORT"),
        ("topic.creation.g.partitions", "-2", "Number of partitions must be positive"),
        ("topic.creation.g.replication.factor", "z", "Not a number of type SHORT"),
        ("topic.creation.g.include", "(", "Syntax error in regular expression"),
        ("topic.creation.g.exclude", "[", "Syntax error in regular expression"),
    ] {
        let found = with(&[("topic.creation.groups", "g"), (name, value)]);
        let beginning = format!("Invalid value {value} for configuration {name}: {reason}");
        assert!(found.len() == 1 && found[0].0 == name && found[0].1.starts_with(&beginning), "{found:?}");
    }
    for right in [
        &[][..],
        &[("topic.creation.groups", "g"), ("topic.creation.g.include", "")],
        &[("topic.creation.groups", "default"), ("topic.creation.default.include", "(")],
        &[("topic.creation.groups", "g,,h"), ("topic.creation.g.include", "x,,y")],
    ] {
        assert_eq!(with(right), [], "{right:?}");
    }
    let broken = props(&[("topic.creation.default.partitions", "0")]);
    let left_to_the_broker = settings(&[("topic.creation.enable", "false")]);
    assert_eq!(check(&broken, PluginKind::Source, &left_to_the_broker).1, []);
}

#[tokio::test]
async fn what_is_read_is_named_or_matched() {
    let both = |message: &str| ["topics", "topics.regex"].map(|name| (name.to_owned(), message.to_owned())).to_vec();
    assert_eq!(sink(&[("topics", " ")]), both("Must configure one of topics or topics.regex"));
    let clash = "topics and topics.regex are mutually exclusive options, but both are set.";
    assert_eq!(sink(&[("topics.regex", "b")]), both(clash));
    let regex = |pattern, queue| {
        sink(&[("topics", ""), ("topics.regex", pattern), ("errors.deadletterqueue.topic.name", queue)])
    };
    assert!(regex("(", "")[0].1.starts_with("Invalid value ( for configuration topics.regex: Invalid regex: "));
    assert_eq!(regex("dea.", "dead2"), []);
    assert!(regex("dea.", "dead")[0].1.starts_with("The DLQ topic 'dead' may not be matched by the regex"));
    assert!(
        sink(&[("errors.deadletterqueue.topic.name", "t")])[0].1.starts_with("The DLQ topic 't' may not be included")
    );
}

#[tokio::test]
async fn the_workers_group_is_not_a_sinks() {
    let conflict = "conflicts with Connect worker group";
    let given = ("consumer.override.group.id", "workers");
    assert_eq!(sink(&[given]), [(given.0.to_owned(), format!("Consumer group workers {conflict} workers"))]);
    let worker = settings(&[("group.id", "connect-n")]);
    let own = parse(&[], &worker).unwrap_err().to_string();
    assert!(own.ends_with(&format!("for sink connector named n {conflict} connect-n")), "{own}");
    assert!(parse(&[("consumer.override.group.id", "mine")], &worker).is_ok());
}

/// Its task would find no topics.
#[tokio::test]
async fn a_processor_has_no_pattern() {
    let found = issues(PluginKind::Processor, &[("name", "n"), ("topics.regex", "a.*")]);
    assert_eq!(found, [("topics.regex".to_owned(), BY_NAME.to_owned())]);
}

#[tokio::test]
async fn a_client_setting_below_the_clients_minimum_is_refused() {
    for (name, value, least) in [
        ("consumer.override.max.poll.records", "0", 1),
        ("consumer.override.metadata.max.age.ms", "-1", 0),
        ("producer.override.buffer.memory", "-1", 0),
    ] {
        let message = format!("Invalid value {value} for configuration {name}: Value must be at least {least}");
        let found = sink(&[(name, value)]);
        assert!(found.contains(&(name.to_owned(), message)), "{found:?}");
    }
}

#[tokio::test]
async fn an_override_wins_over_the_workers_setting_and_that_over_the_default() {
    let of = |entries, worker| parse(entries, worker).unwrap().clients.max_poll_records;
    let (plain, set) = (settings(&[]), settings(&[("consumer.max.poll.records", "7")]));
    assert_eq!((of(&[], &plain), of(&[], &set)), (5_000, 7));
    assert_eq!(of(&[("consumer.override.max.poll.records", " 9 ")], &set), 9);
    let wrong = parse(&[], &settings(&[("consumer.max.poll.records", "many")])).unwrap_err();
    assert!(wrong.to_string().contains("configuration consumer.max.poll.records: Not a number"), "{wrong}");
}

#[tokio::test]
async fn a_configuration_is_parsed_as_a_whole_or_refused_with_all_its_faults() {
    let worker = settings(&[]);
    let config = parse(&[("tasks.max", " 3 "), ("tasks.max.enforce", "FALSE")], &worker).unwrap();
    assert_eq!((config.max_tasks, config.enforce_max_tasks), (3, false));
    assert!(matches!(&config.input, Some(InputTopics::Topics(topics)) if *topics == ["a", "b"]));
    let wrong = [("tasks.max", "1001"), ("errors.tolerance", "All"), ("errors.deadletterqueue.topic.name", "b")];
    let error = parse(&wrong, &worker).unwrap_err().to_string();
    for fault in ["tasks.max", "errors.tolerance", "The DLQ topic 'b'"] {
        assert_eq!(error.matches(fault).count(), 1, "{fault} in {error}");
    }
}

#[tokio::test]
async fn a_source_that_must_be_exactly_once_is_refused_where_there_are_no_transactions() {
    let required = props(&[("exactly.once.support", "Required")]);
    let refused = |worker: &WorkerSettings| {
        let found = check(&required, PluginKind::Source, worker).1;
        found.into_iter().map(|issue| (issue.name, issue.message)).collect::<Vec<_>>()
    };
    let message = "This worker does not have exactly-once source support enabled.";
    let expected = |message: String| vec![("exactly.once.support".to_owned(), message)];
    assert_eq!(refused(&settings(&[])), expected(message.to_owned()));
    assert_eq!(refused(&settings(&[("exactly.once.source.support", "preparing")])), expected(message.to_owned()));
    assert_eq!(refused(&settings(&[("exactly.once.source.support", "enabled")])), []);
    let embedded = WorkerSettings { embedded_broker: true, ..Arc::unwrap_or_clone(settings(&[])) };
    let found = refused(&embedded);
    assert!(found[0].1.starts_with(message) && found[0].1.contains("embedded broker has no transactions"), "{found:?}");
}

#[tokio::test]
async fn transactions_end_where_the_connector_wants_and_nowhere_without_the_workers_support() {
    let enabled = settings(&[("exactly.once.source.support", "enabled"), ("offset.flush.interval.ms", "7000")]);
    let boundary = |entries: &[(&str, &str)], worker: &WorkerSettings| {
        let config = crate::definitions::source_definition(None, "1")
            .parse(&props(&[&[("name", "n"), ("connector.class", "c")][..], entries].concat()));
        TransactionBoundary::of(&config.unwrap(), worker).unwrap()
    };
    let ms = std::time::Duration::from_millis;
    assert_eq!(boundary(&[], &enabled), Some(TransactionBoundary::Poll));
    assert_eq!(boundary(&[("transaction.boundary", "CONNECTOR")], &enabled), Some(TransactionBoundary::Connector));
    let interval = ("transaction.boundary", "interval");
    assert_eq!(boundary(&[interval], &enabled), Some(TransactionBoundary::Interval(ms(7_000))));
    let own = ("transaction.boundary.interval.ms", "20");
    assert_eq!(boundary(&[interval, own], &enabled), Some(TransactionBoundary::Interval(ms(20))));
    assert_eq!(boundary(&[interval, own], &settings(&[])), None);
    assert_eq!(boundary(&[interval], &settings(&[("exactly.once.source.support", "preparing")])), None);
}
