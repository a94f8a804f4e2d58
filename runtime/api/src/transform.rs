use std::fmt;

use bytes::Bytes;

use crate::{Datum, Error, PluginMetrics, Record, Records, Result};

/// Changes, drops, multiplies or reroutes records; stateless ones run anywhere, stateful ones in a processor.
///
/// With `errors.retry.timeout` set, `apply` may see a record again after it failed: a transform must not keep state of
/// its own, but in the context's stores, whose changes are dropped with the failure.
///
/// ```
/// use tributary_api::{Datum, Record, Records, Result, TransformContext, Transformation};
///
/// /// Drops tombstones and sends all else to another topic.
/// struct Reroute;
///
/// impl Transformation for Reroute {
///     fn apply(&mut self, mut record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
///         if record.value.value.is_null() {
///             return Ok(Records::None);
///         }
///         record.topic = format!("{}-live", record.topic).into();
///         Ok(record.into())
///     }
/// }
///
/// let mut cx = TransformContext::stateless(0);
/// let records = Reroute.apply(Record::new("orders", Datum::schemaless("one")), &mut cx).unwrap();
/// assert_eq!(records, Record::new("orders-live", Datum::schemaless("one")).into());
/// assert_eq!(Reroute.apply(Record::new("orders", Datum::NULL), &mut cx).unwrap(), Records::None);
/// ```
pub trait Transformation: Send {
    /// The state it needs from its host, in the order in which [`StoreId`] and [`TableId`] count. None by default.
    fn requirements(&self) -> Requirements {
        Requirements::default()
    }

    /// Called before the first record: a plugin with metrics of its own (KIP-877) registers them here and keeps the handles.
    ///
    /// # Errors
    /// Any error fails the task.
    fn with_plugin_metrics(&mut self, _metrics: &PluginMetrics) -> Result<()> {
        Ok(())
    }

    /// Called by a processor between two transactions, also while no records come: to take in what has changed beside the
    /// stream, such as a table of which all rows matter, or a local file. Every record of a transaction is therefore
    /// processed with the same. It is called some ten times a second or more, so it should first look whether anything has
    /// changed. `now` is in milliseconds since the epoch.
    ///
    /// # Errors
    /// Any error fails the task: what is refused while it runs is better reported, and what was there before kept.
    fn between_transactions(&mut self, _now: i64, _tables: &dyn TransformTables) -> Result<()> {
        Ok(())
    }

    /// 0, 1 or many records for one; each may go to any topic. CPU only: it must not block.
    ///
    /// # Errors
    /// `Data` for a record it cannot handle, `Retriable` to be called again.
    fn apply(&mut self, record: Record, cx: &mut TransformContext<'_>) -> Result<Records>;

    /// A timer set through the context is due. It fires at least once after its time, in a transaction as any record.
    ///
    /// # Errors
    /// As for [`apply`](Self::apply).
    fn on_timer(&mut self, _timer: Timer, _cx: &mut TransformContext<'_>) -> Result<Records> {
        Ok(Records::None)
    }
}

/// Decides whether a transform applies to a record.
///
/// ```
/// use tributary_api::{Predicate, Record, Result};
///
/// struct HasKey;
///
/// impl Predicate for HasKey {
///     fn test(&mut self, record: &Record) -> Result<bool> {
///         Ok(!record.key.value.is_null())
///     }
/// }
/// ```
pub trait Predicate: Send {
    /// Called before the first record: a plugin with metrics of its own (KIP-877) registers them here and keeps the handles.
    ///
    /// # Errors
    /// Any error fails the task.
    fn with_plugin_metrics(&mut self, _metrics: &PluginMetrics) -> Result<()> {
        Ok(())
    }

    /// Whether the record is one.
    ///
    /// # Errors
    /// `Data` for a record that cannot be judged.
    fn test(&mut self, record: &Record) -> Result<bool>;
}

/// The state that a transform needs from its host.
///
/// ```
/// use tributary_api::Requirements;
/// let needs = Requirements::default().store("people").table("profiles", "customers").with_timers();
/// assert!(needs.timers && needs.stores.len() == 1 && needs.tables.len() == 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Requirements {
    /// Keyed stores; each belongs to the input partition of the current record.
    pub stores: Vec<StoreSpec>,
    /// Read-only tables, whole on every task.
    pub tables: Vec<TableSpec>,
    /// Whether it sets timers.
    pub timers: bool,
    /// Topics that it writes in order to read them again, by which it reaches the state of another key.
    pub repartition: Vec<String>,
}

