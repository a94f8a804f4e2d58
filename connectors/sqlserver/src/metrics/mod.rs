//! The connector's metrics, with Debezium's names.

mod snapshot;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tributary_api::{Gauge, GaugeFunction, PluginMetrics, Result};

pub(crate) use self::snapshot::ChunkShown;
use self::snapshot::SnapshotMetrics;
use crate::clock::now_millis;
use crate::lsn::Lsn;

const STREAMING: &str = "streaming";
const SNAPSHOT: &str = "snapshot";

/// The value for a time when nothing has happened yet.
const NEVER: i64 = -1;

/// Counters of one phase of a reader's work: snapshot or streaming.
#[derive(Debug, Default)]
struct Events {
    all: AtomicI64,
    created: AtomicI64,
    updated: AtomicI64,
    deleted: AtomicI64,
    unchanged: AtomicI64,
    transactions: AtomicI64,
    behind: AtomicI64,
    /// When the last event was.
    last: AtomicI64,
}

/// Selects one of the counters.
type Count = fn(&Events) -> &AtomicI64;

/// The operation of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Update,
    Delete,
}

/// The metrics of one database.
pub(crate) struct Metrics {
    registry: PluginMetrics,
    server: String,
    database: String,
    streaming: Arc<Events>,
    pub(crate) snapshot: SnapshotMetrics,
    transaction: Option<Lsn>,
    shown: Vec<GaugeFunction>,
    connected: Gauge,
}

impl Metrics {
    pub(crate) fn new(registry: &PluginMetrics, server: &str, database: &str) -> Result<Self> {
        let mut metrics = Self {
            registry: registry.clone(),
            server: server.to_owned(),
            database: database.to_owned(),
            streaming: Arc::new(Events { last: NEVER.into(), ..Events::default() }),
            snapshot: SnapshotMetrics::new(registry, server, database)?,
            transaction: None,
            shown: Vec::new(),
            connected: registry.gauge(
                "Connected",
                "Whether changes are read: 1 or 0.",
                &[("context", STREAMING), ("server", server), ("database", database)],
            )?,
        };
        metrics.show(STREAMING)?;
        metrics.show(SNAPSHOT)?;
        Ok(metrics)
    }

    fn show(&mut self, context: &'static str) -> Result<()> {
        let events = if context == STREAMING { &self.streaming } else { self.snapshot.events() };
        let tags = [("context", context), ("server", self.server.as_str()), ("database", self.database.as_str())];
        let counts: [(&str, &str, Count); 7] = [
            ("TotalNumberOfEventsSeen", "Rows or changes that were read.", |events| &events.all),
            ("TotalNumberOfCreateEventsSeen", "Inserts among them.", |events| &events.created),
            ("TotalNumberOfUpdateEventsSeen", "Updates among them.", |events| &events.updated),
            ("TotalNumberOfDeleteEventsSeen", "Deletes among them.", |events| &events.deleted),
            ("NumberOfUnchangedEventsSkipped", "Updates left out by skip.messages.without.change.", |events| {
                &events.unchanged
            }),
            ("NumberOfCommittedTransactions", "Transactions that changes were read of.", |events| &events.transactions),
            ("MilliSecondsBehindSource", "How long after its transaction the last change was read.", |events| {
                &events.behind
            }),
        ];
        for (name, description, count) in counts {
            let events = Arc::clone(events);
            let read = move || float(count(&events).load(Ordering::Relaxed));
            self.shown.push(self.registry.gauge_function(name, description, &tags, read)?);
        }
        let events = Arc::clone(events);
        let since = move || match events.last.load(Ordering::Relaxed) {
            NEVER => float(NEVER),
            last => float(now_millis() - last),
        };
        let description = "Time since the last row or change was read; -1 before the first.";
        self.shown.push(self.registry.gauge_function("MilliSecondsSinceLastEvent", description, &tags, since)?);
        Ok(())
    }

    /// Counts a change, whose transaction ended at `nanos`.
    pub(crate) fn changed(&mut self, kind: Kind, commit: Lsn, nanos: i64, sent: bool) {
        let now = now_millis();
        let events = &self.streaming;
        if !sent {
            add(&events.unchanged, 1);
            return;
        }
        add(&events.all, 1);
        add(
            match kind {
                Kind::Create => &events.created,
                Kind::Update => &events.updated,
                Kind::Delete => &events.deleted,
            },
            1,
        );
        if self.transaction.replace(commit) != Some(commit) {
            add(&events.transactions, 1);
        }
        events.behind.store((now - nanos.div_euclid(1_000_000)).max(0), Ordering::Relaxed);
        events.last.store(now, Ordering::Relaxed);
    }

    pub(crate) fn connected(&self, connected: bool) {
        self.connected.set(flag(connected));
    }
}

fn add(count: &AtomicI64, more: i64) {
    count.fetch_add(more, Ordering::Relaxed);
}

fn flag(flag: bool) -> f64 {
    f64::from(u8::from(flag))
}

fn count(count: usize) -> f64 {
    float(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Integers beyond 53 bits are rounded.
#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
fn float(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn value(registry: &PluginMetrics, name: &str, context: &str) -> Option<f64> {
        let tag = ("context".to_owned(), context.to_owned());
        let of = |sample: &tributary_api::MetricSample| sample.name == name && sample.tags.contains(&tag);
        registry.samples().into_iter().find(of).map(|sample| sample.value)
    }

    #[test]
    fn changes_are_counted_by_their_kind() {
        let registry = PluginMetrics::new([("connector", "shop")]);
        let mut metrics = Metrics::new(&registry, "server", "shop").unwrap();
        assert_eq!(value(&registry, "MilliSecondsSinceLastEvent", STREAMING), Some(-1.0));
        let (one, two) = (Lsn::ZERO, Lsn::ZERO.incremented());
        for (kind, commit) in [(Kind::Create, one), (Kind::Update, one), (Kind::Delete, two)] {
            metrics.changed(kind, commit, (now_millis() - 5_000) * 1_000_000, true);
        }
        metrics.changed(Kind::Update, two, 0, false);
        let streaming = |name| value(&registry, name, STREAMING);
        assert_eq!(streaming("TotalNumberOfEventsSeen"), Some(3.0));
        assert_eq!(streaming("TotalNumberOfUpdateEventsSeen"), Some(1.0));
        assert_eq!(streaming("NumberOfUnchangedEventsSkipped"), Some(1.0));
        assert_eq!(streaming("NumberOfCommittedTransactions"), Some(2.0));
        assert!(streaming("MilliSecondsBehindSource").is_some_and(|behind| behind >= 5_000.0));
    }
}
