//! The schema history topic.

use std::sync::Arc;

use tokio::time::timeout;
use tributary_api::Error;
use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::task::{STRUCTURES, Task, WAIT_LIMIT, brief, briefs, offset, text};

const TABLE: [(&str, &str); 1] = [("t", "id int NOT NULL PRIMARY KEY")];
const HISTORY: [(&str, &str); 1] = [("schema.history.internal.kafka.topic", "history")];

/// What happened to which columns, according to the records of the history.
fn told(host: &FakeSourceHost) -> Vec<String> {
    let told = |json: &[u8]| {
        let record: serde_json::Value = serde_json::from_slice(json).unwrap();
        let change = &record["tableChanges"][0];
        let columns =
            change["table"]["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap());
        let columns: Vec<&str> = columns.collect();
        format!("{} {} {}", change["type"].as_str().unwrap(), change["id"].as_str().unwrap(), columns.join(","))
    };
    host.written().iter().map(|record| told(record.value.as_ref().unwrap())).collect()
}

const CREATED: &str = r#"CREATE "shop"."dbo"."t" id"#;
const CREATED_ANOTHER: &str = r#"CREATE "shop"."dbo"."u" id"#;
const ALTERED: &str = r#"ALTER "shop"."dbo"."t" id,name"#;

/// Runs a task that reads one row; then the table is altered and captured again.
async fn stopped_before_an_alteration(server: &mut Server) -> Arc<FakeSourceHost> {
    let host = FakeSourceHost::new();
    server.change(&["INSERT INTO dbo.t VALUES (0)"]).await;
    let mut task = Task::first(server, &host, &HISTORY).await;
    server.change(&["INSERT INTO dbo.t VALUES (1)"]).await;
    let records = task.take(1).await;
    host.acknowledge(&records[0]);
    task.stop().await;
    assert_eq!(told(&host), [CREATED]);
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    server.sql("ALTER TABLE dbo.t ADD name varchar(10) NULL").await;
    server.capture("t", "dbo_t_v2").await;
    server.change(&["INSERT INTO dbo.t VALUES (3, 'three')"]).await;
    host
}

#[tokio::test]
async fn changes_have_the_structure_that_their_table_had() {
    let mut server = Server::start(&TABLE).await;
    let host = stopped_before_an_alteration(&mut server).await;
    // The older instance was removed, so the database knows only the newer structure.
    let mut task = Task::start(&server, &host, &HISTORY).await;
    let records = task.take(2).await;
    assert_eq!(briefs(&records), [r#"c null {"id":2}"#, r#"c null {"id":3,"name":"three"}"#]);
    assert_eq!(told(&host), [CREATED, ALTERED]);
    task.stop().await;
    // From an offset before the alteration the alteration is recorded again, from one after it not.
    host.acknowledge(&records[1]);
    let mut task = Task::start(&server, &host, &HISTORY).await;
    server.change(&["INSERT INTO dbo.t VALUES (4, 'four')"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":4,"name":"four"}"#]);
    assert_eq!(told(&host), [CREATED, ALTERED]);
    task.stop().await;
}

#[tokio::test]
async fn a_table_that_the_history_does_not_have_is_added_to_it() {
    let mut server = Server::start(&TABLE).await;
    let host = stopped_before_an_alteration(&mut server).await;
    server.sql("CREATE TABLE dbo.u (id int NOT NULL PRIMARY KEY)").await;
    server.capture("u", "dbo_u").await;
    server.change(&["INSERT INTO dbo.u VALUES (7)"]).await;
    let mut task = Task::start(&server, &host, &HISTORY).await;
    task.take(3).await;
    assert_eq!(told(&host)[1..], [CREATED_ANOTHER, ALTERED]);
    task.stop().await;
}

#[tokio::test]
async fn a_missing_history_fails_the_task_and_is_made_anew_by_recovery() {
    let mut server = Server::start(&TABLE).await;
    let host = FakeSourceHost::new();
    server.change(&["INSERT INTO dbo.t VALUES (0)"]).await;
    let mut task = Task::first(&server, &host, &[]).await;
    server.change(&["INSERT INTO dbo.t VALUES (1)", "INSERT INTO dbo.t VALUES (2)"]).await;
    let records = task.take(2).await;
    host.acknowledge(&records[0]);
    task.stop().await;

    let error = Task::start(&server, &host, &HISTORY).await.failure().await;
    assert!(error.to_string().contains("snapshot.mode=recovery"), "{error}");

    let recovery = [HISTORY[0], ("snapshot.mode", "recovery")];
    let mut task = Task::first(&server, &host, &recovery).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":2}"#]);
    assert_eq!(told(&host), [CREATED]);
    task.stop().await;
    let mut task = Task::start(&server, &host, &HISTORY).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":2}"#]);
    task.stop().await;
    let error = Task::start(&server, &FakeSourceHost::new(), &recovery).await.failure().await;
    assert_eq!(error.property(), Some("snapshot.mode"), "{error}");
}

/// The records up to this one, each in brief, or what it says of a structure.
async fn told_until(task: &mut Task, last: &str) -> Vec<String> {
    let mut found = Vec::new();
    let all = async {
        while !found.iter().any(|record| record == last) {
            let records = task.poll().await.unwrap();
            let told = records.iter().filter(|record| !record.topic.starts_with("__debezium-heartbeat"));
            found.extend(told.map(|record| match &*record.topic {
                STRUCTURES => text(record.value.value.get("tableChanges").unwrap()),
                _ => brief(record),
            }));
        }
    };
    let in_time = timeout(WAIT_LIMIT, all).await;
    assert!(in_time.is_ok(), "{found:?}");
    found
}

fn is_structure(record: &str, kind: &str, table: &str) -> bool {
    record.contains(&format!(r#""type":"{kind}""#)) && record.contains(&format!(r#"\"{table}\""#))
}

/// The history has a structure, and the record that says so to others is lost with the run that made it.
#[tokio::test]
async fn a_structure_that_only_the_history_has_is_sent_after_a_restart() {
    let mut server = Server::start(&TABLE).await;
    let host = stopped_before_an_alteration(&mut server).await;
    server.sql("CREATE TABLE dbo.u (id int NOT NULL PRIMARY KEY)").await;
    server.capture("u", "dbo_u").await;
    server.change(&["INSERT INTO dbo.u VALUES (7)"]).await;
    let (two, three) = (r#"c null {"id":2}"#, r#"c null {"id":3,"name":"three"}"#);
    let mut task = Task::start(&server, &host, &HISTORY).await;
    let records = task.take(3).await;
    assert_eq!(told(&host)[1..], [CREATED_ANOTHER, ALTERED]);
    task.stop().await;

    let mut task = Task::start(&server, &host, &HISTORY).await;
    let found = told_until(&mut task, three).await;
    assert!(is_structure(&found[0], "CREATE", "u") && is_structure(&found[2], "ALTER", "t"), "{found:?}");
    assert_eq!([&*found[1], &*found[3]], [two, three]);
    assert_eq!(told(&host)[3..], [ALTERED], "it is behind the position");
    task.stop().await;

    host.acknowledge(&records[0]);
    let mut task = Task::start(&server, &host, &HISTORY).await;
    let found = told_until(&mut task, three).await;
    assert!(is_structure(&found[0], "ALTER", "t"), "{found:?}");
    assert_eq!(found[1], three);
    assert_eq!(told(&host).len(), 4);
    task.stop().await;

    // The row behind it has arrived, and so has it.
    host.acknowledge(&records[1]);
    let mut task = Task::start(&server, &host, &HISTORY).await;
    let another = r#"c null {"id":7}"#;
    assert_eq!(told_until(&mut task, another).await, [another]);
    task.stop().await;
}

/// A heartbeat's offset is behind that of the last change.
#[tokio::test]
async fn an_alteration_after_the_heartbeat_of_an_idle_time_is_not_lost_either() {
    let mut server = Server::start(&TABLE).await;
    let host = FakeSourceHost::new();
    server.change(&["INSERT INTO dbo.t VALUES (0)"]).await;
    let settings = [HISTORY[0], ("heartbeat.interval.ms", "1")];
    let mut task = Task::first(&server, &host, &settings).await;
    server.change(&["INSERT INTO dbo.t VALUES (1)"]).await;
    let idle = server.pass_idle_time().await;
    let stored = async {
        loop {
            let records = task.poll().await.unwrap();
            records.iter().for_each(|record| host.acknowledge(record));
            if records.iter().any(|record| offset(record).contains(&idle)) {
                return;
            }
        }
    };
    timeout(WAIT_LIMIT, stored).await.expect("a heartbeat with the position up to which the log is empty");
    server.sql("ALTER TABLE dbo.t ADD name varchar(10) NULL").await;
    server.capture("t", "dbo_t_v2").await;
    server.change(&["INSERT INTO dbo.t VALUES (2, 'two')"]).await;
    let two = r#"c null {"id":2,"name":"two"}"#;
    let found = told_until(&mut task, two).await;
    assert!(is_structure(&found[0], "ALTER", "t"), "{found:?}");
    assert_eq!(told(&host).last().unwrap(), ALTERED);
    task.stop().await;
    let mut task = Task::start(&server, &host, &settings).await;
    let found = told_until(&mut task, two).await;
    assert!(is_structure(&found[0], "ALTER", "t"), "{found:?}");
    assert_eq!(found[1], two);
    task.stop().await;
}

/// A column that is dropped stays in the change table, as null: records change when a newer instance begins, not before,
/// whether the list of instances was read again meanwhile or not.
#[tokio::test]
async fn an_altered_table_stays_as_it_was_until_a_newer_instance_begins() {
    let mut server = Server::start(&[("t", "id int NOT NULL PRIMARY KEY, f float NULL, old int NULL")]).await;
    let host = FakeSourceHost::new();
    server.change(&["INSERT INTO dbo.t VALUES (0, 0, 0)"]).await;
    let mut task = Task::first(&server, &host, &HISTORY).await;
    server.change(&["INSERT INTO dbo.t VALUES (1, 1.5, 10)"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":1,"f":1.5,"old":10}"#]);
    server.sql("ALTER TABLE dbo.t DROP COLUMN old").await;
    server.sql("ALTER TABLE dbo.t ALTER COLUMN f real NULL").await;
    server.sql("CREATE TABLE dbo.u (id int NOT NULL PRIMARY KEY)").await;
    server.capture("u", "dbo_u").await;
    server.change(&["INSERT INTO dbo.t VALUES (2, 2.5)"]).await;
    let records = task.take(1).await;
    assert_eq!(briefs(&records), [r#"c null {"id":2,"f":2.5,"old":null}"#], "after another table was enabled");
    host.acknowledge(&records[0]);
    task.stop().await;

    let mut task = Task::start(&server, &host, &HISTORY).await;
    server.change(&["INSERT INTO dbo.t VALUES (3, 3.5)"]).await;
    let records = task.take(1).await;
    assert_eq!(briefs(&records), [r#"c null {"id":3,"f":3.5,"old":null}"#], "after a restart");
    host.acknowledge(&records[0]);
    assert!(!told(&host).iter().any(|change| change.starts_with("ALTER")), "{:?}", told(&host));
    server.capture("t", "dbo_t_v2").await;
    server.change(&["INSERT INTO dbo.t VALUES (4, 4.5)"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":4,"f":4.5}"#]);
    assert_eq!(told(&host).last().unwrap(), r#"ALTER "shop"."dbo"."t" id,f"#);
    task.stop().await;
}

/// The history is written before the first change with the new structure is sent.
#[tokio::test]
async fn a_history_that_cannot_be_written_holds_back_what_follows() {
    let mut server = Server::start(&TABLE).await;
    let host = FakeSourceHost::new();
    server.change(&["INSERT INTO dbo.t VALUES (0)"]).await;
    let settings = [HISTORY[0], ("errors.max.retries", "0")];
    let mut task = Task::first(&server, &host, &settings).await;
    host.fail_writes(Some(Error::retriable("no broker answers")));
    server.sql("ALTER TABLE dbo.t ADD name varchar(10) NULL").await;
    server.capture("t", "dbo_t_v2").await;
    server.change(&["INSERT INTO dbo.t VALUES (3, 'three')"]).await;
    let error = task.failure().await;
    assert!(error.to_string().contains("schema.history.internal.kafka.topic=history"), "{error}");
    assert_fails_the_task(&error);
    host.fail_writes(None);
    assert_eq!(told(&host), [CREATED]);
    task.stop().await;
}

/// A retriable error of `poll` would make the worker call it again, and nobody would read.
fn assert_fails_the_task(error: &Error) {
    assert!(!error.is_retriable() && error.to_string().contains("errors.max.retries"), "{error}");
}

/// An unreachable history is neither a missing one nor the current structure of the tables.
#[tokio::test]
async fn while_the_history_cannot_be_read_nothing_is_sent_and_then_everything() {
    let mut server = Server::start(&TABLE).await;
    let host = stopped_before_an_alteration(&mut server).await;
    host.fail_reads(Some(Error::retriable("no broker answers")));
    let mut task = Task::start(&server, &host, &HISTORY).await;
    let reachable = async {
        while host.failed_reads() < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(told(&host), [CREATED]);
        host.fail_reads(None);
    };
    let (records, ()) = tokio::join!(task.take(2), reachable);
    assert_eq!(briefs(&records), [r#"c null {"id":2}"#, r#"c null {"id":3,"name":"three"}"#]);
    assert_eq!(told(&host), [CREATED, ALTERED]);
    task.stop().await;
}

#[tokio::test]
async fn a_history_that_stays_unreachable_fails_the_task_when_no_retry_is_left() {
    let mut server = Server::start(&TABLE).await;
    let host = stopped_before_an_alteration(&mut server).await;
    host.fail_reads(Some(Error::retriable("no broker answers")));
    let mut task = Task::start(&server, &host, &[HISTORY[0], ("errors.max.retries", "2")]).await;
    let error = task.failure().await;
    assert!(error.to_string().contains("schema.history.internal.kafka.topic=history"), "{error}");
    assert_fails_the_task(&error);
    assert_eq!(host.failed_reads(), 3);
    task.stop().await;
}

/// The records for a snapshot's structure have exactly Debezium's members.
#[tokio::test]
async fn the_histories_records_are_debeziums() {
    let mut server = Server::start(&[("t", "id int IDENTITY PRIMARY KEY, n nvarchar(max) NULL DEFAULT 'x'")]).await;
    server.change(&["INSERT INTO dbo.t (n) VALUES (N'a')"]).await;
    let host = FakeSourceHost::new();
    let task = Task::first(&server, &host, &HISTORY).await;
    task.stop().await;
    let record: serde_json::Value = serde_json::from_slice(host.written()[0].value.as_ref().unwrap()).unwrap();
    let names: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["source", "position", "ts_ms", "databaseName", "schemaName", "tableChanges"]);
    let columns = record["tableChanges"][0]["table"]["columns"].to_string();
    let id = r#"{"name":"id","jdbcType":4,"typeName":"int identity","typeExpression":"int identity","charsetName":null,"length":10,"scale":0,"position":1,"optional":false,"autoIncremented":true,"generated":false,"comment":null,"hasDefaultValue":false,"enumValues":[]}"#;
    let n = r#"{"name":"n","jdbcType":-9,"typeName":"nvarchar","typeExpression":"nvarchar","charsetName":null,"length":2147483647,"position":2,"optional":true,"autoIncremented":false,"generated":false,"comment":null,"hasDefaultValue":true,"defaultValueExpression":"('x')","enumValues":[]}"#;
    assert_eq!(columns, format!("[{id},{n}]"));
}

/// The older instance's change table has the new type at once, and is read up to where the newer one begins.
#[tokio::test]
async fn a_column_that_was_widened_before_a_second_instance_is_read_whole() {
    let mut server = Server::start(&[("t", "id int NOT NULL PRIMARY KEY, n int NULL")]).await;
    let host = FakeSourceHost::new();
    server.change(&["INSERT INTO dbo.t VALUES (0, 0)"]).await;
    let mut task = Task::first(&server, &host, &HISTORY).await;
    server.change(&["INSERT INTO dbo.t VALUES (1, 1)"]).await;
    host.acknowledge(&task.take(1).await[0]);
    task.stop().await;
    server.sql("ALTER TABLE dbo.t ALTER COLUMN n bigint NULL").await;
    server.change(&["INSERT INTO dbo.t VALUES (2, 5000000000)"]).await;
    server.sql("ALTER TABLE dbo.t ADD name varchar(10) NULL").await;
    server.capture("t", "dbo_t_v2").await;
    server.change(&["INSERT INTO dbo.t VALUES (3, 6000000000, 'three')"]).await;
    let mut task = Task::start(&server, &host, &HISTORY).await;
    let expected = [r#"c null {"id":2,"n":5000000000}"#, r#"c null {"id":3,"n":6000000000,"name":"three"}"#];
    assert_eq!(briefs(&task.take(2).await), expected);
    let told = told(&host);
    assert_eq!(told[1..], [r#"ALTER "shop"."dbo"."t" id,n"#, r#"ALTER "shop"."dbo"."t" id,n,name"#], "{told:?}");
    task.stop().await;
}
