//! Incremental snapshots by keys that are not unique, that are encoded in another way than other texts, or that change.

use std::time::Duration;

use tributary_api::Record;
use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::signals::{SETTINGS, SIGNALS, changes, notifications, signal};
use crate::task::{Task, brief};

fn is_complete(records: &[Record]) -> bool {
    notifications(records).iter().any(|notification| notification.ends_with(" COMPLETED"))
}

fn rows(records: &[Record]) -> Vec<&Record> {
    records.iter().filter(|record| brief(record).starts_with('r')).collect()
}

fn sorted(records: &[Record]) -> Vec<String> {
    let mut found = changes(records);
    found.sort();
    found
}

const PLAIN: (&str, &str) = ("plain", "n int NULL, t varchar(5) NULL");
const BY_N: &str = r#"{"data-collections": ["shop.dbo.plain"], "surrogate-key": "n"}"#;

fn plain(rows: &[(&str, &str)]) -> Vec<String> {
    rows.iter().map(|(n, t)| format!(r#"r null {{"n":{n},"t":"{t}"}}"#)).collect()
}

/// The database's own code page does not have its characters.
#[tokio::test]
async fn a_text_of_another_code_page_is_compared_as_it_is_stored() {
    let greek = ("greek", "id varchar(10) COLLATE Greek_CI_AS NOT NULL PRIMARY KEY");
    let mut server = Server::start(&[greek, SIGNALS]).await;
    server.change(&["INSERT INTO dbo.greek VALUES (N'α'), (N'β'), (N'γ'), (N'δ'), (N'ε')"]).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &SETTINGS).await;
    signal(&mut server, "s1", "execute-snapshot", r#"{"data-collections": ["shop.dbo.greek"]}"#).await;
    let records = task.take_until(&mut server, is_complete).await;
    assert_eq!(changes(&records), ["α", "β", "γ", "δ", "ε"].map(|id| format!(r#"r null {{"id":"{id}"}}"#)));
    task.stop().await;
}

#[tokio::test]
async fn times_of_the_day_and_moments_with_an_offset_are_keys() {
    let tables = [
        ("times", "id time(3) NOT NULL PRIMARY KEY"),
        ("moments", "id datetimeoffset(2) NOT NULL PRIMARY KEY"),
        SIGNALS,
    ];
    let mut server = Server::start(&tables).await;
    let fill = [
        "INSERT INTO dbo.times VALUES ('00:00:00'), ('00:00:00.001'), ('09:30:00.5'), ('10:00:00'), ('23:59:59.999')",
        "INSERT INTO dbo.moments VALUES ('2024-01-01T10:00:00+05:00'), ('2024-01-01T06:00:00Z'), ('2024-01-01T05:30:00-08:00'), \
         ('1969-12-31T23:00:00.25Z'), ('2024-01-02T00:00:00+14:00')",
    ];
    server.change(&fill).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &SETTINGS).await;
    for table in ["times", "moments"] {
        let data = format!(r#"{{"data-collections": ["shop.dbo.{table}"]}}"#);
        signal(&mut server, table, "execute-snapshot", &data).await;
        let records = task.take_until(&mut server, is_complete).await;
        let mut found = changes(&records);
        assert_eq!(found.len(), 5, "{found:?}");
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 5, "{found:?}");
    }
    task.stop().await;
}

#[tokio::test]
async fn all_rows_with_the_same_key_are_read_also_after_a_restart_between_them() {
    let mut server = Server::start(&[PLAIN, SIGNALS]).await;
    server
        .change(&["INSERT INTO dbo.plain VALUES (5, 'a'), (NULL, 'x'), (5, 'b'), (1, 'c'), (NULL, 'y'), (5, 'd'), \
                   (NULL, 'z'), (5, 'e'), (7, 'f')"])
        .await;
    let host = FakeSourceHost::new();
    let mut task = Task::first(&server, &host, &SETTINGS).await;
    signal(&mut server, "s1", "execute-snapshot", BY_N).await;
    let records = task.take_until(&mut server, is_complete).await;
    let mut all = plain(&[
        ("1", "c"),
        ("5", "a"),
        ("5", "b"),
        ("5", "d"),
        ("5", "e"),
        ("7", "f"),
        ("null", "x"),
        ("null", "y"),
        ("null", "z"),
    ]);
    assert_eq!(sorted(&records), all);
    // Three without a value, one, and then two of the four.
    host.acknowledge(rows(&records)[5]);
    task.stop().await;
    let mut task = Task::start(&server, &host, &SETTINGS).await;
    let records = task.take_until(&mut server, is_complete).await;
    all.truncate(6);
    assert_eq!(sorted(&records), all[1..]);
    task.stop().await;
}

/// Memory has a bound. The next table is read all the same.
#[tokio::test]
async fn a_table_is_left_out_when_too_many_rows_have_the_same_key() {
    let mut server = Server::start(&[PLAIN, ("b", "n int NOT NULL PRIMARY KEY"), SIGNALS]).await;
    let five: Vec<String> = (0..10).map(|_| "(5, 'a')".to_owned()).collect();
    let many =
        "INSERT INTO dbo.plain SELECT 5, 'b' FROM dbo.plain a, dbo.plain b, dbo.plain c, dbo.plain d, dbo.plain e";
    let few = format!("INSERT INTO dbo.plain VALUES {}", five.join(", "));
    server.change(&[few.as_str(), many, "INSERT INTO dbo.b VALUES (1)"]).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &SETTINGS).await;
    let data = r#"{"data-collections": ["shop.dbo.plain", "shop.dbo.b"], "surrogate-key": "n"}"#;
    signal(&mut server, "s1", "execute-snapshot", data).await;
    let records = task.take_until(&mut server, is_complete).await;
    assert_eq!(changes(&records), [r#"r null {"n":1}"#]);
    assert!(notifications(&records).contains(&"s1 TABLE_SCAN_COMPLETED SQL_EXCEPTION".to_owned()));
    task.stop().await;
}

/// The one that has changed comes twice, as no other row can be told from it by the column that is read by.
#[tokio::test]
async fn a_change_of_a_row_without_a_key_takes_no_other_row_away() {
    let mut server = Server::start(&[PLAIN, SIGNALS]).await;
    server.change(&["INSERT INTO dbo.plain VALUES (5, 'a'), (5, 'b'), (6, 'c')"]).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &SETTINGS).await;
    server
        .sql("EXEC standin.fault @on = 'committed', @action = 'stall', @milliseconds = 3000, @times = 1, @application = 'reader'")
        .await;
    signal(&mut server, "s1", "execute-snapshot", BY_N).await;
    server.scan().await;
    while server.number("SELECT COUNT(*) FROM dbo.signals WHERE id LIKE '%-open'").await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.sql("UPDATE dbo.plain SET t = 'x' WHERE t = 'a'").await;
    let records = task.take_until(&mut server, is_complete).await;
    let mut expected = plain(&[("5", "b"), ("5", "x"), ("6", "c")]);
    expected.push(r#"u {"n":5,"t":"a"} {"n":5,"t":"x"}"#.to_owned());
    assert_eq!(sorted(&records), expected);
    task.stop().await;
}

#[tokio::test]
async fn a_table_is_begun_again_when_it_is_read_by_other_columns_after_a_restart() {
    let moved = ("moved", "id int NOT NULL PRIMARY KEY, x int NOT NULL, y int NOT NULL");
    let mut server = Server::start(&[moved, SIGNALS]).await;
    server.change(&["INSERT INTO dbo.moved VALUES (1, 1, 5), (2, 2, 4), (3, 3, 3), (4, 4, 2), (5, 5, 1)"]).await;
    let host = FakeSourceHost::new();
    let by = |columns| [&SETTINGS[..], &[("message.key.columns", columns)]].concat();
    let mut task = Task::first(&server, &host, &by("dbo.moved:x")).await;
    signal(&mut server, "s1", "execute-snapshot", r#"{"data-collections": ["shop.dbo.moved"]}"#).await;
    let records = task.take_until(&mut server, |records| rows(records).len() >= 3).await;
    host.acknowledge(rows(&records)[2]);
    task.stop().await;
    let mut task = Task::start(&server, &host, &by("dbo.moved:y")).await;
    let records = task.take_until(&mut server, is_complete).await;
    let row = |id: u8| format!(r#"r null {{"id":{id},"x":{id},"y":{}}}"#, 6 - id);
    assert_eq!(changes(&records), [5, 4, 3, 2, 1].map(row));
    task.stop().await;
}
