//! The scan of the log: moves committed transactions into the change tables and `cdc.lsn_time_mapping`, all of a scan in
//! one transaction, so that what readers see ends at the same commit in every table.

use std::{collections::HashMap, time::Duration};

use rusqlite::{Connection, params, params_from_iter, types::Value};

use super::{
    System,
    image::{self, Class, Field},
    instance::{self, Instance},
    log::{self, Commit, kind},
    lsn::Lsn,
    mask,
    names::Names,
    sqlite,
};
use crate::data::{DateTime, Datum, SqlError};

/// What a scan did.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scan {
    pub(super) transactions: u64,
    /// Records of the log that were read.
    pub(super) records: u64,
    /// Changes that were captured, an update as one, for each instance.
    pub(super) commands: u64,
    /// The first transaction's begin and the last one's commit.
    pub(super) range: Option<(Lsn, Lsn)>,
    pub(super) last_commit: Option<DateTime>,
}

/// How a scan behaves when a test makes it slow or fail.
#[derive(Debug, Clone, Default)]
pub(super) struct ScanFault {
    /// Rests for so long before each transaction.
    pub(super) slow: Duration,
    /// Ends with an error before the scan is committed.
    pub(super) fail: bool,
}

/// Captures at most `limit` transactions, in a transaction of its own on `connection`, on which none is open.
pub(super) fn scan(system: &dyn System, limit: u32, fault: &ScanFault) -> Result<Scan, SqlError> {
    transaction(system.connection(), || scan_within(system, limit, fault))
}

/// Runs `work` in a transaction that is kept if it succeeds.
fn transaction<T>(connection: &Connection, work: impl FnOnce() -> Result<T, SqlError>) -> Result<T, SqlError> {
    connection.execute_batch("BEGIN").map_err(sqlite)?;
    let outcome = work();
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    connection.execute_batch(end).map_err(sqlite)?;
    outcome
}

fn scan_within(system: &dyn System, limit: u32, fault: &ScanFault) -> Result<Scan, SqlError> {
    let connection = system.connection();
    let names = Names::of(system)?;
    let position = begin_write(connection, &names)?;
    let commits = log::commits(connection, &names, position, limit)?;
    let (Some(first), Some(last)) = (commits.first(), commits.last()) else { return Ok(Scan::default()) };
    let mut scan = Scan {
        range: Some((first.begin, last.lsn)),
        last_commit: Some(last.ended),
        transactions: u64::try_from(commits.len()).unwrap_or_default(),
        ..Scan::default()
    };
    let instances = instance::by_source(system, &names)?;
    for commit in &commits {
        if !fault.slow.is_zero() {
            std::thread::sleep(fault.slow);
        }
        capture(connection, &names, &instances, commit, &mut scan)?;
        map_time(connection, &names, commit)?;
    }
    let update = format!("UPDATE {} SET position = ?1", names.state);
    connection.execute(&update, [last.lsn.to_integer()]).map_err(sqlite)?;
    if fault.fail {
        return Err(SqlError::new(22859, 16, 1, "Log Scan process failed: a test asked for it."));
    }
    Ok(scan)
}

/// Takes the right to write before anything is read, and gives the last captured commit.
fn begin_write(connection: &Connection, names: &Names) -> Result<Lsn, SqlError> {
    connection.execute(&format!("UPDATE {} SET position = position", names.state), []).map_err(sqlite)?;
    position(connection, &names.state)
}

/// The last captured commit, from the table of the state.
pub(super) fn position(connection: &Connection, state: &str) -> Result<Lsn, SqlError> {
    connection
        .query_row(&format!("SELECT position FROM {state}"), [], |row| row.get(0).map(Lsn::from_integer))
        .map_err(sqlite)
}

fn capture(
    connection: &Connection,
    names: &Names,
    instances: &HashMap<i32, Vec<Instance>>,
    commit: &Commit,
    scan: &mut Scan,
) -> Result<(), SqlError> {
    let query = format!(
        "SELECT lsn, kind, object_id, command_id, seqval, before, after FROM {}
         WHERE lsn > ?1 AND lsn < ?2 AND tx = ?1 ORDER BY lsn",
        names.log
    );
    let mut query = connection.prepare_cached(&query).map_err(sqlite)?;
    let mut rows = query.query(params![commit.begin.to_integer(), commit.lsn.to_integer()]).map_err(sqlite)?;
    while let Some(row) = rows.next().map_err(sqlite)? {
        scan.records += 1;
        let object_id: i32 = row.get(2).map_err(sqlite)?;
        let Some(instances) = instances.get(&object_id) else { continue };
        let fields = |at| -> Result<Option<Vec<Field>>, SqlError> {
            let bytes: Option<Vec<u8>> = row.get(at).map_err(sqlite)?;
            bytes.map(|b| image::decode(&b)).transpose()
        };
        let record = Record {
            lsn: Lsn::from_integer(row.get(0).map_err(sqlite)?),
            kind: row.get(1).map_err(sqlite)?,
            command_id: row.get(3).map_err(sqlite)?,
            seqval: Lsn::from_integer(row.get(4).map_err(sqlite)?),
            before: fields(5)?,
            after: fields(6)?,
        };
        for instance in instances.iter().filter(|i| record.lsn > i.start_lsn) {
            scan.commands += record.write(connection, instance, commit)?;
        }
    }
    Ok(())
}

