//! A database of one table, `dbo.t`, that is captured; without SQL.

use std::sync::Arc;

use rusqlite::Connection;

use crate::{
    cdc::{
        Capture, Change, ChangeData, Layout, LayoutColumn, LogPoint, Options, System,
        agent::scan_all,
        capture::{self, Scan, ScanFault},
        change_data::lock,
        log,
    },
    clock::Clock,
    data::{Collation, Datum, Length, SqlError, Type},
};

pub(super) const DATABASE: i32 = 5;
pub(super) const TABLE: i32 = 100;

/// The columns of `dbo.t`: a key, another unique one, plain ones, large ones of both kinds, a computed one.
pub(super) fn layout() -> Layout {
    let text = Type::VarChar { length: Length::Limited(20), collation: Collation::DEFAULT };
    let columns = [
        ("id", Type::Int, false),
        ("code", Type::Int, false),
        ("name", text, false),
        ("large", Type::VarBinary { length: Length::Max }, false),
        ("old", Type::Text { collation: Collation::DEFAULT }, false),
        ("twice", Type::Int, true),
    ];
    let column = |((name, r#type, computed), column_id): (&(&str, Type, bool), i32)| LayoutColumn {
        column_id,
        name: (*name).to_owned(),
        r#type: r#type.clone(),
        computed: *computed,
    };
    Layout {
        object_id: TABLE,
        columns: columns.iter().zip(1..).map(column).collect(),
        unique_keys: vec![vec![0], vec![1]],
    }
}

/// A row of it. The computed value never counts.
pub(super) fn row(id: i32, code: i32, name: &str) -> Vec<Datum> {
    vec![
        Datum::Int(id),
        Datum::Int(code),
        Datum::Text(name.to_owned()),
        Datum::Bytes(name.as_bytes().repeat(2)),
        Datum::Text(format!("old {name}")),
        Datum::Int(id * 2),
    ]
}

pub(super) struct Fake {
    connection: Connection,
    pub(super) changes: Arc<ChangeData>,
    pub(super) clock: Clock,
    transactions: u64,
    commands: u32,
}

impl System for Fake {
    fn database(&self) -> &str {
        "shop"
    }

    fn database_id(&self) -> i32 {
        DATABASE
    }

    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn cdc_file(&self) -> String {
        "db5".to_owned()
    }

    fn physical(&self, schema: &str, table: &str) -> Result<String, SqlError> {
        Ok(format!("db5.\"{schema}.{table}\""))
    }

    fn run(&mut self, sql: &str, _: &[(&str, Datum)]) -> Result<Vec<Vec<Datum>>, SqlError> {
        Err(SqlError::new(208, 16, 1, format!("no SQL here: {sql}")))
    }

    fn layout(&mut self, _: i32) -> Result<Arc<Layout>, SqlError> {
        Ok(Arc::new(layout()))
    }

    fn set_tracked(&mut self, _: i32, _: bool) -> Result<(), SqlError> {
        Ok(())
    }

    fn set_cdc_enabled(&mut self, _: bool) -> Result<(), SqlError> {
        Ok(())
    }
}

impl Fake {
    pub(super) fn new(seed: u64) -> Fake {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "ATTACH ':memory:' AS db5;
                 CREATE TABLE db5.\"cdc.change_tables\" (object_id, source_object_id, capture_instance, start_lsn);
                 CREATE TABLE db5.\"cdc.captured_columns\" (object_id, column_name, column_id, column_ordinal);
                 CREATE TABLE db5.\"cdc.lsn_time_mapping\"
                     (start_lsn PRIMARY KEY, tran_begin_time, tran_end_time, tran_id, tran_begin_lsn);
                 CREATE TABLE db5.standin_cdc_state (position INTEGER NOT NULL);
                 INSERT INTO db5.standin_cdc_state VALUES (0);",
            )
            .unwrap();
        log::create(&connection, DATABASE).unwrap();
        let clock = Clock::stopped(1_700_000_000_000_000_000);
        let changes = ChangeData::new(clock.clone(), Options { capture: Capture::Stepped, seed });
        let mut fake = Fake { connection, changes, clock, transactions: 0, commands: 0 };
        fake.open();
        fake
    }

    /// The server's start.
    pub(super) fn open(&mut self) {
        let changes = Arc::clone(&self.changes);
        changes.opened(self).unwrap();
    }

    /// Makes an instance of these columns, as of now.
    pub(super) fn enable(&mut self, instance: &str, columns: &[&str]) {
        let object_id = 1000 + i32::try_from(instance.len()).unwrap();
        let list: String = columns.iter().map(|c| format!("\"{c}\", ")).collect();
        self.connection
            .execute_batch(&format!(
                "CREATE TABLE db5.\"cdc.{instance}_CT\" (\"__$start_lsn\", \"__$end_lsn\", \"__$seqval\", \"__$operation\",
                     \"__$update_mask\", {list} \"__$command_id\");
                 CREATE UNIQUE INDEX db5.\"{instance}_idx\" ON \"cdc.{instance}_CT\"
                     (\"__$start_lsn\", \"__$command_id\", \"__$seqval\", \"__$operation\");"
            ))
            .unwrap();
        let start_lsn = lock(&self.changes.database(DATABASE).unwrap().log).allocator.commit().to_bytes();
        self.connection
            .execute(
                "INSERT INTO db5.\"cdc.change_tables\" VALUES (?1, ?2, ?3, ?4)",
                rusqlite::params![object_id, TABLE, instance, start_lsn.as_slice()],
            )
            .unwrap();
        for (name, ordinal) in columns.iter().zip(1..) {
            let id = layout().columns.iter().find(|c| c.name == *name).unwrap().column_id;
            self.connection
                .execute(
                    "INSERT INTO db5.\"cdc.captured_columns\" VALUES (?1, ?2, ?3, ?4)",
                    rusqlite::params![object_id, name, id, ordinal],
                )
                .unwrap();
        }
    }

    pub(super) fn sqlite(&self, statement: &str) {
        self.connection.execute_batch(statement).unwrap();
    }

    pub(super) fn begin(&mut self) {
        self.transactions += 1;
        self.commands = 0;
        self.sqlite("BEGIN");
    }

    /// Logs a statement, in parts of so many changes.
    pub(super) fn statement(&mut self, changes: &[Change], part: usize) {
        self.try_statement(changes, part).unwrap();
    }

    pub(super) fn try_statement(&mut self, changes: &[Change], part: usize) -> Result<(), SqlError> {
        self.commands += 1;
        for part in changes.chunks(part) {
            self.changes.statement(&self.point(), &layout(), part)?;
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) {
        self.changes.committing(&self.point()).unwrap();
        self.sqlite("COMMIT");
        self.changes.committed(DATABASE, self.transactions);
    }

    pub(super) fn roll_back(&mut self) {
        self.sqlite("ROLLBACK");
        self.changes.rolled_back(DATABASE, self.transactions);
    }

    /// A transaction of one statement.
    pub(super) fn run(&mut self, changes: &[Change]) {
        self.begin();
        self.statement(changes, usize::MAX);
        self.commit();
    }

    pub(super) fn scan(&self, limit: u32) -> Scan {
        capture::scan(self, limit, &ScanFault::default()).unwrap()
    }

    fn point(&self) -> LogPoint<'_> {
        LogPoint {
            connection: &self.connection,
            database: DATABASE,
            transaction: self.transactions,
            command: self.commands,
        }
    }

    /// The rows of a change table in the order in which changes happened: LSN, command, seqval, operation, mask, values.
    pub(super) fn changed(&self, instance: &str) -> Vec<Captured> {
        let query = format!("SELECT * FROM db5.\"cdc.{instance}_CT\" ORDER BY 1, \"__$command_id\", 3, 4");
        let mut query = self.connection.prepare(&query).unwrap();
        let columns = query.column_count();
        let rows = query.query_map([], |row| {
            Ok(Captured {
                start_lsn: row.get(0)?,
                seqval: row.get(2)?,
                operation: row.get(3)?,
                mask: row.get(4)?,
                values: (5..columns - 1).map(|at| row.get(at)).collect::<Result<_, _>>()?,
                command_id: row.get(columns - 1)?,
            })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// The LSNs of the captured transactions, in order.
    pub(super) fn commits(&self) -> Vec<Vec<u8>> {
        let mut query =
            self.connection.prepare("SELECT start_lsn FROM db5.\"cdc.lsn_time_mapping\" ORDER BY start_lsn").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    pub(super) fn count(&self, query: &str) -> i64 {
        self.connection.query_row(query, [], |row| row.get(0)).unwrap()
    }
}

/// A row of a change table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Captured {
    pub(super) start_lsn: Vec<u8>,
    pub(super) seqval: Vec<u8>,
    pub(super) operation: i64,
    pub(super) mask: Vec<u8>,
    pub(super) values: Vec<rusqlite::types::Value>,
    pub(super) command_id: i64,
}

/// Without an engine there is no connection for a scan of its own.
pub(super) fn scan_without_engine(fake: &Fake) -> Result<u64, SqlError> {
    scan_all(&fake.changes, &fake.changes.database(DATABASE).unwrap())
}
