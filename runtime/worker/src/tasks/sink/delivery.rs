use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tributary_api::time::now_ms;
use tributary_api::{Backoff, Error, Result, TopicPartition};
use tributary_kafka::RawRecord;

use super::batch::OffsetRange;
use super::partitions::Partitions;
use super::plugin::SinkPlugin;
use super::{Batch, RecordConsumer, SinkTaskHost};
use crate::tasks::errors::ErrorOperator;
use crate::tasks::{Decoder, PluginCalls, TaskMetrics};

const FIRST_RETRY: Duration = Duration::from_millis(300);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Delivers records to the plugin: one batch at a time, the same one again after a retriable error, records that were
/// read meanwhile after it (I6).
pub(super) struct Delivery {
    decoder: Decoder,
    operator: Arc<ErrorOperator>,
    host: Arc<SinkTaskHost>,
    metrics: Arc<TaskMetrics>,
    /// Being put, or waiting to be put again.
    batch: Batch,
    /// Read before the partitions were paused for a retry.
    backlog: VecDeque<Vec<RawRecord>>,
    retry: Option<Retry>,
}

/// The batch is put again because the plugin returned a retriable error.
#[derive(Clone, Copy, Debug)]
struct Retry {
    attempt: u32,
    at: Instant,
}

impl Delivery {
    pub(super) fn new(
        decoder: Decoder,
        operator: Arc<ErrorOperator>,
        host: Arc<SinkTaskHost>,
        metrics: Arc<TaskMetrics>,
    ) -> Self {
        let (batch, backlog) = (Batch::default(), VecDeque::new());
        Self { decoder, operator, host, metrics, batch, backlog, retry: None }
    }

    /// When the batch is put again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry.map(|retry| retry.at)
    }

    pub(super) fn is_retrying(&self) -> bool {
        self.retry.is_some()
    }

    /// Keeps records that were read during a retry.
    pub(super) fn keep<I>(&mut self, raw: Vec<RawRecord>, partitions: &mut Partitions<I>) {
        for record in &raw {
            let partition = TopicPartition::new(Arc::clone(&record.topic), record.partition);
            partitions.progress.read(&partition, record.offset);
        }
        self.backlog.push_back(raw);
    }

    /// The first records that were kept, unless a batch is still to be put again.
    pub(super) fn next_kept(&mut self) -> Option<Vec<RawRecord>> {
        if self.is_retrying() { None } else { self.backlog.pop_front() }
    }

    /// Converts and transforms records into the next batch, and returns the offsets read; `None` when the task is asked
    /// to stop meanwhile.
    pub(super) async fn fill(&mut self, raw: Vec<RawRecord>) -> Result<Option<&[OffsetRange]>> {
        self.metrics.sink.read.add(raw.len());
        self.batch.clear();
        let fill = self.batch.fill(raw, &mut self.decoder, &self.operator, now_ms());
        if !PluginCalls::default().call("a transform or converter", fill).await? {
            self.batch.clear();
            return Ok(None);
        }
        Ok(Some(&self.batch.ranges))
    }

    /// Puts the batch. On a retriable error all partitions are paused and the same batch is put again.
    pub(super) async fn put<I: RecordConsumer>(
        &mut self,
        plugin: &mut SinkPlugin,
        partitions: &mut Partitions<I>,
    ) -> Result<()> {
        if self.operator.reports() {
            self.host.swap_batch(&mut self.batch.raw);
        }
        let started = Instant::now();
        let outcome = plugin.put(&self.batch.records).await;
        if self.operator.reports() {
            self.host.swap_batch(&mut self.batch.raw);
        }
        match outcome {
            Ok(()) => {
                self.metrics.sink.put_time.record_time(started.elapsed());
                self.metrics.put(self.batch.records.len());
                for range in &self.batch.ranges {
                    partitions.progress.delivered(&range.partition, range.next);
                }
                self.end_batch(partitions)
            }
            Err(error) if error.is_retriable() && !plugin.is_broken() => {
                self.put_later(&error);
                partitions.pause_for_retry(true)
            }
            Err(error) => {
                let text = "Exiting WorkerSinkTask due to unrecoverable exception.";
                Err(Error::fatal(text).cause(&error))
            }
        }
    }

    fn put_later(&mut self, error: &Error) {
        let attempt = self.retry.map_or(1, |retry| retry.attempt + 1);
        let asked = self.host.requests().timeout.take().or_else(|| error.retry_after());
        let delay = asked.unwrap_or_else(|| Backoff::new(FIRST_RETRY, LAST_RETRY).after(attempt - 1).next_wait());
        tracing::warn!(%error, attempt, delay_ms = delay.as_millis(), "put failed, the same batch is put again");
        self.retry = Some(Retry { attempt, at: Instant::now() + delay });
    }

    /// Discards records of these partitions that were read and not yet put.
    pub(super) fn discard<I: RecordConsumer>(
        &mut self,
        of: &[TopicPartition],
        partitions: &mut Partitions<I>,
    ) -> Result<()> {
        self.batch.forget(of);
        for raw in &mut self.backlog {
            raw.retain(|raw| !of.iter().any(|tp| tp.partition == raw.partition && tp.topic == raw.topic));
        }
        self.backlog.retain(|raw| !raw.is_empty());
        if self.is_retrying() && self.batch.ranges.is_empty() { self.end_batch(partitions) } else { Ok(()) }
    }

    fn end_batch<I: RecordConsumer>(&mut self, partitions: &mut Partitions<I>) -> Result<()> {
        self.batch.clear();
        self.retry = None;
        partitions.pause_for_retry(false)
    }
}
