use tributary_api::ConfigType::{Boolean, Class, Int, List, Long, Password, Short, String as Text};
use tributary_api::Importance::{High, Low};
use tributary_api::{ConfigDef, ConfigKey, Validator, check_topic_name};

use super::{SYNC_LIMIT, from_confluent, key};

const LAMBDA: &str = "Lambda";
const BATCHES: &str = "Batches";
const ERRORS: &str = "Errors";
const REPORTER: &str = "Reporter";
const COMPATIBILITY: &str = "Compatibility";
const NO_EFFECT: &str = "Accepted for compatibility; has no effect here.";

/// All properties of Confluent's Lambda sink, and Tributary's own.
pub(crate) fn definition() -> ConfigDef {
    let keys = [lambda(), access(), batches(), errors(), reporter(), compatibility()];
    ConfigDef::new(keys.into_iter().flatten()).check(|config| from_confluent::settings(config).map(|_| Vec::new()))
}

fn lambda() -> Vec<ConfigKey> {
    vec![
        key("aws.lambda.function.name", Text, LAMBDA)
            .required()
            .validator(Validator::NonEmpty)
            .importance(High)
            .doc("The function to invoke: its name or ARN, optionally with a version or an alias after a colon."),
        key("aws.lambda.configuration.mode", Text, LAMBDA)
            .default("single")
            .one_of(&["single", "multiple"])
            .doc("single: one function for all topics. multiple: functions by topic from \
                  aws.lambda.topic2function.map."),
        key("aws.lambda.topic2function.map", List, LAMBDA).default("").doc(
            "Topics with a function of their own, each as topic;function, separated by commas; others go to \
             aws.lambda.function.name. Needs aws.lambda.configuration.mode=multiple.",
        ),
        key("aws.lambda.invocation.type", Text, LAMBDA)
            .default("sync")
            .validator(Validator::OneOfIgnoringCase(vec!["sync".to_owned(), "async".to_owned()]))
            .importance(High)
            .doc(
                "sync waits for the function's response; async passes the event to Lambda's own queue, which tries it \
                 three times, and does not wait for the result.",
            ),
        key("record.converter.class", Class, LAMBDA)
            .default("io.confluent.connect.aws.lambda.converters.JsonKeyValueConverter")
            .doc(
                "JsonKeyValueConverter puts keys and values into the event as JSON, EscapedJsonKeyValueConverter as \
                 text that holds JSON. aws.lambda.payload.format offers more.",
            ),
        key("aws.lambda.payload.format", Text, LAMBDA)
            .default("")
            .one_of(&["", "confluent", "confluent-escaped", "esm", "nordstrom-plain", "nordstrom-json"])
            .doc(
                "What an event looks like: as Confluent's sink writes it (with keys and values as JSON, or as text that \
                 holds JSON), as AWS's own Kafka trigger writes it (esm), or as Nordstrom's sink writes it. Empty: as \
                 record.converter.class says.",
            ),
        key("aws.lambda.esm.bootstrap.servers", Text, LAMBDA)
            .default("")
            .importance(Low)
            .doc("What events of the format esm give as bootstrapServers."),
        key("aws.lambda.esm.event.source.arn", Text, LAMBDA).default("").importance(Low).doc(
            "What events of the format esm give as eventSourceArn. With it eventSource is aws:kafka, without it \
             SelfManagedKafka.",
        ),
        key("aws.lambda.socket.timeout", Int, LAMBDA).validator(Validator::AtLeast(1)).importance(Low).doc(
            "Milliseconds to wait for a function's response. The default is longer than any function may run, so that \
             no function is invoked again while it still runs. Confluent's default is 50000.",
        ),
        key("aws.lambda.user.agent", Text, LAMBDA)
            .default("ConfluentPlatform")
            .importance(Low)
            .doc("Names the application in the requests' user agent.")
            .internal(),
    ]
}

