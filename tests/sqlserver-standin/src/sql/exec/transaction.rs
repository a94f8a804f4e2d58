//! Transactions: T-SQL's, and SQLite's beneath them.
//!
//! SQLite's begins with the first write (or the first access of a snapshot transaction): until then every statement reads
//! what is committed, as READ COMMITTED does. From then on no other transaction writes that file, so it stays so.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::core::{Core, InDatabase};
use crate::cdc::LogPoint;
use crate::data::SqlError;
use crate::faults::{Action, On};
use crate::session::{Answer, EnvChange, Isolation};
use crate::sql::errors;

/// An open transaction of a session.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: u64,
    /// `@@TRANCOUNT`.
    pub(super) count: u32,
    name: String,
    /// SQLite has one open.
    pub(super) begun: bool,
    savepoints: Vec<Savepoint>,
    /// Databases that it wrote to.
    pub(super) wrote: BTreeSet<i32>,
    /// DML statements so far.
    pub(super) command: u32,
    /// Can only be rolled back.
    pub(super) uncommittable: bool,
    /// Of one statement alone.
    automatic: bool,
}

#[derive(Debug)]
struct Savepoint {
    name: String,
    /// Whether SQLite had begun when it was made.
    begun: bool,
    /// Where locks stood.
    locks: u64,
}

impl Core {
    pub(crate) fn transaction_count(&self) -> u32 {
        self.transaction
            .as_ref()
            .filter(|transaction| !transaction.automatic)
            .map_or(0, |transaction| transaction.count)
    }

    /// `XACT_STATE()`.
    pub(crate) fn transaction_state(&self) -> i16 {
        match &self.transaction {
            Some(transaction) if transaction.automatic => 0,
            Some(transaction) if transaction.uncommittable => -1,
            Some(_) => 1,
            None => 0,
        }
    }

    pub(crate) fn transaction_id(&self) -> i64 {
        self.transaction.as_ref().map_or(0, |transaction| i64::try_from(transaction.id).unwrap_or(0))
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.transaction_count() > 0
    }

    fn new_transaction(&self, name: &str, automatic: bool) -> Transaction {
        Transaction {
            id: self.server.transactions.fetch_add(1, Ordering::SeqCst),
            count: 1,
            name: name.to_owned(),
            begun: false,
            savepoints: Vec::new(),
            wrote: BTreeSet::new(),
            command: 0,
            uncommittable: false,
            automatic,
        }
    }

    pub(super) fn begin(&mut self, name: &str, answer: &mut dyn Answer) {
        if let Some(transaction) = &mut self.transaction {
            transaction.count += 1;
            return;
        }
        let transaction = self.new_transaction(name, false);
        answer.env(&EnvChange::Began(transaction.id));
        self.transaction = Some(transaction);
    }

    /// With `SET IMPLICIT_TRANSACTIONS ON` a statement begins one.
    pub(super) fn begin_implicitly(&mut self, answer: &mut dyn Answer) {
        if self.options.implicit_transactions && self.transaction.is_none() {
            self.begin("", answer);
        }
    }

    pub(super) fn commit(&mut self, answer: &mut dyn Answer) -> Result<(), SqlError> {
        let Some(transaction) = &mut self.transaction else { return Err(errors::commit_without_begin()) };
        if transaction.uncommittable {
            return Err(errors::uncommittable_transaction());
        }
        transaction.count -= 1;
        if transaction.count > 0 {
            return Ok(());
        }
        transaction.count = 1;
        let id = transaction.id;
        if let Err(error) = self.finish() {
            self.undo();
            answer.env(&EnvChange::RolledBack(id));
            return Err(error);
        }
        answer.env(&EnvChange::Committed(id));
        Ok(())
    }

    /// Makes the transaction's work durable.
    fn finish(&mut self) -> Result<(), SqlError> {
        self.meet(On::Commit)?;
        let Some(transaction) = &self.transaction else { return Ok(()) };
        let (id, begun, command) = (transaction.id, transaction.begun, transaction.command);
        let wrote: Vec<i32> = transaction.wrote.iter().copied().collect();
        if begun {
            for database in &wrote {
                let at = LogPoint { connection: &self.connection, database: *database, transaction: id, command };
                self.server.changes.committing(&at)?;
            }
            self.retry_while_busy(|core| core.connection.execute_batch("COMMIT"))?;
        }
        self.transaction = None;
        self.server.locks.release_all(self.login.spid);
        for database in wrote {
            if let Some(catalog) = self.catalogs.get(&database) {
                super::server::lock(&self.server.catalogs).insert(database, std::sync::Arc::clone(catalog));
            }
            self.server.changes.committed(database, id);
        }
        self.meet(On::Committed)
    }

    /// What a test has arranged to go wrong here.
    fn meet(&self, on: On) -> Result<(), SqlError> {
        if self.internal {
            return Ok(());
        }
        let session = crate::faults::Session {
            spid: self.login.spid,
            application: &self.login.application,
            user: &self.login.user,
        };
        match self.server.faults.meet(on, session) {
            Some(Action::Error(error)) => Err(error),
            Some(Action::Reset) => {
                self.login.cancel.reset();
                // What is not durable yet is lost with the connection.
                if on == On::Commit { Err(errors::killed()) } else { Ok(()) }
            }
            Some(Action::Stall(time)) => {
                let end = std::time::Instant::now() + time;
                while std::time::Instant::now() < end && !self.login.cancel.is_set() {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                Ok(())
            }
            Some(Action::Route { .. }) | None => Ok(()),
        }
    }

    /// Takes all of the transaction back.
    pub(super) fn undo(&mut self) {
        let Some(transaction) = self.transaction.take() else { return };
        if transaction.begun
            && !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a transaction could not be rolled back");
        }
        self.after_undo();
        self.server.locks.release_all(self.login.spid);
        for database in &transaction.wrote {
            self.server.changes.rolled_back(*database, transaction.id);
        }
    }

