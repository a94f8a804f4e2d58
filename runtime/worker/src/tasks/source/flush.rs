use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tributary_api::{Error, Result};

use super::Deliveries;
use crate::tasks::{Control, OffsetStore, TaskMetrics};

/// Stores the offsets of acknowledged records at an interval, concurrently with `poll`, one batch at a time. The
/// plugin's `commit` is called only after they are durable (I2).
pub(crate) struct OffsetFlusher {
    connector: String,
    store: Arc<dyn OffsetStore>,
    deliveries: Arc<Deliveries>,
    control: Arc<Control>,
    metrics: Arc<TaskMetrics>,
    ticks: Interval,
    timeout: Duration,
    running: Option<BoxFuture<'static, Result<()>>>,
    started: Instant,
    commit_due: bool,
}

impl OffsetFlusher {
    pub(crate) fn new(
        connector: String,
        store: Arc<dyn OffsetStore>,
        deliveries: Arc<Deliveries>,
        control: Arc<Control>,
        metrics: Arc<TaskMetrics>,
        (interval, timeout): (Duration, Duration),
    ) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started = Instant::now();
        Self {
            connector,
            store,
            deliveries,
            control,
            metrics,
            ticks,
            timeout,
            running: None,
            started,
            commit_due: false,
        }
    }

    /// Stores offsets at the interval and never returns. Cancel safe: it may be dropped and called again at any time.
    pub(crate) async fn serve(&mut self) -> Infallible {
        loop {
            match &mut self.running {
                None => {
                    self.ticks.tick().await;
                    self.begin();
                }
                Some(running) => {
                    let outcome = running.await;
                    self.end(outcome);
                }
            }
        }
    }

    /// Stores all offsets that may be stored now, and waits until they are.
    pub(crate) async fn flush(&mut self) {
        if let Some(running) = self.running.take() {
            let outcome = running.await;
            self.end(outcome);
        }
        self.begin();
        if let Some(running) = self.running.take() {
            let outcome = running.await;
            self.end(outcome);
        }
    }

    /// Whether the plugin's `commit` is to be called now; true once for each time offsets were stored.
    pub(crate) fn take_commit_due(&mut self) -> bool {
        std::mem::take(&mut self.commit_due)
    }

    fn begin(&mut self) {
        if self.control.is_abandoned() {
            return;
        }
        let storable = self.deliveries.in_flight().take_storable();
        self.started = Instant::now();
        if storable.is_empty() {
            self.commit_due = true;
            return;
        }
        let (store, connector, timeout) = (Arc::clone(&self.store), self.connector.clone(), self.timeout);
        let offsets = storable.into_iter().map(|(partition, offset)| (partition, Some(offset))).collect();
        let write = async move {
            let written = tokio::time::timeout(timeout, store.put(&connector, offsets)).await;
            let late = |_| Error::retriable(format!("storing offsets took longer than {} ms", timeout.as_millis()));
            written.map_err(late).flatten()
        };
        self.running = Some(write.boxed());
    }

    fn end(&mut self, outcome: Result<()>) {
        self.running = None;
        self.deliveries.in_flight().stored(outcome.is_ok());
        self.metrics.offsets_committed(self.started.elapsed(), outcome.is_ok());
        match outcome {
            Ok(()) => self.commit_due = true,
            Err(error) => tracing::error!(%error, "could not store offsets, trying again with the next interval"),
        }
    }
}
