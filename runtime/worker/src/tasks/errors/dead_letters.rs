//! Sends failed records of a sink to its dead letter queue, with headers that describe the failure.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tributary_api::{ByteString, Error, ErrorKind, Props, Result};
use tributary_control::TaskId;
use tributary_kafka::{Delivery, DeliveryListener, NewTopic, Producer, ProducerRecord, RawRecord, Token};

use super::{ErrorConfig, Failure};
use crate::clients::ensure_topics;
use crate::redaction::Redaction;
use crate::tasks::{TaskContext, TaskMetrics, own_producer};

/// What a dead letter queue uses of a producer.
pub(crate) trait DeadLetterSink: Send + Sync {
    /// As [`Producer::send`].
    fn send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()>;
}

impl DeadLetterSink for Producer {
    fn send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()> {
        Producer::send(self, record, token)
    }
}

/// The header that says what was left out of a record that is too long for the queue.
const OMITTED: &str = "__connect.errors.omitted";

/// The longest text in a header: an error message may quote the record.
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// A dead letter with a value of this length or more is kept until it is acknowledged, because the topic may refuse it
/// as too long.
const LONG_VALUE: usize = 4 * 1024;

/// The dead letter queue of a task: the consumed records, with headers that describe the failure. A record that is too
/// long is written without its value and, if that is still too long, without its key and its own headers.
pub(crate) struct DeadLetters {
    topic: String,
    task: TaskId,
    context_headers: bool,
    sink: Arc<dyn DeadLetterSink>,
    deliveries: Arc<DeadLetterDeliveries>,
    metrics: Arc<TaskMetrics>,
    redaction: Redaction,
}

/// Tracks the delivery of dead letters.
#[derive(Debug, Default)]
pub(crate) struct DeadLetterDeliveries {
    outstanding: AtomicU64,
    failed: Mutex<Option<Error>>,
    changed: Notify,
    metrics: Arc<TaskMetrics>,
    large: Mutex<LargeDeadLetters>,
}

/// Long dead letters in flight, without their values.
#[derive(Debug, Default)]
struct LargeDeadLetters {
    last: Token,
    sent: HashMap<Token, DeadLetter>,
    /// Refused as too large: to be sent again as they are here.
    refused: Vec<DeadLetter>,
}

/// A copy of a dead letter.
#[derive(Clone, Debug)]
struct DeadLetter {
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Vec<(ByteString, Option<Bytes>)>,
    timestamp: Option<i64>,
}

impl DeadLetters {
    /// The queue that a connector names, its topic created if it does not exist; none if it names none.
    ///
    /// # Errors
    /// When the topic or the producer cannot be created.
    pub(crate) async fn open(cx: &TaskContext, config: &ErrorConfig) -> Result<Option<Self>> {
        let Some(topic) = config.dead_letter_topic.clone() else { return Ok(None) };
        let (id, worker, connector) = (&cx.spec.id, &cx.spec.worker, &cx.spec.connector.props);
        let within = |error: Error| error.context(format!("cannot set up the dead letter queue in topic {topic}"));
        let replication = if worker.embedded_broker { 1 } else { config.dead_letter_replication };
        let letters = NewTopic { name: topic.clone(), partitions: 1, replication, config: Props::new() };
        let admin = worker.admin_client(connector).map_err(within)?;
        ensure_topics(&admin, vec![letters]).await.map_err(within)?;
        let deliveries =
            Arc::new(DeadLetterDeliveries { metrics: Arc::clone(&cx.metrics), ..DeadLetterDeliveries::default() });
        let client = worker.dlq_producer(&id.connector, id.task, connector);
        let producer = own_producer(&cx.control, client, Arc::clone(&deliveries) as _).map_err(within)?;
        let queue = Self::over(producer, deliveries, topic, id.clone(), config, Arc::clone(&cx.metrics));
        Ok(Some(queue.redacted(worker.redaction.clone())))
    }

    /// A queue over any sink that reports its deliveries to `deliveries`.
    pub(crate) fn over(
        sink: Arc<dyn DeadLetterSink>,
        deliveries: Arc<DeadLetterDeliveries>,
        topic: String,
        task: TaskId,
        config: &ErrorConfig,
        metrics: Arc<TaskMetrics>,
    ) -> Self {
        let redaction = Redaction::default();
        Self { topic, task, context_headers: config.dead_letter_headers, sink, deliveries, metrics, redaction }
    }

    /// A queue whose headers do not quote the values of configuration variables: not everyone who can read the topic
    /// may know them.
    pub(crate) fn redacted(self, redaction: Redaction) -> Self {
        Self { redaction, ..self }
    }

    /// Sends a record to the queue. It is durable only after [`delivered`](Self::delivered) has returned.
    ///
    /// # Errors
    /// When the producer refuses it.
    pub(crate) fn send(&self, raw: &RawRecord, failure: &Failure) -> Result<()> {
        let mut letter = DeadLetter {
            key: raw.key.clone(),
            value: raw.value.clone(),
            headers: raw.headers.clone(),
            timestamp: raw.timestamp.filter(|timestamp| *timestamp >= 0),
        };
        let context = if self.context_headers { self.context(raw, failure) } else { Vec::new() };
        letter.headers.extend(context.iter().cloned());
        self.metrics.errors.dlq_requests.add(1);
        self.deliveries.outstanding.fetch_add(1, Ordering::AcqRel);
        let token = if letter.value.as_ref().is_some_and(|value| value.len() >= LONG_VALUE) {
            self.deliveries.keep(letter.clone().without_value())
        } else {
            0
        };
        let sent = self.write(&letter, token).or_else(|error| {
            self.deliveries.forget(token);
            if error.kind() != ErrorKind::Data {
                return Err(error);
            }
            let bare = DeadLetter { headers: context, ..letter.clone() }.without_key();
            self.write(&letter.without_value(), 0).or_else(|_| self.write(&bare, 0))
        });
        sent.map_err(|error| {
            self.deliveries.acknowledged(1);
            self.metrics.errors.dlq_failures.add(1);
            error.context(format!("cannot write to the dead letter queue {}", self.topic))
        })
    }