struct Record {
    lsn: Lsn,
    kind: i64,
    command_id: i64,
    seqval: Lsn,
    before: Option<Vec<Field>>,
    after: Option<Vec<Field>>,
}

impl Record {
    /// Writes the rows of the change table; how many changes that were.
    fn write(&self, connection: &Connection, instance: &Instance, commit: &Commit) -> Result<u64, SqlError> {
        let (before, after) = (self.before.as_deref(), self.after.as_deref());
        let all = mask::all(instance.columns.len());
        match self.kind {
            kind::DELETE => self.row(connection, instance, commit, 1, all, |c| value(before, c, &[Class::LegacyLarge])),
            kind::UPDATE => {
                let changed: Vec<bool> =
                    instance.columns.iter().map(|c| field(before, c.id) != field(after, c.id)).collect();
                if !changed.contains(&true) {
                    return Ok(0);
                }
                let mask = mask::of(&changed);
                self.row(connection, instance, commit, 3, mask.clone(), |c| {
                    let hidden = if changed[c.ordinal - 1] {
                        &[Class::LegacyLarge][..]
                    } else {
                        &[Class::LegacyLarge, Class::Large]
                    };
                    value(before, c, hidden)
                })?;
                self.row(connection, instance, commit, 4, mask, |c| value(after, c, &[]))
            }
            _ => self.row(connection, instance, commit, 2, all, |c| value(after, c, &[])),
        }?;
        Ok(1)
    }

    #[expect(clippy::too_many_arguments, reason = "each is another thing that it needs")]
    fn row(
        &self,
        connection: &Connection,
        instance: &Instance,
        commit: &Commit,
        operation: i64,
        mask: Vec<u8>,
        value: impl Fn(&instance::Captured) -> Value,
    ) -> Result<(), SqlError> {
        let head = [
            Value::Blob(commit.lsn.to_bytes().to_vec()),
            Value::Null,
            Value::Blob(self.seqval.to_bytes().to_vec()),
            Value::Integer(operation),
            Value::Blob(mask),
        ];
        let values =
            head.into_iter().chain(instance.columns.iter().map(value)).chain([Value::Integer(self.command_id)]);
        let mut insert = connection.prepare_cached(&instance.insert).map_err(sqlite)?;
        insert.execute(params_from_iter(values)).map_err(sqlite)?;
        Ok(())
    }
}

fn field(row: Option<&[Field]>, column_id: i32) -> Option<&Field> {
    row?.iter().find(|f| f.column_id == column_id)
}

/// The value of a captured column; null if the column is gone or its class is one that is not kept.
fn value(row: Option<&[Field]>, column: &instance::Captured, hidden: &[Class]) -> Value {
    match field(row, column.id) {
        Some(field) if !hidden.contains(&field.class) => field.value.clone(),
        _ => Value::Null,
    }
}

fn map_time(connection: &Connection, names: &Names, commit: &Commit) -> Result<(), SqlError> {
    // The transaction's number: where its log begins, without the file's part.
    let tran_id = commit.begin.to_bytes()[4..].to_vec();
    let times = (Some(commit.began), commit.ended);
    insert_time(connection, names, commit.lsn, times, tran_id, commit.begin)
}

/// Moves the largest LSN on though nothing was changed: a row with `tran_id` 0x00. `lsn` is a number greater than all
/// commits that are visible. False, and nothing is done, if there are commits to capture after all.
pub(super) fn idle(system: &dyn System, lsn: Lsn, now: DateTime) -> Result<bool, SqlError> {
    let connection = system.connection();
    let names = Names::of(system)?;
    transaction(connection, || {
        let position = begin_write(connection, &names)?;
        if position >= lsn || !log::commits(connection, &names, position, 1)?.is_empty() {
            return Ok(false);
        }
        insert_time(connection, &names, lsn, (None, now), vec![0], Lsn::ZERO)?;
        Ok(true)
    })
}

fn insert_time(
    connection: &Connection,
    names: &Names,
    lsn: Lsn,
    (began, ended): (Option<DateTime>, DateTime),
    tran_id: Vec<u8>,
    begin: Lsn,
) -> Result<(), SqlError> {
    let insert = format!(
        "INSERT INTO {} (start_lsn, tran_begin_time, tran_end_time, tran_id, tran_begin_lsn) VALUES (?1, ?2, ?3, ?4, ?5)",
        names.lsn_time_mapping
    );
    let time = |time: DateTime| crate::sql::value::encode::to_sqlite(&Datum::DateTime(time));
    let values = [
        Value::Blob(lsn.to_bytes().to_vec()),
        began.map_or(Value::Null, time),
        time(ended),
        Value::Blob(tran_id),
        Value::Blob(begin.to_bytes().to_vec()),
    ];
    connection
        .prepare_cached(&insert)
        .and_then(|mut insert| insert.execute(params_from_iter(values)))
        .map_err(sqlite)?;
    Ok(())
}
