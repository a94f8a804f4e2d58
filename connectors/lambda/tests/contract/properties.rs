//! Every property: its default, its type, what it refuses, and the test that shows what it does.

use std::collections::BTreeSet;

use lambda_front::{Kind, Reply};
use serde_json::Value as Json;
use tributary_api::ConfigType::{self, Boolean, Class, Int, List, Long, Password, Short, String as Text};
use tributary_api::{DefaultValue, Plugin, Props};
use tributary_testkit::FakeSinkHost;

use crate::battery::nordstrom_props;
use crate::support::{Setup, TEST_TIMEOUT, Task, listener, nordstrom, plugin};

/// Name, type, default (`*`: required, `-`: null), values refused, values taken, the test of its effect (`=`: none, as
/// its documentation says).
type Row = (&'static str, ConfigType, &'static str, &'static [&'static str], &'static [&'static str], &'static str);

const CONFLUENT: &[Row] = &[
    (
        "aws.lambda.function.name",
        Text,
        "*",
        &[""],
        &["f", "f:7", "arn:aws:lambda:r:1:function:f"],
        "access::functions_are_named_in_all_of_awss_ways",
    ),
    ("aws.lambda.configuration.mode", Text, "single", &["none"], &["multiple"], "batches::each_topic_has_its_function"),
    ("aws.lambda.topic2function.map", List, "", &[], &["a;b,c;d"], "batches::each_topic_has_its_function"),
    (
        "aws.lambda.invocation.type",
        Text,
        "sync",
        &["dryrun"],
        &["async", "SYNC"],
        "batches::asynchronous_events_are_handed_over_and_forgotten",
    ),
    (
        "record.converter.class",
        Class,
        "io.confluent.connect.aws.lambda.converters.JsonKeyValueConverter",
        &[],
        &["io.confluent.connect.aws.lambda.converters.EscapedJsonKeyValueConverter"],
        "properties::formats_are_chosen",
    ),
    ("aws.lambda.payload.format", Text, "", &["xml"], &["esm", "nordstrom-json"], "properties::formats_are_chosen"),
    ("aws.lambda.esm.bootstrap.servers", Text, "", &[], &["a:1"], "properties::formats_are_chosen"),
    ("aws.lambda.esm.event.source.arn", Text, "", &[], &["arn:aws:kafka:x"], "properties::formats_are_chosen"),
    (
        "aws.lambda.socket.timeout",
        Int,
        "-",
        &["0", "x"],
        &["50000"],
        "waiting::the_users_time_out_is_kept_and_nothing_invoked_twice",
    ),
    ("aws.lambda.user.agent", Text, "ConfluentPlatform", &[], &["Shop"], "properties::the_application_is_named"),
    ("aws.lambda.region", Text, "", &[], &["eu-west-1"], "access::the_region_of_an_arn_is_enough"),
    ("aws.access.key.id", Password, "-", &[], &["k"], "access::secrets_of_access_are_missing_together"),
    ("aws.secret.access.key", Password, "-", &[], &["s"], "access::secrets_of_access_are_missing_together"),
    (
        "aws.credentials.provider.class",
        Class,
        "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
        &[],
        &["x.AwsAssumeRoleCredentialsProvider"],
        "configuration::combinations_are_checked",
    ),
    ("aws.credentials.provider.sts.role.arn", Text, "", &[], &["arn:aws:iam::1:role/r"], "role::the_role_is_assumed"),
    ("aws.credentials.provider.sts.role.session.name", Text, "", &[], &["s"], "role::the_role_is_assumed"),
    ("aws.credentials.provider.sts.role.external.id", Text, "", &[], &["e"], "role::the_role_is_assumed"),
    ("aws.credentials.provider.sts.region", Text, "", &[], &["us-east-1"], "role::the_role_is_assumed"),
    ("aws.lambda.endpoint.url", Text, "", &[], &["http://localhost:1"], "configuration::lambda_must_be_reached"),
    ("aws.lambda.proxy.url", Text, "", &[], &["http://p:1"], "access::requests_pass_through_a_proxy"),
    ("aws.lambda.proxy.user", Text, "", &[], &["u"], "access::requests_pass_through_a_proxy"),
    ("aws.lambda.proxy.password", Password, "-", &[], &["p"], "access::requests_pass_through_a_proxy"),
    ("aws.lambda.batch.size", Int, "20", &["0", "-1", "many"], &["1", "10000"], "batches::batches_have_a_size"),
    (
        "aws.lambda.batch.bytes",
        Int,
        "-",
        &["0", "6291457"],
        &["6291456"],
        "batches::batches_are_as_large_as_allowed_to_the_byte",
    ),
    (
        "aws.lambda.batch.window.ms",
        Long,
        "0",
        &["-1"],
        &["500"],
        "batches::a_batch_waits_for_more_records_up_to_its_timeout",
    ),
    (
        "aws.lambda.concurrency",
        Int,
        "16",
        &["0", "1001"],
        &["1"],
        "batches::partitions_go_side_by_side_and_each_one_after_another",
    ),
    ("aws.lambda.rate.limit", Int, "0", &["-1"], &["10"], "waiting::a_limit_of_invocations_a_second_is_kept"),
    (
        "behavior.on.error",
        Text,
        "fail",
        &["stop"],
        &["log", "IGNORE"],
        "errors::logged_or_ignored_they_are_passed_over",
    ),
    (
        "aws.lambda.retries.max",
        Int,
        "-1",
        &["-2"],
        &["0"],
        "waiting::requests_that_lambda_did_not_take_are_repeated_as_often_as_allowed",
    ),
    ("aws.lambda.retry.backoff.ms", Long, "500", &["0"], &["1"], "waiting::backoff_is_as_long_as_configured"),
    ("aws.lambda.retry.backoff.max.ms", Long, "30000", &["0"], &["1"], "waiting::backoff_is_as_long_as_configured"),
    ("aws.lambda.function.retries", Int, "0", &["-1"], &["2"], "errors::a_batch_can_be_invoked_again"),
    (
        "aws.lambda.bisect.on.function.error",
        Boolean,
        "false",
        &["maybe"],
        &["true"],
        "errors::halved_only_the_records_at_fault_fail",
    ),
    (
        "aws.lambda.batch.item.failures",
        Boolean,
        "true",
        &["maybe"],
        &["false"],
        "errors::an_answer_that_names_what_is_not_there_fails_the_batch",
    ),
    (
        "aws.lambda.batch.item.retries",
        Int,
        "3",
        &["-1"],
        &["0"],
        "errors::a_record_that_fails_too_often_is_given_up_alone",
    ),
    (
        "aws.lambda.log.tail",
        Boolean,
        "false",
        &["maybe"],
        &["true"],
        "errors::the_functions_log_is_logged_if_configured",
    ),
    ("reporter.bootstrap.servers", List, "", &[], &["a:1,b:2"], "reports::each_record_has_its_part_of_the_answer"),
    (
        "reporter.result.topic.name",
        Text,
        "${connector}-success",
        &[],
        &[""],
        "reports::another_result_is_reported_once",
    ),
    (
        "reporter.result.topic.replication.factor",
        Short,
        "3",
        &["0"],
        &["1"],
        "reports::each_record_has_its_part_of_the_answer",
    ),
    ("reporter.result.topic.partitions", Int, "1", &["0"], &["2"], "reports::each_record_has_its_part_of_the_answer"),
    (
        "reporter.result.topic.key.format",
        Text,
        "string",
        &["avro"],
        &["json"],
        "reports::keys_and_values_are_written_as_configured",
    ),
    (
        "reporter.result.topic.value.format",
        Text,
        "string",
        &["avro"],
        &["json"],
        "reports::keys_and_values_are_written_as_configured",
    ),
    ("reporter.result.topic.key.format.schemas.cache.size", Int, "128", &["-1"], &["1"], "="),
    (
        "reporter.result.topic.key.format.schemas.enable",
        Boolean,
        "false",
        &["x"],
        &["true"],
        "reports::keys_and_values_are_written_as_configured",
    ),
    ("reporter.result.topic.value.format.schemas.cache.size", Int, "128", &["-1"], &["1"], "="),
    (
        "reporter.result.topic.value.format.schemas.enable",
        Boolean,
        "false",
        &["x"],
        &["true"],
        "reports::keys_and_values_are_written_as_configured",
    ),
    (
        "reporter.error.topic.name",
        Text,
        "${connector}-error",
        &[],
        &[""],
        "reports::errors_have_a_topic_where_they_are_logged",
    ),
    (
        "reporter.error.topic.replication.factor",
        Short,
        "3",
        &["0"],
        &["1"],
        "reports::each_record_has_its_part_of_the_answer",
    ),
    ("reporter.error.topic.partitions", Int, "1", &["0"], &["2"], "reports::errors_have_a_topic_where_they_are_logged"),
    (
        "reporter.error.topic.key.format",
        Text,
        "string",
        &["avro"],
        &["json"],
        "reports::errors_are_written_as_configured",
    ),
    (
        "reporter.error.topic.value.format",
        Text,
        "string",
        &["avro"],
        &["json"],
        "reports::errors_are_written_as_configured",
    ),
    ("reporter.error.topic.key.format.schemas.cache.size", Int, "128", &["-1"], &["1"], "="),
    (
        "reporter.error.topic.key.format.schemas.enable",
        Boolean,
        "false",
        &["x"],
        &["true"],
        "reports::errors_are_written_as_configured",
    ),
    ("reporter.error.topic.value.format.schemas.cache.size", Int, "128", &["-1"], &["1"], "="),
    (
        "reporter.error.topic.value.format.schemas.enable",
        Boolean,
        "false",
        &["x"],
        &["true"],
        "reports::errors_are_written_as_configured",
    ),
    ("reporter.producer.*", Password, "-", &[], &["1"], "reports::clients_have_settings_of_their_own"),
    ("reporter.admin.*", Password, "-", &[], &["1"], "reports::clients_have_settings_of_their_own"),
    ("aws.lambda.response.topic", Text, "", &[], &["t"], "reports::the_older_names_do_the_same"),
    ("aws.lambda.response.bootstrap.servers", Text, "", &[], &["a:1"], "reports::the_older_names_do_the_same"),
    ("aws.lambda.response.client.id", Text, "", &[], &["c"], "reports::the_older_names_do_the_same"),
    ("confluent.license", Password, "", &[], &["l"], "="),
    ("confluent.topic", Text, "_confluent-command", &[], &["t"], "="),
    ("confluent.topic.bootstrap.servers", List, "", &[], &["a:1"], "="),
    ("confluent.topic.replication.factor", Int, "3", &["x"], &["1"], "="),
];

