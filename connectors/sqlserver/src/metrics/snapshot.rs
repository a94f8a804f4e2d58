use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tributary_api::{Gauge, GaugeFunction, PluginMetrics, Result};

use super::{Events, NEVER, SNAPSHOT, add, count, flag, float};
use crate::clock::now_millis;
use crate::table::TableId;

/// How many characters of a key are shown.
const SHOWN: usize = 200;

/// The metrics of the snapshots of one database, of whichever kind: there is one at a time.
pub(crate) struct SnapshotMetrics {
    registry: PluginMetrics,
    server: String,
    database: String,
    events: Arc<Events>,
    times: Arc<Times>,
    running: Gauge,
    paused: Gauge,
    completed: Gauge,
    aborted: Gauge,
    skipped: Gauge,
    tables: Gauge,
    remaining: Gauge,
    is_running: bool,
    /// How many rows of each table were read.
    scanned: HashMap<TableId, Gauge>,
    current: Option<TableId>,
    /// How many parts each table has that several connections read, and how many of them are read.
    parts: HashMap<TableId, [Gauge; 2]>,
    /// What is known of the chunk of an incremental snapshot, and of its table.
    chunk: Vec<Gauge>,
    table: Vec<Gauge>,
    /// Computed when metrics are read.
    _computed: [GaugeFunction; 2],
}

/// When a snapshot began and ended, in milliseconds since 1970.
#[derive(Debug, Default)]
struct Times {
    /// 0: there was none.
    began: AtomicI64,
    /// 0: it runs.
    ended: AtomicI64,
    /// 0: it is not paused.
    paused: AtomicI64,
    /// How long it was paused before.
    pauses: AtomicI64,
}

/// The keys of a chunk's first and last rows.
#[derive(Clone, Debug)]
pub(crate) struct ChunkShown<'a> {
    pub(crate) id: &'a str,
    pub(crate) from: String,
    pub(crate) to: String,
    /// The last key of the table if this is the table's first chunk.
    pub(crate) table_to: Option<String>,
}

impl SnapshotMetrics {
    pub(super) fn new(registry: &PluginMetrics, server: &str, database: &str) -> Result<Self> {
        let tags = [("context", SNAPSHOT), ("server", server), ("database", database)];
        let gauge = |name: &str, description: &str| registry.gauge(name, description, &tags);
        let times = Arc::<Times>::default();
        let seconds = |name: &str, description: &str, seconds: fn(&Times) -> i64| {
            let times = Arc::clone(&times);
            registry.gauge_function(name, description, &tags, move || float(seconds(&times)))
        };
        Ok(Self {
            events: Arc::new(Events { last: NEVER.into(), ..Events::default() }),
            running: gauge("SnapshotRunning", "Whether a snapshot is taken: 1 or 0.")?,
            paused: gauge("SnapshotPaused", "Whether the incremental snapshot is paused: 1 or 0.")?,
            completed: gauge("SnapshotCompleted", "Whether the last snapshot is complete: 1 or 0.")?,
            aborted: gauge("SnapshotAborted", "Whether the last snapshot was broken off: 1 or 0.")?,
            skipped: gauge("SnapshotSkipped", "Whether the start needed no snapshot: 1 or 0.")?,
            tables: gauge("TotalTableCount", "The tables whose rows the snapshot reads.")?,
            remaining: gauge("RemainingTableCount", "Those of them that are not read yet.")?,
            _computed: [
                seconds("SnapshotDurationInSeconds", "How long the last snapshot took, or has taken.", Times::seconds)?,
                seconds(
                    "SnapshotPausedDurationInSeconds",
                    "How long the incremental snapshot was paused, or has been.",
                    Times::paused_seconds,
                )?,
            ],
            registry: registry.clone(),
            server: server.to_owned(),
            database: database.to_owned(),
            times,
            is_running: false,
            scanned: HashMap::new(),
            current: None,
            parts: HashMap::new(),
            chunk: Vec::new(),
            table: Vec::new(),
        })
    }

    pub(super) fn events(&self) -> &Arc<Events> {
        &self.events
    }

    pub(crate) fn is_running(&self) -> bool {
        self.is_running
    }

    /// A snapshot begins that reads the rows of this many tables.
    pub(crate) fn begins(&mut self, tables: usize) {
        self.scanned.clear();
        self.current = None;
        self.parts.clear();
        self.set(true, false, [false, false]);
        self.skipped.set(0.0);
        self.tables.set(count(tables));
        self.remaining.set(count(tables));
        self.times.begin();
    }

    /// More tables are to be read.
    pub(crate) fn more_tables(&self, tables: usize, remaining: usize) {
        self.tables.add(count(tables));
        self.remaining.set(count(remaining));
    }

