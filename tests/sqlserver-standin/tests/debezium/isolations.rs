//! Snapshots in every isolation, and what they do about a writer that has not committed.

use serde_json::json;

use crate::setup::TestSetup;

const TABLE: (&str, &str) = ("things", "id int NOT NULL PRIMARY KEY, name varchar(40) NULL");

fn start(database: &str) -> Option<TestSetup> {
    let setup = TestSetup::start(database, &[TABLE])?;
    setup.sql("INSERT INTO dbo.things VALUES (1, 'one'), (2, 'two'), (3, NULL)");
    setup.scan();
    Some(setup)
}

#[test]
fn each_isolation_reads_all_rows_and_goes_on() {
    let Some(setup) = start("isolations") else { return };
    let isolations = ["read_uncommitted", "read_committed", "repeatable_read", "snapshot", "exclusive"];
    let connectors = isolations
        .map(|isolation| setup.posted(&format!("isolations.{isolation}"), &[("snapshot.isolation.mode", isolation)]));
    for connector in &connectors {
        setup.exactly(connector, "things", 3);
    }
    setup.sql("DELETE FROM dbo.things WHERE id = 2");
    for (isolation, connector) in isolations.iter().zip(&connectors) {
        let found: Vec<_> = setup.records(connector, "things").iter().map(|record| record.change()).collect();
        let expected = [
            json!(["r", null, {"id": 1, "name": "one"}]),
            json!(["r", null, {"id": 2, "name": "two"}]),
            json!(["r", null, {"id": 3, "name": null}]),
            json!(["d", {"id": 2, "name": "two"}, null]),
            json!(null),
        ];
        assert_eq!(found, expected, "{isolation}");
    }
}

/// It asks for a lock of the table, and gives up and asks again until the writer has committed.
#[test]
fn repeatable_read_waits_for_a_writer() {
    let Some(setup) = start("locked") else { return };
    let mut writer = setup.standin.local(&setup.database).unwrap();
    writer.run("BEGIN TRANSACTION; INSERT INTO dbo.things VALUES (4, 'four')").unwrap();
    let connector =
        setup.posted("locked", &[("snapshot.isolation.mode", "repeatable_read"), ("snapshot.lock.timeout.ms", "200")]);
    // The server's words; no other test has it say them.
    setup.rig.wait_for_log("Lock request time out period exceeded");
    assert_eq!(setup.rig.topics.all(&connector.topic("things")), []);
    writer.run("COMMIT").unwrap();
    let topic = connector.topic("things");
    setup.rig.topics.wait(&topic, |records| records.len() >= 4);
    let records = setup.rig.topics.all(&topic);
    let (read, after) = records.split_at(4);
    assert!(read.iter().all(|record| record.op() == "r"), "{records:#?}");
    // The row comes as a change too when it was not captured yet as the snapshot looked up where the changes go on.
    assert!(after.iter().all(|record| record.change() == json!(["c", null, {"id": 4, "name": "four"}])), "{after:#?}");
}

/// It reads what was committed when it began; what comes later is a change.
#[test]
fn snapshot_isolation_does_not_wait_for_a_writer() {
    let Some(setup) = start("versioned") else { return };
    let mut writer = setup.standin.local(&setup.database).unwrap();
    writer.run("BEGIN TRANSACTION; INSERT INTO dbo.things VALUES (4, 'four')").unwrap();
    let connector = setup.connector("versioned", &[("snapshot.isolation.mode", "snapshot")]);
    let records = setup.exactly(&connector, "things", 3);
    assert!(records.iter().all(|record| record.op() == "r"), "{records:#?}");
    writer.run("COMMIT").unwrap();
    let records = setup.exactly(&connector, "things", 4);
    assert_eq!(records[3].change(), json!(["c", null, {"id": 4, "name": "four"}]));
}