const NORDSTROM: &[Row] = &[
    (
        "aws.lambda.function.arn",
        Text,
        "*",
        &[""],
        &["arn:aws:lambda:r:1:function:f"],
        "configuration::functions_are_looked_at_without_running_them",
    ),
    ("aws.lambda.invocation.mode", Text, "SYNC", &["sync", "LATER"], &["ASYNC"], "properties::nordstroms_modes"),
    ("aws.lambda.invocation.timeout.ms", Long, "300000", &["0"], &["1"], "properties::nordstroms_modes"),
    (
        "aws.lambda.invocation.failure.mode",
        Text,
        "STOP",
        &["drop"],
        &["DROP"],
        "errors::nordstroms_drop_passes_over_and_stop_does_not",
    ),
    ("aws.lambda.batch.enabled", Boolean, "true", &["x"], &["false"], "properties::nordstroms_events"),
    ("retries.max", Int, "5", &["-1", "x"], &["0"], "properties::nordstroms_modes"),
    ("retry.backoff.millis", Int, "500", &["0"], &["1"], "properties::nordstroms_modes"),
    (
        "retriable.error.codes",
        List,
        "500,503,504",
        &[],
        &["500"],
        "errors::nordstroms_status_list_decides_what_is_retried",
    ),
    ("aws.region", Text, "", &[], &["us-east-1"], "configuration::functions_are_looked_at_without_running_them"),
    (
        "aws.credentials.provider.class",
        Class,
        "com.amazonaws.auth.DefaultAWSCredentialsProviderChain",
        &[],
        &["x.AWSUserCredentialsProvider"],
        "configuration::combinations_are_checked",
    ),
    (
        "aws.credentials.provider.aws.access.key.id",
        Password,
        "-",
        &[],
        &["k"],
        "battery::nordstroms_keeps_the_contract",
    ),
    (
        "aws.credentials.provider.aws.secret.access.key",
        Password,
        "-",
        &[],
        &["s"],
        "battery::nordstroms_keeps_the_contract",
    ),
    ("aws.credentials.provider.role.arn", Text, "", &[], &["r"], "role::the_role_is_assumed"),
    ("aws.credentials.provider.session.name", Text, "", &[], &["s"], "role::the_role_is_assumed"),
    ("aws.credentials.provider.external.id", Text, "", &[], &["e"], "role::the_role_is_assumed"),
    ("http.proxy.host", Text, "", &[], &["p"], "access::nordstroms_proxy_host_is_an_endpoint_until_it_has_a_port"),
    (
        "http.proxy.port",
        Int,
        "-1",
        &["65536"],
        &["8080"],
        "access::nordstroms_proxy_host_is_an_endpoint_until_it_has_a_port",
    ),
    (
        "payload.formatter.class",
        Class,
        "com.nordstrom.kafka.connect.formatters.PlainPayloadFormatter",
        &[],
        &["x.JsonPayloadFormatter"],
        "properties::nordstroms_events",
    ),
    (
        "payload.formatter.key.schema.visibility",
        Text,
        "min",
        &["some"],
        &["none", "all"],
        "properties::nordstroms_events",
    ),
    (
        "payload.formatter.value.schema.visibility",
        Text,
        "min",
        &["some"],
        &["none", "all"],
        "properties::nordstroms_events",
    ),
];

