use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tributary_api::TopicPartition;

use crate::config::Limits;
use crate::delivery::Delivery;
use crate::item::Item;
use crate::payload::Envelope;
use crate::shared::Shared;

/// The records of one partition, in order, and the worker that delivers them.
#[derive(Debug)]
pub(crate) struct PartitionQueue {
    pub(crate) envelope: Arc<Envelope>,
    /// Lower offsets are queued already, and are repeated when a batch is put again.
    pub(crate) floor: i64,
    /// Whether the partition is paused.
    pub(crate) paused: bool,
    queue: Arc<Queue>,
    worker: AbortHandle,
}

/// The queued records, shared with the worker.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    more: Notify,
    idle: Notify,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// The bytes of the queued records and of those that the worker has taken.
    bytes: usize,
    /// The first offset that the worker has taken and not completed.
    working: Option<i64>,
    /// The worker has ended.
    ended: bool,
    /// The task is called when at most this many records are left.
    low_water: Option<usize>,
}

impl PartitionQueue {
    /// Opens a partition and starts its worker.
    pub(crate) fn open(
        partition: &TopicPartition,
        first: i64,
        shared: &Arc<Shared>,
        workers: &mut JoinSet<()>,
    ) -> Self {
        let queue = Arc::<Queue>::default();
        let envelope = Arc::new(shared.settings.format.envelope(partition));
        let delivery = Delivery::new(partition.clone(), Arc::clone(shared), Arc::clone(&envelope), Arc::clone(&queue));
        let work = work(delivery, Arc::clone(shared), Arc::clone(&queue), Arc::clone(&envelope));
        Self { envelope, floor: first, paused: false, queue, worker: workers.spawn(work) }
    }

    pub(crate) fn push(&self, items: impl IntoIterator<Item = Item>) {
        let mut state = self.queue.state();
        for item in items {
            state.bytes += item.len();
            state.items.push_back(item);
        }
        drop(state);
        self.queue.more.notify_one();
    }

    /// The first offset that is not safe; none when all are.
    pub(crate) fn first_unsafe(&self) -> Option<i64> {
        let state = self.queue.state();
        state.working.or_else(|| state.items.front().map(|item| item.offset))
    }

    /// The number of queued records, and their bytes.
    pub(crate) fn held(&self) -> (usize, usize) {
        let state = self.queue.state();
        (state.items.len(), state.bytes)
    }

    /// Requests a call of the task when at most this many records are queued.
    pub(crate) fn set_low_water(&self, low_water: Option<usize>) {
        self.queue.state().low_water = low_water;
    }

    /// Waits for the end of the invocation in progress; no other is started once the task is stopping.
    pub(crate) async fn invocation_ended(&self) {
        loop {
            let changed = self.queue.idle.notified();
            {
                let state = self.queue.state();
                if state.ended || state.working.is_none() {
                    return;
                }
            }
            changed.await;
        }
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// All records below this offset are done, with this many bytes; none: all that the worker has taken.
    pub(crate) fn done(&self, next: Option<i64>, bytes: usize) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(bytes);
        state.working = next;
    }

    /// Takes a batch if one is ready; otherwise returns when the batch window ends.
    fn take(&self, limits: &Limits, envelope: &Envelope) -> Result<Vec<Item>, Option<Instant>> {
        let mut state = self.state();
        let Some(first) = state.items.front() else { return Err(None) };
        let due = first.at + limits.window;
        let (mut count, mut bytes) = (0, 0);
        let mut is_full = false;
        for item in &state.items {
            // A record that cannot be written forms a separate batch.
            let fits = item.written.is_ok() && envelope.size(count + 1, bytes + item.len()) <= limits.bytes;
            if count > 0 && !fits {
                is_full = true;
                break;
            }
            (count, bytes) = (count + 1, bytes + item.len());
            if count >= limits.records || item.written.is_err() {
                is_full = true;
                break;
            }
        }
        if !is_full && Instant::now() < due {
            return Err(Some(due));
        }
        let batch: Vec<Item> = state.items.drain(..count).collect();
        state.working = batch.first().map(|item| item.offset);
        Ok(batch)
    }

    fn is_low(&self) -> bool {
        let mut state = self.state();
        let is_low = state.low_water.is_some_and(|low| state.items.len() <= low);
        if is_low {
            state.low_water = None;
        }
        is_low
    }
}

/// Wakes those who wait for the worker when it ends, also after a panic.
struct NotifyOnDrop {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
}

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.queue.state().ended = true;
        self.queue.idle.notify_waiters();
        // The task notices a worker that panicked.
        self.shared.cx.set_timeout(Duration::ZERO);
    }
}

/// Delivers batches until the task is stopping or has failed.
async fn work(delivery: Delivery, shared: Arc<Shared>, queue: Arc<Queue>, envelope: Arc<Envelope>) {
    let _notify_on_drop = NotifyOnDrop { shared: Arc::clone(&shared), queue: Arc::clone(&queue) };
    let stopping = shared.cx.stopping().clone();
    while !stopping.is_cancelled() {
        match queue.take(&shared.settings.limits, &envelope) {
            Ok(batch) => {
                if queue.is_low() {
                    shared.cx.set_timeout(Duration::ZERO);
                }
                if delivery.deliver(batch).await.is_break() {
                    return;
                }
                queue.idle.notify_waiters();
            }
            Err(due) => {
                tokio::select! {
                    // More records, which may fill the batch.
                    () = queue.more.notified() => {}
                    () = stopping.cancelled() => {}
                    // The batch window has ended: the queued records are sent.
                    () = at(due) => {}
                }
            }
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
