//! Streaming of changes.

use tributary_api::Record;
use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::task::{Task, briefs, offset, source, text};

/// A statement that moves a unique key in many rows deletes all of them before it inserts the first, so the order of
/// commands differs from the order of the log. With pages of five rows, all 2N changes must come.
#[tokio::test]
async fn a_bulk_change_of_keys_is_read_whole_in_pages() {
    for mode in ["direct", "function"] {
        let mut server = Server::start(&[("t", "id int NOT NULL PRIMARY KEY, name varchar(10) NULL")]).await;
        let rows: Vec<String> = (1..=12).map(|id| format!("({id}, 'n{id}')")).collect();
        let insert = format!("INSERT INTO dbo.t VALUES {}", rows.join(", "));
        server.change(&["INSERT INTO dbo.t VALUES (100, NULL)"]).await;
        let settings = [("streaming.fetch.size", "5"), ("data.query.mode", mode), ("tombstones.on.delete", "false")];
        let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
        server.change(&[&insert, "DELETE FROM dbo.t WHERE id = 100"]).await;
        task.take(13).await;
        server.change(&["UPDATE dbo.t SET id = id + 1000"]).await;
        let mut changes = briefs(&task.take(24).await);
        changes.sort();
        let deleted = (1..=12).map(|id| format!("d {{\"id\":{id},\"name\":\"n{id}\"}} null"));
        let created = (1..=12).map(|id| format!("c null {{\"id\":{},\"name\":\"n{id}\"}}", id + 1000));
        let mut expected: Vec<String> = deleted.chain(created).collect();
        expected.sort();
        assert_eq!(changes, expected, "{mode}");
        task.stop().await;
    }
}

/// Column 10 of 12 is a large one. The update mask has two bytes, of which the last one has the first eight columns.
#[tokio::test]
async fn an_update_says_what_it_has_not_changed_and_what_it_made_null() {
    let columns: Vec<String> = (1..=12)
        .map(|number| match number {
            1 => "c1 int NOT NULL PRIMARY KEY".to_owned(),
            10 => "c10 varbinary(max) NULL".to_owned(),
            _ => format!("c{number} int NULL"),
        })
        .collect();
    let mut server = Server::start(&[("t", &columns.join(", "))]).await;
    server.change(&["INSERT INTO dbo.t (c1, c10) VALUES (1, 0xFF)"]).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &[("binary.handling.mode", "hex")]).await;
    server.change(&["UPDATE dbo.t SET c2 = 2"]).await;
    let records = task.take(1).await;
    let value = |path: &str| records[0].value.value.path(path).map(text).unwrap();
    assert_eq!((value("before.c2"), value("after.c2")), ("null".to_owned(), "2".to_owned()));
    let placeholder = "\"5f5f646562657a69756d5f756e617661696c61626c655f76616c7565\"";
    assert_eq!(value("before.c10"), placeholder);
    server.change(&["UPDATE dbo.t SET c10 = NULL"]).await;
    let records = task.take(1).await;
    assert_eq!(records[0].value.value.path("after.c10").map(text).unwrap(), "null");
    task.stop().await;
}

#[tokio::test]
async fn values_at_the_ends_of_their_types_are_exact() {
    let mut server = Server::start(&[("t", "id int NOT NULL PRIMARY KEY, m money NULL, d datetime2(7) NULL")]).await;
    server.change(&["INSERT INTO dbo.t VALUES (0, NULL, NULL)"]).await;
    let settings = [("decimal.handling.mode", "string"), ("time.precision.mode", "microseconds")];
    let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
    server.change(&["INSERT INTO dbo.t VALUES (1, 922337203685477.5807, '9999-12-31T23:59:59.9999999')"]).await;
    let expected = r#"c null {"id":1,"m":"922337203685477.5807","d":253402300799999999}"#;
    assert_eq!(briefs(&task.take(1).await), [expected]);
    task.stop().await;
}

