//! How the sink connects, and its errors when it cannot.

use tributary_api::{ConfigIssue, ErrorKind};
use tributary_testkit::FakeSinkHost;

use crate::double::{Double, SEVEN};
use crate::support::{make, plugin, props};

async fn issues(double: &Double, more: &[(&str, &str)]) -> Vec<ConfigIssue> {
    tributary_testkit::validate(&plugin(), &props(double, more)).await
}

#[tokio::test]
async fn a_server_that_is_there_is_fine() {
    assert_eq!(issues(&Double::start(SEVEN), &[]).await, []);
}

#[tokio::test]
async fn a_server_that_is_away_is_an_issue_of_the_uri_without_its_password() {
    let mut double = Double::start(SEVEN);
    double.stop().await;
    let uri = double.uri().replace("mongodb://", "mongodb://shop:a-password@");
    let found = issues(&double, &[("connection.uri", &uri)]).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].name, "connection.uri");
    assert!(found[0].message.starts_with("Unable to connect to the server"), "{found:?}");
    assert!(!found[0].message.contains("a-password"), "{found:?}");
}

#[tokio::test]
async fn unusable_settings_are_reported_at_the_start() {
    let double = Double::start(SEVEN);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let java = path("store.jks", &[0xFE, 0xED, 0xFE, 0xED]);
    let locked = path("locked.pem", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
    let unacknowledged = format!("{}&w=0", double.uri());
    let missing = folder.path().join("missing.pem").to_str().unwrap().to_owned();
    for (name, value, said) in [
        ("connection.uri", unacknowledged.as_str(), "w=0"),
        ("connection.ssl.truststore", java.as_str(), "no PEM file"),
        ("connection.ssl.truststore", missing.as_str(), "cannot read"),
        ("connection.ssl.keystore", locked.as_str(), "has a password"),
    ] {
        let (mut task, host) = (make(), FakeSinkHost::new());
        let props = props(&double, &[(name, value)]);
        let error = task.start(host.context(&Default::default()), &props).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        assert!(error.to_string().contains(said), "{said} is not in {error}");
    }
}
