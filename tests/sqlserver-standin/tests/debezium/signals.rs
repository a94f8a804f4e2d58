//! Snapshots that are asked for by rows of the signal table.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{connect::Connector, replay::replay, setup::TestSetup};

const TABLES: [(&str, &str); 2] = [
    ("a", "id int NOT NULL PRIMARY KEY, name varchar(40) NOT NULL"),
    ("signals", "id varchar(42) NOT NULL PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048) NULL"),
];

const ROWS: i64 = 250;

/// With rows that the connector has not read.
fn start<'a>(setup: &'a TestSetup, settings: &[(&str, &str)]) -> Connector<'a> {
    let values: Vec<String> = (1..=ROWS).map(|id| format!("({id}, 'row {id}')")).collect();
    setup.sql(&format!("INSERT INTO dbo.a VALUES {}", values.join(", ")));
    setup.scan();
    let signals = format!("{}.dbo.signals", setup.database);
    let usual = [("snapshot.mode", "no_data"), ("signal.data.collection", &signals)];
    let connector = setup.connector(&setup.database, &[&usual[..], settings].concat());
    connector.wait_for_schemas(3);
    setup.wait_for_all(&connector);
    assert_eq!(setup.rig.topics.all(&connector.topic("a")), []);
    connector
}

fn ask(setup: &TestSetup, kind: &str) {
    let data = json!({"data-collections": [format!("{}.dbo.a", setup.database)], "type": kind});
    setup.sql(&format!("INSERT INTO dbo.signals VALUES ('ask', 'execute-snapshot', '{data}')"));
}

fn rows() -> BTreeMap<i64, Value> {
    (1..=ROWS).map(|id| (id, json!({"id": id, "name": format!("row {id}")}))).collect()
}

/// Rows change while it is read in chunks: whichever comes last is the row as it is.
fn incremental(database: &str, strategy: &str) {
    let Some(setup) = TestSetup::start(database, &TABLES) else { return };
    let connector = start(
        &setup,
        &[("incremental.snapshot.chunk.size", "20"), ("incremental.snapshot.watermarking.strategy", strategy)],
    );
    ask(&setup, "incremental");
    let mut expected = rows();
    for id in (5..=ROWS).step_by(10) {
        setup.sql(&format!(
            "UPDATE dbo.a SET name = 'new {id}' WHERE id = {id}; DELETE FROM dbo.a WHERE id = {}",
            id - 1
        ));
        expected.insert(id, json!({"id": id, "name": format!("new {id}")}));
        expected.remove(&(id - 1));
    }
    setup.rig.topics.wait(&connector.topic("a"), |records| replay(records) == expected);
    let records = setup.records(&connector, "a");
    assert_eq!(replay(&records), expected);
    let read: Vec<_> = records.iter().filter(|record| record.op() == "r").collect();
    assert!(read.iter().all(|record| record.source("snapshot") == "incremental"), "{:?}", read[0]);
    let mut ids: Vec<_> = read.iter().map(|record| record.key["id"].as_i64().unwrap()).collect();
    let count = ids.len();
    ids.dedup();
    assert_eq!((ids.len(), ids.is_sorted()), (count, true), "a row was read twice, or not in the order of the key");
    assert!(count > 100, "only {count} rows were read");
}

#[test]
fn an_incremental_snapshot_is_right_while_rows_change() {
    incremental("chunks", "INSERT_INSERT");
}

#[test]
fn an_incremental_snapshot_deletes_its_marks() {
    incremental("chunks_deleting", "INSERT_DELETE");
}

#[test]
fn a_blocking_snapshot_reads_all_rows_and_goes_on() {
    let Some(setup) = TestSetup::start("blocking", &TABLES) else { return };
    let connector = start(&setup, &[]);
    ask(&setup, "blocking");
    let records = setup.exactly(&connector, "a", ROWS as usize);
    assert!(records.iter().all(|record| record.op() == "r"), "{:?}", records[0]);
    assert_eq!(replay(&records), rows());
    setup.sql("DELETE FROM dbo.a WHERE id = 1");
    let records = setup.records(&connector, "a");
    assert_eq!(records[ROWS as usize].change(), json!(["d", {"id": 1, "name": "row 1"}, null]));
}
