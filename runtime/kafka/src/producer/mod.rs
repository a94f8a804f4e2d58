mod queue_space;
mod serve;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;
use tributary_api::{Error, RecordMetadata, Result};
use tributary_librdkafka::{Client, Failure, TopicHandle, code};

use self::serve::{Deliveries, MissingOffset};
use crate::ClientConfig;
use crate::transaction::{OffsetsThread, TransactionGuard};

/// librdkafka's default.
const MAX_RECORD_BYTES: usize = 1_000_000;
/// What librdkafka counts for each record besides key, value and headers (`RD_KAFKAP_MESSAGE_V2_MAX_OVERHEAD`).
const RECORD_OVERHEAD: usize = 36;
/// Two lengths of at most five bytes.
const HEADER_OVERHEAD: usize = 10;

pub use tributary_librdkafka::ProducerRecord;

/// The sender's identification of a record; opaque to the producer.
pub type Token = u64;

/// The delivery report of one record.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The record's token.
    pub token: Token,
    /// Where it was written, or why it was not.
    pub result: Result<RecordMetadata, &'a Error>,
}

/// Receives delivery reports in batches, on the producer's delivery thread: it must not block, and must not wait for
/// the producer. Every record that [`Producer::send`] accepted is reported exactly once.
pub trait DeliveryListener: Send + Sync {
    /// These records are done.
    fn delivered(&self, deliveries: &[Delivery<'_>]);
}

/// What happens to a record that librdkafka considers written although no broker has returned its offset. An idempotent
/// producer does so when a batch failed and a broker accepted a later one, as brokers do for a producer that is new to
/// a partition, also after the topic was created again. The failed batch is not in the log then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unconfirmed {
    /// It is sent again, and is written after later records. After some failed attempts it is reported as failed.
    #[default]
    SendAgain,
    /// It is reported as failed, `Retriable`, for a sender that then repeats all later records too. Always so in a
    /// transaction, which must be aborted.
    Fail,
}

/// Options of a producer beyond its settings.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// What happens to a record without a confirmed offset.
    pub unconfirmed: Unconfirmed,
    /// Ends a wait for space in the queue.
    pub stop: CancellationToken,
    /// The least time between the end of a transaction and the first request of the next one. A request that arrives
    /// while the broker still completes the previous transaction is repeated after 20 ms: waiting a little is faster.
    pub transaction_guard: Duration,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            unconfirmed: Unconfirmed::default(),
            stop: CancellationToken::new(),
            transaction_guard: Duration::from_micros(2500),
        }
    }
}

/// Writes records. Shared by `Arc`; any thread may send.
///
/// Dropping it discards undelivered records: [`Producer::flush`] first.
pub struct Producer {
    topics: RwLock<HashMap<Box<str>, TopicHandle>>,
    deliveries: Deliveries,
    pub(crate) client: Arc<Client>,
    stop: CancellationToken,
    max_block: Duration,
    max_record_bytes: usize,
    pub(crate) guard: Option<TransactionGuard>,
    /// Created with the first offsets of a transaction.
    pub(crate) offsets_thread: Mutex<Option<OffsetsThread>>,
}

impl Producer {
    /// A producer with the usual options.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used.
    pub fn new(config: &ClientConfig, listener: Arc<dyn DeliveryListener>) -> Result<Self> {
        Self::with_options(config, listener, ProducerOptions::default())
    }

    /// A producer.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used.
    pub fn with_options(
        config: &ClientConfig,
        listener: Arc<dyn DeliveryListener>,
        options: ProducerOptions,
    ) -> Result<Self> {
        let settings = config.translate()?;
        let setting = |name: &str| settings.iter().rfind(|known| known.name == name).map(|known| &*known.value);
        let max_record_bytes = setting("message.max.bytes").and_then(|value| value.parse().ok());
        let acks = setting("acks").or_else(|| setting("request.required.acks"));
        let client = Client::producer(&settings)?;
        let transactional = config.get("transactional.id").is_some();
        let missing_offset = match options.unconfirmed {
            _ if acks == Some("0") => MissingOffset::NotAsked,
            Unconfirmed::SendAgain if !transactional => MissingOffset::SendAgain,
            Unconfirmed::SendAgain | Unconfirmed::Fail => MissingOffset::Fail,
        };
        Ok(Self {
            topics: RwLock::default(),
            deliveries: Deliveries::start(&client, listener, missing_offset)?,
            client,
            stop: options.stop,
            max_block: config.max_block()?,
            max_record_bytes: max_record_bytes.unwrap_or(MAX_RECORD_BYTES),
            guard: transactional.then(|| TransactionGuard::new(options.transaction_guard)),
            offsets_thread: Mutex::new(None),
        })
    }

