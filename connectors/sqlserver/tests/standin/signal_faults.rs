//! What befalls signals and incremental snapshots. Changes go on, rows come whole, and what is given up is told of.

use std::time::Duration;

use tributary_api::{Record, SourceHost, Topic, TopicRecord, TopicWriterOptions};
use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::signals::{A, FIVE, SETTINGS, SIGNALS, changes, execute, filled, is_complete, notifications, rows, signal};
use crate::task::{Task, brief, briefs};

const SIGNAL_TOPIC: &str = "server.shop.dbo.signals";

/// How the reading of the tables has ended.
fn ended(records: &[Record]) -> Vec<String> {
    let ended = |notification: &String| notification.split("TABLE_SCAN_COMPLETED ").nth(1).map(str::to_owned);
    notifications(records).iter().filter_map(ended).collect()
}

fn five() -> Vec<String> {
    (1..=5).map(|id| format!(r#"r null {{"id":{id},"name":"{id}"}}"#)).collect()
}

#[tokio::test]
async fn a_signal_to_stop_that_is_wrong_stops_nothing() {
    let mut server = filled().await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &SETTINGS).await;
    // The second comes before the end of the first chunk.
    server
        .sql(
            r#"INSERT INTO dbo.signals VALUES ('s1', 'execute-snapshot', '{"data-collections": ["shop.dbo.a"]}');
               INSERT INTO dbo.signals VALUES ('s2', 'stop-snapshot', '{"data-collections": ["shop.dbo.a("]}')"#,
        )
        .await;
    let records = task.take_until(&mut server, is_complete).await;
    assert_eq!(changes(&records), five());
    task.stop().await;
}

/// The table is altered, and no change of it was captured since: its structure is read again.
#[tokio::test]
async fn rows_of_an_altered_table_are_read_whole() {
    let rows_of = |n: [&str; 2]| -> Vec<String> {
        n.iter().enumerate().map(|(at, n)| format!(r#"r null {{"id":{}{n}}}"#, at + 1)).collect()
    };
    for (statement, n, change) in [
        (
            "ALTER COLUMN n nvarchar(10) NULL",
            [r#","n":"10""#, r#","n":"20""#],
            r#"u {"id":1,"n":"10"} {"id":1,"n":"7"}"#,
        ),
        ("DROP COLUMN n", ["", ""], r#"c null {"id":7}"#),
    ] {
        let mut server = Server::start(&[("a", "id int NOT NULL PRIMARY KEY, n int NULL"), SIGNALS]).await;
        server.change(&["INSERT INTO dbo.a VALUES (1, 10)"]).await;
        let mut task = Task::first(&server, &FakeSourceHost::new(), &SETTINGS).await;
        // With the first change the structure is read anyway.
        server.change(&["INSERT INTO dbo.a VALUES (2, 20)"]).await;
        task.take_until(&mut server, |records| !changes(records).is_empty()).await;
        server.change(&[&format!("ALTER TABLE dbo.a {statement}")]).await;
        execute(&mut server, r#""shop.dbo.a""#).await;
        let records = task.take_until(&mut server, is_complete).await;
        assert_eq!(changes(&records), rows_of(n), "{statement}");
        assert_eq!(ended(&records), ["SUCCEEDED"], "{statement}");
        let then = if change.starts_with('u') {
            "UPDATE dbo.a SET n = N'7' WHERE id = 1"
        } else {
            "INSERT INTO dbo.a VALUES (7)"
        };
        server.change(&[then]).await;
        let records = task.take_until(&mut server, |records| !changes(records).is_empty()).await;
        assert_eq!(changes(&records), [change], "{statement}");
        task.stop().await;
    }
}

/// It times out each time, and is left out in the end. Changes are sent meanwhile, and the other table is read.
#[tokio::test]
async fn a_table_that_is_locked_holds_up_neither_changes_nor_other_tables() {
    let mut server = Server::start(&[A, ("b", "id int NOT NULL PRIMARY KEY"), SIGNALS]).await;
    server.change(&[FIVE, "INSERT INTO dbo.b VALUES (1)"]).await;
    let settings = [&SETTINGS[..], &[("database.query.timeout.ms", "500")]].concat();
    let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
    let locked = server.lock("a").await;
    execute(&mut server, r#""shop.dbo.a", "shop.dbo.b""#).await;
    server.change(&["INSERT INTO dbo.b VALUES (2)"]).await;
    let records = task.take_until(&mut server, is_complete).await;
    assert_eq!(ended(&records), ["SQL_EXCEPTION", "SUCCEEDED"]);
    assert_eq!(changes(&records), [r#"c null {"id":2}"#, r#"r null {"id":1}"#, r#"r null {"id":2}"#]);
    drop(locked);
    task.stop().await;
}

/// It is the same for all tables: none is given up for it.
#[tokio::test]
async fn a_snapshot_waits_until_the_signal_table_can_be_written() {
    let mut server = filled().await;
    let settings = [&SETTINGS[..], &server.reader_login().await].concat();
    let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
    execute(&mut server, r#""shop.dbo.a""#).await;
    let paused = |records: &[Record]| notifications(records).iter().any(|notification| notification == "s1 PAUSED");
    let records = task.take_until(&mut server, paused).await;
    assert!(ended(&records).is_empty() && rows(&records).is_empty(), "{:?}", notifications(&records));
    server.sql("GRANT INSERT ON dbo.signals TO least").await;
    signal(&mut server, "s2", "resume-snapshot", "").await;
    let records = task.take_until(&mut server, is_complete).await;
    assert_eq!(changes(&records), five());
    task.stop().await;
}

#[tokio::test]
async fn signals_are_followed_where_their_operations_are_skipped() {
    for (strategy, skipped) in [("insert_insert", "c"), ("insert_delete", "c,d"), ("insert_delete", "d")] {
        let mut server = filled().await;
        let own = [("incremental.snapshot.watermarking.strategy", strategy), ("skipped.operations", skipped)];
        let settings = [&SETTINGS[..], &own].concat();
        let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
        execute(&mut server, r#""shop.dbo.a""#).await;
        server.change(&["INSERT INTO dbo.a VALUES (6, N'6')", "DELETE FROM dbo.a WHERE id = 6"]).await;
        let records = task.take_until(&mut server, is_complete).await;
        assert_eq!(rows(&records).len(), 5, "{skipped}");
        let left = skipped.split(',').any(|skipped| briefs(&records).iter().any(|brief| brief.starts_with(skipped)));
        assert!(!left, "{skipped}: {:?}", briefs(&records));
        task.stop().await;
    }
}

/// The rows of a window are stored, and the record of the row that ended it is not.
#[tokio::test]
async fn the_record_of_a_signal_is_sent_wherever_the_worker_ends() {
    let mut server = filled().await;
    let host = FakeSourceHost::new();
    let mut task = Task::first(&server, &host, &SETTINGS).await;
    execute(&mut server, r#""shop.dbo.a""#).await;
    let records = task.take_until(&mut server, is_complete).await;
    let place = |wanted: &dyn Fn(&Record) -> bool| records.iter().position(wanted).unwrap();
    let asked = place(&|record| &*record.topic == SIGNAL_TOPIC && brief(record).contains("execute-snapshot"));
    let notified = place(&|record| {
        &*record.topic == "notifications" && notifications(std::slice::from_ref(record)) == ["s1 STARTED"]
    });
    assert!(asked < notified, "where the notification is stored, the record of the signal is there");
    let last_of_window = place(&|record| brief(record).contains(r#""id":2,"name""#));
    let end = records[last_of_window..].iter().find(|record| &*record.topic == SIGNAL_TOPIC).map(brief).unwrap();
    assert!(end.contains("snapshot-window-close"), "{end}");
    host.acknowledge(&records[last_of_window]);
    task.stop().await;

    let mut task = Task::start(&server, &host, &SETTINGS).await;
    let records = task.take_until(&mut server, is_complete).await;
    assert!(briefs(&records).contains(&end), "{:?}", briefs(&records));
    assert_eq!(rows(&records).iter().map(|row| brief(row)).collect::<Vec<_>>(), five()[2..]);
    task.stop().await;
}

/// Without a schema history, and before any change comes, the tables are known; none is told of as a new one.
#[tokio::test]
async fn after_a_restart_signals_and_snapshots_know_the_tables() {
    let mut server = filled().await;
    let host = FakeSourceHost::new();
    let by_topic = [("signal.enabled.channels", "source,kafka"), ("signal.poll.interval.ms", "5")];
    let settings = [&SETTINGS[..], &by_topic].concat();
    let mut task = Task::first(&server, &host, &settings).await;
    server.change(&["INSERT INTO dbo.a VALUES (6, N'6')"]).await;
    let records = task.take_until(&mut server, |records| !changes(records).is_empty()).await;
    host.acknowledge(records.last().unwrap());
    task.stop().await;

    write(&host, "server-signal", "s1", r#""shop\\.dbo\\.[a]""#).await;
    let mut task = Task::start(&server, &host, &settings).await;
    let is_third = |record: &Record| brief(record).contains(r#""id":3,"#);
    let records = task.take_until(&mut server, |records| records.iter().any(is_third)).await;
    host.acknowledge(records.iter().find(|record| is_third(record)).unwrap());
    task.stop().await;

    let mut task = Task::start(&server, &host, &settings).await;
    let mut records = Vec::new();
    while !is_complete(&records) {
        server.scan().await;
        records.extend(task.poll().await.unwrap());
    }
    assert!(records.iter().all(|record| &*record.topic != "server"), "{:?}", briefs(&records));
    assert_eq!(rows(&records).len(), 3, "{:?}", briefs(&records));
    task.stop().await;
}

/// A signal of the topic that asks for an incremental snapshot.
async fn write(host: &FakeSourceHost, topic: &str, id: &str, tables: &str) {
    let writer = host.topic_writer(TopicWriterOptions::default()).await.unwrap();
    let value = format!(r#"{{"id": "{id}", "type": "execute-snapshot", "data": {{"data-collections": [{tables}]}}}}"#);
    let record = TopicRecord::new(Topic::from(topic)).key(b"server".to_vec()).value(value.into_bytes());
    writer.write(vec![record]).await.unwrap();
}

#[tokio::test]
async fn a_signal_topic_that_was_made_again_is_read_from_its_beginning() {
    let mut server = filled().await;
    let host = FakeSourceHost::new();
    let of = |topic| {
        let by_topic =
            [("signal.enabled.channels", "kafka"), ("signal.poll.interval.ms", "5"), ("signal.kafka.topic", topic)];
        [&SETTINGS[..], &by_topic].concat()
    };
    for id in ["o1", "o2", "o3"] {
        write(&host, "old", id, r#""shop.dbo.a""#).await;
    }
    let mut task = Task::first(&server, &host, &of("old")).await;
    let all = |records: &[Record]| notifications(records).iter().any(|notification| notification == "o3 COMPLETED");
    let records = task.take_until(&mut server, all).await;
    host.acknowledge(records.last().unwrap());
    task.stop().await;

    write(&host, "new", "n1", r#""shop.dbo.a""#).await;
    let mut task = Task::start(&server, &host, &of("new")).await;
    let records = task.take_until(&mut server, is_complete).await;
    assert!(notifications(&records).contains(&"n1 COMPLETED".to_owned()), "{:?}", notifications(&records));
    task.stop().await;
}

/// As Debezium's consumer without a place of its group.
#[tokio::test]
async fn signals_from_before_the_first_start_are_left_out_if_the_consumer_begins_at_the_end() {
    let mut server = filled().await;
    let host = FakeSourceHost::new();
    write(&host, "server-signal", "old", r#""shop.dbo.a""#).await;
    let by_topic = [
        ("signal.enabled.channels", "kafka"),
        ("signal.poll.interval.ms", "5"),
        ("signal.consumer.auto.offset.reset", "latest"),
    ];
    let mut task = Task::first(&server, &host, &[&SETTINGS[..], &by_topic].concat()).await;
    let mut records = Vec::new();
    let mut number = 0;
    while notifications(&records).is_empty() {
        // Until one comes after the topic was looked at for the first time.
        assert!(number < 300, "no signal is followed");
        write(&host, "server-signal", &format!("new{number}"), r#""shop.dbo.a""#).await;
        number += 1;
        server.scan().await;
        if let Ok(read) = tokio::time::timeout(Duration::from_millis(100), task.poll()).await {
            records.extend(read.unwrap());
        }
    }
    let notified = notifications(&records);
    assert!(notified.iter().all(|notification| notification.starts_with("new")), "{notified:?}");
    task.stop().await;
}
