//! Every property: its definition compared with the reference connector's own (`tests/golden/properties.json`), what it
//! refuses, and what it changes.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use tributary_api::{ConfigIssue, ConfigValue, DefaultValue, Importance, Props, Width};

use super::*;

const PACKAGE: &str = "com.mongodb.kafka.connect.sink.";
/// Those that the worker defines for every sink.
const OF_THE_WORKER: [&str; 4] = ["topics", "topics.regex", "errors.tolerance", "errors.log.enable"];

fn props(given: &[(&str, &str)]) -> Props {
    let base = [("topics", "orders"), ("database", "db")];
    base.iter().chain(given).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn settings(given: &[(&str, &str)]) -> Settings {
    Settings::new(&definition().parse(&props(given)).unwrap()).unwrap()
}

fn topic(given: &[(&str, &str)]) -> TopicSettings {
    settings(given).topic("orders").unwrap()
}

#[test]
fn definitions_are_those_of_the_reference() {
    let golden: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../tests/golden/properties.json")).unwrap();
    let ours = definition();
    for expected in &golden {
        let text = |field: &str| expected[field].as_str().unwrap();
        let name = text("name");
        if OF_THE_WORKER.contains(&name) {
            assert!(ours.key(name).is_none(), "{name} is the worker's");
            continue;
        }
        let key = ours.key(name).unwrap_or_else(|| panic!("{name} is not defined"));
        let default = match &key.default {
            DefaultValue::Value(value) => value.as_str(),
            DefaultValue::Required => "<required>",
            DefaultValue::Null => "<null>",
        };
        let importance = match key.importance {
            Importance::High => "HIGH",
            Importance::Medium => "MEDIUM",
            Importance::Low => "LOW",
        };
        let width = match key.width {
            Width::None => "NONE",
            Width::Short => "SHORT",
            Width::Medium => "MEDIUM",
            Width::Long => "LONG",
        };
        let group = key.group.as_deref().unwrap_or_default();
        let found = (key.kind.name(), default, importance, group, key.order, width, key.internal);
        let order = i32::try_from(expected["order"].as_i64().unwrap()).unwrap();
        let internal = expected["internal"].as_bool().unwrap();
        let reference =
            (text("type"), text("default"), text("importance"), text("group"), order, text("width"), internal);
        assert_eq!(found, reference, "{name}");
        assert!(!key.documentation.is_empty() || key.internal, "{name} is not documented");
    }
    assert_eq!(golden.len(), 53);
}

/// What a property refuses, and what of the settings it changes.
struct Row {
    name: &'static str,
    refused: &'static [&'static str],
    /// With it, further properties that it goes with, and what the settings then hold in their `Debug` text.
    given: &'static [(&'static str, &'static str)],
    changes: &'static str,
}

const fn row(
    name: &'static str,
    refused: &'static [&'static str],
    given: &'static [(&'static str, &'static str)],
    changes: &'static str,
) -> Row {
    Row { name, refused, given, changes }
}

const FIELDS: (&str, &str) =
    ("namespace.mapper", "com.mongodb.kafka.connect.sink.namespace.mapping.FieldPathNamespaceMapper");
const PARTIAL_KEY: (&str, &str) =
    ("document.id.strategy", "com.mongodb.kafka.connect.sink.processor.id.strategy.PartialKeyStrategy");
const PARTIAL_VALUE: (&str, &str) =
    ("document.id.strategy", "com.mongodb.kafka.connect.sink.processor.id.strategy.PartialValueStrategy");
const FULL_KEY: (&str, &str) =
    ("document.id.strategy", "com.mongodb.kafka.connect.sink.processor.id.strategy.FullKeyStrategy");
const SERIES: (&str, &str) = ("timeseries.timefield", "at");