    /// Forgets what may have been undone.
    fn after_undo(&mut self) {
        self.catalogs.clear();
        if let Ok(temporary) = crate::sql::catalog::load(&self.connection, "main") {
            self.temporary = std::sync::Arc::new(temporary);
        }
    }

    pub(super) fn rollback(&mut self, name: Option<&str>, answer: &mut dyn Answer) -> Result<(), SqlError> {
        let Some(transaction) = &mut self.transaction else { return Err(errors::rollback_without_begin()) };
        if let Some(name) = name.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(&transaction.name)) {
            let known = transaction.savepoints.iter().rposition(|point| point.name.eq_ignore_ascii_case(name));
            let Some(at) = known else { return Err(errors::unknown_savepoint(name)) };
            if transaction.uncommittable {
                return Err(errors::uncommittable_transaction());
            }
            let Savepoint { begun: had_begun, locks, .. } = transaction.savepoints[at];
            transaction.savepoints.truncate(at + 1);
            let begun = transaction.begun;
            let sql = if had_begun {
                format!("ROLLBACK TO s{at}")
            } else if begun {
                transaction.begun = false;
                "ROLLBACK".to_owned()
            } else {
                String::new()
            };
            if !sql.is_empty() {
                self.connection.execute_batch(&sql).map_err(|error| self.failure(error))?;
                self.after_undo();
            }
            self.server.locks.release_since(self.login.spid, locks);
            return Ok(());
        }
        let id = transaction.id;
        self.undo();
        answer.env(&EnvChange::RolledBack(id));
        Ok(())
    }

    pub(super) fn save(&mut self, name: &str) -> Result<(), SqlError> {
        let Some(transaction) = &mut self.transaction else { return Err(errors::save_without_transaction()) };
        let at = transaction.savepoints.len();
        let begun = transaction.begun;
        let locks = self.server.locks.mark();
        transaction.savepoints.push(Savepoint { name: name.to_owned(), begun, locks });
        if begun {
            self.connection.execute_batch(&format!("SAVEPOINT s{at}")).map_err(|error| self.failure(error))?;
        }
        Ok(())
    }

    /// A snapshot transaction sees the data as of its first access.
    pub(super) fn begin_reading(&mut self, database: &InDatabase) -> Result<(), SqlError> {
        if self.options.isolation != Isolation::Snapshot {
            return Ok(());
        }
        let allowed = self
            .server
            .database_by_id(database.id)
            .is_none_or(|record| record.options.snapshot_isolation || record.id <= 4);
        if !allowed {
            return Err(errors::snapshot_not_allowed(&database.name));
        }
        if self.in_transaction() { self.begin_storage() } else { Ok(()) }
    }

    fn begin_storage(&mut self) -> Result<(), SqlError> {
        let begun = self.transaction.as_ref().is_none_or(|transaction| transaction.begun);
        if !begun {
            self.connection.execute_batch("BEGIN").map_err(|error| self.failure(error))?;
            if let Some(transaction) = &mut self.transaction {
                transaction.begun = true;
            }
        }
        Ok(())
    }

    /// Runs a statement that writes to a database: all of it happens or nothing. Without a transaction it is its own.
    pub(super) fn writing<T>(
        &mut self,
        database: &InDatabase,
        temporary: bool,
        work: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        // Of this session alone: it waits for no writer of the database.
        if temporary {
            return self.in_savepoint(work);
        }
        let record = self.server.database_by_id(database.id);
        if !self.internal {
            self.server.faults.check_writable(&database.name)?;
            if record.is_some_and(|record| record.options.read_only) {
                return Err(errors::read_only(&database.name));
            }
        }
        if self.transaction.as_ref().is_some_and(|transaction| transaction.uncommittable) {
            return Err(errors::uncommittable_transaction());
        }
        self.attach(database.id)?;
        let own = self.transaction.is_none();
        if own {
            self.transaction = Some(self.new_transaction("", true));
        }
        let result = self.write_in_transaction(database, work);
        if !own {
            return result;
        }
        let finished = result.and_then(|result| self.finish().map(|()| result));
        if finished.is_err() {
            self.undo();
        }
        finished
    }

    fn write_in_transaction<T>(
        &mut self,
        database: &InDatabase,
        work: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.begin_storage()?;
        // Nothing is deleted: the statement only takes the file's write lock.
        let sql = format!("DELETE FROM db{}.standin_write", database.id);
        self.retry_while_busy(|core| core.connection.execute(&sql, []))?;
        if let Some(transaction) = &mut self.transaction {
            transaction.wrote.insert(database.id);
            transaction.command += 1;
        }
        self.in_savepoint(work)
    }

    fn in_savepoint<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        self.connection.execute_batch("SAVEPOINT statement").map_err(|error| self.failure(error))?;
        match work(self) {
            Ok(result) => {
                self.connection.execute_batch("RELEASE statement").map_err(|error| self.failure(error))?;
                Ok(result)
            }
            Err(error) => {
                if let Err(failed) = self.connection.execute_batch("ROLLBACK TO statement; RELEASE statement") {
                    tracing::debug!(error = %failed, "the statement's transaction has ended already");
                }
                self.after_undo();
                Err(error)
            }
        }
    }

    /// The position of the current statement, for the log.
    pub(super) fn log_point(&self, database: i32) -> LogPoint<'_> {
        let (transaction, command) =
            self.transaction.as_ref().map_or((0, 0), |transaction| (transaction.id, transaction.command));
        LogPoint { connection: &self.connection, database, transaction, command }
    }
}
