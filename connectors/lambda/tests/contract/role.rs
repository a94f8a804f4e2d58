//! A role that is assumed. The token service's address is a matter of the environment, so the task runs in a process of
//! its own.

use std::sync::{Arc, Mutex};

use tributary_testkit::FakeSinkHost;

use crate::battery::nordstrom_props;
use crate::support::{Setup, Task, listener, nordstrom, plugin, serve};

const ANSWER: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
    <Credentials><AccessKeyId>ASSUMED</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token\
    </SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::1:\
    assumed-role/r/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>";
const ENDPOINT: &str = "LAMBDA_TEST_ENDPOINT";
const NORDSTROM: &str = "LAMBDA_TEST_NORDSTROM";

#[tokio::test(flavor = "multi_thread")]
async fn the_role_is_assumed() {
    for nordstrom in [false, true] {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        let answer = move |body: String| {
            seen.lock().unwrap().push(body);
            async { ([("content-type", "text/xml")], ANSWER) }
        };
        let sts = serve(axum::Router::new().fallback(axum::routing::post(answer))).await;
        let (lambda, heard) = listener().await;
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "role::a_task_with_a_role", "--ignored"]).env(ENDPOINT, &lambda);
        child.env("AWS_ENDPOINT_URL_STS", &sts).env("AWS_ACCESS_KEY_ID", "BASE").env("AWS_SECRET_ACCESS_KEY", "secret");
        if nordstrom {
            child.env(NORDSTROM, "yes");
        }
        let done = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        let body = asked.lock().unwrap()[0].clone();
        for part in [
            "Action=AssumeRole",
            "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr",
            "RoleSessionName=clicks",
            "ExternalId=e1",
        ] {
            assert!(body.contains(part), "{body}");
        }
        let signature = heard.lock().unwrap()[0]["authorization"].to_str().unwrap().to_owned();
        assert!(signature.contains("Credential=ASSUMED/"), "{signature}");
    }
}

#[tokio::test]
#[ignore = "run by the_role_is_assumed"]
async fn a_task_with_a_role() {
    let (Ok(endpoint), place) = (std::env::var(ENDPOINT), Setup::new().await) else { return };
    let (plugin, mut props, more) = if std::env::var(NORDSTROM).is_ok() {
        let prefix = "aws.credentials.provider";
        let more = [
            (format!("{prefix}.class"), "com.nordstrom.kafka.connect.auth.AWSAssumeRoleCredentialsProvider"),
            (format!("{prefix}.role.arn"), "arn:aws:iam::1:role/r"),
            (format!("{prefix}.session.name"), "clicks"),
            (format!("{prefix}.external.id"), "e1"),
            ("http.proxy.host".to_owned(), endpoint.as_str()),
        ];
        (nordstrom(), nordstrom_props(&place), more.to_vec())
    } else {
        let prefix = "aws.credentials.provider.sts";
        let more = [
            (format!("{prefix}.role.arn"), "arn:aws:iam::1:role/r"),
            (format!("{prefix}.role.session.name"), "clicks"),
            (format!("{prefix}.role.external.id"), "e1"),
            (format!("{prefix}.region"), "eu-west-1"),
            ("aws.lambda.endpoint.url".to_owned(), endpoint.as_str()),
        ];
        (plugin(), place.props(&[]), more.to_vec())
    };
    props.extend(more.into_iter().map(|(name, value)| (name, value.to_owned())));
    let mut task = Task::try_start(&plugin, &props, FakeSinkHost::new()).await.unwrap();
    task.put(0..1).await.unwrap();
    task.wait_until_safe(1).await.unwrap();
}
