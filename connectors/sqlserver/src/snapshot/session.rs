use tributary_api::Result;

use crate::config::{Locking, Settings, SnapshotIsolation};
use crate::sql::{Client, Isolation, quoted, quoted_table};
use crate::table::TableId;

/// The connection and transaction of a snapshot. Both end when it is dropped.
#[derive(Debug)]
pub(super) struct Session<'a> {
    client: Client,
    settings: &'a Settings,
}

/// Set before the locks are taken, so that rolling back to it releases them.
const SAVEPOINT: &str = "dbz_schema_snapshot";

impl<'a> Session<'a> {
    pub(super) async fn open(settings: &'a Settings, database: &str) -> Result<Self> {
        let mut client = Client::connect(&settings.login).await?;
        // Snapshot isolation is a setting of a database: the transaction must begin in the database whose rows it
        // reads.
        client.run(&format!("USE {}", quoted(database))).await?;
        client
            .isolate(match settings.isolation {
                SnapshotIsolation::ReadUncommitted => Isolation::ReadUncommitted,
                SnapshotIsolation::ReadCommitted => Isolation::ReadCommitted,
                SnapshotIsolation::RepeatableRead | SnapshotIsolation::Exclusive => Isolation::RepeatableRead,
                SnapshotIsolation::Snapshot => Isolation::Snapshot,
            })
            .await?;
        client.run("BEGIN TRANSACTION").await?;
        Ok(Self { client, settings })
    }

    /// Its connection alone, with the transaction.
    pub(super) fn into_client(self) -> Client {
        self.client
    }

    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Locks the tables against changes of their structure, in exclusive mode also against changes of their rows.
    pub(super) async fn lock(&mut self, tables: &[TableId]) -> Result<()> {
        if !self.locks() {
            return Ok(());
        }
        let timeout = self.settings.lock_timeout.as_millis();
        self.client.run(&format!("SET LOCK_TIMEOUT {timeout}")).await?;
        self.client.run(&format!("SAVE TRANSACTION {SAVEPOINT}")).await?;
        if self.settings.locking == Locking::None {
            return Ok(());
        }
        for id in tables {
            self.client.run(&format!("SELECT TOP(0) * FROM {} WITH (TABLOCKX)", quoted_table(id))).await?;
        }
        Ok(())
    }

    /// Releases the locks, except in exclusive mode, so that others can write while the rows are read.
    pub(super) async fn unlock(&mut self) -> Result<()> {
        if !self.locks() {
            return Ok(());
        }
        if self.settings.isolation == SnapshotIsolation::RepeatableRead {
            self.client.run(&format!("ROLLBACK TRANSACTION {SAVEPOINT}")).await?;
        }
        // The time-out is only for the table locks. Later reads wait for a row that is being written instead of failing
        // the snapshot.
        self.client.run("SET LOCK_TIMEOUT -1").await
    }

    pub(super) async fn close(mut self) -> Result<()> {
        self.client.run("ROLLBACK TRANSACTION").await
    }

    fn locks(&self) -> bool {
        matches!(self.settings.isolation, SnapshotIsolation::RepeatableRead | SnapshotIsolation::Exclusive)
    }
}
