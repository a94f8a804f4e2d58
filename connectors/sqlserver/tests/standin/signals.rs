//! Signals, and the incremental snapshots that they ask for.

use std::time::Duration;

use tributary_api::{Record, Value};
use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::task::{Task, brief, offset, source, text};

pub(crate) const SIGNALS: (&str, &str) =
    ("signals", "id varchar(64) NOT NULL PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048) NULL");
pub(crate) const SETTINGS: [(&str, &str); 4] = [
    ("signal.data.collection", "shop.dbo.signals"),
    ("incremental.snapshot.chunk.size", "2"),
    ("notification.enabled.channels", "sink,log"),
    ("notification.sink.topic.name", "notifications"),
];
pub(crate) const A: (&str, &str) = ("a", "id int NOT NULL PRIMARY KEY, name nvarchar(10) NULL");
pub(crate) const FIVE: &str = "INSERT INTO dbo.a VALUES (1, N'1'), (2, N'2'), (3, N'3'), (4, N'4'), (5, N'5')";

pub(crate) async fn signal(server: &mut Server, id: &str, kind: &str, data: &str) {
    server.change(&[&format!("INSERT INTO dbo.signals VALUES ('{id}', '{kind}', '{data}')")]).await;
}

pub(crate) async fn execute(server: &mut Server, tables: &str) {
    signal(server, "s1", "execute-snapshot", &format!(r#"{{"data-collections": [{tables}]}}"#)).await;
}

/// Of records of tables what they say, without those of the signal table.
pub(crate) fn changes(records: &[Record]) -> Vec<String> {
    let changes =
        records.iter().filter(|record| !["notifications", "server.shop.dbo.signals"].contains(&&*record.topic));
    changes.map(brief).collect()
}

/// Of notifications of incremental snapshots their type, and how the reading of a table has ended.
pub(crate) fn notifications(records: &[Record]) -> Vec<String> {
    notices_of(records, "Incremental Snapshot")
}

pub(crate) fn notices_of(records: &[Record], aggregate: &str) -> Vec<String> {
    let is_of = |record: &Record| record.value.value.path("aggregate_type").and_then(Value::as_str) == Some(aggregate);
    let notifications = records.iter().filter(|record| &*record.topic == "notifications" && is_of(record));
    let notification = |record: &Record| {
        let part =
            |name: &str| record.value.value.path(name).map(text).unwrap_or_default().trim_matches('"').to_owned();
        let data = part("additional_data");
        let status = data.split(r#""status":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        format!("{} {} {status}", part("id"), part("type")).trim_end().to_owned()
    };
    notifications.map(notification).collect()
}

pub(crate) fn is_complete(records: &[Record]) -> bool {
    notifications(records).iter().any(|notification| notification.ends_with(" COMPLETED"))
}

pub(crate) fn rows(records: &[Record]) -> Vec<&Record> {
    records.iter().filter(|record| brief(record).starts_with('r')).collect()
}

pub(crate) async fn filled() -> Server {
    let mut server = Server::start(&[A, SIGNALS]).await;
    server.change(&[FIVE]).await;
    server
}

/// The row that is changed between the two rows of the signal table is not sent as it was read.
#[tokio::test]
async fn rows_are_read_in_chunks_and_a_change_in_the_window_is_newer() {
    // The name of the table may be in another case.
    for (strategy, table) in [
        ("insert_insert", r#""shop\\.dbo\\.[a]""#),
        ("insert_delete", r#""shop\\.dbo\\.[a]""#),
        ("insert_insert", r#""SHOP.Dbo.A""#),
    ] {
        let mut server = filled().await;
        let settings = [&SETTINGS[..], &[("incremental.snapshot.watermarking.strategy", strategy)]].concat();
        let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
        server
            .sql("EXEC standin.fault @on = 'committed', @action = 'stall', @milliseconds = 3000, @times = 1, @application = 'reader'")
            .await;
        execute(&mut server, table).await;
        while server.number("SELECT COUNT(*) FROM dbo.signals WHERE id LIKE '%-open'").await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.sql("UPDATE dbo.a SET name = N'new' WHERE id = 2").await;
        let records = task.take_until(&mut server, is_complete).await;
        let expected = [
            r#"u {"id":2,"name":"2"} {"id":2,"name":"new"}"#,
            r#"r null {"id":1,"name":"1"}"#,
            r#"r null {"id":3,"name":"3"}"#,
            r#"r null {"id":4,"name":"4"}"#,
            r#"r null {"id":5,"name":"5"}"#,
        ];
        assert_eq!(changes(&records), expected, "{strategy}");
        let kinds =
            ["STARTED", "IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS", "TABLE_SCAN_COMPLETED SUCCEEDED", "COMPLETED"];
        assert_eq!(notifications(&records), kinds.map(|kind| format!("s1 {kind}")), "{strategy}");
        let first = rows(&records)[0];
        assert_eq!(&*first.topic, "server.shop.dbo.a");
        assert_eq!(text(&source(first, "snapshot")), r#""incremental""#);
        let stored = offset(first);
        let key = |id: u8| {
            format!(
                "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000001737200116a6176612e\
                 6c616e672e496e746567657212e2a0a4f781873802000149000576616c7565787200106a6176612e6c616e672e4e756d62657286ac95\
                 1d0b94e08b0200007870000000{id:02x}"
            )
        };
        for member in [
            r#""snapshot":"INCREMENTAL","snapshot_completed":true"#.to_owned(),
            r#""incremental_snapshot_correlation_id":"s1""#.to_owned(),
            format!(r#""incremental_snapshot_primary_key":"{}""#, key(1)),
            format!(r#""incremental_snapshot_maximum_key":"{}""#, key(5)),
            r#"[{\"incremental_snapshot_collections_id\":\"[shop].[dbo].[a]\",\"incremental_snapshot_collections_additional_condition\":null,\"incremental_snapshot_collections_surrogate_key\":null}]"#.to_owned(),
        ] {
            assert!(stored.contains(&member), "{member} in {stored}");
        }
        task.stop().await;
    }
}

/// What was written is not written again, and nothing is left out.
#[tokio::test]
async fn a_snapshot_goes_on_behind_the_last_row_that_was_stored() {
    let mut server = filled().await;
    let host = FakeSourceHost::new();
    let mut task = Task::first(&server, &host, &SETTINGS).await;
    execute(&mut server, r#""shop.dbo.a""#).await;
    let records = task.take_until(&mut server, |records| rows(records).len() >= 3).await;
    host.acknowledge(rows(&records)[2]);
    task.stop().await;

    server.sql("INSERT INTO dbo.a VALUES (6, N'6')").await;
    let mut task = Task::start(&server, &host, &SETTINGS).await;
    let records = task.take_until(&mut server, is_complete).await;
    let expected = [r#"c null {"id":6,"name":"6"}"#, r#"r null {"id":4,"name":"4"}"#, r#"r null {"id":5,"name":"5"}"#];
    let mut found = changes(&records);
    found.sort();
    assert_eq!(found, expected, "not beyond the last key that there was at its beginning");
    // What is stored last has nothing of a snapshot: a restart does not begin it again.
    let mut last =
        task.take_until(&mut server, |records| records.iter().any(|record| &*record.topic != "notifications")).await;
    host.acknowledge(&last.pop().unwrap());
    task.stop().await;
    let mut task = Task::start(&server, &host, &SETTINGS).await;
    server.change(&["INSERT INTO dbo.a VALUES (7, N'7')"]).await;
    let records = task.take_until(&mut server, |records| !changes(records).is_empty()).await;
    assert_eq!(changes(&records), [r#"c null {"id":7,"name":"7"}"#]);
    task.stop().await;
}

#[tokio::test]
async fn some_rows_are_read_by_a_condition_and_tables_without_a_key_by_another_column() {
    let tables = [
        A,
        ("plain", "n int NULL, t varchar(5) NULL"),
        ("two", "x int NOT NULL, y varchar(5) NOT NULL, PRIMARY KEY (x, y)"),
    ];
    let mut server = Server::start(&[&tables[..], &[SIGNALS]].concat()).await;
    let fill = [
        FIVE,
        "INSERT INTO dbo.plain VALUES (3, 'c'), (NULL, 'a'), (1, 'b'), (4, 'd'), (5, 'e')",
        "INSERT INTO dbo.two VALUES (1, 'a'), (1, 'b'), (1, 'c'), (2, 'a'), (2, 'b')",
    ];
    server.change(&fill).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &SETTINGS).await;
    let data = r#"{"data-collections": ["shop.dbo.a", "shop.dbo.two"], "additional-conditions":
        [{"data-collection": "shop.dbo.a", "filter": "id = 2 OR id > 4"}, {"data-collection": "shop.dbo.two", "filter": "x > 0"}]}"#;
    signal(&mut server, "s1", "execute-snapshot", data).await;
    let records = task.take_until(&mut server, is_complete).await;
    let two = ["1,\"y\":\"a", "1,\"y\":\"b", "1,\"y\":\"c", "2,\"y\":\"a", "2,\"y\":\"b"];
    let expected: Vec<String> = [2, 5]
        .map(|id| format!(r#"r null {{"id":{id},"name":"{id}"}}"#))
        .into_iter()
        .chain(two.map(|row| format!(r#"r null {{"x":{row}"}}"#)))
        .collect();
    assert_eq!(changes(&records), expected);
    signal(&mut server, "s2", "execute-snapshot", r#"{"data-collections": ["shop.dbo.plain"], "surrogate-key": "n"}"#)
        .await;
    let records = task.take_until(&mut server, is_complete).await;
    let expected = ["null,\"t\":\"a", "1,\"t\":\"b", "3,\"t\":\"c", "4,\"t\":\"d", "5,\"t\":\"e"];
    assert_eq!(changes(&records), expected.map(|row| format!(r#"r null {{"n":{row}"}}"#)));
    task.stop().await;
}

/// The others are read all the same, and changes go on.
#[tokio::test]
async fn a_table_that_cannot_be_read_is_left_out_and_told_of() {
    let mut server =
        Server::start(&[A, ("plain", "n int NULL"), ("empty", "n int NOT NULL PRIMARY KEY"), SIGNALS]).await;
    server.change(&[FIVE, "INSERT INTO dbo.plain VALUES (1)"]).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &SETTINGS).await;
    execute(&mut server, r#""shop.dbo.none", "shop.dbo.plain", "shop.dbo.empty", "shop.dbo.a""#).await;
    let records = task.take_until(&mut server, is_complete).await;
    assert_eq!(rows(&records).len(), 5);
    let ended = |notification: &String| notification.split("TABLE_SCAN_COMPLETED ").nth(1).map(str::to_owned);
    let ended: Vec<String> = notifications(&records).iter().filter_map(ended).collect();
    assert_eq!(ended, ["UNKNOWN_SCHEMA", "NO_PRIMARY_KEY", "EMPTY", "SUCCEEDED"]);
    // What is no signal stops nothing.
    signal(&mut server, "s2", "execute-snapshot", "no JSON").await;
    signal(&mut server, "s3", "dance", "").await;
    server.change(&["INSERT INTO dbo.a VALUES (6, NULL)"]).await;
    let records = task.take_until(&mut server, |records| !changes(records).is_empty()).await;
    assert_eq!(changes(&records), [r#"c null {"id":6,"name":null}"#]);
    task.stop().await;
}

#[tokio::test]
async fn a_snapshot_is_paused_resumed_and_stopped() {
    let mut server = Server::start(&[A, ("b", "id int NOT NULL PRIMARY KEY"), SIGNALS]).await;
    server.change(&[FIVE, "INSERT INTO dbo.b VALUES (1), (2), (3)"]).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &SETTINGS).await;
    let tables = r#"{"data-collections": ["shop.dbo.a", "shop.dbo.b"]}"#;
    // The second comes before the end of the first chunk.
    server
        .sql(&format!(
            "INSERT INTO dbo.signals VALUES ('s1', 'execute-snapshot', '{tables}'); \
             INSERT INTO dbo.signals VALUES ('s2', 'pause-snapshot', '')"
        ))
        .await;
    let paused =
        |records: &[Record]| rows(records).len() == 2 && notifications(records).iter().any(|n| n.ends_with("PAUSED"));
    task.take_until(&mut server, paused).await;
    let chunk = ["ChunkFrom", "ChunkTo", "TableFrom", "TableTo"].map(|name| task.shown(name).unwrap());
    assert_eq!(chunk, ["[1]", "[2]", "[1]", "[5]"]);
    let metrics = |task: &Task, names: [&str; 4]| names.map(|name| task.metric("snapshot", name).unwrap());
    let progress = ["SnapshotPaused", "TotalTableCount", "RemainingTableCount", "RowsScanned"];
    assert_eq!(metrics(&task, progress), [1.0, 2.0, 2.0, 2.0]);
    server.change(&["INSERT INTO dbo.a VALUES (9, NULL)"]).await;
    let records = task.take_until(&mut server, |records| !changes(records).is_empty()).await;
    assert_eq!(changes(&records), [r#"c null {"id":9,"name":null}"#], "nothing is read meanwhile");
    signal(&mut server, "s3", "resume-snapshot", "").await;
    signal(&mut server, "s4", "stop-snapshot", r#"{"data-collections": ["shop.dbo.a"]}"#).await;
    let records = task.take_until(&mut server, is_complete).await;
    let kinds: Vec<String> = notifications(&records);
    assert!(kinds.contains(&"s1 RESUMED".to_owned()) && kinds.contains(&"s1 ABORTED".to_owned()), "{kinds:?}");
    let ids: Vec<String> = rows(&records).into_iter().map(brief).collect();
    let of_b = ids.iter().filter(|row| !row.contains("name")).count();
    let ends = ["SnapshotCompleted", "SnapshotAborted", "SnapshotRunning", "RemainingTableCount"];
    assert_eq!(metrics(&task, ends), [1.0, 0.0, 0.0, 0.0]);
    assert!(task.shown("ChunkId").is_none());
    assert!(of_b == 3 && ids.len() < 8, "the other table is read whole, and the stopped one is not: {ids:?}");
    // Stopped altogether, it is not complete.
    signal(&mut server, "s5", "execute-snapshot", tables).await;
    signal(&mut server, "s6", "stop-snapshot", "").await;
    let stopped =
        |records: &[Record]| notifications(records).iter().any(|notification| notification.ends_with("ABORTED"));
    let records = task.take_until(&mut server, stopped).await;
    assert!(!is_complete(&records));
    assert_eq!(metrics(&task, ends), [0.0, 1.0, 0.0, 0.0]);
    task.stop().await;
}

/// A connection that breaks between two chunks, or in one, loses and doubles no row.
#[tokio::test]
async fn errors_that_pass_cost_no_row() {
    for skip in 0..24 {
        let mut server = filled().await;
        let mut task = Task::first(&server, &FakeSourceHost::new(), &SETTINGS).await;
        server
            .sql(&format!(
                "EXEC standin.fault @on = 'statement', @action = 'error', @number = 40501, @skip = {skip}, @times = 2, @application = 'reader'"
            ))
            .await;
        execute(&mut server, r#""shop.dbo.a""#).await;
        let records = task.take_until(&mut server, is_complete).await;
        let expected: Vec<String> = (1..=5).map(|id| format!(r#"r null {{"id":{id},"name":"{id}"}}"#)).collect();
        assert_eq!(changes(&records), expected, "{skip}");
        task.stop().await;
    }
}
