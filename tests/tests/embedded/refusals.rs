//! What a task would fail with at its start is refused before it is stored: `/validate` shows it on the property that is
//! wrong, and `POST /connectors` answers 400.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tributary_tests::{RestClient, Tributary, WorkerOptions, free_port};

const LIMIT: Duration = Duration::from_secs(120);
/// A unique name for a configuration.
const NAME: &str = "refused";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A rule pack that is right.
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/rules/demo.yaml");

type Entries = &'static [(&'static str, &'static str)];
/// What is added to a configuration that is right, an empty text taking a property away; and the properties that are shown
/// to be wrong, all of them.
type Case = (Entries, &'static [&'static str]);

const SOURCE: &[Case] = &[
    (&[("topic", "")], &["topic"]),
    (&[("topic", "a b")], &["topic"]),
    (&[("batch.size", "x")], &["batch.size"]),
    (&[("tasks.max", "0")], &["tasks.max"]),
    (&[("config.action.reload", "perhaps")], &["config.action.reload"]),
    (&[("errors.tolerance", "some")], &["errors.tolerance"]),
    (&[("errors.retry.timeout", "x")], &["errors.retry.timeout"]),
    (&[("errors.retry.delay.max.ms", "x")], &["errors.retry.delay.max.ms"]),
    (&[("errors.log.enable", "perhaps")], &["errors.log.enable"]),
    (&[("errors.restart.max.attempts", "-2")], &["errors.restart.max.attempts"]),
    (&[("errors.restart.delay.ms", "0")], &["errors.restart.delay.ms"]),
    (
        &[("topic.creation.groups", "g"), ("topic.creation.default.partitions", "1")],
        &["topic.creation.default.replication.factor"],
    ),
    (
        &[("topic.creation.default.partitions", "0"), ("topic.creation.default.replication.factor", "1")],
        &["topic.creation.default.partitions"],
    ),
    (
        &[
            ("topic.creation.groups", "g"),
            ("topic.creation.g.include", "("),
            ("topic.creation.default.partitions", "1"),
            ("topic.creation.default.replication.factor", "1"),
        ],
        &["topic.creation.g.include"],
    ),
    (&[("key.converter", "Nope")], &["key.converter"]),
    (&[("header.converter", "Nope")], &["header.converter"]),
    (
        &[("value.converter", "JsonConverter"), ("value.converter.schemas.cache.size", "x")],
        &["value.converter.schemas.cache.size"],
    ),
    (
        &[("value.converter", "StringConverter"), ("value.converter.converter.encoding", "UTF-9")],
        &["value.converter.converter.encoding"],
    ),
    (
        &[("value.converter", "JsonConverter"), ("value.converter.schema.content", "{")],
        &["value.converter.schema.content"],
    ),
];

const CHAINS: &[Case] = &[
    (&[("transforms", "a")], &["transforms.a.type"]),
    (&[("transforms", "a"), ("transforms.a.type", "Nope")], &["transforms.a.type"]),
    (&[("transforms", "a,a"), ("transforms.a.type", "ValueToKey"), ("transforms.a.fields", "f")], &["transforms"]),
    (
        &[
            ("transforms", "a"),
            ("transforms.a.type", "RegexRouter"),
            ("transforms.a.regex", "("),
            ("transforms.a.replacement", "b"),
        ],
        &["transforms.a.regex"],
    ),
    (
        &[
            ("transforms", "a"),
            ("transforms.a.type", "RegexRouter"),
            ("transforms.a.regex", "a"),
            ("transforms.a.replacement", "$2"),
        ],
        &["transforms.a.replacement"],
    ),
    (
        &[("transforms", "a"), ("transforms.a.type", "ReplaceField$Value"), ("transforms.a.renames", "old")],
        &["transforms.a.renames"],
    ),
    (
        &[
            ("transforms", "a"),
            ("transforms.a.type", "ValueToKey"),
            ("transforms.a.fields", "f"),
            ("transforms.a.predicate", "p"),
        ],
        &["transforms.a.predicate"],
    ),
    (
        &[
            ("transforms", "a"),
            ("transforms.a.type", "ValueToKey"),
            ("transforms.a.fields", "f"),
            ("transforms.a.negate", "true"),
        ],
        &["transforms.a.negate"],
    ),
    (&[("predicates", "p")], &["predicates.p.type"]),
    (
        &[("predicates", "p"), ("predicates.p.type", "TopicNameMatches"), ("predicates.p.pattern", "(")],
        &["predicates.p.pattern"],
    ),
    // What keeps state has a host of its own.
    (&[("transforms", "a"), ("transforms.a.type", "tributary.Enrich")], &["transforms.a.type"]),
];

