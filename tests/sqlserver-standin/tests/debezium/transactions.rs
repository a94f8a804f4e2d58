//! Transaction metadata and heartbeats.

use serde_json::{Value, json};

use crate::{setup::TestSetup, topics::Record};

const TABLES: [(&str, &str); 3] = [
    ("a", "id int NOT NULL PRIMARY KEY, name varchar(10) NULL"),
    ("b", "id int NOT NULL PRIMARY KEY"),
    ("beats", "id int IDENTITY PRIMARY KEY, at datetime2(3) NULL"),
];

#[test]
fn transactions_have_a_begin_an_end_and_an_order() {
    let Some(setup) = TestSetup::start("ordered", &TABLES) else { return };
    let connector = setup.connector("ordered", &[("provide.transaction.metadata", "true")]);
    connector.wait_for_offset();
    setup.sql(
        "BEGIN TRANSACTION; INSERT INTO dbo.a VALUES (1, 'x'); INSERT INTO dbo.b VALUES (7); \
         UPDATE dbo.a SET name = 'y'; DELETE FROM dbo.b; COMMIT",
    );
    setup.sql("INSERT INTO dbo.b VALUES (8)");
    let (a, b) = (setup.records(&connector, "a"), setup.records(&connector, "b"));
    let id = a[0].value["transaction"]["id"].clone();
    let order = |records: &[Record], field: &str| -> Vec<Value> {
        let of_the_first = records.iter().filter(|record| record.value["transaction"]["id"] == id);
        of_the_first.map(|record| record.value["transaction"][field].clone()).collect()
    };
    assert_eq!(order(&a, "total_order"), [1, 3]);
    assert_eq!(order(&b, "total_order"), [2, 4]);
    assert_eq!(order(&a, "data_collection_order"), [1, 2]);
    assert_eq!(order(&b, "data_collection_order"), [1, 2]);

    let ended = |records: &[Record]| records.iter().any(|r| r.value["id"] == id && r.value["status"] == "END");
    let marks = setup.rig.topics.wait("ordered.transaction", ended);
    let marks: Vec<&Record> = marks.iter().filter(|record| record.value["id"] == id).collect();
    assert_eq!(marks.iter().map(|mark| &mark.value["status"]).collect::<Vec<_>>(), ["BEGIN", "END"]);
    assert_eq!(marks[1].value["event_count"], 4);
    let collections = json!([
        {"data_collection": "ordered.dbo.a", "event_count": 2},
        {"data_collection": "ordered.dbo.b", "event_count": 2}
    ]);
    assert_eq!(marks[1].value["data_collections"], collections);
}

/// The end of the last transaction is sent when the log was read to its end, although no other transaction follows.
#[test]
fn a_transaction_that_none_follows_ends() {
    let Some(setup) = TestSetup::start("last", &TABLES) else { return };
    let connector = setup.connector("last", &[("provide.transaction.metadata", "true")]);
    connector.wait_for_offset();
    setup.sql("INSERT INTO dbo.b VALUES (1)");
    let marks = setup.rig.topics.wait("last.transaction", |records| records.len() == 2);
    let found: Vec<_> = marks.iter().map(|mark| (&mark.value["status"], &mark.value["event_count"])).collect();
    assert_eq!(found, [(&json!("BEGIN"), &Value::Null), (&json!("END"), &json!(1))]);
}

#[test]
fn heartbeats_come_and_run_their_statement() {
    let Some(setup) = TestSetup::start("beating", &TABLES) else { return };
    let connector = setup.connector(
        "beating",
        &[
            ("heartbeat.interval.ms", "200"),
            ("heartbeat.action.query", "INSERT INTO beating.dbo.beats (at) VALUES (SYSUTCDATETIME())"),
        ],
    );
    connector.wait_for_offset();
    let beats = setup.rig.topics.wait("__debezium-heartbeat.beating", |records| records.len() >= 3);
    assert_eq!(beats[0].key, json!({"serverName": "beating"}));
    assert!(beats.iter().all(|beat| beat.value["ts_ms"].is_i64()), "{beats:?}");
    let written = setup.rig.topics.wait(&connector.topic("beats"), |records| records.len() >= 2);
    assert!(written.iter().all(|record| record.value["after"]["at"].is_i64()), "{written:?}");
}
