//! Which columns records have, and how their values are changed.

use tributary_api::{Record, Value};
use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::task::{Task, briefs, text};

const TABLE: [(&str, &str); 1] =
    [("t", "id int NOT NULL PRIMARY KEY, name nvarchar(10) NULL, mail varchar(40) NULL, secret varchar(10) NOT NULL")];

fn key(record: &Record) -> String {
    text(&record.key.value)
}

/// Values are changed alike in rows and changes, and never in keys.
#[tokio::test]
async fn columns_are_left_out_masked_hashed_and_cut_in_rows_and_changes() {
    let mut server = Server::start(&TABLE).await;
    server.change(&["INSERT INTO dbo.t VALUES (1, N'Alice', 'hello', 'a')"]).await;
    let settings = [
        ("snapshot.mode", "initial"),
        ("column.exclude.list", "dbo.t.secret"),
        ("column.truncate.to.3.chars", "shop.dbo.t.name"),
        ("column.mask.hash.SHA-256.with.salt.salt", r"dbo\.t\.mail"),
        ("message.key.columns", "dbo.t:name,secret"),
    ];
    let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
    let hash = &"af5843a0f0e728ab0332c8888b6e1190bfb79e584f0d40538de8f10df6ef29c6"[..40];
    let row = format!(r#"{{"id":1,"name":"Ali","mail":"{hash}"}}"#);
    let records = task.take(1).await;
    assert_eq!(briefs(&records), [format!("r null {row}")]);
    assert_eq!(key(&records[0]), r#"{"name":"Alice","secret":"a"}"#);
    server.change(&["UPDATE dbo.t SET secret = 'b'"]).await;
    let records = task.take(3).await;
    assert_eq!(briefs(&records), [format!("d {row} null"), "-".to_owned(), format!("c null {row}")]);
    assert_eq!(key(&records[2]), r#"{"name":"Alice","secret":"b"}"#);
    let schema = records[2].value.schema.as_ref().unwrap();
    let after = schema.fields[1].schema.clone();
    let parameters = |place: usize| -> Vec<(String, String)> {
        let parameters = after.fields[place].schema.parameters.iter();
        parameters.map(|(name, value)| (name.to_string(), value.to_string())).collect()
    };
    assert_eq!(parameters(0), []);
    assert_eq!(parameters(1), [("truncateLength".to_owned(), "3".to_owned())]);
    assert_eq!(parameters(2), [("masked".to_owned(), "true".to_owned())]);
    task.stop().await;
}

#[tokio::test]
async fn an_update_that_changes_nothing_that_records_have_is_left_out_on_request() {
    let mut server = Server::start(&TABLE).await;
    server.change(&["INSERT INTO dbo.t VALUES (1, N'Alice', NULL, 'a')"]).await;
    let settings = [("column.include.list", "dbo.t.(id|name)"), ("skip.messages.without.change", "true")];
    let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
    server.change(&["UPDATE dbo.t SET secret = 'b'", "UPDATE dbo.t SET name = N'Bob'"]).await;
    let update = r#"u {"id":1,"name":"Alice"} {"id":1,"name":"Bob"}"#;
    assert_eq!(briefs(&task.take(1).await), [update]);
    task.stop().await;
}

#[tokio::test]
async fn schemas_say_the_types_of_the_source() {
    let mut server = Server::start(&TABLE).await;
    server.change(&["INSERT INTO dbo.t VALUES (1, NULL, NULL, 'a')"]).await;
    let settings = [("datatype.propagate.source.type", r".+\.varchar"), ("column.mask.with.3.chars", "dbo.t.mail")];
    let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
    server.change(&["INSERT INTO dbo.t VALUES (2, NULL, NULL, 'b')"]).await;
    let records = task.take(1).await;
    assert_eq!(briefs(&records), [r#"c null {"id":2,"name":null,"mail":"***","secret":"b"}"#]);
    let after = records[0].value.schema.as_ref().unwrap().fields[1].schema.clone();
    let secret = &after.fields[3].schema;
    assert_eq!(secret.parameter("__debezium.source.column.type"), Some("VARCHAR"));
    assert_eq!(secret.parameter("__debezium.source.column.length"), Some("10"));
    assert_eq!(after.fields[1].schema.parameter("__debezium.source.column.type"), None, "nvarchar");
    assert!(matches!(records[0].value.value, Value::Struct(_)));
    task.stop().await;
}