const PRODUCER: &[Case] = &[
    (&[("producer.override.acks", "many")], &["producer.override.acks"]),
    (&[("producer.override.linger.ms", "soon")], &["producer.override.linger.ms"]),
    (&[("producer.override.compression.type", "zip")], &["producer.override.compression.type"]),
    (&[("producer.override.security.protocol", "carrier pigeon")], &["producer.override.security.protocol"]),
    (&[("producer.override.acks", "1"), ("producer.override.enable.idempotence", "true")], &["producer.override.acks"]),
    (&[("producer.override.max.request.size", "50000000")], &["producer.override.max.request.size"]),
    (&[("producer.override.delivery.timeout.ms", "1000")], &["producer.override.delivery.timeout.ms"]),
    (&[("producer.override.ssl.cipher.suites", "a")], &["producer.override.ssl.cipher.suites"]),
];

const SINK: &[Case] = &[
    (&[("topics", "")], &["topics", "topics.regex"]),
    (&[("topics", "a b")], &["topics"]),
    (&[("topics", "t,t")], &["topics"]),
    (&[("topics.regex", "a.*")], &["topics", "topics.regex"]),
    (&[("topics", ""), ("topics.regex", "(")], &["topics.regex"]),
    (&[("errors.deadletterqueue.topic.name", "t")], &["topics"]),
    (&[("errors.deadletterqueue.topic.name", "a b")], &["errors.deadletterqueue.topic.name"]),
    (
        &[("errors.deadletterqueue.topic.name", "d"), ("errors.deadletterqueue.topic.replication.factor", "0")],
        &["errors.deadletterqueue.topic.replication.factor"],
    ),
    (&[("consumer.override.max.poll.records", "0")], &["consumer.override.max.poll.records"]),
    (&[("consumer.override.auto.offset.reset", "sideways")], &["consumer.override.auto.offset.reset"]),
    (&[("consumer.override.isolation.level", "some")], &["consumer.override.isolation.level"]),
    (&[("consumer.override.max.poll.interval.ms", "1000")], &["consumer.override.max.poll.interval.ms"]),
    (&[("admin.override.request.timeout.ms", "x")], &["admin.override.request.timeout.ms"]),
];

const S3: &[Case] = &[
    (&[("format.class", "AvroFormat")], &["format.class"]),
    (&[("flush.size", "0")], &["flush.size"]),
    (&[("rotate.schedule.interval.ms", "1000")], &["timezone"]),
    (&[("rotate.schedule.interval.ms", "1000"), ("timezone", "Mars/Base")], &["timezone"]),
    (&[("rotate.interval.ms", "1000")], &["rotate.interval.ms"]),
    (&[("aws.secret.access.key", "")], &["aws.secret.access.key"]),
    (&[("s3.part.size", "1")], &["s3.part.size"]),
    (&[("s3.bucket.name", "nowhere")], &["s3.bucket.name"]),
    (&[("s3.compression.type", "zip")], &["s3.compression.type"]),
    (&[("behavior.on.null.values", "write")], &["behavior.on.null.values"]),
    (&[("partitioner.class", "TimeBasedPartitioner")], &["partitioner.class"]),
    (&[("store.url", "http://127.0.0.1:1")], &["store.url"]),
    (&[("s3.ssea.name", "ROT13")], &["s3.ssea.name"]),
    (&[("s3.acl.canned", "everybody")], &["s3.acl.canned"]),
];

const LAMBDA: &[Case] = &[
    (&[("aws.lambda.invocation.type", "later")], &["aws.lambda.invocation.type"]),
    (&[("aws.lambda.invocation.type", "async"), ("aws.lambda.batch.bytes", "2000000")], &["aws.lambda.batch.bytes"]),
    (&[("record.converter.class", "Nope")], &["record.converter.class"]),
    (&[("aws.lambda.topic2function.map", "t")], &["aws.lambda.topic2function.map"]),
    (&[("aws.credentials.provider.class", "Nope")], &["aws.credentials.provider.class"]),
    (&[("aws.secret.access.key", "")], &["aws.secret.access.key"]),
    (&[("aws.lambda.region", "")], &["aws.lambda.region"]),
    (&[("aws.lambda.endpoint.url", "http://127.0.0.1:1")], &["aws.lambda.function.name"]),
];

