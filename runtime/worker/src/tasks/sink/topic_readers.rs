use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tributary_api::time::now_ms;
use tributary_api::{Error, PluginRegistry, Props, Record, Result, TopicPartition, TopicReader};
use tributary_kafka::{ClientConfig, Consumer, Polled, Position};

use crate::tasks::{BlockingPart, Decoder, StatelessHost, blocking};

/// Readers at a time; each has its own consumer.
const MAX_READERS: usize = 4;
/// How long one call may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often the position is checked: at the end of a log there may be only transaction markers, which are never
/// delivered as records.
const POSITION_CHECK: Duration = Duration::from_millis(100);

/// Creates readers of partitions that are independent of the task's consumer.
#[derive(Clone)]
pub(crate) struct TopicReaders {
    client: ClientConfig,
    connector: Props,
    worker: Props,
    plugins: PluginRegistry,
    slots: Arc<Semaphore>,
}

/// One reader.
struct PartitionReader {
    end: i64,
    log: BlockingPart<OpenPartition>,
}

/// A partition being read.
struct OpenPartition {
    partition: TopicPartition,
    consumer: Consumer,
    decoder: Decoder,
    next: i64,
    end: i64,
    _slot: OwnedSemaphorePermit,
}

impl TopicReaders {
    pub(crate) fn new(client: ClientConfig, connector: Props, worker: Props, plugins: PluginRegistry) -> Self {
        Self { client, connector, worker, plugins, slots: Arc::new(Semaphore::new(MAX_READERS)) }
    }

    /// A reader from an offset to the current end of the log: of at most the last `most` records, and of those that
    /// retention has left.
    ///
    /// # Errors
    /// `Retriable` when the broker does not answer in time.
    pub(crate) async fn open(
        &self,
        partition: &TopicPartition,
        from: i64,
        most: usize,
    ) -> Result<Box<dyn TopicReader>> {
        let closed = |_| Error::fatal("the task has ended");
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(closed)?;
        let (readers, partition) = (self.clone(), partition.clone());
        let log = blocking(move || readers.open_blocking(partition, (from, most), slot)).await??;
        Ok(Box::new(PartitionReader { end: log.end, log: BlockingPart::new(log) }))
    }

    fn open_blocking(
        &self,
        partition: TopicPartition,
        (from, most): (i64, usize),
        slot: OwnedSemaphorePermit,
    ) -> Result<OpenPartition> {
        let mut consumer = Consumer::assign(&self.client, &[])?;
        // Not beyond the last stable offset: later records may belong to an open transaction.
        let committed = consumer.end_offsets(std::slice::from_ref(&partition), true, DEADLINE)?;
        let (low, high) = consumer.watermarks(&partition, DEADLINE)?;
        let end = committed.get(&partition).copied().unwrap_or(high);
        let next = from.max(low).max(end.saturating_sub(i64::try_from(most).unwrap_or(i64::MAX)));
        consumer.accept_at(&[(partition.clone(), Position::At(next))])?;
        let decoder = Decoder::for_sink(&self.connector, &self.worker, &self.plugins)?;
        Ok(OpenPartition { partition, consumer, decoder, next, end, _slot: slot })
    }
}

#[async_trait]
impl TopicReader for PartitionReader {
    fn end(&self) -> i64 {
        self.end
    }

    async fn read(&mut self, max_records: usize) -> Result<Vec<Record>> {
        self.log.call(move |log| log.read(max_records)).await?
    }
}

impl OpenPartition {
    fn read(&mut self, max_records: usize) -> Result<Vec<Record>> {
        let deadline = Instant::now() + DEADLINE;
        let mut host = StatelessHost { now: now_ms() };
        let mut records = Vec::new();
        while self.next < self.end && records.is_empty() {
            if Instant::now() >= deadline {
                return Err(Error::retriable(format!(
                    "reading {} from {} on took too long",
                    self.partition, self.next
                )));
            }
            match self.consumer.poll(max_records, POSITION_CHECK)? {
                Polled::Records(raw) => {
                    for raw in raw {
                        if raw.offset >= self.end {
                            self.next = self.end;
                            break;
                        }
                        self.next = raw.offset + 1;
                        if let Err(failure) = self.decoder.run(raw, &mut host, &mut records) {
                            tracing::debug!(error = %failure.error, "left out a record that cannot be converted");
                        }
                    }
                }
                Polled::Idle => {
                    if let Some(position) = self.consumer.position(&self.partition)? {
                        self.next = self.next.max(position);
                    }
                }
                Polled::Assigned(_) | Polled::Revoked { .. } => {}
            }
        }
        Ok(records)
    }
}
