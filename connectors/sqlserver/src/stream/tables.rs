use std::collections::HashMap;
use std::sync::Arc;

use tributary_api::Result;

use super::instance::Instance;
use crate::catalog::{change_tables, read_table};
use crate::failure::Failure;
use crate::history::TableChange;
use crate::lsn::Lsn;
use crate::reader::{Reader, Structure};
use crate::record::{SnapshotMark, TableSchema};
use crate::sql::Client;
use crate::table::{ChangeTable, TableId};

impl Reader {
    /// Loads the structure of the tables that were captured at the stored position, if a signal or an incremental snapshot
    /// may need it before the first poll with changes. A schema history would have it.
    pub(super) async fn list_known(&mut self) -> Result<(), Failure> {
        let Some(to) = self.offset.and_then(|offset| offset.commit) else { return Ok(()) };
        let needed = self.incremental.is_running() || self.received_signals.is_some();
        if !self.resumed || !needed || self.schemas.ids().next().is_some() {
            return Ok(());
        }
        let mut client = self.pool.take().await?;
        self.load_instances(&mut client, to, &HashMap::new()).await?;
        client.give_back();
        Ok(())
    }

    /// The instances to read up to a position. If a table has two, the older one is read up to where the newer one
    /// begins.
    /// `looked_at` has the schemas of tables of which a value did not fit.
    pub(super) async fn load_instances(
        &mut self,
        client: &mut Client,
        to: Lsn,
        looked_at: &HashMap<TableId, Arc<TableSchema>>,
    ) -> Result<Vec<Instance>, Failure> {
        let tables = change_tables(client, &self.database, Some(to)).await?;
        let tables = self.settings.tables.captured(tables, |table| &table.source)?;
        if tables.is_empty() {
            tracing::warn!(database = %self.database, "no table that table.include.list and table.exclude.list allow is captured: \
                enable it for some tables by sys.sp_cdc_enable_table");
        }
        let signals = &self.settings.signals;
        if let Some(table) = signals.table_of(&self.database)
            && !tables.iter().any(|captured| signals.is_table(&captured.source))
        {
            tracing::warn!(%table, "the signal table has no capture instance: its rows are not read until it is enabled by \
                sys.sp_cdc_enable_table");
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
            let unfit = looked_at.get(&current.source);
            self.load(client, current, newer, unfit, &mut instances).await?;
        }
        Ok(instances)
    }

    async fn load(
        &mut self,
        client: &mut Client,
        current: ChangeTable,
        newer: Option<ChangeTable>,
        looked_at: Option<&Arc<TableSchema>>,
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
                    let created = Structure::seen(TableChange::Create, table.clone(), SnapshotMark::False, at);
                    self.record_structures(&[created]).await?;
                }
            }
            self.schemas.set(client, table).await?;
        }
        // The change table of the older instance has altered types too, and is read up to where the newer one begins.
        let known = self.schemas.get(&current.source).filter(|_| switched.is_none());
        let unfit = known.filter(|known| looked_at.is_some_and(|looked_at| Arc::ptr_eq(looked_at, known)));
        let retyped = unfit.map(|known| known.table.retyped(&structure));
        // The instance that is read already: the columns of its change table stay what they were, whatever becomes of those of
        // the table, until a newer instance begins or a value does not fit. Neither a restart nor a new list changes that.
        let read_already = current.start <= position
            && unfit.is_none()
            && self.schemas.get(&current.source).is_some_and(|schema| schema.table.has_exactly(&current.columns));
        if let Some(newer) = newer {
            let coming = structure.with_columns(&newer.columns);
            instances.push(Instance::new(newer, &structure, Some(coming)));
            instances.push(Instance::new(current, &structure, retyped));
            return Ok(());
        }
        if !read_already
            && self
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
    pub(super) async fn migrate(&mut self, instances: &mut [Instance], commit: Lsn) -> Result<(), Failure> {
        for instance in instances {
            if instance.table.start.is_none_or(|start| start > commit) || instance.has_stopped(commit) {
                continue;
            }
            let Some(table) = &instance.coming else { continue };
            let mut client = self.pool.take().await?;
            if self.alter(&mut client, table).await? {
                tracing::info!(table = %instance.table.source, instance = %instance.table.instance, "the structure of a table changes from here on");
            }
            client.give_back();
            instance.coming = None;
            self.reread_window(&instance.table.source).await?;
        }
        Ok(())
    }
}

/// The first position at which one of them takes another structure over.
pub(super) fn next_migration(instances: &[Instance]) -> Option<Lsn> {
    instances.iter().filter(|instance| instance.coming.is_some()).filter_map(|instance| instance.table.start).min()
}
