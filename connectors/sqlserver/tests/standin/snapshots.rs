//! Snapshots.

use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::task::{Task, brief, briefs, offset, source, text};

const TABLES: [(&str, &str); 2] =
    [("a", "id int NOT NULL PRIMARY KEY, name nvarchar(10) NULL"), ("b", "id int NOT NULL PRIMARY KEY")];

async fn filled() -> Server {
    let mut server = Server::start(&TABLES).await;
    server.change(&["INSERT INTO dbo.a VALUES (1, N'one'), (2, NULL)", "INSERT INTO dbo.b VALUES (3)"]).await;
    server
}

#[tokio::test]
async fn rows_come_before_changes_whatever_the_isolation() {
    for isolation in ["read_uncommitted", "read_committed", "repeatable_read", "snapshot", "exclusive"] {
        let mut server = filled().await;
        let settings = [("snapshot.mode", "initial"), ("snapshot.isolation.mode", isolation)];
        let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
        let records = task.take(3).await;
        let rows = [r#"r null {"id":1,"name":"one"}"#, r#"r null {"id":2,"name":null}"#, r#"r null {"id":3}"#];
        assert_eq!(briefs(&records), rows, "{isolation}");
        let marks: Vec<String> = records.iter().map(|record| text(&source(record, "snapshot"))).collect();
        assert_eq!(marks, [r#""first""#, r#""last_in_data_collection""#, r#""last""#]);
        assert!(offset(&records[1]).contains(r#""snapshot":"INITIAL","snapshot_completed":false"#));
        assert!(offset(&records[2]).contains(r#""snapshot":"INITIAL","snapshot_completed":true"#));
        server.change(&["DELETE FROM dbo.b"]).await;
        assert_eq!(briefs(&task.take(2).await), [r#"d {"id":3} null"#, "-"]);
        task.stop().await;
    }
}

#[tokio::test]
async fn tables_are_read_by_configured_statements_and_may_be_left_out() {
    let mut server = Server::start(&[
        ("a", "id int NOT NULL PRIMARY KEY, name nvarchar(10) NULL, paid money NULL"),
        ("b", "id int NOT NULL PRIMARY KEY"),
        ("c", "id int NOT NULL PRIMARY KEY, name nvarchar(10) NULL"),
    ])
    .await;
    server
        .change(&[
            "INSERT INTO dbo.a VALUES (1, N'one', 922337203685477.5807), (2, N'two', 2)",
            "INSERT INTO dbo.b VALUES (3)",
            "INSERT INTO dbo.c VALUES (4, N'four')",
        ])
        .await;
    let settings = [
        ("snapshot.mode", "initial"),
        ("decimal.handling.mode", "string"),
        ("snapshot.include.collection.list", "shop.dbo.[ac]"),
        ("snapshot.select.statement.overrides", "dbo.a,[dbo].[c]"),
        ("snapshot.select.statement.overrides.dbo.a", "SELECT * FROM shop.dbo.a WHERE id < 2"),
        ("snapshot.select.statement.overrides.[dbo].[c]", "SELECT name, id FROM shop.dbo.c"),
    ];
    let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
    let rows = [r#"r null {"id":1,"name":"one","paid":"922337203685477.5807"}"#, r#"r null {"id":4,"name":"four"}"#];
    assert_eq!(briefs(&task.take(2).await), rows);
    // Its changes are read all the same.
    server.change(&["INSERT INTO dbo.b VALUES (5)"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":5}"#]);
    let snapshot = |name| task.metric("snapshot", name);
    let names = ["TotalNumberOfEventsSeen", "TotalTableCount", "RemainingTableCount", "SnapshotRunning"];
    assert_eq!(names.map(snapshot), [2.0, 2.0, 0.0, 0.0].map(Some));
    assert_eq!(["SnapshotCompleted", "SnapshotAborted"].map(snapshot), [1.0, 0.0].map(Some));
    let streaming = |name| task.metric("streaming", name);
    assert_eq!(["TotalNumberOfCreateEventsSeen", "Connected"].map(streaming), [1.0, 1.0].map(Some));
    assert!(streaming("MilliSecondsBehindSource").is_some_and(|millis| millis >= 0.0));
    task.stop().await;
}

#[tokio::test]
async fn a_snapshot_that_was_broken_off_begins_anew_and_a_complete_one_does_not() {
    let mut server = filled().await;
    let host = FakeSourceHost::new();
    let initial = [("snapshot.mode", "initial")];
    let mut task = Task::first(&server, &host, &initial).await;
    let records = task.take(3).await;
    task.stop().await;
    host.acknowledge(&records[1]);
    let mut task = Task::start(&server, &host, &initial).await;
    let records = task.take(3).await;
    task.stop().await;
    host.acknowledge(&records[2]);
    server.change(&["INSERT INTO dbo.b VALUES (4)"]).await;
    let mut task = Task::start(&server, &host, &initial).await;
    assert_eq!(brief(&task.take(1).await[0]), r#"c null {"id":4}"#);
    task.stop().await;
    let mut task = Task::start(&server, &host, &[("snapshot.mode", "always")]).await;
    assert_eq!(task.take(4).await.len(), 4);
    task.stop().await;
}

/// The offset of the last structure record marks the snapshot as complete. So a restart before the first change was
/// acknowledged does not begin at a new position and skip changes.
#[tokio::test]
async fn a_structure_without_rows_is_told_once() {
    let mut server = filled().await;
    let host = FakeSourceHost::new();
    let mut task = Task::start(&server, &host, &[]).await;
    let records = task.poll().await.unwrap();
    assert_eq!(records.len(), 2);
    assert!(offset(&records[0]).contains(r#""snapshot_completed":false"#));
    assert!(offset(&records[1]).contains(r#""snapshot_completed":true"#));
    host.acknowledge(&records[1]);
    task.stop().await;
    server.change(&["INSERT INTO dbo.b VALUES (4)"]).await;
    let mut task = Task::start(&server, &host, &[]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":4}"#]);
    task.stop().await;
}

#[tokio::test]
async fn a_structure_that_is_read_at_each_start_does_not_skip_changes() {
    let mut server = filled().await;
    let host = FakeSourceHost::new();
    let settings = [
        ("snapshot.mode", "configuration_based"),
        ("snapshot.mode.configuration.based.snapshot.schema", "true"),
        ("snapshot.mode.configuration.based.start.stream", "true"),
    ];
    let mut task = Task::first(&server, &host, &settings).await;
    server.change(&["INSERT INTO dbo.b VALUES (4)"]).await;
    host.acknowledge(&task.take(1).await[0]);
    task.stop().await;
    server.change(&["INSERT INTO dbo.b VALUES (5)"]).await;
    let mut task = Task::first(&server, &host, &settings).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":5}"#]);
    task.stop().await;
}

/// The parts of a table are read at the same time: their rows come in any order, the marks do not.
#[tokio::test]
async fn several_connections_read_every_row_once_whatever_the_isolation() {
    let mut server = Server::start(&[
        ("a", "id int NOT NULL, part bigint NOT NULL, PRIMARY KEY (part, id)"),
        ("b", "id int NOT NULL PRIMARY KEY"),
        ("c", "id nvarchar(10) NOT NULL PRIMARY KEY"),
        ("d", "id int NOT NULL PRIMARY KEY"),
    ])
    .await;
    let values = |count: i32, row: &dyn Fn(i32) -> String| (0..count).map(row).collect::<Vec<_>>().join(",");
    server
        .change(&[
            &format!("INSERT INTO dbo.a VALUES {}", values(900, &|id| format!("({id},{})", id % 3))),
            &format!("INSERT INTO dbo.b VALUES {}", values(5, &|id| format!("({})", id * 100))),
            &format!("INSERT INTO dbo.c VALUES {}", values(20, &|id| format!("(N'c{id}')"))),
        ])
        .await;
    for isolation in ["read_uncommitted", "read_committed", "repeatable_read", "snapshot", "exclusive"] {
        for legacy in ["false", "true"] {
            let settings = [
                ("snapshot.mode", "initial"),
                ("snapshot.isolation.mode", isolation),
                ("snapshot.max.threads", "3"),
                ("snapshot.max.threads.multiplier.shop.dbo.a", "4"),
                ("legacy.snapshot.max.threads", legacy),
                ("snapshot.tables.order.by.row.count", "descending"),
            ];
            let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
            let records = task.take(925).await;
            let parts = ["TableChunkCounts", "TableChunksCompletedCounts"].map(|name| task.metric("snapshot", name));
            // Otherwise each table is read whole.
            let in_parts = (isolation != "exclusive").then_some(legacy == "false");
            assert_eq!(parts[0].map(|parts| parts > 1.0), in_parts, "{isolation}, {legacy}");
            assert_eq!(parts[0], parts[1], "{isolation}, {legacy}");
            task.stop().await;
            let mut rows: Vec<String> = records.iter().map(|record| text(&record.key.value)).collect();
            rows.sort();
            rows.dedup();
            assert_eq!(rows.len(), 925, "{isolation}, {legacy}");
            let mark = |record| text(&source(record, "snapshot"));
            let of = |wanted: &str| records.iter().filter(|record| mark(record) == wanted).count();
            assert_eq!(mark(&records[0]), r#""first""#);
            assert_eq!(mark(&records[924]), r#""last""#);
            let (first, last) = (of(r#""first_in_data_collection""#), of(r#""last_in_data_collection""#));
            assert_eq!((first, last), (2, 2), "{isolation}, {legacy}");
            for topic in ["a", "b", "c"].map(|table| format!("server.shop.dbo.{table}")) {
                let marks: Vec<String> = records.iter().filter(|record| *record.topic == *topic).map(mark).collect();
                let between = &marks[1..marks.len() - 1];
                assert!(between.iter().all(|mark| mark == r#""true""#), "{isolation}, {legacy}: {between:?}");
            }
            assert!(records[..924].iter().all(|record| offset(record).contains(r#""snapshot_completed":false"#)));
            assert!(offset(&records[924]).contains(r#""snapshot_completed":true"#));
        }
    }
}
