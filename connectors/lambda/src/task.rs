use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tributary_api::{Config, Error, ErrorKind, Offsets, Record, Result, SinkTask, SinkTaskContext, TopicPartition};

use crate::client::connect;
use crate::config::{Flavour, OnError, Settings};
use crate::invoke::Invoker;
use crate::item::{Item, KeptParts};
use crate::partition_queue::PartitionQueue;
use crate::report::Reporter;
use crate::shared::{Shared, TaskSignal};

/// A partition with more queued records is paused, unless its batches are larger.
const QUEUE_RECORDS: usize = 5_000;
/// A partition with more queued bytes is paused.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// With more bytes queued in all partitions, every partition with queued records is paused.
const MAX_QUEUED_BYTES: usize = 32 * 1024 * 1024;
/// How often paused partitions are checked, in case no worker calls the task.
const RESUME_CHECK: Duration = Duration::from_millis(250);
/// How long a stopping task waits for running functions; the runtime gives it 5 s by default.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Sends the records of its partitions to functions.
///
/// `put` only queues: a function may run longer than a consumer may go without polling. Each partition has a worker
/// that sends one event at a time.
#[derive(Debug)]
pub(crate) struct LambdaTask {
    shared: Arc<Shared>,
    kept: KeptParts,
    queues: BTreeMap<TopicPartition, PartitionQueue>,
    workers: JoinSet<()>,
}

#[async_trait]
impl SinkTask for LambdaTask {
    async fn put(&mut self, records: &[Record]) -> Result<()> {
        self.handle_signals()?;
        self.take(records)?;
        self.adjust_pauses();
        Ok(())
    }

    async fn pre_commit(&mut self, offsets: &Offsets) -> Result<Offsets> {
        if self.shared.cx.stopping().is_cancelled() {
            self.wait_for_functions().await;
        }
        let safe = |(partition, consumed): (&TopicPartition, &i64)| {
            let first = self.queues.get(partition).and_then(PartitionQueue::first_unsafe);
            (partition.clone(), first.map_or(*consumed, |first| first.min(*consumed)))
        };
        Ok(offsets.iter().map(safe).collect())
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.queues.retain(|partition, _| !partitions.contains(partition));
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.queues.clear();
        self.workers.shutdown().await;
        Ok(())
    }
}

impl LambdaTask {
    pub(crate) async fn start(cx: SinkTaskContext, config: Config, flavour: Flavour) -> Result<Self> {
        let settings = Arc::new(Settings::new(flavour, &config)?);
        let client = connect(&settings.access).await?;
        let reporter = match &settings.reports {
            Some(reports) => Some(Reporter::open(&cx, reports).await?),
            None => None,
        };
        let kept = KeptParts { record: settings.on_error == OnError::Fail && cx.can_report(), key: reporter.is_some() };
        let invoker = Invoker::new(client, Arc::clone(&settings));
        let shared = Arc::new(Shared::new(cx, settings, invoker, reporter));
        Ok(Self { shared, kept, queues: BTreeMap::new(), workers: JoinSet::new() })
    }

    /// Handles the signals of the workers.
    fn handle_signals(&mut self) -> Result<()> {
        for signal in self.shared.take_signals() {
            match signal {
                TaskSignal::Bad { records, error, acknowledged } => {
                    records.iter().try_for_each(|record| self.shared.cx.report(record, &error))?;
                    // The receiver is gone if its partition was revoked.
                    let _ = acknowledged.send(());
                }
                TaskSignal::Fatal(error) => return Err(error),
            }
        }
        while let Some(ended) = self.workers.try_join_next() {
            match ended {
                Err(error) if error.is_panic() => {
                    return Err(Error::fatal("a partition's worker panicked").cause(&error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn take(&mut self, records: &[Record]) -> Result<()> {
        let now = Instant::now();
        let mut floors: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        for run in records.chunk_by(is_same_partition) {
            let (topic, partition, first) = origin(&run[0])?;
            let place = TopicPartition::new(Arc::clone(topic), partition);
            let (shared, workers, kept) = (&self.shared, &mut self.workers, self.kept);
            let queue = self
                .queues
                .entry(place.clone())
                .or_insert_with(|| PartitionQueue::open(&place, first, shared, workers));
            let (mut items, mut scratch) = (Vec::with_capacity(run.len()), Vec::new());
            for record in run {
                let (_, _, offset) = origin(record)?;
                if offset < queue.floor {
                    continue;
                }
                let written = write(shared, queue, record, &mut scratch)?;
                items.push(Item::new(record, offset, written, kept, now));
                floors.insert(place.clone(), offset + 1);
            }
            queue.push(items);
        }
        // Only after the loop, because a transform may have made several records with one offset.
        for (place, floor) in floors {
            if let Some(queue) = self.queues.get_mut(&place) {
                queue.floor = floor;
            }
        }
        Ok(())
    }

    /// Pauses partitions with too much queued, and resumes those that have drained.
    fn adjust_pauses(&mut self) {
        let most = QUEUE_RECORDS.max(self.shared.settings.limits.records.saturating_mul(2));
        let total: usize = self.queues.values().map(|queue| queue.held().1).sum();
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for (partition, queue) in &mut self.queues {
            let (records, bytes) = queue.held();
            let is_full = records > most || bytes > QUEUE_BYTES || (total > MAX_QUEUED_BYTES && bytes > 0);
            let is_low =
                records <= most / 2 && bytes <= QUEUE_BYTES / 2 && (total <= MAX_QUEUED_BYTES / 2 || bytes == 0);
            if !queue.paused && is_full {
                queue.paused = true;
                queue.set_low_water(Some(most / 2));
                pause.push(partition.clone());
            } else if queue.paused && is_low {
                queue.paused = false;
                queue.set_low_water(None);
                resume.push(partition.clone());
            }
        }
        let cx = &self.shared.cx;
        if !pause.is_empty() {
            cx.pause(&pause);
        }
        if !resume.is_empty() {
            cx.resume(&resume);
        }
        if self.queues.values().any(|queue| queue.paused) {
            cx.set_timeout(RESUME_CHECK);
        }
    }

    /// Waits for running functions, so that their records are not delivered again.
    async fn wait_for_functions(&self) {
        let all = async {
            for queue in self.queues.values() {
                queue.invocation_ended().await;
            }
        };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::warn!("functions are still running: their records will be sent again");
        }
    }
}

/// The record as written in an event, or the reason why it cannot be written.
fn write(
    shared: &Shared,
    queue: &PartitionQueue,
    record: &Record,
    scratch: &mut Vec<u8>,
) -> Result<Result<Box<[u8]>, String>> {
    let settings = &shared.settings;
    scratch.clear();
    match settings.format.write(record, scratch) {
        Ok(()) => {
            let (size, limit) = (queue.envelope.size(1, scratch.len()), settings.limits.bytes);
            if size > limit {
                let reason =
                    format!("the record alone is an event of {size} bytes, and no more than {limit} are taken");
                return Ok(Err(reason));
            }
            Ok(Ok(scratch.as_slice().into()))
        }
        Err(error) if error.kind() == ErrorKind::Data => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

fn is_same_partition(one: &Record, other: &Record) -> bool {
    let place = |record: &Record| record.consumed_from().map(|(topic, partition, _)| (Arc::as_ptr(topic), partition));
    place(one) == place(other)
}

fn origin(record: &Record) -> Result<(&Arc<str>, i32, i64)> {
    record.consumed_from().ok_or_else(|| {
        Error::fatal(
            "a record has lost its topic, partition and offset: correct the \
                                                       transforms",
        )
    })
}
