use bytes::{BufMut, Bytes, BytesMut};
use tributary_api::{
    Datum, Error, Props, Requirements, Result, StoreId, TableId, Timer, TransformContext, TransformHost, list_items,
};
use tributary_state::{Layout, PartitionState, Slot};

use super::Tables;
use crate::tasks::ChainHost;

/// The stores, tables and timers of each transform of the chain.
#[derive(Debug)]
pub(super) struct TransformStores {
    transforms: Vec<TransformEntry>,
    /// The keyed stores of every partition.
    pub(super) layout: Layout,
    /// The tables, without duplicates.
    pub(super) tables: Vec<TableSource>,
}

/// Where the rows of a table come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableSource {
    pub(super) topic: String,
    /// Whether its values stay bytes.
    pub(super) raw: bool,
}

#[derive(Debug)]
struct TransformEntry {
    alias: String,
    slots: Vec<Slot>,
    /// Indexes into [`TransformStores::tables`].
    tables: Vec<usize>,
    timers: bool,
}

impl TransformStores {
    /// # Errors
    /// `Config` when two transforms require a store of the same name, or one requires an input that there is not.
    pub(super) fn new(connector: &Props, requirements: impl Iterator<Item = Requirements>) -> Result<Self> {
        let aliases = list_items(connector, "transforms");
        let (mut stores, mut tables, mut transforms): (Vec<String>, Vec<TableSource>, Vec<TransformEntry>) =
            Default::default();
        for (alias, needs) in aliases.zip(requirements) {
            let is_input =
                |topic: &&String| list_items(connector, "repartition.topics").any(|input| input == topic.as_str());
            if let Some(topic) = needs.repartition.iter().find(|topic| !is_input(topic)) {
                let message =
                    format!("transforms.{alias} writes topic {topic} to read it again: name it in repartition.topics");
                return Err(Error::config_at("repartition.topics", message));
            }
            let mut slots = Vec::new();
            for store in needs.stores {
                if stores.contains(&store.name) || store.name == Layout::TIMERS {
                    let message = format!(
                        "transforms.{alias} needs a store {} but there is one of that name: use the transform once",
                        store.name
                    );
                    return Err(Error::config_at(format!("transforms.{alias}.type"), message));
                }
                slots.push(Slot(stores.len()));
                stores.push(store.name);
            }
            let mut own_tables = Vec::new();
            for table in needs.tables {
                let source = TableSource { topic: table.topic, raw: table.raw };
                let known = tables.iter().position(|known| *known == source);
                own_tables.push(known.unwrap_or(tables.len()));
                if known.is_none() {
                    tables.push(source);
                }
            }
            transforms.push(TransformEntry {
                alias: alias.to_owned(),
                slots,
                tables: own_tables,
                timers: needs.timers,
            });
        }
        Ok(Self { transforms, layout: Layout::new(stores), tables })
    }

    /// The indexes into [`Self::tables`] of a transform's tables.
    pub(super) fn tables_of(&self, transform: usize) -> &[usize] {
        self.transforms.get(transform).map_or(&[], |entry| &entry.tables)
    }

    /// The index of the transform that a timer belongs to, and the timer with the transform's own key. `None` when the
    /// transform was removed.
    pub(super) fn owner(&self, timer: &Timer) -> Option<(usize, Timer)> {
        let end = timer.key.iter().position(|byte| *byte == 0)?;
        let index = self.transforms.iter().position(|entry| entry.alias.as_bytes() == &timer.key[..end])?;
        Some((index, Timer::new(timer.key.slice(end + 1..), timer.at, timer.payload.clone())))
    }
}

/// Timers of all transforms share a store, so each key begins with its transform's alias.
fn timer_key(alias: &str, key: &[u8]) -> Bytes {
    let mut full = BytesMut::with_capacity(alias.len() + 1 + key.len());
    full.put_slice(alias.as_bytes());
    full.put_u8(0);
    full.put_slice(key);
    full.freeze()
}

/// Gives the transforms access to the state of the partition whose record or timer is being processed.
pub(super) struct StateHost<'a> {
    pub(super) now: i64,
    pub(super) stores: &'a TransformStores,
    pub(super) tables: &'a Tables,
    pub(super) state: &'a mut PartitionState,
    /// The input partition, and how many there are.
    pub(super) partition: (i32, i32),
    /// The index of the current transform.
    pub(super) transform: usize,
}

impl ChainHost for StateHost<'_> {
    fn context(&mut self, transform: usize) -> TransformContext<'_> {
        self.transform = transform;
        TransformContext::stateful(self.now, self)
    }
}

impl StateHost<'_> {
    fn own(&self) -> Result<&TransformEntry> {
        self.stores.transforms.get(self.transform).ok_or_else(|| Error::fatal("there is no such transform"))
    }

    fn slot(&self, store: StoreId) -> Result<Slot> {
        let asked = self.own()?.slots.get(store.0).copied();
        asked.ok_or_else(|| Error::fatal(format!("the transform did not ask for a store {}", store.0)))
    }

    fn timer_key(&self, key: &[u8]) -> Result<Bytes> {
        let link = self.own()?;
        if link.timers {
            Ok(timer_key(&link.alias, key))
        } else {
            Err(Error::fatal("the transform did not ask for timers"))
        }
    }
}

impl TransformHost for StateHost<'_> {
    fn get(&mut self, store: StoreId, key: &[u8]) -> Result<Option<Bytes>> {
        self.state.get(self.slot(store)?, key)
    }

    fn put(&mut self, store: StoreId, key: Bytes, value: Option<Bytes>) -> Result<()> {
        let slot = self.slot(store)?;
        self.state.put(slot, key, value);
        Ok(())
    }

    fn table(&mut self, table: TableId, key: &[u8]) -> Result<Option<&Datum>> {
        let asked = self.own()?.tables.get(table.0).copied();
        let index = asked.ok_or_else(|| Error::fatal(format!("the transform did not ask for a table {}", table.0)))?;
        Ok(self.tables.get(index, key))
    }

    fn partition(&self) -> (i32, i32) {
        self.partition
    }

    fn schedule(&mut self, timer: Timer) -> Result<()> {
        let key = self.timer_key(&timer.key)?;
        self.state.schedule(&Timer::new(key, timer.at, timer.payload));
        Ok(())
    }

    fn cancel(&mut self, key: &[u8]) -> Result<()> {
        let key = self.timer_key(key)?;
        self.state.cancel(&key)
    }
}
