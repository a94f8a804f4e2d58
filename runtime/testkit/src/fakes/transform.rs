use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use tributary_api::{
    Datum, Error, Record, Records, Requirements, Result, StoreId, TableId, Timer, TransformContext, TransformHost,
    TransformTables, Transformation,
};

/// A wall clock that is set by the test, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManualClock(i64);

impl ManualClock {
    /// A clock that has this time until it is advanced.
    pub fn at(now: i64) -> Self {
        Self(now)
    }

    /// The time.
    pub fn now(self) -> i64 {
        self.0
    }

    /// Advances the time.
    pub fn advance(&mut self, by: Duration) {
        self.0 = self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }
}

/// A host of one input partition with stores, tables and timers in memory.
///
/// As in the runtime, the changes that a transform makes while it handles a record are kept if it succeeds and dropped if
/// it fails. Two hosts simulate two input partitions.
#[derive(Debug)]
pub struct MemoryTransformHost {
    /// The time that the transform sees.
    pub clock: ManualClock,
    requirements: Requirements,
    stores: Vec<BTreeMap<Bytes, Bytes>>,
    tables: Vec<HashMap<Bytes, Datum>>,
    /// How often each table has changed.
    table_versions: Vec<u64>,
    timers: BTreeMap<Bytes, Timer>,
    changes: Changes,
}

/// The changes of the current record; `None` removes.
#[derive(Debug, Default)]
struct Changes {
    stores: BTreeMap<(usize, Bytes), Option<Bytes>>,
    timers: BTreeMap<Bytes, Option<Timer>>,
}

impl MemoryTransformHost {
    /// A host with the stores and tables of the requirements, all empty. `now` is in milliseconds since the epoch.
    pub fn new(requirements: &Requirements, now: i64) -> Self {
        Self {
            clock: ManualClock::at(now),
            requirements: requirements.clone(),
            stores: vec![BTreeMap::new(); requirements.stores.len()],
            tables: vec![HashMap::new(); requirements.tables.len()],
            table_versions: vec![0; requirements.tables.len()],
            timers: BTreeMap::new(),
            changes: Changes::default(),
        }
    }

    /// Calls the transform with a record and keeps its changes if it succeeds.
    ///
    /// # Errors
    /// The error of the transform.
    pub fn apply(&mut self, transform: &mut dyn Transformation, record: Record) -> Result<Records> {
        self.within(|cx| transform.apply(record, cx))
    }

    /// Lets the transform take in what has changed, as the runtime does between two transactions.
    ///
    /// # Errors
    /// The error of the transform.
    pub fn between_transactions(&self, transform: &mut dyn Transformation) -> Result<()> {
        transform.between_transactions(self.clock.now(), self)
    }

    /// Advances the clock, then fires all due timers, earliest first, including those that are set while firing. A timer
    /// is removed before it fires, so it can be set again while it fires.
    ///
    /// # Errors
    /// The error of the transform; the timer that failed is kept.
    pub fn advance(&mut self, by: Duration, transform: &mut dyn Transformation) -> Result<Vec<Record>> {
        self.clock.advance(by);
        let mut records = Vec::new();
        while let Some(timer) = self.next_due() {
            self.timers.remove(&timer.key);
            let fired = self.within(|cx| transform.on_timer(timer.clone(), cx));
            match fired {
                Ok(fired) => records.extend(fired),
                Err(error) => {
                    self.timers.insert(timer.key.clone(), timer);
                    return Err(error);
                }
            }
        }
        Ok(records)
    }

    /// Sets a key of a table; `None` removes it.
    ///
    /// # Errors
    /// If the requirements have no such table.
    pub fn set_table(&mut self, name: &str, key: impl Into<Bytes>, datum: Option<Datum>) -> Result<()> {
        let index = self.requirements.tables.iter().position(|table| table.name == name);
        let table = index.and_then(|index| self.tables.get_mut(index)).ok_or_else(|| no_such("table", name))?;
        if let Some(version) = index.and_then(|index| self.table_versions.get_mut(index)) {
            *version += 1;
        }
        match datum {
            Some(datum) => drop(table.insert(key.into(), datum)),
            None => drop(table.remove(&key.into())),
        }
        Ok(())
    }