impl Requirements {
    /// Asks for a keyed store.
    #[must_use]
    pub fn store(mut self, name: impl Into<String>) -> Self {
        self.stores.push(StoreSpec::new(name));
        self
    }

    /// Asks for a read-only table of a topic.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>, topic: impl Into<String>) -> Self {
        self.tables.push(TableSpec::new(name, topic));
        self
    }

    /// Asks for a read-only table of a topic whose values stay bytes, whatever the connector's converter.
    #[must_use]
    pub fn raw_table(mut self, name: impl Into<String>, topic: impl Into<String>) -> Self {
        self.tables.push(TableSpec { raw: true, ..TableSpec::new(name, topic) });
        self
    }

    /// Asks for timers.
    #[must_use]
    pub fn with_timers(mut self) -> Self {
        self.timers = true;
        self
    }

    /// Asks that a topic, which it writes, is an input too.
    #[must_use]
    pub fn repartition(mut self, topic: impl Into<String>) -> Self {
        self.repartition.push(topic.into());
        self
    }

    /// Whether any host will do.
    pub fn is_empty(&self) -> bool {
        self.stores.is_empty() && self.tables.is_empty() && !self.timers && self.repartition.is_empty()
    }
}

/// A keyed store, backed by a changelog topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreSpec {
    /// The store's name: part of the changelog topic's.
    pub name: String,
}

impl StoreSpec {
    /// A store of a name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// A read-only table: the latest record of every key of a topic, read to its end before the first stream record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableSpec {
    /// The table's name.
    pub name: String,
    /// The topic it follows.
    pub topic: String,
    /// Whether its values are bytes as they are in the topic, instead of what the connector's converter makes of them.
    pub raw: bool,
}

impl TableSpec {
    /// A table of a topic.
    pub fn new(name: impl Into<String>, topic: impl Into<String>) -> Self {
        Self { name: name.into(), topic: topic.into(), raw: false }
    }
}

/// A store, by its place in [`Requirements::stores`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoreId(pub usize);

/// A table, by its place in [`Requirements::tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableId(pub usize);

/// A wake-up at a time of the wall clock. One for each key: setting it again moves it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timer {
    /// Whose it is; up to the transform.
    pub key: Bytes,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// What it is about; up to the transform.
    pub payload: Bytes,
}

impl Timer {
    /// A timer of a key at a time, in milliseconds since the epoch.
    pub fn new(key: impl Into<Bytes>, at: i64, payload: impl Into<Bytes>) -> Self {
        Self { key: key.into(), at, payload: payload.into() }
    }
}

/// What a host does for a transform. All calls concern the input partition of the current record or timer.
///
/// ```
/// use std::collections::HashMap;
/// use tributary_api::{Bytes, Datum, Error, Result, StoreId, TableId, Timer, TransformContext, TransformHost};
///
/// /// One store in memory, and nothing else.
/// #[derive(Default)]
/// struct Memory(HashMap<Vec<u8>, Bytes>);
///
/// impl TransformHost for Memory {
///     fn get(&mut self, _store: StoreId, key: &[u8]) -> Result<Option<Bytes>> {
///         Ok(self.0.get(key).cloned())
///     }
///
///     fn put(&mut self, _store: StoreId, key: Bytes, value: Option<Bytes>) -> Result<()> {
///         match value {
///             Some(value) => drop(self.0.insert(key.to_vec(), value)),
///             None => drop(self.0.remove(&key[..])),
///         }
///         Ok(())
///     }
///
///     fn table(&mut self, _table: TableId, _key: &[u8]) -> Result<Option<&Datum>> {
///         Err(Error::config("there are no tables here"))
///     }
///
///     fn schedule(&mut self, _timer: Timer) -> Result<()> {
///         Err(Error::config("there are no timers here"))
///     }
///
///     fn cancel(&mut self, _key: &[u8]) -> Result<()> {
///         Err(Error::config("there are no timers here"))
///     }
/// }
///
/// let mut memory = Memory::default();
/// let mut cx = TransformContext::stateful(0, &mut memory);
/// cx.put(StoreId(0), "ann".into(), Some("3".into())).unwrap();
/// assert_eq!(cx.get(StoreId(0), b"ann").unwrap(), Some("3".into()));
/// ```
pub trait TransformHost {
    /// The value of a key, with the changes made since the last commit.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&mut self, store: StoreId, key: &[u8]) -> Result<Option<Bytes>>;
    /// Sets a key (`None` removes it); durable with the outputs of this record or not at all.
    ///
    /// # Errors
    /// When there is no such store.
    fn put(&mut self, store: StoreId, key: Bytes, value: Option<Bytes>) -> Result<()>;
    /// The latest value of a table's key; the key is the bytes of the record's key.
    ///
    /// # Errors
    /// When there is no such table.
    fn table(&mut self, table: TableId, key: &[u8]) -> Result<Option<&Datum>>;
    /// The input partition, and how many there are; one of one where that has no meaning.
    fn partition(&self) -> (i32, i32) {
        (0, 1)
    }
    /// Sets a timer, replacing one of the same key.
    ///
    /// # Errors
    /// When the host has no timers.
    fn schedule(&mut self, timer: Timer) -> Result<()>;
    /// Removes a timer.
    ///
    /// # Errors
    /// When the host has no timers.
    fn cancel(&mut self, key: &[u8]) -> Result<()>;
}

