use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use tributary_api::{Error, Record, Result, SinkHost, TopicPartition, TopicReader, TopicWriter, TopicWriterOptions};
use tributary_kafka::RawRecord;

use super::TopicReaders;
use crate::tasks::control::Wake;
use crate::tasks::errors::{ErrorOperator, FailedRecord, Failure, Stage};
use crate::tasks::{Decoder, TopicWriters};

/// Takes a sink plugin's requests to its task, from any thread. The loop carries them out before the next batch.
pub(crate) struct SinkTaskHost {
    requests: Mutex<Requests>,
    /// The consumed records of the batch being put; kept only if failed records are reported.
    at_plugin: Mutex<Vec<RawRecord>>,
    operator: Arc<ErrorOperator>,
    class: Arc<str>,
    decoder: Mutex<Decoder>,
    readers: TopicReaders,
    writers: TopicWriters,
    /// Ends the loop's wait for records.
    wake: Wake,
}

/// The parts of a host.
pub(crate) struct HostParts {
    pub(crate) decoder: Decoder,
    pub(crate) readers: TopicReaders,
    pub(crate) writers: TopicWriters,
}

/// Requests that are not carried out yet.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub(crate) assignment: BTreeSet<TopicPartition>,
    /// Paused by the plugin: kept across rebalances for partitions that stay assigned.
    pub(crate) paused: BTreeSet<TopicPartition>,
    pub(crate) to_pause: Vec<TopicPartition>,
    pub(crate) to_resume: Vec<TopicPartition>,
    pub(crate) seeks: BTreeMap<TopicPartition, i64>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) commit: bool,
    /// The loop waits and has to be woken to see a request.
    waiting: bool,
}

impl Requests {
    /// The loop is about to wait; `false` when there are requests to carry out first.
    pub(super) fn wait(&mut self) -> bool {
        let nothing = self.to_pause.is_empty() && self.to_resume.is_empty() && self.seeks.is_empty() && !self.commit;
        self.waiting = nothing;
        nothing
    }

    /// The loop no longer waits: it need not be woken.
    pub(super) fn end_wait(&mut self) {
        self.waiting = false;
    }
}

impl SinkTaskHost {
    pub(crate) fn new(operator: Arc<ErrorOperator>, class: Arc<str>, parts: HostParts, wake: Wake) -> Self {
        let HostParts { decoder, readers, writers } = parts;
        Self {
            wake,
            requests: Mutex::default(),
            at_plugin: Mutex::default(),
            operator,
            class,
            decoder: Mutex::new(decoder),
            readers,
            writers,
        }
    }

    pub(crate) fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock()
    }

    fn ask(&self, request: impl FnOnce(&mut Requests)) {
        let waiting = {
            let mut requests = self.requests();
            request(&mut requests);
            std::mem::take(&mut requests.waiting)
        };
        if waiting {
            (self.wake)();
        }
    }

    /// Exchanges the consumed records of the batch being put.
    pub(crate) fn swap_batch(&self, raw: &mut Vec<RawRecord>) {
        std::mem::swap(&mut *self.at_plugin.lock(), raw);
    }

    /// The record as consumed, or converted back if the consumed bytes are no longer held.
    fn consumed(&self, record: &Record) -> Result<RawRecord> {
        let Some((topic, partition, offset)) = record.consumed_from() else {
            return Err(Error::fatal("a reported record must keep its origin"));
        };
        let place = |raw: &&RawRecord| raw.offset == offset && raw.partition == partition && raw.topic == *topic;
        if let Some(raw) = self.at_plugin.lock().iter().find(place) {
            return Ok(raw.clone());
        }
        self.decoder.lock().encode_again(record)
    }
}

#[async_trait]
impl SinkHost for SinkTaskHost {
    fn assignment(&self) -> Vec<TopicPartition> {
        self.requests().assignment.iter().cloned().collect()
    }

    fn pause(&self, partitions: &[TopicPartition]) {
        self.ask(|requests| {
            requests.paused.extend(partitions.iter().cloned());
            requests.to_resume.retain(|resumed| !partitions.contains(resumed));
            requests.to_pause.extend_from_slice(partitions);
        });
    }

    fn resume(&self, partitions: &[TopicPartition]) {
        self.ask(|requests| {
            requests.paused.retain(|paused| !partitions.contains(paused));
            requests.to_pause.retain(|paused| !partitions.contains(paused));
            requests.to_resume.extend_from_slice(partitions);
        });
    }

    fn seek(&self, partition: &TopicPartition, offset: i64) {
        self.ask(|requests| {
            requests.seeks.insert(partition.clone(), offset);
        });
    }

    fn set_timeout(&self, timeout: Duration) {
        self.ask(|requests| requests.timeout = Some(timeout));
    }

    fn request_commit(&self) {
        self.ask(|requests| requests.commit = true);
    }

    fn can_report(&self) -> bool {
        self.operator.reports()
    }

    fn report(&self, record: &Record, error: &Error) -> Result<()> {
        let failure = Failure::new(Stage::TaskPut, &self.class, error.clone());
        if self.operator.dead_letters().is_none() && !self.operator.logs_records() {
            return self.operator.give_up(&failure, FailedRecord::Unknown);
        }
        self.operator.give_up(&failure, FailedRecord::Consumed(&self.consumed(record)?))
    }

    async fn reader(&self, partition: &TopicPartition, from: i64, most: usize) -> Result<Box<dyn TopicReader>> {
        self.readers.open(partition, from, most).await
    }

    async fn topic_writer(&self, options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>> {
        self.writers.open(options).await
    }
}