/// Those of a topic: each is seen in the topic's settings.
const TOPIC_ROWS: &[Row] = &[
    row("database", &["", "a b", "a.b", "a/b"], &[("database", "shop")], r#"database: "shop""#),
    row("collection", &[], &[("collection", "sales")], r#"collection: "sales""#),
    row(
        "namespace.mapper",
        &["x.Mapper", "", PACKAGE],
        &[FIELDS, ("namespace.mapper.key.database.field", "a.b")],
        "FieldPath(",
    ),
    row(
        "namespace.mapper.key.database.field",
        &[],
        &[FIELDS, ("namespace.mapper.key.database.field", "a.b")],
        r#"database: Some(FieldPath { in_key: true, path: "a.b" })"#,
    ),
    row(
        "namespace.mapper.key.collection.field",
        &[],
        &[FIELDS, ("namespace.mapper.key.collection.field", "a.b")],
        r#"collection: Some(FieldPath { in_key: true, path: "a.b" })"#,
    ),
    row(
        "namespace.mapper.value.database.field",
        &[],
        &[FIELDS, ("namespace.mapper.value.database.field", "a.b")],
        r#"database: Some(FieldPath { in_key: false, path: "a.b" })"#,
    ),
    row(
        "namespace.mapper.value.collection.field",
        &[],
        &[FIELDS, ("namespace.mapper.value.collection.field", "a.b")],
        r#"collection: Some(FieldPath { in_key: false, path: "a.b" })"#,
    ),
    row(
        "namespace.mapper.error.if.invalid",
        &["x"],
        &[FIELDS, ("namespace.mapper.key.database.field", "a"), ("namespace.mapper.error.if.invalid", "true")],
        "strict: true",
    ),
    row(
        "delete.on.null.values",
        &["x", "true"],
        &[FULL_KEY, ("delete.on.null.values", "true")],
        "delete: Some(DeleteOneById)",
    ),
    row(
        "writemodel.strategy",
        &["", "x.Strategy"],
        &[("writemodel.strategy", "com.mongodb.kafka.connect.sink.writemodel.strategy.InsertOneDefaultStrategy")],
        "write: InsertOne",
    ),
    row(
        "delete.writemodel.strategy",
        &[],
        &[
            ("delete.on.null.values", "true"),
            (
                "delete.writemodel.strategy",
                "com.mongodb.kafka.connect.sink.writemodel.strategy.DeleteOneTombstoneBusinessKeyStrategy",
            ),
        ],
        "delete: Some(DeleteOneTombstoneBusinessKey)",
    ),
    row("max.batch.size", &["-1", "x"], &[("max.batch.size", "7")], "max_batch_size: Some(7)"),
    row("bulk.write.ordered", &["x"], &[("bulk.write.ordered", "false")], "ordered: false"),
    row(
        "rate.limiting.timeout",
        &["-1"],
        &[("rate.limiting.timeout", "7"), ("rate.limiting.every.n", "3")],
        "rate_limit: Some(RateLimit { every: 3, wait: 7ms })",
    ),
    row("rate.limiting.every.n", &["-1"], &[("rate.limiting.every.n", "3")], "rate_limit: None"),
    row(
        "post.processor.chain",
        &["x", "com.mongodb.kafka.connect.sink.processor.KafkaMetaAdder,x"],
        &[(
            "post.processor.chain",
            "com.mongodb.kafka.connect.sink.processor.KafkaMetaAdder,com.mongodb.kafka.connect.sink.processor.NullFieldValueRemover",
        )],
        "steps: [AddId, AddKafkaMeta, RemoveNulls]",
    ),
    row(
        "key.projection.type",
        &["some", ""],
        &[PARTIAL_KEY, ("key.projection.type", "BlockList")],
        "PartialKey(Projection { keeps: false",
    ),
    row(
        "key.projection.list",
        &[],
        &[
            ("post.processor.chain", "com.mongodb.kafka.connect.sink.processor.BlockListKeyProjector"),
            ("key.projection.list", "a, b"),
        ],
        r#"ProjectKey(Projection { keeps: false, fields: {"#,
    ),
    row(
        "value.projection.type",
        &["some"],
        &[PARTIAL_VALUE, ("value.projection.type", "whitelist")],
        "PartialValue(Projection { keeps: true",
    ),
    row(
        "value.projection.list",
        &[],
        &[
            ("post.processor.chain", "com.mongodb.kafka.connect.sink.processor.AllowListValueProjector"),
            ("value.projection.list", "a, b"),
        ],
        r#"paths: ["a", "b"]"#,
    ),
    row(
        "field.renamer.mapping",
        &[],
        &[
            ("post.processor.chain", "com.mongodb.kafka.connect.sink.processor.field.renaming.RenameByMapping"),
            ("field.renamer.mapping", r#"[{"oldName":"value.a","newName":"b"}]"#),
        ],
        r#"Rename(Mapping({"value.a": "b"}))"#,
    ),
    row(
        "field.renamer.regexp",
        &[],
        &[
            ("post.processor.chain", "com.mongodb.kafka.connect.sink.processor.field.renaming.RenameByRegExp"),
            ("field.renamer.regexp", r#"[{"regexp":"^value\..*$","pattern":"a","replace":"b"}]"#),
        ],
        "Rename(Patterns(",
    ),
    row("document.id.strategy", &["x.Strategy"], &[FULL_KEY], "ids: FullKey"),
    row(
        "document.id.strategy.overwrite.existing",
        &["x"],
        &[("document.id.strategy.overwrite.existing", "true")],
        "overwrites_id: true",
    ),
    row(
        "document.id.strategy.uuid.format",
        &["x"],
        &[
            ("document.id.strategy", "com.mongodb.kafka.connect.sink.processor.id.strategy.UuidStrategy"),
            ("document.id.strategy.uuid.format", "Binary"),
        ],
        "ids: Uuid(Binary)",
    ),
    row(
        "document.id.strategy.partial.key.projection.type",
        &["x"],
        &[
            PARTIAL_KEY,
            ("document.id.strategy.partial.key.projection.type", "allowlist"),
            ("key.projection.type", "blocklist"),
        ],
        "PartialKey(Projection { keeps: true",
    ),
    row(
        "document.id.strategy.partial.key.projection.list",
        &[],
        &[
            PARTIAL_KEY,
            ("key.projection.type", "blocklist"),
            ("key.projection.list", "b"),
            ("document.id.strategy.partial.key.projection.list", "a"),
        ],
        r#"paths: ["a"]"#,
    ),
    row(
        "document.id.strategy.partial.value.projection.type",
        &["x"],
        &[PARTIAL_VALUE, ("document.id.strategy.partial.value.projection.type", "allowlist")],
        "PartialValue(Projection { keeps: true",
    ),
    row(
        "document.id.strategy.partial.value.projection.list",
        &[],
        &[
            PARTIAL_VALUE,
            ("value.projection.type", "blocklist"),
            ("document.id.strategy.partial.value.projection.list", "a"),
        ],
        r#"paths: ["a"]"#,
    ),
    row(
        "change.data.capture.handler",
        &["x.Handler"],
        &[("change.data.capture.handler", "com.mongodb.kafka.connect.sink.cdc.qlik.rdbms.RdbmsHandler")],
        "handler: QlikRdbms",
    ),
    row(
        "change.data.capture.handler.remove.null.values",
        &["x"],
        &[
            ("change.data.capture.handler", "com.mongodb.kafka.connect.sink.cdc.mongodb.ChangeStreamHandler"),
            ("change.data.capture.handler.remove.null.values", "true"),
        ],
        "removes_nulls: true",
    ),
    row(
        "mongo.errors.tolerance",
        &["some", ""],
        &[("mongo.errors.tolerance", "data"), ("errors.tolerance", "all")],
        "tolerance: Data",
    ),
    row(
        "mongo.errors.log.enable",
        &["x"],
        &[("mongo.errors.log.enable", "true"), ("errors.log.enable", "false")],
        "log: true",
    ),
    row(
        "errors.tolerance.duplicate.key",
        &["x"],
        &[("errors.tolerance.duplicate.key", "ignore")],
        "duplicates: Ignore",
    ),
    row("timeseries.timefield", &[], &[SERIES], "write: InsertOne"),
    row("timeseries.metafield", &["lonely"], &[SERIES, ("timeseries.metafield", "m")], r#"meta_field: Some("m")"#),
    row(
        "timeseries.expire.after.seconds",
        &["-1", "60"],
        &[SERIES, ("timeseries.expire.after.seconds", "60")],
        "expire_after: Some(60s)",
    ),
    row(
        "timeseries.granularity",
        &["days", "hours"],
        &[SERIES, ("timeseries.granularity", "Hours")],
        r#"granularity: Some("hours")"#,
    ),
    row(
        "timeseries.timefield.auto.convert",
        &["x"],
        &[SERIES, ("timeseries.timefield.auto.convert", "true")],
        r#"ConvertTime { field: "at""#,
    ),
    row(
        "timeseries.timefield.auto.convert.date.format",
        &[],
        &[
            SERIES,
            ("timeseries.timefield.auto.convert", "true"),
            ("timeseries.timefield.auto.convert.date.format", "yyyy"),
        ],
        "items: [Number { field: Year, fewest: 4, most: 19 }]",
    ),
    row(
        "timeseries.timefield.auto.convert.locale.language.tag",
        &[],
        &[
            SERIES,
            ("timeseries.timefield.auto.convert", "true"),
            ("timeseries.timefield.auto.convert.locale.language.tag", "en-GB"),
        ],
        "ConvertTime",
    ),
];

/// Those of the connection: what is seen of them is tested by name below. And those that are without effect or refused.
const OTHERS: &[(&str, &[&str])] = &[
    ("connection.uri", &[]),
    ("server.api.version", &["2"]),
    ("server.api.deprecation.errors", &["x"]),
    ("server.api.strict", &["x"]),
    ("connection.ssl.truststore", &[]),
    ("connection.ssl.truststorePassword", &[]),
    ("connection.ssl.keystore", &[]),
    ("connection.ssl.keystorePassword", &[]),
    ("topic.override.%s.%s", &["x"]),
    ("provider", &[]),
    ("retry.backoff.ms", &["-1"]),
    ("retry.backoff.max.ms", &["-1"]),
    ("retry.timeout.ms", &["-1"]),
    ("exactly.once.offsets.collection", &[]),
    // Refused, for what they ask for would not be done.
    ("csfle.enabled", &["true", "x"]),
    ("mongo.custom.auth.mechanism.enable", &["true", "x"]),
    ("field.value.transformer", &["x.Transformer"]),
    // Without effect: they go with one that is refused.
    ("csfle.key.vault.namespace", &[]),
    ("csfle.local.master.key", &[]),
    ("csfle.schema.map", &[]),
    ("csfle.bypass.query.analysis", &["x"]),
    ("mongo.custom.auth.mechanism.providerClass", &[]),
    ("field.value.transformer.fields", &[]),
];

#[test]
fn every_property_is_in_a_table() {
    let mut named: Vec<&str> = TOPIC_ROWS.iter().map(|row| row.name).chain(OTHERS.iter().map(|row| row.0)).collect();
    named.sort_unstable();
    let definition = definition();
    let mut defined: Vec<&str> = definition.keys().map(|key| key.name.as_str()).collect();
    defined.sort_unstable();
    assert_eq!(named, defined);
}

/// What `/validate` shows.
fn issues(given: &Props) -> Vec<ConfigIssue> {
    let values = definition().validate(given).into_iter();
    let of_value = |value: ConfigValue| {
        value.errors.into_iter().map(|message| ConfigIssue::new(&*value.name, message)).collect::<Vec<_>>()
    };
    values.flat_map(of_value).collect()
}

#[test]
fn every_property_refuses_what_it_is_not() {
    let rows = TOPIC_ROWS.iter().map(|row| (row.name, row.refused)).chain(OTHERS.iter().copied());
    for (name, value) in rows.flat_map(|(name, values)| values.iter().map(move |value| (name, *value))) {
        let given = props(&[(name, value)]);
        let issues = issues(&given);
        assert!(!issues.is_empty(), "{name}={value} is not refused");
        assert!(issues.iter().all(|issue| issue.name == name), "{name}={value}: {issues:?}");
    }
}

#[test]
fn every_property_of_a_topic_changes_its_settings() {
    for row in TOPIC_ROWS {
        assert!(row.given.iter().any(|(name, _)| *name == row.name), "{} is not given", row.name);
        let with = format!("{:?}", topic(row.given));
        assert!(with.contains(row.changes), "{}: {} is not in {with}", row.name, row.changes);
        let overridden: Vec<(String, &str)> =
            row.given.iter().map(|(name, value)| (format!("topic.override.orders.{name}"), *value)).collect();
        let overridden: Vec<(&str, &str)> = overridden.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let settings = settings(&overridden);
        // Sets print in any order: they are not compared.
        let one_line = |text: String| text.split("fields: {").next().unwrap().to_owned();
        assert_eq!(
            one_line(format!("{:?}", settings.topic("orders").unwrap())),
            one_line(with),
            "{} overridden",
            row.name
        );
        if row.name != "database" && row.name != "rate.limiting.every.n" {
            let without = format!("{:?}", settings.topic("other").unwrap());
            assert!(!without.contains(row.changes), "{}: {} by default too", row.name, row.changes);
        }
    }
}

#[test]
fn properties_of_the_connection_are_read() {
    let plain = settings(&[]);
    assert_eq!(plain.uri.expose(), "mongodb://localhost:27017");
    assert!(plain.trust_store.is_none() && plain.key_store.is_none() && plain.server_api.is_none());
    assert!(plain.provider.is_none() && plain.offsets_collection.is_none());
    let times = |settings: &Settings| {
        let RetrySettings { backoff, backoff_max, timeout } = settings.retry;
        [backoff, backoff_max, timeout].map(|time| time.as_millis())
    };
    assert_eq!(times(&plain), [100, 10_000, 300_000]);
    let given = settings(&[
        ("connection.uri", "mongodb://u:secret@h"),
        ("connection.ssl.truststore", "/t"),
        ("connection.ssl.truststorePassword", "tp"),
        ("connection.ssl.keystore", "/k"),
        ("connection.ssl.keystorePassword", "kp"),
        ("server.api.version", "1"),
        ("server.api.strict", "true"),
        ("server.api.deprecation.errors", "true"),
        ("provider", "p"),
        ("retry.backoff.ms", "1"),
        ("retry.backoff.max.ms", "2"),
        ("retry.timeout.ms", "3"),
        ("exactly.once.offsets.collection", "offsets"),
    ]);
    assert_eq!(given.uri.expose(), "mongodb://u:secret@h");
    let store = |store: &Option<Store>| {
        store.as_ref().map(|it| (it.path.clone(), it.password.clone().unwrap().expose().to_owned()))
    };
    assert_eq!(store(&given.trust_store), Some(("/t".to_owned(), "tp".to_owned())));
    assert_eq!(store(&given.key_store), Some(("/k".to_owned(), "kp".to_owned())));
    let api = given.server_api.as_ref().unwrap();
    assert!(api.version == "1" && api.strict && api.deprecation_errors);
    assert_eq!((given.provider.as_deref(), given.offsets_collection.as_deref()), (Some("p"), Some("offsets")));
    assert_eq!(times(&given), [1, 2, 3]);
    let shown = format!("{given:?}");
    assert!(!shown.contains("secret") && !shown.contains("tp"), "{shown}");
}

/// One issue, on this property, that says this.
fn check(given: &[(&str, &str)], name: &str, says: &str) {
    let issues = issues(&props(given));
    let [issue] = &issues[..] else { panic!("{given:?}: {issues:?}") };
    assert!(issue.name == name && issue.message.contains(says), "{issue:?}");
    assert_eq!(definition().parse(&props(given)).unwrap_err().property(), Some(name));
}

#[test]
fn properties_that_do_not_go_together_are_refused() {
    check(
        &[("delete.on.null.values", "true")],
        "delete.on.null.values",
        "FullKeyStrategy, PartialKeyStrategy or ProvidedInKeyStrategy",
    );
    check(&[PARTIAL_KEY], "document.id.strategy", "Invalid key.projection.type value");
    check(&[FIELDS], "namespace.mapper", "no field is given");
    check(
        &[FIELDS, ("namespace.mapper.key.database.field", "a"), ("namespace.mapper.value.database.field", "b")],
        "namespace.mapper.key.database.field",
        "Cannot set both: 'namespace.mapper.key.database.field' and 'namespace.mapper.value.database.field'",
    );
    check(
        &[("topic.override.orders.max.batch.size", "-1")],
        "topic.override.orders.max.batch.size",
        "for configuration topic.override.orders.max.batch.size: Value must be at least 0",
    );
    check(
        &[("topic.override.a.b.writemodel.strategy", "X")],
        "topic.override.a.b.writemodel.strategy",
        "Class not found: X",
    );
    check(&[("errors.tolerance", "some")], "errors.tolerance", "none, data or all");
    let by_mapping =
        ("post.processor.chain", "com.mongodb.kafka.connect.sink.processor.field.renaming.RenameByMapping");
    check(&[by_mapping, ("field.renamer.mapping", "[{")], "field.renamer.mapping", "Not a valid JSON array");
    check(
        &[by_mapping, ("field.renamer.mapping", r#"[{"oldName": "a"}]"#)],
        "field.renamer.mapping",
        "Both oldName and newName",
    );
    let by_pattern = ("post.processor.chain", "com.mongodb.kafka.connect.sink.processor.field.renaming.RenameByRegExp");
    check(
        &[by_pattern, ("field.renamer.regexp", r#"[{"regexp": "(", "pattern": "a", "replace": "b"}]"#)],
        "field.renamer.regexp",
        "not a regular expression",
    );
    let convert = ("timeseries.timefield.auto.convert", "true");
    check(
        &[SERIES, convert, ("timeseries.timefield.auto.convert.date.format", "{")],
        "timeseries.timefield.auto.convert.date.format",
        "not a pattern",
    );
    check(
        &[SERIES, convert, ("timeseries.timefield.auto.convert.locale.language.tag", "fr")],
        "timeseries.timefield.auto.convert.locale.language.tag",
        "only English",
    );
}

#[test]
fn all_errors_are_reported_at_once() {
    let wrong = [("writemodel.strategy", "X"), ("document.id.strategy", "Y"), ("csfle.enabled", "true")];
    let names: BTreeSet<String> = issues(&props(&wrong)).into_iter().map(|issue| issue.name).collect();
    assert_eq!(names, BTreeSet::from(wrong.map(|(name, _)| name.to_owned())));
}

#[test]
fn a_topic_matched_by_a_pattern_uses_its_overrides() {
    let mut given = props(&[("topic.override.shop.eu.collection", "europe"), ("topics.regex", "shop.*")]);
    given.remove("topics");
    let settings = Settings::new(&definition().parse(&given).unwrap()).unwrap();
    assert!(format!("{:?}", settings.topic("shop.eu").unwrap()).contains(r#"collection: "europe""#));
    assert!(format!("{:?}", settings.topic("shop.us").unwrap()).contains(r#"collection: "shop.us""#));
    assert!(format!("{:?}", settings.topic("shop").unwrap()).contains(r#"collection: "shop""#));
}
