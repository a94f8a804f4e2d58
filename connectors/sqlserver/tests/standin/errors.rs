//! Errors of the server: retriable ones are retried, all others fail the task at once.

use tributary_api::{ConfigIssue, PluginRegistry};
use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::task::{Task, briefs, props};

const TABLE: [(&str, &str); 1] = [("t", "id int NOT NULL PRIMARY KEY")];

#[tokio::test]
async fn a_fatal_error_fails_the_task_at_once_and_says_what_to_do() {
    let mut server = Server::start(&TABLE).await;
    server.change(&["INSERT INTO dbo.t VALUES (1)"]).await;
    for (number, advice) in [(313, "snapshot.mode"), (229, "grant"), (208, "not enabled")] {
        let mut task = Task::first(&server, &FakeSourceHost::new(), &[]).await;
        server.change(&[&format!("INSERT INTO dbo.t VALUES ({number})")]).await;
        task.take(1).await;
        server
            .sql(&format!(
                "EXEC standin.fault @on = 'statement', @action = 'error', @number = {number}, @times = 100, @application = 'reader'"
            ))
            .await;
        let error = task.failure().await;
        assert!(error.to_string().contains(advice), "{number}: {error}");
        server.sql("EXEC standin.clear_faults").await;
    }
    let error = Task::start(&server, &FakeSourceHost::new(), &[("database.password", "wrong")]).await.failure().await;
    assert!(error.to_string().contains("database.password"), "{error}");
}

#[tokio::test]
async fn a_retriable_error_is_retried_and_no_change_is_lost_or_doubled() {
    let mut server = Server::start(&TABLE).await;
    server.change(&["INSERT INTO dbo.t VALUES (0)"]).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &[("streaming.fetch.size", "10")]).await;
    let faults = [
        "EXEC standin.fault @on = 'statement', @action = 'error', @number = 1205, @skip = 1, @times = 2, @application = 'reader'",
        "EXEC standin.fault @on = 'statement', @action = 'error', @number = 40501, @skip = 3, @times = 1, @application = 'reader'",
        "EXEC standin.fault @on = 'row', @action = 'reset', @skip = 25, @times = 1, @application = 'reader'",
    ];
    for (number, fault) in (1..).zip(faults) {
        server.sql(fault).await;
        let rows: Vec<String> = (0..50).map(|row| format!("({})", number * 1000 + row)).collect();
        server.change(&[&format!("INSERT INTO dbo.t VALUES {}", rows.join(", "))]).await;
        let expected: Vec<String> = (0..50).map(|row| format!("c null {{\"id\":{}}}", number * 1000 + row)).collect();
        assert_eq!(briefs(&task.take(50).await), expected, "{fault}");
    }
    task.stop().await;
}

/// An instance that was disabled between the poll's statement and its page is missing when the instances are listed
/// again. One that is still listed although it does not exist fails the task.
#[tokio::test]
async fn an_instance_that_is_not_there_has_the_list_read_again_once() {
    let mut server = Server::start(&TABLE).await;
    let host = FakeSourceHost::new();
    server.change(&["INSERT INTO dbo.t VALUES (1)"]).await;
    let mut task = Task::first(&server, &host, &[]).await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    host.acknowledge(&task.take(1).await[0]);
    task.stop().await;
    server.change(&["INSERT INTO dbo.t VALUES (3)"]).await;
    // The fifth statement is the first page. The poll's statement, the list of instances, and the page again follow.
    let missing = |skip: u32| {
        format!(
            "EXEC standin.fault @on = 'statement', @action = 'error', @number = 208, @skip = {skip}, @times = 1, @application = 'reader'"
        )
    };
    server.sql(&missing(4)).await;
    let mut task = Task::start(&server, &host, &[]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":3}"#]);
    task.stop().await;
    server.sql(&missing(4)).await;
    server.sql(&missing(7)).await;
    let error = Task::start(&server, &host, &[]).await.failure().await;
    assert!(error.to_string().contains("not enabled"), "{error}");
}

#[tokio::test]
async fn the_validation_asks_the_server() {
    let server = Server::start(&TABLE).await;
    let registry = PluginRegistry::new(tributary_sqlserver::plugins()).unwrap();
    let plugin = registry.find("io.debezium.connector.sqlserver.SqlServerConnector", |_| true).unwrap();
    let validate = async |settings: &[(&str, &str)]| -> Vec<ConfigIssue> {
        tributary_testkit::validate(plugin, &props(&server, settings)).await
    };
    assert_eq!(validate(&[]).await, []);
    let names = |issues: Vec<ConfigIssue>| issues.into_iter().map(|issue| issue.name).collect::<Vec<_>>();
    assert_eq!(names(validate(&[("database.password", "wrong")]).await), ["database.hostname"]);
    assert_eq!(names(validate(&[("database.names", "none")]).await), ["database.names"]);
    assert_eq!(names(validate(&[("database.names", "shop,SHOP")]).await), ["database.names"]);
    assert_eq!(names(validate(&[("database.names", "master")]).await), ["database.user"]);
    assert_eq!(names(validate(&[("message.key.columns", "dbo.t")]).await), ["message.key.columns"]);
}
