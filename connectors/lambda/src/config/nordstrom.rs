use tributary_api::ConfigType::{Boolean, Class, Int, List, Long, Password, String as Text};
use tributary_api::Importance::{High, Low};
use tributary_api::{ConfigDef, ConfigKey, Validator};

use super::{from_nordstrom, key};

const LAMBDA: &str = "Lambda";
const FORMAT: &str = "Format";

/// All properties of Nordstrom's Lambda sink.
pub(crate) fn definition() -> ConfigDef {
    let keys = invocation().into_iter().chain(access()).chain(format());
    ConfigDef::new(keys).check(|config| from_nordstrom::settings(config).map(|_| Vec::new()))
}

fn invocation() -> Vec<ConfigKey> {
    vec![
        key("aws.lambda.function.arn", Text, LAMBDA)
            .required()
            .validator(Validator::NonEmpty)
            .importance(High)
            .doc("The function to invoke."),
        key("aws.lambda.invocation.mode", Text, LAMBDA)
            .default("SYNC")
            .one_of(&["SYNC", "ASYNC"])
            .doc("SYNC waits for the function's response; ASYNC passes the event to Lambda's own queue."),
        key("aws.lambda.invocation.timeout.ms", Long, LAMBDA)
            .default(300_000)
            .validator(Validator::AtLeast(1))
            .importance(Low)
            .doc("Milliseconds to wait for a function's response. A longer invocation counts as failed."),
        key("aws.lambda.invocation.failure.mode", Text, LAMBDA)
            .default("STOP")
            .one_of(&["STOP", "DROP"])
            .importance(Low)
            .doc(
                "What to do with records whose function failed, or that are too large: STOP fails the task (unless \
                 errors.tolerance=all: then they go to the dead letter queue), DROP logs and skips them.",
            ),
        key("aws.lambda.batch.enabled", Boolean, LAMBDA).default(true).doc(
            "Whether an event is an array of as many records of a partition as Lambda accepts, but no more than \
             consumer.override.max.poll.records (500), or one record alone.",
        ),
        key("retries.max", Int, LAMBDA)
            .default(5)
            .validator(Validator::AtLeast(0))
            .importance(Low)
            .doc("How often an invocation that ended with one of retriable.error.codes is retried."),
        key("retry.backoff.millis", Int, LAMBDA)
            .default(500)
            .validator(Validator::AtLeast(1))
            .importance(Low)
            .doc("Milliseconds before the first retry; they double, with jitter."),
        key("retriable.error.codes", List, LAMBDA).default("500,503,504").importance(Low).doc(
            "The statuses after which an invocation is retried. Throttled invocations (429) are always retried, \
             without limit.",
        ),
    ]
}

fn access() -> Vec<ConfigKey> {
    let provider = |name: &str, doc: &str| {
        key(&format!("aws.credentials.provider.{name}"), Text, LAMBDA).default("").importance(Low).doc(doc)
    };
    vec![
        key("aws.region", Text, LAMBDA)
            .default("")
            .importance(High)
            .doc("The function's region; that of its ARN, or of the environment, when empty."),
        key("aws.credentials.provider.class", Class, LAMBDA)
            .default("com.amazonaws.auth.DefaultAWSCredentialsProviderChain")
            .importance(Low)
            .doc(
                "Where credentials come from: DefaultAWSCredentialsProviderChain, AWSUserCredentialsProvider (the \
                 access key below) or AWSAssumeRoleCredentialsProvider (the role below).",
            ),
        key("aws.credentials.provider.aws.access.key.id", Password, LAMBDA).importance(Low).doc("The access key."),
        key("aws.credentials.provider.aws.secret.access.key", Password, LAMBDA)
            .importance(Low)
            .doc("The secret of the access key."),
        provider("role.arn", "The role to assume."),
        provider("session.name", "The session name for the assumed role."),
        provider("external.id", "The external id that the role's trust policy requires."),
        key("http.proxy.host", Text, LAMBDA).default("").importance(Low).doc(
            "The endpoint to send to instead of AWS's, as Nordstrom's last version reads it; with http.proxy.port, a \
             proxy.",
        ),
        key("http.proxy.port", Int, LAMBDA)
            .default(-1)
            .validator(Validator::Between(-1, 65_535))
            .importance(Low)
            .doc("The proxy's port."),
    ]
}

fn format() -> Vec<ConfigKey> {
    let visibility = |part: &str| {
        key(&format!("payload.formatter.{part}.schema.visibility"), Text, FORMAT)
            .default("min")
            .one_of(&["none", "min", "all"])
            .importance(Low)
            .doc(format!(
                "What JsonPayloadFormatter writes of the {part}'s schema: nothing, its name and version, or also the \
                 schema itself around the {part}."
            ))
    };
    vec![
        key("payload.formatter.class", Class, FORMAT)
            .default("com.nordstrom.kafka.connect.formatters.PlainPayloadFormatter")
            .importance(Low)
            .doc("PlainPayloadFormatter writes keys and values as text, JsonPayloadFormatter as JSON."),
        visibility("key"),
        visibility("value"),
    ]
}