    /// Queues a record for delivery. When the queue is full, waits for space: no longer than `max.block.ms`, and not
    /// beyond the stop of [`ProducerOptions`].
    ///
    /// # Errors
    /// The record was not accepted and will not be reported. `Retriable` when there was no space, `Data` when the
    /// record itself cannot be written, `Fatal` when the producer is of no use any more.
    pub fn send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()> {
        match self.offer(record, token) {
            Ok(()) => Ok(()),
            Err(failure) if failure.code == code::QUEUE_FULL => self.send_when_room(record, token),
            Err(failure) => Err(self.reason(failure, record)),
        }
    }

    /// As [`Producer::send`], but returns `false` at once when the queue is full.
    ///
    /// # Errors
    /// As for [`Producer::send`].
    pub fn try_send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<bool> {
        match self.offer(record, token) {
            Ok(()) => Ok(true),
            Err(failure) if failure.code == code::QUEUE_FULL => Ok(false),
            Err(failure) => Err(self.reason(failure, record)),
        }
    }

    /// Waits until every record accepted so far was reported.
    ///
    /// # Errors
    /// `Retriable` when the time was up before.
    pub fn flush(&self, timeout: Duration) -> Result<()> {
        self.client.flush(timeout).map_err(|failure| Error::from(failure).context("cannot flush the producer"))
    }

    /// The maximum size of a record including overhead: `max.request.size`.
    pub fn max_record_bytes(&self) -> usize {
        self.max_record_bytes
    }

    /// The bytes of a record with these of key and value and these headers, at most.
    pub fn record_bytes(key_and_value: usize, headers: impl Iterator<Item = usize>) -> usize {
        let headers: usize = headers.map(|bytes| bytes + HEADER_OVERHEAD).sum();
        key_and_value + headers + RECORD_OVERHEAD
    }

    /// Records accepted and not reported yet.
    pub fn in_flight(&self) -> usize {
        self.client.in_flight()
    }

    /// Whether the producer has failed for good: no record will be delivered any more.
    pub fn is_lost(&self) -> bool {
        self.client.is_lost()
    }

    /// Discards all undelivered records; they are reported as failed.
    pub fn purge(&self) {
        self.client.purge();
    }

    fn offer(&self, record: &ProducerRecord<'_>, token: Token) -> Result<(), Failure> {
        if let Some(guard) = &self.guard {
            guard.wait();
        }
        let topics = self.topics.read();
        if let Some(topic) = topics.get(record.topic) {
            return topic.produce(record, token);
        }
        drop(topics);
        let mut topics = self.topics.write();
        if !topics.contains_key(record.topic) {
            topics.insert(record.topic.into(), TopicHandle::new(&self.client, record.topic)?);
        }
        match topics.get(record.topic) {
            Some(topic) => topic.produce(record, token),
            None => Err(Failure::of(code::UNKNOWN_TOPIC_OR_PART)),
        }
    }

    #[cold]
    fn send_when_room(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()> {
        /// How soon a stop is noticed. Space is signalled, not polled for.
        const STOP_CHECK: Duration = Duration::from_millis(50);
        let begun = Instant::now();
        let waiter = self.deliveries.space().enter();
        loop {
            let seen = waiter.seen();
            match self.offer(record, token) {
                Ok(()) => return Ok(()),
                Err(failure) if failure.code == code::QUEUE_FULL => {}
                Err(failure) => return Err(self.reason(failure, record)),
            }
            if self.stop.is_cancelled() {
                return Err(Error::retriable("the producer's queue is full and the task is stopping"));
            }
            if begun.elapsed() >= self.max_block {
                let message = "the producer's queue stayed full: the broker is unreachable or too slow, raise \
                               buffer.memory or max.block.ms";
                return Err(Error::retriable(message).with_class("org.apache.kafka.common.errors.TimeoutException"));
            }
            waiter.wait(seen, STOP_CHECK);
        }
    }

    #[cold]
    fn reason(&self, failure: Failure, record: &ProducerRecord<'_>) -> Error {
        Error::from(self.client.reason(failure)).context(format!("cannot send a record to {}", record.topic))
    }

    /// How often a sender has waited for space in the queue.
    pub fn queue_full_count(&self) -> u64 {
        self.deliveries.space().waits()
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.topics.get_mut().clear();
        self.deliveries.give_up();
        if self.client.in_flight() > 0 {
            self.client.purge();
            // Only waits until the delivery thread has reported the purged records.
            let _ = self.client.flush(Duration::from_secs(1));
        }
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