    /// The rows of a table are read from here on.
    pub(crate) fn table_begins(&mut self, id: &TableId) {
        self.current = Some(id.clone());
        if self.scanned.contains_key(id) {
            return;
        }
        let name = id.in_database();
        match self.gauge("RowsScanned", "Rows of a table that the snapshot has read.", ("table", &name)) {
            Ok(gauge) => drop(self.scanned.insert(id.clone(), gauge)),
            // The number of metrics is limited, the number of tables is not.
            Err(error) => tracing::debug!(table = %id, %error, "the rows of a table get no metric"),
        }
    }

    /// `rows` of the table were read, `more` of them since the last call.
    pub(crate) fn rows(&self, rows: u64, more: u64) {
        if let Some(gauge) = self.current.as_ref().and_then(|current| self.scanned.get(current)) {
            gauge.set(float(i64::try_from(rows).unwrap_or(i64::MAX)));
        }
        add(&self.events.all, i64::try_from(more).unwrap_or(0));
        self.events.last.store(now_millis(), Ordering::Relaxed);
    }

    /// Several connections read a table in parts.
    pub(crate) fn parts(&mut self, id: &TableId, all: usize, read: usize) {
        if !self.parts.contains_key(id) {
            let name = id.in_database();
            let gauge = |gauge, description| self.gauge(gauge, description, ("table", &name));
            let all = gauge("TableChunkCounts", "The parts that several connections read a table in.");
            let gauges = all.and_then(|all| Ok([all, gauge("TableChunksCompletedCounts", "Those that are read.")?]));
            match gauges {
                Ok(gauges) => drop(self.parts.insert(id.clone(), gauges)),
                Err(error) => tracing::debug!(table = %id, %error, "the parts of a table get no metric"),
            }
        }
        if let Some([gauge, of_read]) = self.parts.get(id) {
            gauge.set(count(all));
            of_read.set(count(read));
        }
    }

    /// A chunk was read. It is shown until the next one is, or its table ends. Texts are tags: metrics are numbers.
    pub(crate) fn chunk(&mut self, shown: &ChunkShown<'_>) {
        self.chunk.clear();
        let described = [
            ("ChunkId", "The id of the chunk that was read last.", shown.id),
            ("ChunkFrom", "The key of its first row.", &shown.from),
            ("ChunkTo", "The key of its last row.", &shown.to),
        ];
        self.chunk = described.into_iter().filter_map(|described| self.text(described)).collect();
        if let Some(to) = &shown.table_to {
            self.table.clear();
            let described = [
                ("TableFrom", "The key of the first row of the table that is read.", &*shown.from),
                ("TableTo", "The key of the last row that is read of it.", to),
            ];
            self.table = described.into_iter().filter_map(|described| self.text(described)).collect();
        }
    }

    /// A table was read to its end; `remaining` are left.
    pub(crate) fn table_ends(&mut self, remaining: usize) {
        self.remaining.set(count(remaining));
        self.chunk.clear();
        self.table.clear();
    }

    pub(crate) fn ends(&mut self, complete: bool) {
        self.set(false, false, [complete, !complete]);
        self.chunk.clear();
        self.table.clear();
        self.times.end();
    }

    pub(crate) fn pauses(&mut self) {
        self.set(false, true, [false, false]);
        self.times.paused.store(now_millis(), Ordering::Relaxed);
    }

    pub(crate) fn resumes(&mut self) {
        self.set(true, false, [false, false]);
        self.times.resume();
    }

    /// The start needed no snapshot.
    pub(crate) fn skipped(&self) {
        self.skipped.set(1.0);
    }

    fn set(&mut self, running: bool, paused: bool, [completed, aborted]: [bool; 2]) {
        self.is_running = running || paused;
        self.running.set(flag(running));
        self.paused.set(flag(paused));
        self.completed.set(flag(completed));
        self.aborted.set(flag(aborted));
    }

    /// A text, as the tag of a metric that is 1.
    fn text(&self, (name, description, text): (&str, &str, &str)) -> Option<Gauge> {
        let shown: String = text.chars().take(SHOWN).collect();
        let gauge = self.gauge(name, description, ("value", &shown));
        let gauge = gauge.inspect_err(|error| tracing::debug!(name, %error, "a chunk gets no metric")).ok()?;
        gauge.set(1.0);
        Some(gauge)
    }

    fn gauge(&self, name: &str, description: &str, tag: (&str, &str)) -> Result<Gauge> {
        let tags = [("context", SNAPSHOT), ("server", &*self.server), ("database", &*self.database), tag];
        self.registry.gauge(name, description, &tags)
    }
}

impl Times {
    fn begin(&self) {
        for (time, value) in [(&self.began, now_millis()), (&self.ended, 0), (&self.paused, 0), (&self.pauses, 0)] {
            time.store(value, Ordering::Relaxed);
        }
    }

    fn resume(&self) {
        let paused = self.paused.swap(0, Ordering::Relaxed);
        if paused > 0 {
            add(&self.pauses, now_millis() - paused);
        }
    }

