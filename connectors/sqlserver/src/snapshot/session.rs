use tributary_api::Result;

use crate::config::{Locking, Settings, SnapshotIsolation};
use crate::sql::{Client, Isolation, quoted};
use crate::table::TableId;

/// The connection and transaction of a snapshot. Both end with it.
#[derive(Debug)]
pub(super) struct Session<'a> {
    client: Client,
    settings: &'a Settings,
}

/// Before the locks: what it is rolled back to keeps none of them.
const SAVEPOINT: &str = "dbz_schema_snapshot";

impl<'a> Session<'a> {
    pub(super) async fn open(settings: &'a Settings, database: &str) -> Result<Self> {
        let mut client = Client::connect(&settings.login).await?;
        // Isolation by row versions is a property of the database that the transaction is in.
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

    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Keeps the tables' structure as it is, and in exclusive mode their rows too.
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
            let table = format!("{}.{}.{}", quoted(&id.database), quoted(&id.schema), quoted(&id.name));
            self.client.run(&format!("SELECT TOP(0) * FROM {table} WITH (TABLOCKX)")).await?;
        }
        Ok(())
    }

    /// Others may write while the rows are read, but for exclusive mode.
    pub(super) async fn unlock(&mut self) -> Result<()> {
        if !self.locks() {
            return Ok(());
        }
        if self.settings.isolation == SnapshotIsolation::RepeatableRead {
            self.client.run(&format!("ROLLBACK TRANSACTION {SAVEPOINT}")).await?;
        }
        // The time was for these locks alone: a row that somebody writes is waited for, instead of beginning anew.
        self.client.run("SET LOCK_TIMEOUT -1").await
    }

    pub(super) async fn close(mut self) -> Result<()> {
        self.client.run("ROLLBACK TRANSACTION").await
    }

    fn locks(&self) -> bool {
        matches!(self.settings.isolation, SnapshotIsolation::RepeatableRead | SnapshotIsolation::Exclusive)
    }
}