const MONGO: &[Case] = &[
    (&[("connection.uri", "nonsense")], &["connection.uri"]),
    (&[("connection.uri", "mongodb://127.0.0.1:1/?w=0")], &["connection.uri"]),
    (&[("connection.ssl.truststore", "/nowhere.pem")], &["connection.ssl.truststore"]),
    (&[("connection.ssl.keystore", "/nowhere.pem")], &["connection.ssl.keystore"]),
    (&[("server.api.version", "2")], &["server.api.version"]),
    (&[("document.id.strategy", "Nope")], &["document.id.strategy"]),
    (&[("writemodel.strategy", "Nope")], &["writemodel.strategy"]),
    (&[("csfle.enabled", "true")], &["csfle.enabled"]),
    (&[("topic.override.t.writemodel.strategy", "Nope")], &["topic.override.t.writemodel.strategy"]),
];

const LISTENER: &[Case] = &[
    (&[("session.secret", "short")], &["session.secret"]),
    (&[("session.secret.previous", "short")], &["session.secret.previous"]),
    (&[("http.listen", "8081")], &["http.listen"]),
    // An address of a network for examples, which no machine has.
    (&[("http.listen", "203.0.113.1:8081")], &["http.listen"]),
    (&[("cors.allowed.origins", "*")], &["cors.allowed.origins"]),
    (&[("http.tls.key.file", "/nowhere.pem")], &["http.tls.certificate.file"]),
    (
        &[("http.tls.certificate.file", "/nowhere.pem"), ("http.tls.key.file", "/nowhere.pem")],
        &["http.tls.certificate.file"],
    ),
    (&[("http.tls.client.auth", "required")], &["http.tls.client.ca.file"]),
    (&[("http.trusted.proxies", "everybody")], &["http.trusted.proxies"]),
];

const COLLECT: &[Case] = &[
    (&[("topic", "a b")], &["topic"]),
    (&[("http.path", "collect")], &["http.path"]),
    (&[("event.max.bytes", "70000"), ("request.max.bytes", "60000")], &["event.max.bytes"]),
    (&[("producer.override.max.request.size", "1000")], &["event.max.bytes"]),
];

const DELIVER: &[Case] = &[(&[("poll.path", "/ws")], &["poll.path"]), (&[("event.name", "cursor")], &["event.name"])];

const PROCESSOR: &[Case] = &[
    (&[("topics", ""), ("topics.regex", "a.*")], &["topics.regex"]),
    (&[("processing.guarantee", "exactly_once")], &["processing.guarantee"]),
    (&[("changelog.replication.factor", "0")], &["changelog.replication.factor"]),
    (&[("output.topics.compacted", "a b")], &["output.topics.compacted"]),
    (&[("state.cache.bytes", "1")], &["state.cache.bytes"]),
    (&[("max.batch.records", "0")], &["max.batch.records"]),
    (&[("transforms", "a"), ("transforms.a.type", "tributary.Personalize")], &["transforms.a.rules.file"]),
    (
        &[("transforms", "a"), ("transforms.a.type", "tributary.Personalize"), ("transforms.a.rules", "nonsense")],
        &["transforms.a.rules"],
    ),
    (
        &[("transforms", "a"), ("transforms.a.type", "tributary.Personalize"), ("transforms.a.rules.file", "/nowhere")],
        &["transforms.a.rules.file"],
    ),
    // Both would keep their people in one store.
    (
        &[
            ("transforms", "a,b"),
            ("transforms.a.type", "tributary.Personalize"),
            ("transforms.a.rules.file", RULES),
            ("transforms.b.type", "tributary.Personalize"),
            ("transforms.b.rules.file", RULES),
        ],
        &["transforms.b.type"],
    ),
];