    fn end(&self) {
        self.resume();
        self.ended.store(now_millis(), Ordering::Relaxed);
    }

    fn seconds(&self) -> i64 {
        match (self.began.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed)) {
            (0, _) => 0,
            (began, 0) => (now_millis() - began) / 1000,
            (began, ended) => (ended - began) / 1000,
        }
    }

    fn paused_seconds(&self) -> i64 {
        let now = match self.paused.load(Ordering::Relaxed) {
            0 => 0,
            paused => now_millis() - paused,
        };
        (self.pauses.load(Ordering::Relaxed) + now) / 1000
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn id(name: &str) -> TableId {
        TableId { database: "shop".into(), schema: "dbo".into(), name: name.to_owned().into() }
    }

    fn metrics() -> (PluginMetrics, SnapshotMetrics) {
        let registry = PluginMetrics::new([("connector", "shop")]);
        let metrics = SnapshotMetrics::new(&registry, "server", "shop").unwrap();
        (registry, metrics)
    }

    fn value(registry: &PluginMetrics, name: &str) -> Option<f64> {
        registry.samples().into_iter().find(|sample| sample.name == name).map(|sample| sample.value)
    }

    fn texts(registry: &PluginMetrics) -> Vec<String> {
        let text = |sample: tributary_api::MetricSample| {
            let (tag, value) = sample.tags.last()?;
            (tag == "value").then(|| format!("{} {value} {}", sample.name, sample.value))
        };
        registry.samples().into_iter().filter_map(text).collect()
    }

    #[test]
    fn a_snapshot_shows_how_far_it_is() {
        let (registry, mut metrics) = metrics();
        let values = |names: [&str; 5]| names.map(|name| value(&registry, name).unwrap());
        metrics.begins(2);
        metrics.table_begins(&id("t"));
        metrics.rows(7, 7);
        metrics.table_ends(1);
        let names = ["RowsScanned", "TotalTableCount", "RemainingTableCount", "SnapshotRunning", "SnapshotAborted"];
        assert_eq!(values(names), [7.0, 2.0, 1.0, 1.0, 0.0]);
        // The same table once more, as when it is named twice: no other table gets its rows.
        metrics.table_begins(&id("u"));
        metrics.table_begins(&id("t"));
        metrics.rows(9, 9);
        let scanned: Vec<f64> =
            registry.samples().into_iter().filter(|sample| sample.name == "RowsScanned").map(|s| s.value).collect();
        assert_eq!(scanned, [9.0, 0.0]);
        metrics.parts(&id("t"), 4, 0);
        metrics.parts(&id("t"), 4, 3);
        let parts = ["TableChunkCounts", "TableChunksCompletedCounts"].map(|name| value(&registry, name).unwrap());
        assert_eq!(parts, [4.0, 3.0]);
        metrics.ends(false);
        assert_eq!(values(names)[3..], [0.0, 1.0]);
        assert!(registry.samples().iter().all(|sample| sample.value.is_finite()));
    }

    #[test]
    fn a_pause_is_no_end() {
        let (registry, mut metrics) = metrics();
        let values =
            || ["SnapshotRunning", "SnapshotPaused", "SnapshotCompleted"].map(|name| value(&registry, name).unwrap());
        metrics.begins(1);
        metrics.pauses();
        assert_eq!((values(), metrics.is_running()), ([0.0, 1.0, 0.0], true));
        metrics.times.paused.fetch_sub(5_000, Ordering::Relaxed);
        assert!(value(&registry, "SnapshotPausedDurationInSeconds").is_some_and(|seconds| seconds >= 5.0));
        metrics.resumes();
        assert_eq!(values(), [1.0, 0.0, 0.0]);
        assert!(value(&registry, "SnapshotPausedDurationInSeconds").is_some_and(|seconds| seconds >= 5.0));
        metrics.ends(true);
        assert_eq!((values(), metrics.is_running()), ([0.0, 0.0, 1.0], false));
    }

    #[test]
    fn the_last_chunk_is_shown_until_its_table_ends() {
        let (registry, mut metrics) = metrics();
        let chunk = |id, from: &str, to: &str, table: Option<&str>| ChunkShown {
            id,
            from: from.to_owned(),
            to: to.to_owned(),
            table_to: table.map(str::to_owned),
        };
        metrics.chunk(&chunk("x", "[1]", "[2]", Some("[9]")));
        metrics.chunk(&chunk("y", "[3]", "[4]", None));
        let expected = ["ChunkFrom [3] 1", "ChunkId y 1", "ChunkTo [4] 1", "TableFrom [1] 1", "TableTo [9] 1"];
        assert_eq!(texts(&registry), expected);
        metrics.table_ends(0);
        assert_eq!(texts(&registry), [""; 0]);
    }
}
