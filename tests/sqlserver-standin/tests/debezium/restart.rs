//! A connector that comes to an end in the middle of a transaction, and goes on from there.

use std::time::Duration;

use sqlserver_standin::faults::{Action, Fault, On};

use crate::{connect::Connector, setup::TestSetup};

const ROWS: usize = 5000;
/// After so many rows of answers the connector sees no more, for once. Its own questions have fewer by far.
const UNTIL: u32 = 2000;
/// The records that are through for sure by then: all but what the connector still holds.
const THROUGH: usize = 1000;

/// Starts a connector that comes to the fault within one transaction of [`ROWS`] rows.
fn within_a_transaction<'a>(setup: &'a TestSetup, name: &str, fault: Action) -> Connector<'a> {
    let connector = setup.connector(name, &[("max.batch.size", "100"), ("max.queue.size", "200")]);
    connector.wait_for_offset();
    setup.standin.pause_capture(&setup.database, true).unwrap();
    let mut sql = String::from("BEGIN TRANSACTION;\n");
    for chunk in (1..=ROWS).collect::<Vec<_>>().chunks(500) {
        let values: Vec<String> = chunk.iter().map(|id| format!("({id}, 'row {id}')")).collect();
        sql += &format!("INSERT INTO dbo.a VALUES {};\n", values.join(", "));
    }
    setup.sql(&(sql + "COMMIT"));
    setup.standin.faults().add(Fault::once(On::Row, fault).after(UNTIL).for_application(name));
    setup.standin.pause_capture(&setup.database, false).unwrap();
    connector
}

/// Every row came, and in its order; what is repeated is repeated from one point on.
fn check(setup: &TestSetup, connector: &Connector<'_>) {
    let topic = connector.topic("a");
    setup.rig.topics.wait(&topic, |records| records.iter().any(|record| record.key["id"] == ROWS));
    let records = setup.records(connector, "a");
    let ids: Vec<usize> = records.iter().map(|record| record.key["id"].as_u64().unwrap() as usize).collect();
    let jumps: Vec<(usize, usize)> = ids.windows(2).map(|p| (p[0], p[1])).filter(|(a, b)| a + 1 != *b).collect();
    assert_eq!((ids.first(), ids.last()), (Some(&1), Some(&ROWS)));
    assert!(jumps.len() <= 1 && jumps.iter().all(|(from, to)| to <= from), "{jumps:?}");
    assert!(records.iter().all(|record| record.op() == "c"), "an operation other than an insert");
}

#[test]
fn a_connector_that_is_stopped_within_a_transaction_goes_on_where_it_was() {
    const TABLE: (&str, &str) = ("a", "id int NOT NULL PRIMARY KEY, name varchar(40) NOT NULL");
    let Some(setup) = TestSetup::start("stopped", &[TABLE]) else { return };
    let connector = within_a_transaction(&setup, "stopped", Action::Stall(Duration::from_secs(20)));
    let seen = setup.rig.topics.wait(&connector.topic("a"), |records| records.len() >= THROUGH);
    connector.stop();
    let offset = connector.offset();
    assert_eq!(&offset["commit_lsn"], seen[0].source("commit_lsn"), "{offset}");
    assert_ne!(offset["change_lsn"], "NULL", "{offset}");
    assert!(setup.rig.topics.all(&connector.topic("a")).len() < ROWS, "it was through before it was stopped");
    connector.resume();
    check(&setup, &connector);
}

/// The driver reports an error, and Debezium starts itself again from the last position that Kafka has.
#[test]
fn a_connection_that_breaks_within_a_transaction_loses_nothing() {
    const TABLE: (&str, &str) = ("a", "id int NOT NULL PRIMARY KEY, name varchar(40) NOT NULL");
    let Some(setup) = TestSetup::start("broken", &[TABLE]) else { return };
    let connector = within_a_transaction(&setup, "broken", Action::Reset);
    setup.rig.topics.wait(&connector.topic("a"), |records| records.len() >= THROUGH);
    check(&setup, &connector);
    assert!(setup.rig.log("broken").contains("Producer failure"), "no error was seen");
}