#[test]
fn every_property_has_its_type_default_and_bounds() {
    check(&plugin(), CONFLUENT);
    check(&nordstrom(), NORDSTROM);
}

/// What else has to be set with a property.
const COMPANIONS: &[(&str, &str, &str)] = &[
    ("aws.lambda.topic2function.map", "aws.lambda.configuration.mode", "multiple"),
    ("aws.access.key.id", "aws.secret.access.key", "s"),
    ("aws.secret.access.key", "aws.access.key.id", "k"),
    ("aws.credentials.provider.class", "aws.credentials.provider.sts.role.arn", "arn:aws:iam::1:role/r"),
    ("aws.credentials.provider.class", "aws.credentials.provider.aws.access.key.id", "k"),
    ("aws.credentials.provider.class", "aws.credentials.provider.aws.secret.access.key", "s"),
];

fn check(plugin: &Plugin, rows: &[Row]) {
    let config = &plugin.description.config;
    let named: BTreeSet<&str> = rows.iter().map(|row| row.0).collect();
    let defined: BTreeSet<&str> = config.keys().map(|key| key.name.as_str()).collect();
    assert_eq!(named, defined);
    let base: Props = config
        .keys()
        .filter(|key| key.default == DefaultValue::Required)
        .map(|key| (key.name.clone(), "f".to_owned()))
        .collect();
    for (name, kind, default, wrong, right, effect) in rows {
        let key = config.key(name).unwrap();
        let expected = match *default {
            "*" => DefaultValue::Required,
            "-" => DefaultValue::Null,
            text => DefaultValue::Value(text.to_owned()),
        };
        assert_eq!((key.kind, &key.default), (*kind, &expected), "{name}");
        let with = |value: &str| {
            let mut props = base.clone();
            props.insert((*name).to_owned(), value.to_owned());
            let companions =
                COMPANIONS.iter().filter(|(of, companion, _)| of == name && config.key(companion).is_some());
            props.extend(companions.map(|(_, companion, value)| ((*companion).to_owned(), (*value).to_owned())));
            config.parse(&props)
        };
        for value in *wrong {
            assert!(with(value).is_err(), "{name} takes {value:?}");
        }
        for value in *right {
            assert!(with(value).is_ok(), "{name} refuses {value:?}: {:?}", with(value));
        }
        let says_none = key.documentation.contains("no effect");
        assert_eq!(says_none, *effect == "=", "{name}: {}", key.documentation);
        if *effect != "=" {
            assert!(is_a_test(effect), "{name}: there is no test {effect}");
        }
    }
}