    fn write(&self, letter: &DeadLetter, token: Token) -> Result<()> {
        let headers: Vec<(&str, Option<&[u8]>)> =
            letter.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
        let record = ProducerRecord {
            topic: &self.topic,
            partition: None,
            key: letter.key.as_deref(),
            value: letter.value.as_deref(),
            headers: &headers,
            timestamp: letter.timestamp,
        };
        self.sink.send(&record, token)
    }

    /// Waits until all dead letters sent so far are acknowledged.
    ///
    /// # Errors
    /// Fatal when one was lost: no later offset may be committed. `Retriable` when it takes too long.
    pub(crate) async fn delivered(&self, timeout: Duration) -> Result<()> {
        let settled = async {
            loop {
                self.send_refused()?;
                if self.deliveries.outstanding.load(Ordering::Acquire) == 0 {
                    return Ok(());
                }
                self.deliveries.changed.notified().await;
            }
        };
        let in_time = tokio::time::timeout(timeout, settled).await;
        if let Some(error) = self.deliveries.error() {
            return Err(error);
        }
        in_time.map_err(|_| Error::retriable("dead letters are not acknowledged yet"))?
    }

    /// Sends again, without their values, the dead letters that the topic refused as too long.
    fn send_refused(&self) -> Result<()> {
        for letter in self.deliveries.take_refused() {
            tracing::warn!(topic = self.topic, "a dead letter is too long for its topic: written without its value");
            self.write(&letter, 0).map_err(|error| {
                let error = error.context(format!("cannot write to the dead letter queue {}", self.topic));
                self.deliveries.lost(&error);
                self.deliveries.acknowledged(1);
                error
            })?;
        }
        Ok(())
    }

    fn context(&self, raw: &RawRecord, Failure { stage, class, error }: &Failure) -> Vec<(ByteString, Option<Bytes>)> {
        // Redacted before it is shortened: half a secret would not be found.
        let redacted_text = |text: String| cut(self.redaction.apply(&text).into_owned());
        let texts = [
            ("__connect.errors.topic", raw.topic.to_string()),
            ("__connect.errors.partition", raw.partition.to_string()),
            ("__connect.errors.offset", raw.offset.to_string()),
            ("__connect.errors.connector.name", self.task.connector.clone()),
            ("__connect.errors.task.id", self.task.task.to_string()),
            ("__connect.errors.stage", stage.name().to_owned()),
            ("__connect.errors.class.name", class.to_string()),
            ("__connect.errors.exception.class.name", error.class().to_owned()),
            ("__connect.errors.exception.message", redacted_text(error.to_string())),
            ("__connect.errors.exception.stacktrace", redacted_text(error.trace())),
        ];
        texts.into_iter().map(|(name, text)| header(name, text)).collect()
    }
}

impl DeadLetter {
    fn without_value(mut self) -> Self {
        let bytes = self.value.take().map_or(0, |value| value.len());
        self.headers.push(header(OMITTED, format!("value of {bytes} bytes")));
        self
    }

    fn without_key(mut self) -> Self {
        let length = |bytes: Option<Bytes>| bytes.map_or(0, |bytes| bytes.len());
        let (key, value) = (length(self.key.take()), length(self.value.take()));
        let text = format!("key of {key} bytes, value of {value} bytes and the record's own headers");
        self.headers.push(header(OMITTED, text));
        self
    }
}

fn header(name: &'static str, text: String) -> (ByteString, Option<Bytes>) {
    (ByteString::from_static(name), Some(text.into()))
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
        text.push_str("...");
    }
    text
}

impl DeadLetterDeliveries {
    fn acknowledged(&self, letters: u64) {
        self.outstanding.fetch_sub(letters, Ordering::AcqRel);
        self.changed.notify_one();
    }

    fn large(&self) -> parking_lot::MutexGuard<'_, LargeDeadLetters> {
        self.large.lock()
    }

    fn keep(&self, letter: DeadLetter) -> Token {
        let mut large = self.large();
        large.last += 1;
        let token = large.last;
        large.sent.insert(token, letter);
        token
    }

    fn forget(&self, token: Token) {
        if token != 0 {
            self.large().sent.remove(&token);
        }
    }

    fn take_refused(&self) -> Vec<DeadLetter> {
        std::mem::take(&mut self.large().refused)
    }

    /// Whether the topic refused a dead letter as too long that can be sent again without its value.
    fn is_refused(&self, token: Token, error: &Error) -> bool {
        let mut large = self.large();
        match large.sent.remove(&token) {
            Some(letter) if error.kind() == ErrorKind::Data => {
                large.refused.push(letter);
                true
            }
            _ => false,
        }
    }

    fn lost(&self, error: &Error) {
        tracing::error!(%error, "could not write a record to the dead letter queue");
        self.metrics.errors.dlq_failures.add(1);
        let error = Error::fatal("a record could not be written to the dead letter queue").cause(error);
        self.failed.lock().get_or_insert(error);
    }

    fn error(&self) -> Option<Error> {
        self.failed.lock().clone()
    }
}

impl DeliveryListener for DeadLetterDeliveries {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        let mut settled = 0;
        for Delivery { token, result } in deliveries {
            match result {
                Ok(_) => self.forget(*token),
                Err(error) if self.is_refused(*token, error) => continue,
                Err(error) => self.lost(error),
            }
            settled += 1;
        }
        self.acknowledged(settled);
    }
}