fn access() -> Vec<ConfigKey> {
    let role = |name: &str, doc: &str| {
        key(&format!("aws.credentials.provider.sts.{name}"), Text, LAMBDA).default("").importance(Low).doc(doc)
    };
    vec![
        key("aws.lambda.region", Text, LAMBDA)
            .default("")
            .importance(High)
            .doc("The function's region; that of an ARN, or of the environment, when empty."),
        key("aws.access.key.id", Password, LAMBDA)
            .importance(High)
            .doc("The access key; the credentials provider's own when unset."),
        key("aws.secret.access.key", Password, LAMBDA).importance(High).doc("The secret of the access key."),
        key("aws.credentials.provider.class", Class, LAMBDA)
            .default("software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider")
            .importance(Low)
            .doc(
                "Where credentials come from: DefaultCredentialsProvider (AWS's default chain) or \
                 AwsAssumeRoleCredentialsProvider.",
            ),
        role("role.arn", "The role to assume; setting it is enough."),
        role("role.session.name", "The session name for the assumed role."),
        role("role.external.id", "The external id that the role's trust policy requires."),
        role("region", "The region of the token service; that of the function when empty."),
        key("aws.lambda.endpoint.url", Text, LAMBDA)
            .default("")
            .importance(Low)
            .doc("The endpoint, if it is not AWS's public one."),
        key("aws.lambda.proxy.url", Text, LAMBDA).default("").importance(Low).doc("A proxy: http://host:port."),
        key("aws.lambda.proxy.user", Text, LAMBDA).default("").importance(Low).doc("The proxy's user."),
        key("aws.lambda.proxy.password", Password, LAMBDA).importance(Low).doc("The password of the proxy's user."),
    ]
}

fn batches() -> Vec<ConfigKey> {
    let limit = i64::try_from(SYNC_LIMIT).unwrap_or(i64::MAX);
    vec![
        key("aws.lambda.batch.size", Int, BATCHES)
            .default(20)
            .validator(Validator::AtLeast(1))
            .importance(High)
            .doc("The maximum of records in an invocation; all are of one partition."),
        key("aws.lambda.batch.bytes", Int, BATCHES).validator(Validator::Between(1, limit)).doc(
            "The maximum size of an event in bytes, as sent. The default is Lambda's limit, 6 MiB (async: 1 MiB).",
        ),
        key("aws.lambda.batch.window.ms", Long, BATCHES)
            .default(0)
            .validator(Validator::AtLeast(0))
            .doc("Milliseconds that the first record of a batch waits for more records."),
        key("aws.lambda.concurrency", Int, BATCHES)
            .default(16)
            .validator(Validator::Between(1, 1000))
            .doc("The maximum of simultaneous invocations of a task. Those of a partition run one after another."),
        key("aws.lambda.rate.limit", Int, BATCHES)
            .default(0)
            .validator(Validator::AtLeast(0))
            .importance(Low)
            .doc("The maximum of invocations of a task per second; 0: no limit but Lambda's."),
    ]
}

fn errors() -> Vec<ConfigKey> {
    vec![
        key("behavior.on.error", Text, ERRORS)
            .default("fail")
            .validator(Validator::OneOfIgnoringCase(["fail", "log", "ignore"].map(str::to_owned).to_vec()))
            .doc(
                "What to do with records whose function failed: fail the task (unless errors.tolerance=all: then they \
                 go to the dead letter queue), write them to the log and the error topic, or ignore them.",
            ),
        key("aws.lambda.retries.max", Int, ERRORS).default(-1).validator(Validator::AtLeast(-1)).doc(
            "How often a request that Lambda did not accept (throttled, not reachable, service error) is retried \
             before the task fails; -1: without limit.",
        ),
        key("aws.lambda.retry.backoff.ms", Long, ERRORS)
            .default(500)
            .validator(Validator::AtLeast(1))
            .importance(Low)
            .doc("Milliseconds before the first retry; they double, with jitter."),
        key("aws.lambda.retry.backoff.max.ms", Long, ERRORS)
            .default(30_000)
            .validator(Validator::AtLeast(1))
            .importance(Low)
            .doc("The maximum of milliseconds before a retry, unless Lambda requests more."),
        key("aws.lambda.function.retries", Int, ERRORS)
            .default(0)
            .validator(Validator::AtLeast(0))
            .doc("How often the function is invoked again for a failed batch before behavior.on.error applies."),
        key("aws.lambda.bisect.on.function.error", Boolean, ERRORS).default(false).doc(
            "Whether a batch whose function failed is halved, and each half invoked again, until the failing records \
             are alone. A batch that Lambda calls too large is halved in any case.",
        ),
        key("aws.lambda.batch.item.failures", Boolean, ERRORS).default(true).doc(
            "Whether a response of the form {\"batchItemFailures\":[...]} lists the records that failed, as in AWS's \
             partial batch responses.",
        ),
        key("aws.lambda.batch.item.retries", Int, ERRORS).default(3).validator(Validator::AtLeast(0)).doc(
            "How often the function is invoked again from the first such record on, before behavior.on.error applies \
             to this record.",
        ),
        key("aws.lambda.log.tail", Boolean, ERRORS)
            .default(false)
            .importance(Low)
            .doc("Whether error messages include the last lines of the function's log."),
    ]
}