/// The time cannot be represented in nanoseconds, so the optional column is null.
#[tokio::test]
async fn a_time_outside_of_nanoseconds_is_null_in_an_optional_column() {
    let mut server = Server::start(&[("t", "id int NOT NULL PRIMARY KEY, d datetime2(7) NULL")]).await;
    server.change(&["INSERT INTO dbo.t VALUES (0, NULL)"]).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &[]).await;
    server.change(&["INSERT INTO dbo.t VALUES (1, '9999-12-31T23:59:59.9999999')"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":1,"d":null}"#]);
    task.stop().await;
}

/// The delete has the offset before the change and its tombstone the one after it, so that neither can be lost alone.
#[tokio::test]
async fn a_delete_and_its_tombstone_are_read_both_or_none() {
    let mut server = Server::start(&[("t", "id int NOT NULL PRIMARY KEY")]).await;
    server.change(&["INSERT INTO dbo.t VALUES (1)"]).await;
    let host = FakeSourceHost::new();
    let mut task = Task::first(&server, &host, &[]).await;
    server.change(&["INSERT INTO dbo.t VALUES (2)", "DELETE FROM dbo.t WHERE id = 1"]).await;
    let records = task.take(3).await;
    assert_eq!(briefs(&records), [r#"c null {"id":2}"#, r#"d {"id":1} null"#, "-"]);
    assert_eq!(offset(&records[0]), offset(&records[1]));
    task.stop().await;

    host.acknowledge(&records[1]);
    let mut task = Task::start(&server, &host, &[]).await;
    assert_eq!(briefs(&task.take(2).await), [r#"d {"id":1} null"#, "-"]);
    task.stop().await;
}

/// The change table has the new type immediately. A value that does not fit the old type shows that the table was
/// altered: it must neither become null nor fail the task, and what was sent of the transaction is not sent again.
#[tokio::test]
async fn a_column_that_was_widened_is_read_whole() {
    let columns = "id int NOT NULL PRIMARY KEY, n int NULL, p decimal(5, 1) NOT NULL";
    let mut server = Server::start(&[("t", columns)]).await;
    server.change(&["INSERT INTO dbo.t VALUES (0, 0, 0)"]).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &[("decimal.handling.mode", "string")]).await;
    server.change(&["INSERT INTO dbo.t VALUES (1, 1, 1.5)"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":1,"n":1,"p":"1.5"}"#]);
    server.change(&["ALTER TABLE dbo.t ALTER COLUMN n bigint NULL"]).await;
    server.change(&["INSERT INTO dbo.t VALUES (2, 2, 2), (3, 5000000000, 3), (4, 4, 4)"]).await;
    let expected = [
        r#"c null {"id":2,"n":2,"p":"2.0"}"#,
        r#"c null {"id":3,"n":5000000000,"p":"3.0"}"#,
        r#"c null {"id":4,"n":4,"p":"4.0"}"#,
    ];
    assert_eq!(briefs(&task.take(3).await), expected);
    server.change(&["ALTER TABLE dbo.t ALTER COLUMN p decimal(9, 3) NOT NULL"]).await;
    server.change(&["UPDATE dbo.t SET p = 1.125 WHERE id = 1"]).await;
    let expected = r#"u {"id":1,"n":1,"p":"1.500"} {"id":1,"n":1,"p":"1.125"}"#;
    assert_eq!(briefs(&task.take(1).await), [expected]);
    task.stop().await;
}

/// The number of the command is null in rows that were captured before the server update that added it.
#[tokio::test]
async fn rows_without_the_number_of_their_command_are_read_in_pages() {
    let mut server = Server::start(&[("t", "id int NOT NULL PRIMARY KEY")]).await;
    server.change(&["INSERT INTO dbo.t VALUES (0)"]).await;
    let host = FakeSourceHost::new();
    let settings = [("streaming.fetch.size", "2")];
    let mut task = Task::first(&server, &host, &settings).await;
    server.change(&["INSERT INTO dbo.t VALUES (1)"]).await;
    host.acknowledge(&task.take(1).await[0]);
    task.stop().await;
    server.change(&["INSERT INTO dbo.t VALUES (2), (3), (4), (5), (6)"]).await;
    server.sql("UPDATE cdc.dbo_t_CT SET __$command_id = NULL").await;
    let mut task = Task::start(&server, &host, &settings).await;
    let records = task.take(5).await;
    assert_eq!(briefs(&records), [2, 3, 4, 5, 6].map(|id| format!("c null {{\"id\":{id}}}")));
    task.stop().await;
    host.acknowledge(&records[2]);
    let mut task = Task::start(&server, &host, &settings).await;
    assert_eq!(briefs(&task.take(2).await), [5, 6].map(|id| format!("c null {{\"id\":{id}}}")));
    task.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_within_a_transaction() {
    let mut server =
        Server::start(&[("t", "id int NOT NULL PRIMARY KEY, n int NULL"), ("u", "id int NOT NULL PRIMARY KEY")]).await;
    server.change(&["INSERT INTO dbo.u VALUES (0)"]).await;
    let host = FakeSourceHost::new();
    let mut task = Task::first(&server, &host, &[]).await;
    server
        .change(&["BEGIN TRANSACTION; INSERT INTO dbo.t VALUES (1, 1), (2, 2); INSERT INTO dbo.u VALUES (1); \
                   UPDATE dbo.t SET n = 3; INSERT INTO dbo.u VALUES (2); COMMIT"])
        .await;
    let records = task.take(6).await;
    task.stop().await;
    let all = briefs(&records);
    assert_eq!(source(&records[3], "event_serial_no"), tributary_api::Value::Int64(2), "an update counts as two");
    for sent in 1..records.len() {
        host.acknowledge(&records[sent - 1]);
        let mut task = Task::start(&server, &host, &[]).await;
        assert_eq!(briefs(&task.take(6 - sent).await), all[sent..], "after {sent}");
        task.stop().await;
    }
}

/// All deletes come before the first insert, and each has the sequence value of its insert, so positions occur twice.
/// Still no change is sent twice and none is left out.
#[tokio::test]
async fn a_restart_within_a_bulk_change_of_keys_goes_on_exactly() {
    for mode in ["direct", "function"] {
        let columns = "id int NOT NULL PRIMARY KEY";
        let mut server = Server::start(&[("t", columns), ("u", columns)]).await;
        server.change(&["INSERT INTO dbo.t VALUES (1), (2), (3)"]).await;
        let host = FakeSourceHost::new();
        let settings = [("tombstones.on.delete", "false"), ("data.query.mode", mode)];
        let mut task = Task::first(&server, &host, &settings).await;
        server
            .change(&[
                "BEGIN TRANSACTION; INSERT INTO dbo.u VALUES (1); UPDATE dbo.t SET id = id + 10; \
                       INSERT INTO dbo.u VALUES (2); COMMIT",
                "INSERT INTO dbo.u VALUES (3)",
            ])
            .await;
        let records = task.take(9).await;
        task.stop().await;
        let all = briefs(&records);
        for sent in 1..records.len() {
            host.acknowledge(&records[sent - 1]);
            let mut task = Task::start(&server, &host, &settings).await;
            assert_eq!(
                briefs(&task.take(9 - sent).await),
                all[sent..],
                "{mode} after {sent}: {}",
                offset(&records[sent - 1])
            );
            task.stop().await;
        }
        // An offset that is complete without the row number has Debezium's members only.
        assert!(!offset(&records[0]).contains("commit_row_no") && !offset(&records[8]).contains("commit_row_no"));
    }
}

/// The first changes, which the heartbeats' own statement makes.
async fn first_change(server: &mut Server, task: &mut Task) -> Vec<Record> {
    let mut changes = Vec::new();
    while changes.is_empty() {
        server.scan().await;
        let read = task.poll().await.unwrap();
        changes.extend(read.into_iter().filter(|record| &*record.topic == "server.shop.dbo.t"));
    }
    changes
}

#[tokio::test]
async fn a_statement_goes_with_each_heartbeat() {
    let mut server = Server::start(&[("t", "id int IDENTITY PRIMARY KEY")]).await;
    server.change(&["INSERT INTO dbo.t DEFAULT VALUES"]).await;
    let settings = [
        ("heartbeat.interval.ms", "1"),
        ("heartbeat.action.query", "INSERT INTO shop.dbo.t DEFAULT VALUES"),
        ("topic.heartbeat.name", "server"),
    ];
    let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
    assert_eq!(briefs(&first_change(&mut server, &mut task).await[..1]), [r#"c null {"id":2}"#]);
    task.stop().await;
    let wrong = [settings[0], ("heartbeat.action.query", "INSERT INTO nowhere VALUES (1)")];
    let error = Task::start(&server, &FakeSourceHost::new(), &wrong).await.failure().await;
    assert!(error.to_string().contains("heartbeat.action.query"), "{error}");
}

#[tokio::test]
async fn the_statement_of_a_heartbeat_runs_in_the_logins_default_database() {
    let mut server = Server::start(&[("t", "id int IDENTITY PRIMARY KEY")]).await;
    server.sql("CREATE LOGIN beater WITH PASSWORD = N'Stand-in_4beats', DEFAULT_DATABASE = shop").await;
    server.sql("ALTER SERVER ROLE sysadmin ADD MEMBER beater").await;
    server.change(&["INSERT INTO dbo.t DEFAULT VALUES"]).await;
    let settings = [
        ("database.user", "beater"),
        ("database.password", "Stand-in_4beats"),
        ("heartbeat.interval.ms", "1"),
        ("heartbeat.action.query", "INSERT INTO dbo.t DEFAULT VALUES"),
    ];
    let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
    assert_eq!(briefs(&first_change(&mut server, &mut task).await[..1]), [r#"c null {"id":2}"#]);
    task.stop().await;
}

/// Nothing was captured yet, or all of it was removed: heartbeats must come all the same.
#[tokio::test]
async fn heartbeats_come_while_the_log_is_empty() {
    let server = Server::start(&[("t", "id int NOT NULL PRIMARY KEY")]).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &[("heartbeat.interval.ms", "1")]).await;
    let beat = task.poll().await.unwrap();
    assert_eq!(&*beat[0].topic, "__debezium-heartbeat.server");
    task.stop().await;
}

/// The newer of two instances has the table's new column, from its own first position on and not before.
#[tokio::test]
async fn a_second_capture_instance_takes_over_where_it_begins() {
    let mut server = Server::start(&[("t", "id int NOT NULL PRIMARY KEY")]).await;
    // When reading begins the database has no position yet.
    let mut task = Task::first(&server, &FakeSourceHost::new(), &[]).await;
    server.change(&["INSERT INTO dbo.t VALUES (1)"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":1}"#]);
    server.sql("ALTER TABLE dbo.t ADD name varchar(10) NULL").await;
    server.sql("INSERT INTO dbo.t VALUES (2, 'two')").await;
    server.scan().await;
    server.capture("t", "dbo_t_v2").await;
    server.change(&["INSERT INTO dbo.t VALUES (3, 'three')"]).await;
    let changes = briefs(&task.take(2).await);
    assert_eq!(changes, [r#"c null {"id":2}"#, r#"c null {"id":3,"name":"three"}"#]);
    server.sql("EXEC sys.sp_cdc_disable_table N'dbo', N't', N'dbo_t'").await;
    server.change(&["INSERT INTO dbo.t VALUES (4, 'four')"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":4,"name":"four"}"#]);
    task.stop().await;
}
