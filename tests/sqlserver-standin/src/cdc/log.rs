//! The log: what DML of captured tables writes, in the transaction that changes them.
//!
//! `db<ID>.standin_cdc_log` has a row for each changed row and one for each commit, by LSN. SQLite lets one transaction at
//! a time write a file, so the records of a transaction stand together, its commit behind them, and commits are numbered
//! in the order in which they become visible.

use std::collections::HashMap;

use rusqlite::{Connection, params, types::Value};

use super::{Change, Layout, LogPoint, image, lsn::Allocator, lsn::Lsn, names, names::Names, sqlite};
use crate::data::{DateTime, Datum, SqlError};

/// What a record of the log is; the numbers are `__$operation`'s where it has one.
pub(super) mod kind {
    pub(in crate::cdc) const DELETE: i64 = 1;
    pub(in crate::cdc) const INSERT: i64 = 2;
    pub(in crate::cdc) const UPDATE: i64 = 4;
    pub(in crate::cdc) const COMMIT: i64 = 9;
    /// The insert of an update that changed a key: behind all deletes of its statement.
    pub(in crate::cdc) const DEFERRED_INSERT: i64 = 12;
}

/// The end of the log of one database.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) allocator: Allocator,
    open: HashMap<u64, Open>,
    /// Transactions that have their commit record but may not be visible yet.
    committing: usize,
}

/// A transaction that has written.
#[derive(Debug)]
struct Open {
    begin: Lsn,
    began: DateTime,
    next_command_id: i64,
    /// Of the statement at hand: which it is, and the first of its deferred inserts and how many they are.
    command: u32,
    deferred: (i64, i64),
    committing: bool,
}

/// What a commit record says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Commit {
    pub(super) lsn: Lsn,
    pub(super) begin: Lsn,
    pub(super) began: DateTime,
    pub(super) ended: DateTime,
}

/// Makes the log's table, once for a database.
pub(super) fn create(connection: &Connection, database: i32) -> Result<(), SqlError> {
    connection
        .execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS db{database}.standin_cdc_log (
                 lsn INTEGER PRIMARY KEY, tx INTEGER NOT NULL, kind INTEGER NOT NULL, object_id INTEGER, command INTEGER,
                 command_id INTEGER, seqval INTEGER, before BLOB, after BLOB);
             CREATE INDEX IF NOT EXISTS db{database}.standin_cdc_commits ON standin_cdc_log (lsn) WHERE kind = 9;"
        ))
        .map_err(sqlite)
}

pub(super) fn drop(connection: &Connection, database: i32) -> Result<(), SqlError> {
    connection.execute_batch(&format!("DROP TABLE IF EXISTS db{database}.standin_cdc_log;")).map_err(sqlite)
}

impl Log {
    pub(super) fn after(last: Lsn, seed: u64) -> Log {
        Log { allocator: Allocator::after(last, seed), open: HashMap::new(), committing: 0 }
    }

    /// Writes the records of a statement, or of a part of one.
    pub(super) fn statement(
        &mut self,
        at: &LogPoint<'_>,
        layout: &Layout,
        changes: &[Change],
        now: DateTime,
    ) -> Result<(), SqlError> {
        let Log { allocator, open, .. } = self;
        let open = open.entry(at.transaction).or_insert_with(|| Open {
            begin: allocator.record(),
            began: now,
            next_command_id: 1,
            command: 0,
            deferred: (0, 0),
            committing: false,
        });
        let mut writer = Writer { at, layout, tx: open.begin, insert: insert_statement(at.database), allocator };
        let (mut next, earlier) = open.make_room(&writer, changes.len())?;
        let mut deferred = Vec::new();
        for change in changes {
            match change {
                Change::Insert { after } => writer.record(kind::INSERT, next, None, None, Some(after))?,
                Change::Delete { before } => writer.record(kind::DELETE, next, None, Some(before), None)?,
                Change::Update { before, after } if changes_key(layout, before, after) => {
                    let lsn = writer.record(kind::DELETE, next, None, Some(before), None)?;
                    deferred.push((lsn, after));
                    lsn
                }
                Change::Update { before, after } => {
                    writer.record(kind::UPDATE, next, None, Some(before), Some(after))?
                }
            };
            next += 1;
        }
        open.deferred.0 = next;
        next += earlier;
        for (lsn, after) in deferred {
            writer.record(kind::DEFERRED_INSERT, next, Some(lsn), None, Some(after))?;
            next += 1;
        }
        open.deferred.1 = next - open.deferred.0;
        open.next_command_id = next;
        Ok(())
    }