fn reporter() -> Vec<ConfigKey> {
    let mut keys = vec![key("reporter.bootstrap.servers", List, REPORTER).default("").importance(High).doc(
        "The brokers of the result and error topics: those of the worker when empty. Reports are written when this or \
         the name of one of the topics is set, and an offset is committed only after its record's report is written.",
    )];
    for (what, default, doc) in [
        ("result", "${connector}-success", "The topic for the functions' responses, one record for each record."),
        ("error", "${connector}-error", "The topic for failures, used if behavior.on.error is log."),
    ] {
        let name = |end: &str| format!("reporter.{what}.topic.{end}");
        let format = |end: &str, doc: &str| {
            key(&name(end), Text, REPORTER).default("string").one_of(&["json", "string"]).doc(doc)
        };
        keys.extend([
            key(&name("name"), Text, REPORTER)
                .default(default)
                .validator(topic_name())
                .doc(format!("{doc} ${{connector}} is replaced by the connector's name; empty: none.")),
            key(&name("replication.factor"), Short, REPORTER)
                .default(3)
                .validator(Validator::AtLeast(1))
                .doc("Replicas of the topic, if it is to be created."),
            key(&name("partitions"), Int, REPORTER)
                .default(1)
                .validator(Validator::AtLeast(1))
                .doc("Partitions of the topic, if it is to be created."),
            format("key.format", "How the key of the record is written: as text, or as JSON."),
            format(
                "value.format",
                "How the report is written: JSON as it is and text as text, or (json) text in quotes too.",
            ),
        ]);
        for part in ["key", "value"] {
            keys.extend([
                key(&name(&format!("{part}.format.schemas.cache.size")), Int, REPORTER)
                    .default(128)
                    .validator(Validator::AtLeast(0))
                    .importance(Low)
                    .doc(NO_EFFECT),
                key(&name(&format!("{part}.format.schemas.enable")), Boolean, REPORTER)
                    .default(false)
                    .importance(Low)
                    .doc("Whether JSON is written together with its schema, as text."),
            ]);
        }
    }
    // Secrets: a login may be among them.
    let client = |what: &str, doc: &str| {
        let prefix = format!("reporter.{what}.");
        key(&format!("{prefix}*"), Password, REPORTER).name_begins(&prefix).importance(Low).doc(doc)
    };
    keys.extend([
        client("producer", "Settings of the producer that writes the reports, with the names of Kafka's producer."),
        client(
            "admin",
            "Settings of the admin client that creates the topics, with the names of Kafka's admin client.",
        ),
    ]);
    keys
}

fn topic_name() -> Validator {
    Validator::custom("what a topic can be called, or empty; `${connector}` is replaced", |text| match text {
        "" => Ok(()),
        text => check_topic_name(&text.replace("${connector}", "connector")),
    })
}

fn compatibility() -> Vec<ConfigKey> {
    let old = |name: &str, doc: &str| key(name, Text, COMPATIBILITY).default("").importance(Low).doc(doc);
    vec![
        old("aws.lambda.response.topic", "The older name of reporter.result.topic.name.").validator(topic_name()),
        old("aws.lambda.response.bootstrap.servers", "The older name of reporter.bootstrap.servers."),
        old("aws.lambda.response.client.id", "The older name of reporter.producer.client.id."),
        key("confluent.license", Password, COMPATIBILITY).default("").importance(Low).doc(NO_EFFECT),
        key("confluent.topic", Text, COMPATIBILITY).default("_confluent-command").importance(Low).doc(NO_EFFECT),
        key("confluent.topic.bootstrap.servers", List, COMPATIBILITY).default("").importance(Low).doc(NO_EFFECT),
        key("confluent.topic.replication.factor", Int, COMPATIBILITY).default(3).importance(Low).doc(NO_EFFECT),
    ]
}