/// Looks into the sources beside this one.
fn is_a_test(path: &str) -> bool {
    let (module, name) = path.split_once("::").unwrap();
    let file = format!("{}/tests/contract/{module}.rs", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(file).is_ok_and(|source| source.contains(&format!("fn {name}()")))
}

/// The event that a function is given for one record.
async fn event(plugin: &Plugin, props: &Props, place: &Setup) -> Json {
    let mut task = Task::try_start(plugin, props, FakeSinkHost::new()).await.unwrap();
    task.put(5..6).await.unwrap();
    task.wait_until_safe(6).await.unwrap();
    place.events().remove(0).json()
}

#[tokio::test]
async fn formats_are_chosen() {
    let escaped = "io.confluent.connect.aws.lambda.converters.EscapedJsonKeyValueConverter";
    let format = |name| ("aws.lambda.payload.format", name);
    let servers = ("aws.lambda.esm.bootstrap.servers", "a:1,b:2");
    let text = r#"{"n":5}"#;
    for (more, path, expected) in [
        (vec![], "/0/payload/value/n", Json::from(5)),
        (vec![("record.converter.class", escaped)], "/0/payload/value", text.into()),
        (vec![("record.converter.class", escaped), format("confluent")], "/0/payload/value/n", 5.into()),
        (vec![format("confluent-escaped")], "/0/payload/key", r#""k5""#.into()),
        (vec![format("esm"), servers], "/bootstrapServers", "a:1,b:2".into()),
        (vec![format("esm")], "/records/clicks-0/0/value", "eyJuIjo1fQ==".into()),
        (vec![format("esm"), ("aws.lambda.esm.event.source.arn", "arn")], "/eventSourceArn", "arn".into()),
        (vec![format("nordstrom-plain")], "/0/value", "{n=5}".into()),
        (vec![format("nordstrom-json")], "/0/value/n", 5.into()),
    ] {
        let place = Setup::new().await;
        let event = event(&plugin(), &place.props(&more), &place).await;
        assert_eq!(event.pointer(path), Some(&expected), "{more:?}: {event}");
    }
}

#[tokio::test]
async fn the_application_is_named() {
    for (more, name) in [(vec![], "app/ConfluentPlatform"), (vec![("aws.lambda.user.agent", "Shop")], "app/Shop")] {
        let (url, heard) = listener().await;
        let mut props = Setup::new().await.props(&more);
        props.insert("aws.lambda.endpoint.url".to_owned(), url);
        let mut task = Task::start(&props).await;
        task.put(0..1).await.unwrap();
        task.wait_until_safe(1).await.unwrap();
        let agent = heard.lock().unwrap()[0]["x-amz-user-agent"].to_str().unwrap().to_owned();
        assert!(agent.contains(name), "{agent}");
    }
}

#[tokio::test]
async fn nordstroms_events() {
    let json = ("payload.formatter.class", "com.nordstrom.kafka.connect.formatters.JsonPayloadFormatter");
    let none = ("payload.formatter.value.schema.visibility", "none");
    for (more, path, expected) in [
        (vec![], "/0/value", Json::from("{n=5}")),
        (vec![("aws.lambda.batch.enabled", "false")], "/value", "{n=5}".into()),
        (vec![json], "/0/value/n", 5.into()),
        (vec![json, none], "/0/valueSchemaName", Json::Null),
        (vec![json, ("payload.formatter.key.schema.visibility", "all")], "/0/key", "k5".into()),
    ] {
        let place = Setup::new().await;
        let mut props = nordstrom_props(&place);
        props.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let event = event(&nordstrom(), &props, &place).await;
        assert_eq!(event.pointer(path), Some(&expected), "{more:?}: {event}");
    }
}

#[tokio::test]
async fn nordstroms_modes() {
    let place = Setup::new().await;
    let mut props = nordstrom_props(&place);
    props.insert("aws.lambda.invocation.mode".to_owned(), "ASYNC".to_owned());
    let mut task = Task::try_start(&nordstrom(), &props, FakeSinkHost::new()).await.unwrap();
    task.put(0..1).await.unwrap();
    task.wait_until_safe(1).await.unwrap();
    let begun = std::time::Instant::now();
    while place.events().is_empty() {
        assert!(begun.elapsed() < TEST_TIMEOUT);
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert!(place.front.invocations().iter().all(|call| call.kind == Kind::Async));
    // A function that takes too long, and a service that is in trouble for too long.
    let hangs = Setup::set_up(
        |_| Some(Reply::Exit(1)),
        |function| function.timeout(std::time::Duration::from_secs(5)),
        |functions| functions,
    )
    .await;
    hangs.front.faults().time_out(1);
    let mut props = nordstrom_props(&hangs);
    props.insert("aws.lambda.invocation.timeout.ms".to_owned(), "100".to_owned());
    let mut task = Task::try_start(&nordstrom(), &props, FakeSinkHost::new()).await.unwrap();
    task.put(0..1).await.unwrap();
    assert!(task.wait_until_failed().await.to_string().contains("did not respond within 100 ms"));
    let place = Setup::new().await;
    place.front.faults().repeat(9, lambda_front::Fault::Unavailable);
    let mut props = nordstrom_props(&place);
    props.insert("retries.max".to_owned(), "2".to_owned());
    props.insert("retry.backoff.millis".to_owned(), "2".to_owned());
    let mut task = Task::try_start(&nordstrom(), &props, FakeSinkHost::new()).await.unwrap();
    task.put(0..1).await.unwrap();
    assert!(task.wait_until_failed().await.to_string().contains("gave up after 3 attempts"));
}