    /// Writes the commit record, unless nothing is left of what the transaction wrote.
    pub(super) fn committing(&mut self, at: &LogPoint<'_>, now: DateTime) -> Result<(), SqlError> {
        let Some(open) = self.open.get_mut(&at.transaction) else { return Ok(()) };
        let any = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE lsn > ?1 AND tx = ?1)", names::log(at.database));
        let mut any = at.connection.prepare_cached(&any).map_err(sqlite)?;
        let begin = open.begin.to_integer();
        if !any.query_row([begin], |row| row.get::<_, bool>(0)).map_err(sqlite)? {
            return Ok(());
        }
        let mut facts = Vec::with_capacity(16);
        for time in [open.began, now] {
            facts.extend_from_slice(&time.days.to_le_bytes());
            facts.extend_from_slice(&time.ticks.to_le_bytes());
        }
        let lsn = self.allocator.commit();
        let insert = insert_statement(at.database);
        let mut insert = at.connection.prepare_cached(&insert).map_err(sqlite)?;
        let none = Value::Null;
        insert
            .execute(params![lsn.to_integer(), begin, kind::COMMIT, none, none, none, none, none, facts])
            .map_err(sqlite)?;
        open.committing = true;
        self.committing += 1;
        Ok(())
    }

    /// The transaction has ended, either way.
    pub(super) fn ended(&mut self, transaction: u64) {
        if self.open.remove(&transaction).is_some_and(|open| open.committing) {
            self.committing -= 1;
        }
    }

    /// A number that is greater than those of all commits so far, which all are visible; none while one is on its way.
    pub(super) fn idle(&mut self) -> Option<Lsn> {
        (self.committing == 0).then(|| self.allocator.commit())
    }
}

impl Open {
    /// The command id of the next record. In a further part of a statement the deferred inserts of the earlier ones, of
    /// which the count is returned, are moved behind the `count` changes that come now.
    fn make_room(&mut self, writer: &Writer<'_>, count: usize) -> Result<(i64, i64), SqlError> {
        if self.command != writer.at.command {
            self.command = writer.at.command;
            self.deferred = (0, 0);
        }
        let (first, earlier) = self.deferred;
        if earlier == 0 {
            return Ok((self.next_command_id, 0));
        }
        let shift = format!(
            "UPDATE {} SET command_id = command_id + ?1 WHERE lsn > ?2 AND tx = ?2 AND command = ?3 AND kind = ?4",
            names::log(writer.at.database)
        );
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        writer
            .at
            .connection
            .execute(&shift, params![count, self.begin.to_integer(), self.command, kind::DEFERRED_INSERT])
            .map_err(sqlite)?;
        Ok((first, earlier))
    }
}

/// What the records of a statement have in common.
struct Writer<'a> {
    at: &'a LogPoint<'a>,
    layout: &'a Layout,
    tx: Lsn,
    insert: String,
    allocator: &'a mut Allocator,
}

impl Writer<'_> {
    fn record(
        &mut self,
        kind: i64,
        command_id: i64,
        seqval: Option<Lsn>,
        before: Option<&Vec<Datum>>,
        after: Option<&Vec<Datum>>,
    ) -> Result<Lsn, SqlError> {
        let lsn = self.allocator.record();
        let image = |row: Option<&Vec<Datum>>| row.map(|row| image::encode(self.layout, row)).transpose();
        let mut insert = self.at.connection.prepare_cached(&self.insert).map_err(sqlite)?;
        insert
            .execute(params![
                lsn.to_integer(),
                self.tx.to_integer(),
                kind,
                self.layout.object_id,
                self.at.command,
                command_id,
                seqval.unwrap_or(lsn).to_integer(),
                image(before)?,
                image(after)?,
            ])
            .map_err(sqlite)?;
        Ok(lsn)
    }
}

fn insert_statement(database: i32) -> String {
    format!("INSERT INTO {} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", names::log(database))
}

fn changes_key(layout: &Layout, before: &[Datum], after: &[Datum]) -> bool {
    layout.unique_keys.iter().flatten().any(|&at| before.get(at) != after.get(at))
}

/// The commits behind `position`, at most `limit`, in order.
pub(super) fn commits(
    connection: &Connection,
    names: &Names,
    position: Lsn,
    limit: u32,
) -> Result<Vec<Commit>, SqlError> {
    let query = format!("SELECT lsn, tx, after FROM {} WHERE kind = 9 AND lsn > ?1 ORDER BY lsn LIMIT ?2", names.log);
    let mut query = connection.prepare_cached(&query).map_err(sqlite)?;
    let rows = query
        .query_map(params![position.to_integer(), limit], |row| {
            let facts: Vec<u8> = row.get(2)?;
            let word = |at: usize| facts.get(at..at + 4).and_then(|b| b.try_into().ok()).unwrap_or([0; 4]);
            let time = |at| DateTime { days: i32::from_le_bytes(word(at)), ticks: u32::from_le_bytes(word(at + 4)) };
            Ok(Commit {
                lsn: Lsn::from_integer(row.get(0)?),
                begin: Lsn::from_integer(row.get(1)?),
                began: time(0),
                ended: time(8),
            })
        })
        .map_err(sqlite)?;
    rows.collect::<Result<_, _>>().map_err(sqlite)
}

/// Forgets what is captured.
pub(super) fn truncate(connection: &Connection, names: &Names, position: Lsn) -> Result<(), SqlError> {
    connection
        .prepare_cached(&format!("DELETE FROM {} WHERE lsn <= ?1", names.log))
        .and_then(|mut delete| delete.execute([position.to_integer()]))
        .map_err(sqlite)?;
    Ok(())
}
