//! Blocking snapshots, and the notifications of snapshots that are not incremental.

use tributary_api::Record;
use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::signals::{A, FIVE, SETTINGS, SIGNALS, changes, notices_of, signal};
use crate::task::{Task, offset, source, text};

/// Of notifications of other snapshots than incremental ones their type, and how the reading of a table has ended.
fn kinds(records: &[Record]) -> Vec<String> {
    let kind = |notification: String| notification.split_once(' ').map(|(_, kind)| kind.to_owned()).unwrap_or_default();
    notices_of(records, "Initial Snapshot").into_iter().map(kind).collect()
}

fn is_complete(records: &[Record]) -> bool {
    kinds(records).iter().any(|kind| kind == "COMPLETED")
}

/// Changes wait while rows are read, and go on behind the signal. An offset of a row says where.
#[tokio::test]
async fn changes_wait_while_rows_are_read_and_go_on_where_they_were() {
    let mut server = Server::start(&[A, ("b", "id int NOT NULL PRIMARY KEY"), SIGNALS]).await;
    server.change(&[FIVE, "INSERT INTO dbo.b VALUES (1), (2)"]).await;
    let host = FakeSourceHost::new();
    let mut task = Task::first(&server, &host, &SETTINGS).await;
    let data = r#"{"data-collections": ["shop.dbo.[abs].*"], "type": "BLOCKING",
        "additional-conditions": [{"data-collection": "shop.dbo.a", "filter": "SELECT * FROM shop.dbo.a WHERE id < 3"}]}"#;
    task.take_until(&mut server, is_complete).await;
    server
        .change(&[
            &format!("INSERT INTO dbo.signals VALUES ('s1', 'execute-snapshot', '{}')", data.replace('\'', "''")),
            "INSERT INTO dbo.b VALUES (3)",
        ])
        .await;
    let records = task.take_until(&mut server, |records| is_complete(records) && changes(records).len() >= 6).await;
    let mut found = changes(&records);
    found.sort();
    let expected = [
        r#"c null {"id":3}"#,
        r#"r null {"id":1,"name":"1"}"#,
        r#"r null {"id":1}"#,
        r#"r null {"id":2,"name":"2"}"#,
        r#"r null {"id":2}"#,
        r#"r null {"id":3}"#,
    ];
    assert_eq!(found, expected);
    let rows: Vec<&Record> = records
        .iter()
        .filter(|record| record.value.value.path("op").map(text).is_some_and(|op| op == "\"r\""))
        .collect();
    let marks: Vec<String> = rows.iter().map(|row| text(&source(row, "snapshot"))).collect();
    assert_eq!(
        marks,
        [r#""first""#, r#""last_in_data_collection""#, r#""first_in_data_collection""#, r#""true""#, r#""last""#]
    );
    assert!(offset(rows[0]).contains(r#""snapshot":"BLOCKING","snapshot_completed":false"#), "{}", offset(rows[0]));
    assert!(offset(rows[4]).contains(r#""snapshot":"BLOCKING","snapshot_completed":true"#));
    let scans = ["IN_PROGRESS", "TABLE_SCAN_COMPLETED SUCCEEDED"];
    let expected: Vec<&str> = ["STARTED"].into_iter().chain(scans).chain(scans).chain(["COMPLETED"]).collect();
    assert_eq!(kinds(&records), expected);

    // A restart in the middle of it goes on with changes, and takes none for sent that was not.
    host.acknowledge(rows[0]);
    task.stop().await;
    server.change(&["INSERT INTO dbo.b VALUES (4)"]).await;
    let mut task = Task::start(&server, &host, &SETTINGS).await;
    let records = task.take_until(&mut server, |records| changes(records).iter().any(|one| one.contains('4'))).await;
    assert_eq!(changes(&records).last().unwrap(), r#"c null {"id":4}"#);
    assert_eq!(kinds(&records), ["SKIPPED"]);
    task.stop().await;
}

#[tokio::test]
async fn a_blocking_snapshot_that_fails_is_given_up_and_changes_go_on() {
    let mut server = Server::start(&[A, SIGNALS]).await;
    server.change(&[FIVE]).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &SETTINGS).await;
    task.take_until(&mut server, is_complete).await;
    let data = r#"{"data-collections": ["shop.dbo.a"], "type": "blocking",
        "additional-conditions": [{"data-collection": "shop.dbo.a", "filter": "SELECT nothing FROM shop.dbo.nowhere"}]}"#;
    signal(&mut server, "s1", "execute-snapshot", data).await;
    let aborted = |records: &[Record]| kinds(records).iter().any(|kind| kind == "ABORTED");
    task.take_until(&mut server, aborted).await;
    server.change(&["INSERT INTO dbo.a VALUES (6, NULL)"]).await;
    let records = task.take_until(&mut server, |records| !changes(records).is_empty()).await;
    assert_eq!(changes(&records), [r#"c null {"id":6,"name":null}"#]);
    task.stop().await;
}

/// A restart from the offset of any of them reads no less than one without notifications.
#[tokio::test]
async fn it_is_told_how_an_initial_snapshot_goes() {
    let mut server = Server::start(&[A, SIGNALS]).await;
    server.change(&[FIVE]).await;
    let host = FakeSourceHost::new();
    let settings = [&SETTINGS[..], &[("snapshot.mode", "initial")]].concat();
    let mut task = Task::start(&server, &host, &settings).await;
    let records = task.take_until(&mut server, is_complete).await;
    let scans = ["IN_PROGRESS", "TABLE_SCAN_COMPLETED SUCCEEDED"];
    // The rows of the signal table are not read.
    let expected: Vec<&str> = ["STARTED"].into_iter().chain(scans).chain(["COMPLETED"]).collect();
    assert_eq!(kinds(&records), expected);
    task.stop().await;
    let (notified, _): (Vec<&Record>, Vec<&Record>) =
        records.iter().partition(|record| &*record.topic == "notifications");
    let (last, before) = notified.split_last().unwrap();
    for record in before {
        assert!(offset(record).contains(r#""snapshot":"INITIAL","snapshot_completed":false"#), "{}", offset(record));
    }
    assert!(offset(last).contains(r#""snapshot":"INITIAL","snapshot_completed":true"#));
    host.acknowledge(before[0]);
    let mut task = Task::start(&server, &host, &settings).await;
    let records = task.take_until(&mut server, is_complete).await;
    assert_eq!(changes(&records).len(), 5, "all rows are read");
    task.stop().await;
}
