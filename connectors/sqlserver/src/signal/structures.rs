//! Signals that say which structure tables have: it is used from the signal's position on, whatever the database has.

use tributary_api::{Error, Result};

use crate::failure::Failure;
use crate::history::{Change, TableChange};
use crate::offset::Offset;
use crate::reader::{Reader, Structure};
use crate::record::SnapshotMark;
use crate::table::Table;

impl Reader {
    /// Uses the structures one after the other, as Debezium does: one that is refused ends it, and those before it count.
    pub(super) async fn change_structures(&mut self, changes: Vec<Change>, at: Offset) -> Result<(), Failure> {
        for change in changes {
            match change {
                Change::Is(kind, table) => self.change_structure(kind, table, at).await?,
                Change::Gone(id) => {
                    let message =
                        format!("{id} cannot be dropped or renamed by a signal: only CREATE and ALTER are followed");
                    return Err(Error::data(message).into());
                }
            }
        }
        Ok(())
    }

    async fn change_structure(&mut self, change: TableChange, mut table: Table, at: Offset) -> Result<(), Failure> {
        self.check(&table)?;
        // The name may be written in another case than the server's.
        table.id.database = self.database.clone();
        let id = table.id.clone();
        let captured = self.settings.tables.captures(&id)?;
        if !captured && self.settings.only_captured_structures {
            tracing::info!(table = %id, "a structure of a signal is left out: the table is not captured");
            return Ok(());
        }
        tracing::info!(table = %id, change = change.text(), "a signal changes the structure of a table");
        let structure = Structure { change, table, mark: SnapshotMark::False, at, by_signal: true };
        self.record_structures(std::slice::from_ref(&structure)).await?;
        if captured {
            let mut client = self.pool.take().await?;
            self.schemas.set(&mut client, structure.table).await?;
            client.give_back();
        }
        self.reread_window(&id).await
    }

    fn check(&self, table: &Table) -> Result<()> {
        let id = &table.id;
        if !id.database.eq_ignore_ascii_case(&self.database) {
            let message = format!("{id} is a table of another database than {}: send its signal there", self.database);
            return Err(Error::data(message));
        }
        let unknown = table.key.iter().find(|name| !table.columns.iter().any(|column| column.name == **name));
        match unknown {
            Some(name) => Err(Error::data(format!("the key of {id} has {name}, which is no column of its structure"))),
            None if table.columns.is_empty() => Err(Error::data(format!("the structure of {id} has no columns"))),
            None => Ok(()),
        }
    }
}
