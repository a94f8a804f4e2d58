use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tributary_api::{Error, PluginRegistry, Props, Record, Result, TopicPartition};
use tributary_kafka::{ClientConfig, Consumer, Polled, Position};

use crate::tasks::{Decoder, Stateless, now_ms};

/// Reads at a time, each with a consumer of its own.
const CONCURRENT: usize = 4;
/// How long one read may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// Records fetched at a time.
const BATCH: usize = 1_000;

/// Reads ranges of topics again, beside the task's own consumer.
#[derive(Clone)]
pub(crate) struct Reader {
    client: ClientConfig,
    connector: Props,
    worker: Props,
    plugins: PluginRegistry,
    slots: Arc<Semaphore>,
}

impl Reader {
    pub(crate) fn new(client: ClientConfig, connector: Props, worker: Props, plugins: PluginRegistry) -> Self {
        Self { client, connector, worker, plugins, slots: Arc::new(Semaphore::new(CONCURRENT)) }
    }

    /// Reads up to so many records from an offset on, to the end of the log at most, converted and transformed as the
    /// task's records are. A record that cannot be converted is left out: the task's own reading has reported it.
    ///
    /// # Errors
    /// `Data` when the offset is gone, `Retriable` when the broker does not answer in time.
    pub(crate) async fn read(&self, partition: &TopicPartition, from: i64, max: usize) -> Result<Vec<Record>> {
        let closed = |_| Error::fatal("the task is gone");
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(closed)?;
        let (reader, partition) = (self.clone(), partition.clone());
        let read = tokio::task::spawn_blocking(move || {
            let outcome = reader.read_blocking(&partition, from, max);
            drop(slot);
            outcome
        });
        read.await.map_err(|error| Error::fatal("reading a range again failed").cause(&error))?
    }

    fn read_blocking(&self, partition: &TopicPartition, from: i64, max: usize) -> Result<Vec<Record>> {
        let deadline = Instant::now() + DEADLINE;
        let mut consumer = Consumer::assign(&self.client, &[(partition.clone(), Position::At(from))])?;
        let (low, high) = consumer.watermarks(partition, DEADLINE)?;
        if from < low {
            return Err(Error::data(format!("offset {from} of {partition} is gone: the log starts at {low}")));
        }
        let mut decoder = Decoder::for_sink(&self.connector, &self.worker, &self.plugins)?;
        let mut host = Stateless { now: now_ms() };
        let mut records = Vec::new();
        let mut next = from;
        let mut taken = 0;
        while next < high && taken < max {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::retriable(format!("reading {partition} from {from} on took too long")));
            }
            match consumer.poll(BATCH.min(max - taken), left.min(Duration::from_secs(1)))? {
                Polled::Records(raw) => {
                    for raw in raw.into_iter().take(max - taken) {
                        next = raw.offset + 1;
                        taken += 1;
                        if let Err(failure) = decoder.run(raw, &mut host, &mut records) {
                            tracing::debug!(error = %failure.error, "left out a record that cannot be converted");
                        }
                    }
                }
                // Behind the last record there may be none but markers of transactions: the position tells.
                Polled::Idle => match consumer.position(partition)? {
                    Some(position) if position >= high => break,
                    _ => {}
                },
                Polled::Assigned(_) | Polled::Revoked { .. } => {}
            }
        }
        consumer.close();
        Ok(records)
    }
}
