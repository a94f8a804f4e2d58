//! What is checked before anything is sent.

use lambda_front::Kind;
use tributary_api::{Plugin, Props};
use tributary_testkit::validate;

use crate::battery::nordstrom_props;
use crate::support::{Setup, nordstrom, plugin};

/// One issue, on this property, that says this.
async fn check(plugin: &Plugin, props: &Props, name: &str, says: &str) {
    let issues = validate(plugin, props).await;
    let [issue] = &issues[..] else { panic!("{name}: {issues:?}") };
    assert!(issue.name == name && issue.message.contains(says), "{issue:?}");
}

#[tokio::test]
async fn functions_are_looked_at_without_running_them() {
    let place = Setup::new().await;
    assert_eq!(validate(&plugin(), &place.props(&[])).await, []);
    let calls: Vec<Kind> = place.front.invocations().iter().map(|call| call.kind).collect();
    assert_eq!((calls, place.events().len()), (vec![Kind::DryRun], 0));
    let gone = place.props(&[("aws.lambda.function.name", "gone")]);
    check(&plugin(), &gone, "aws.lambda.function.name", "there is no function gone").await;
    let more = [("aws.lambda.configuration.mode", "multiple"), ("aws.lambda.topic2function.map", "a;upsert, b;gone")];
    check(&plugin(), &place.props(&more), "aws.lambda.topic2function.map", "there is no function gone").await;
    let mut props = nordstrom_props(&place);
    assert_eq!(validate(&nordstrom(), &props).await, []);
    props.insert("aws.lambda.function.arn".to_owned(), "gone".to_owned());
    props.insert("aws.region".to_owned(), "us-east-1".to_owned());
    check(&nordstrom(), &props, "aws.lambda.function.arn", "there is no function gone").await;
}

#[tokio::test]
async fn lambda_must_be_reached() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let props = Setup::new().await.props(&[("aws.lambda.endpoint.url", &url)]);
    check(&plugin(), &props, "aws.lambda.function.name", "cannot reach Lambda").await;
}

#[tokio::test]
async fn combinations_are_checked() {
    let place = Setup::new().await;
    let map = ("aws.lambda.topic2function.map", "orders;f");
    for (more, name, says) in [
        (vec![map], "aws.lambda.topic2function.map", "set aws.lambda.configuration.mode to multiple"),
        (
            vec![("aws.lambda.topic2function.map", "orders"), ("aws.lambda.configuration.mode", "multiple")],
            "aws.lambda.topic2function.map",
            "write each as topic;function",
        ),
        (vec![("record.converter.class", "com.example.Own")], "record.converter.class", "is not known"),
        (vec![("aws.credentials.provider.class", "com.example.Own")], "aws.credentials.provider.class", "is not known"),
        (
            vec![(
                "aws.credentials.provider.class",
                "io.confluent.connect.aws.lambda.auth.AwsAssumeRoleCredentialsProvider",
            )],
            "aws.credentials.provider.sts.role.arn",
            "name the role",
        ),
        (
            vec![("aws.lambda.invocation.type", "async"), ("aws.lambda.batch.bytes", "1048577")],
            "aws.lambda.batch.bytes",
            "is 1048577, but Lambda accepts only 1048576 bytes",
        ),
        (
            vec![("reporter.result.topic.name", "a topic of ${connector}")],
            "reporter.result.topic.name",
            "'a topic of connector'",
        ),
        (vec![("aws.lambda.response.topic", "a/b")], "aws.lambda.response.topic", "'a/b' contains"),
        (vec![("aws.lambda.proxy.url", "https://proxy:1")], "aws.lambda.proxy.url", "write http://host:port"),
    ] {
        check(&plugin(), &place.props(&more), name, says).await;
    }
    for (name, value, says) in [
        ("payload.formatter.class", "com.example.Own", "is not known"),
        ("retriable.error.codes", "5xx", "write statuses"),
        ("consumer.override.max.poll.records", "0", "write a number from 1"),
        ("aws.credentials.provider.class", "com.example.Own", "is not known"),
    ] {
        let mut props = nordstrom_props(&place);
        props.insert(name.to_owned(), value.to_owned());
        check(&nordstrom(), &props, name, says).await;
    }
    let mut props = nordstrom_props(&place);
    let assume = "com.nordstrom.kafka.connect.auth.AWSAssumeRoleCredentialsProvider";
    props.insert("aws.credentials.provider.class".to_owned(), assume.to_owned());
    check(&nordstrom(), &props, "aws.credentials.provider.role.arn", "name the role").await;
}

/// What does not parse is not started either.
#[tokio::test]
async fn combinations_belong_to_the_definition() {
    let props = Setup::new().await.props(&[("aws.lambda.topic2function.map", "orders;f")]);
    let error = plugin().description.config.parse(&props).unwrap_err();
    assert_eq!(error.property(), Some("aws.lambda.topic2function.map"));
}
