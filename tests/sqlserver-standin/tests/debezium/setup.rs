//! What a test works with: a stand-in of its own with one captured database, and the rig.

use std::time::Duration;

use sqlserver_standin::{Capture, Standin, data::Datum};

use crate::{
    connect::Connector,
    require,
    rig::Rig,
    topics::{Record, WAIT_LIMIT},
};

pub(crate) struct TestSetup {
    pub(crate) standin: Standin,
    pub(crate) rig: &'static Rig,
    pub(crate) database: String,
}

impl TestSetup {
    /// A database of this name with these tables, all captured: their name and the rest of CREATE TABLE. There is one
    /// more, `fence`. None if the test is to be skipped.
    pub(crate) fn start(database: &str, tables: &[(&str, &str)]) -> Option<TestSetup> {
        if !require::wanted() {
            return None;
        }
        let capture = Capture::Every(Duration::from_millis(50));
        let standin = Standin::builder().capture(capture).start().unwrap();
        let setup = TestSetup { standin, rig: Rig::shared(), database: database.to_owned() };
        setup.standin.local("master").unwrap().run(&format!("CREATE DATABASE {database}")).unwrap();
        setup.sql(&format!("ALTER DATABASE {database} SET ALLOW_SNAPSHOT_ISOLATION ON"));
        setup.sql("EXEC sys.sp_cdc_enable_db");
        for (table, columns) in tables.iter().chain(&[("fence", "id int IDENTITY PRIMARY KEY, at int NULL")]) {
            setup.sql(&format!("CREATE TABLE dbo.{table} ({columns})"));
            setup.capture(table, &format!("dbo_{table}"));
        }
        // A first position in the log: without one Debezium takes later changes of tables for those that it began with.
        setup.sql("INSERT INTO dbo.fence (at) VALUES (0)");
        setup.scan();
        Some(setup)
    }

    pub(crate) fn capture(&self, table: &str, instance: &str) {
        self.sql(&format!(
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'{table}', @role_name = NULL, \
             @capture_instance = N'{instance}'"
        ));
    }

    /// Runs a batch as the administrator.
    pub(crate) fn sql(&self, sql: &str) {
        self.standin.local(&self.database).unwrap().run(sql).unwrap_or_else(|error| panic!("{error} in {sql}"));
    }

    /// The rows of a query.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<Datum>> {
        self.standin.local(&self.database).unwrap().query(sql).unwrap_or_else(|error| panic!("{error} in {sql}"))
    }

    /// Waits until a connector has written all changes up to now: a row that comes after them is through.
    pub(crate) fn wait_for_all(&self, connector: &Connector<'_>) {
        let rows = self.rows("INSERT INTO dbo.fence (at) VALUES (0); SELECT MAX(id) FROM dbo.fence");
        let [[Datum::Int(id)]] = rows.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] else {
            panic!("no number of the row: {rows:?}")
        };
        self.rig.topics.wait(&connector.topic("fence"), |records| records.iter().any(|r| r.key["id"] == *id));
    }

    /// All records of a table once all changes up to now are through.
    pub(crate) fn records(&self, connector: &Connector<'_>, table: &str) -> Vec<Record> {
        self.wait_for_all(connector);
        self.rig.topics.all(&connector.topic(table))
    }

    /// The records of a table once there are so many, and not more.
    pub(crate) fn exactly(&self, connector: &Connector<'_>, table: &str, count: usize) -> Vec<Record> {
        let topic = connector.topic(table);
        self.rig.topics.wait(&topic, |records| records.len() >= count);
        let records = self.rig.topics.all(&topic);
        assert_eq!(records.len(), count, "{topic}: {records:#?}");
        records
    }

    /// Waits until all that is committed is captured.
    pub(crate) fn scan(&self) {
        let begun = std::time::Instant::now();
        while self.standin.scan(&self.database).unwrap() > 0 {
            assert!(begun.elapsed() < WAIT_LIMIT, "the log does not end");
        }
    }
}

impl Drop for TestSetup {
    fn drop(&mut self) {
        let unsupported = self.standin.unsupported();
        if std::thread::panicking() {
            eprintln!("the stand-in does not support: {unsupported:#?}");
        } else {
            assert!(unsupported.is_empty(), "Debezium asks for what is not supported: {unsupported:#?}");
        }
    }
}