    /// The contents of a store.
    ///
    /// # Errors
    /// If the requirements have no such store.
    pub fn store(&self, name: &str) -> Result<&BTreeMap<Bytes, Bytes>> {
        let index = self.requirements.stores.iter().position(|store| store.name == name);
        index.and_then(|index| self.stores.get(index)).ok_or_else(|| no_such("store", name))
    }

    /// The timers that are set, by key.
    pub fn timers(&self) -> impl Iterator<Item = &Timer> {
        self.timers.values()
    }

    fn next_due(&self) -> Option<Timer> {
        let now = self.clock.now();
        self.timers.values().filter(|timer| timer.at <= now).min_by_key(|timer| timer.at).cloned()
    }

    fn within(&mut self, call: impl FnOnce(&mut TransformContext<'_>) -> Result<Records>) -> Result<Records> {
        self.changes = Changes::default();
        let now = self.clock.now();
        let result = call(&mut TransformContext::stateful(now, self));
        let changes = std::mem::take(&mut self.changes);
        if result.is_ok() {
            for ((store, key), value) in changes.stores {
                match value {
                    Some(value) => drop(self.stores[store].insert(key, value)),
                    None => drop(self.stores[store].remove(&key)),
                }
            }
            for (key, timer) in changes.timers {
                match timer {
                    Some(timer) => drop(self.timers.insert(key, timer)),
                    None => drop(self.timers.remove(&key)),
                }
            }
        }
        result
    }

    fn check_timers(&self) -> Result<()> {
        let message = "the requirements have no timers: add Requirements::with_timers";
        if self.requirements.timers { Ok(()) } else { Err(Error::fatal(message)) }
    }
}

impl TransformHost for MemoryTransformHost {
    fn get(&mut self, store: StoreId, key: &[u8]) -> Result<Option<Bytes>> {
        let stored = self.stores.get(store.0).ok_or_else(|| no_such("store", &store.0.to_string()))?;
        match self.changes.stores.get(&(store.0, Bytes::copy_from_slice(key))) {
            Some(changed) => Ok(changed.clone()),
            None => Ok(stored.get(key).cloned()),
        }
    }

    fn put(&mut self, store: StoreId, key: Bytes, value: Option<Bytes>) -> Result<()> {
        if store.0 >= self.stores.len() {
            return Err(no_such("store", &store.0.to_string()));
        }
        self.changes.stores.insert((store.0, key), value);
        Ok(())
    }

    fn table(&mut self, table: TableId, key: &[u8]) -> Result<Option<&Datum>> {
        let table = self.tables.get(table.0).ok_or_else(|| no_such("table", &table.0.to_string()))?;
        Ok(table.get(key))
    }

    fn schedule(&mut self, timer: Timer) -> Result<()> {
        self.check_timers()?;
        self.changes.timers.insert(timer.key.clone(), Some(timer));
        Ok(())
    }

    fn cancel(&mut self, key: &[u8]) -> Result<()> {
        self.check_timers()?;
        self.changes.timers.insert(Bytes::copy_from_slice(key), None);
        Ok(())
    }
}

impl TransformTables for MemoryTransformHost {
    fn version(&self, table: TableId) -> u64 {
        self.table_versions.get(table.0).copied().unwrap_or_default()
    }

    fn for_each(&self, table: TableId, row: &mut dyn FnMut(&[u8], &Datum)) {
        for (key, value) in self.tables.get(table.0).into_iter().flatten() {
            row(key, value);
        }
    }
}

fn no_such(what: &str, name: &str) -> Error {
    Error::fatal(format!("the requirements have no {what} {name}"))
}