#[tokio::test]
async fn what_a_task_would_fail_with_is_shown_on_its_property_and_not_stored() -> Result<()> {
    let mut worker = Tributary::start(WorkerOptions::embedded().set("demo.shop.enable", "false")).await?;
    let rest = worker.rest();
    let file = |class: &str, more: (&str, &str)| config(class, &[more, ("file", "refused.txt")]);
    let (source, sink) = (file("FileStreamSource", ("topic", "t")), file("FileStreamSink", ("topics", "t")));
    let s3 = config(
        "S3Sink",
        &[
            ("topics", "t"),
            ("format.class", "JsonFormat"),
            ("flush.size", "10"),
            ("s3.bucket.name", "raw"),
            ("store.url", "${worker:s3.endpoint}"),
            ("s3.region", "${worker:s3.region}"),
            ("aws.access.key.id", "${worker:s3.access.key.id}"),
            ("aws.secret.access.key", "${worker:s3.secret.access.key}"),
        ],
    );
    let listen = format!("127.0.0.1:{}", free_port()?);
    let http = [("http.listen", listen.as_str()), ("session.secret", SECRET)];
    let collect = config("tributary.ClickstreamSource", &http);
    let deliver = config("tributary.SessionDelivery", &[&http[..], &[("topics", "t")]].concat());
    let processor = config("tributary.StreamProcessor", &[("topics", "t")]);
    let mut mistakes = Vec::new();
    for (right, cases) in [
        (&source, &[SOURCE, CHAINS, PRODUCER][..]),
        (&sink, &[SINK, CHAINS]),
        (&s3, &[S3]),
        (&collect, &[COLLECT, LISTENER]),
        (&deliver, &[DELIVER, LISTENER]),
        (&processor, &[PROCESSOR, PRODUCER]),
    ] {
        assert_eq!(wrong(&rest, right).await?, [""; 0], "{right:?}");
        mistakes.extend(refused(&rest, right, &cases.concat()).await?);
    }
    // Without their servers no configuration of these is right.
    let aws = [("aws.access.key.id", "a"), ("aws.secret.access.key", "b"), ("aws.lambda.region", "eu-west-1")];
    let lambda = config("AwsLambdaSink", &[&aws[..], &[("topics", "t"), ("aws.lambda.function.name", "f")]].concat());
    mistakes.extend(refused(&rest, &lambda, LAMBDA).await?);
    let uri = ("connection.uri", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100");
    let mongo = config("MongoSink", &[("topics", "t"), ("database", "d"), uri]);
    mistakes.extend(refused(&rest, &mongo, MONGO).await?);
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    worker.stop().await
}

#[tokio::test]
async fn a_path_that_another_connector_serves_is_refused_until_it_is_given_back() -> Result<()> {
    let mut worker = Tributary::start(WorkerOptions::embedded().set("demo.shop.enable", "false")).await?;
    let rest = worker.rest();
    let listen = format!("127.0.0.1:{}", free_port()?);
    let clicks =
        config("tributary.ClickstreamSource", &[("http.listen", &listen), ("session.secret", SECRET), ("topic", "c")]);
    let named = |name: &str| -> Map<_, _> { clicks.clone().into_iter().chain(entries(&[("name", name)])).collect() };
    rest.put_connector("clicks", &Value::Object(named("clicks"))).await?;
    rest.wait_running("clicks", 1, LIMIT).await?;
    assert_eq!(refused(&rest, &clicks, &[(&[], &["http.path"])]).await?, [""; 0]);
    let elsewhere = [("http.path", "/other"), ("http.connections.max.per.address", "7")];
    let other_settings: Map<_, _> = clicks.clone().into_iter().chain(entries(&elsewhere)).collect();
    assert_eq!(wrong(&rest, &other_settings).await?, ["http.listen"]);
    // Its own is none of that, and what it gives back is free.
    assert_eq!(wrong(&rest, &named("clicks")).await?, [""; 0]);
    rest.delete("/connectors/clicks").await?.success()?;
    rest.put_connector("next", &Value::Object(named("next"))).await?;
    rest.wait_running("next", 1, LIMIT).await?;
    worker.stop().await
}

fn config(class: &str, more: &[(&str, &str)]) -> Map<String, Value> {
    entries(&[("connector.class", class), ("name", NAME)]).chain(entries(more)).collect()
}

fn entries(entries: &[(&str, &str)]) -> impl Iterator<Item = (String, Value)> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), json!(value)))
}

/// The properties that `/validate` shows to be wrong, in order.
async fn wrong(rest: &RestClient, config: &Map<String, Value>) -> Result<Vec<String>> {
    let class = config["connector.class"].as_str().context("no class")?;
    let path = format!("/connector-plugins/{class}/config/validate");
    let answer = rest.put(&path, &Value::Object(config.clone())).await?.success()?;
    let values = answer["configs"].as_array().into_iter().flatten().map(|config| &config["value"]);
    let wrong = values.filter(|value| value["errors"].as_array().is_some_and(|errors| !errors.is_empty()));
    let mut names: Vec<String> = wrong.filter_map(|value| Some(value["name"].as_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// What is not refused as it should be: nothing.
async fn refused(rest: &RestClient, right: &Map<String, Value>, cases: &[Case]) -> Result<Vec<String>> {
    let mut mistakes = Vec::new();
    for (changes, expected) in cases {
        let mut config = right.clone();
        config.extend(entries(changes));
        config.retain(|_, value| value != "");
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let shown = wrong(rest, &config).await?;
        let posted = rest.post("/connectors", &json!({"name": NAME, "config": config})).await?;
        let stored = rest.get(&format!("/connectors/{NAME}")).await?.status != 404;
        if shown != expected || posted.status != 400 || stored {
            let class = &right["connector.class"];
            mistakes.push(format!("{changes:?} of {class}: shown {shown:?}, answered {}", posted.status));
        }
        if stored {
            rest.delete(&format!("/connectors/{NAME}")).await?.success()?;
        }
    }
    Ok(mistakes)
}