/// The tables of a transform as a whole, between two transactions.
pub trait TransformTables {
    /// A number that is another one whenever a row of the table has changed; 0 for a table that was not asked for.
    fn version(&self, table: TableId) -> u64;
    /// Calls a function with each row's key and value, in no order.
    fn for_each(&self, table: TableId, row: &mut dyn FnMut(&[u8], &Datum));
}

/// Given with every record: the clock, the place of the record and the state of the host.
pub struct TransformContext<'a> {
    now: i64,
    host: Option<&'a mut dyn TransformHost>,
}

impl<'a> TransformContext<'a> {
    /// For a host without state.
    pub fn stateless(now: i64) -> Self {
        Self { now, host: None }
    }

    /// For a host with state.
    pub fn stateful(now: i64, host: &'a mut dyn TransformHost) -> Self {
        Self { now, host: Some(host) }
    }

    /// Milliseconds since the epoch: the clock of the decision, read once for a batch.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The value of a key, with the changes made since the last commit.
    ///
    /// # Errors
    /// When the store cannot be read, or this host has none.
    pub fn get(&mut self, store: StoreId, key: &[u8]) -> Result<Option<Bytes>> {
        self.host()?.get(store, key)
    }

    /// Sets a key (`None` removes it): durable with the outputs of this record or not at all.
    ///
    /// # Errors
    /// When this host has no such store.
    pub fn put(&mut self, store: StoreId, key: Bytes, value: Option<Bytes>) -> Result<()> {
        self.host()?.put(store, key, value)
    }

    /// The latest value of a table's key.
    ///
    /// # Errors
    /// When this host has no such table.
    pub fn table(&mut self, table: TableId, key: &[u8]) -> Result<Option<&Datum>> {
        self.host()?.table(table, key)
    }

    /// The input partition of the current record or timer, and how many partitions the input has: to divide among them what
    /// there is only so much of. One of one in a host without state.
    pub fn partition(&self) -> (i32, i32) {
        self.host.as_deref().map_or((0, 1), TransformHost::partition)
    }

    /// Sets a timer, replacing one of the same key.
    ///
    /// # Errors
    /// When this host has no timers.
    pub fn schedule(&mut self, timer: Timer) -> Result<()> {
        self.host()?.schedule(timer)
    }

    /// Removes the timer of a key.
    ///
    /// # Errors
    /// When this host has no timers.
    pub fn cancel(&mut self, key: &[u8]) -> Result<()> {
        self.host()?.cancel(key)
    }

    fn host(&mut self) -> Result<&mut (dyn TransformHost + 'a)> {
        let message = "this transform needs state: run it in a connector of class tributary.StreamProcessor";
        self.host.as_deref_mut().ok_or_else(|| Error::config(message))
    }
}

impl fmt::Debug for TransformContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransformContext(now: {}, stateful: {})", self.now, self.host.is_some())
    }
}
