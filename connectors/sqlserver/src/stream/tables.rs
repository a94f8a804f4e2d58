use tributary_api::Result;

use super::instance::Instance;
use crate::catalog::{change_tables, read_table};
use crate::failure::Failure;
use crate::history::TableChange;
use crate::lsn::Lsn;
use crate::reader::{Reader, Structure};
use crate::record::SnapshotMark;
use crate::sql::Client;
use crate::table::ChangeTable;

impl Reader {
    /// The instances to read up to a position. If a table has two, the older one is read up to where the newer one
    /// begins.
    pub(super) async fn load_instances(&mut self, client: &mut Client, to: Lsn) -> Result<Vec<Instance>, Failure> {
        let mut tables = change_tables(client, &self.database, Some(to)).await?;
        tables.retain(|table| self.settings.tables.captures(&table.source));
        if tables.is_empty() {
            tracing::warn!(database = %self.database, "no table that table.include.list and table.exclude.list allow is captured: \
                enable it for some tables by sys.sp_cdc_enable_table");
        }
        let mut instances = Vec::with_capacity(tables.len());
        let mut tables = tables.into_iter().peekable();
        while let Some(mut current) = tables.next() {
            let newer = tables.next_if(|next| next.source == current.source);
            if let Some(newer) = &newer {
                current.stop = newer.start;
                tracing::info!(table = %current.source, current = %current.instance, next = %newer.instance, at = ?newer.start,
                    "the table has two capture instances");
            }
            self.load(client, current, newer, &mut instances).await?;
        }
        Ok(instances)
    }

    async fn load(
        &mut self,
        client: &mut Client,
        current: ChangeTable,
        newer: Option<ChangeTable>,
        instances: &mut Vec<Instance>,
    ) -> Result<()> {
        let Some(structure) = read_table(client, &current.source).await? else {
            tracing::warn!(table = %current.source, "a captured table no longer exists");
            return Ok(());
        };
        // If the position is at or after the beginning of the newer instance, the table already has its structure.
        let position = self.offset.and_then(|offset| offset.commit);
        let switched = newer.as_ref().filter(|newer| newer.start <= position);
        if self.schemas.get(&current.source).is_none() {
            let columns = switched.map_or(&current.columns, |newer| &newer.columns);
            let table = structure.with_columns(columns);
            // After a restart the table is not new: its structure was already sent.
            if !self.resumed {
                self.refuse_forgotten(&current)?;
                if let Some(at) = self.offset {
                    let (change, mark, table) = (TableChange::Create, SnapshotMark::False, table.clone());
                    self.tell_of_structures(&[Structure { change, table, mark, at }]).await?;
                }
            }
            self.schemas.set(client, table).await?;
        }
        if let Some(newer) = newer {
            let coming = structure.with_columns(&newer.columns);
            instances.push(Instance::new(newer, &structure, Some(coming)));
        } else if self
            .schemas
            .get(&current.source)
            .is_some_and(|schema| *schema.table != structure.with_columns(&current.columns))
        {
            // The older instance was removed, and the remaining one may have another structure.
            let coming = structure.with_columns(&current.columns);
            instances.push(Instance::new(current, &structure, Some(coming)));
            return Ok(());
        }
        instances.push(Instance::new(current, &structure, None));
        Ok(())
    }

    /// Changes the structure of a table once a change is at or after the beginning of its newer instance.
    pub(super) async fn migrate(&mut self, instances: &mut [Instance], commit: Lsn) -> Result<()> {
        for instance in instances {
            if instance.table.start.is_none_or(|start| start > commit) {
                continue;
            }
            let Some(table) = &instance.coming else { continue };
            let mut client = self.pool.take().await?;
            if self.alter(&mut client, table).await? {
                tracing::info!(table = %instance.table.source, instance = %instance.table.instance, "the structure of a table changes from here on");
            }
            client.give_back();
            instance.coming = None;
        }
        Ok(())
    }
}
