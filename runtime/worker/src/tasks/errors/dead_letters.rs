use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tributary_api::{Error, Result};
use tributary_control::TaskId;
use tributary_kafka::{
    Admin, ClientConfig, Created, Delivery, DeliveryListener, NewTopic, Producer, ProducerOptions, ProducerRecord,
    RawRecord, Token,
};

use super::{ErrorConfig, Failure};
use crate::tasks::{TaskContext, TaskMetrics, patient};

/// Where dead letters are written to.
pub(crate) trait DeadLetterSink: Send + Sync {
    /// As [`Producer::send`].
    fn send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()>;
}

impl DeadLetterSink for Producer {
    fn send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()> {
        Producer::send(self, record, token)
    }
}

/// The dead letter queue of a sink task: the records as they were consumed, with headers that tell what happened.
pub(crate) struct DeadLetters {
    topic: String,
    task: TaskId,
    context_headers: bool,
    sink: Arc<dyn DeadLetterSink>,
    outcome: Arc<Outcome>,
    metrics: Arc<TaskMetrics>,
}

/// What became of the letters sent.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    outstanding: AtomicU64,
    failed: Mutex<Option<Error>>,
    changed: Notify,
    metrics: Arc<TaskMetrics>,
}

impl DeadLetters {
    /// The queue that a connector names, its topic created if it is not there; none if it names none.
    ///
    /// # Errors
    /// When the topic cannot be created or the producer cannot be made.
    pub(crate) async fn open(cx: &TaskContext, config: &ErrorConfig) -> Result<Option<Self>> {
        let Some(topic) = config.dead_letter_topic.clone() else { return Ok(None) };
        let (id, worker, connector) = (&cx.spec.id, &cx.spec.worker, &cx.spec.connector);
        let within = |error: Error| error.context(format!("cannot set up the dead letter queue in topic {topic}"));
        let replication = if worker.embedded_broker { 1 } else { config.dead_letter_replication };
        create_topic(&worker.admin(&id.connector, id.task, connector), &topic, replication).await.map_err(within)?;
        let outcome = Arc::new(Outcome { metrics: Arc::clone(&cx.metrics), ..Outcome::default() });
        let client = patient(worker.dlq_producer(&id.connector, id.task, connector));
        let options = ProducerOptions { stop: cx.control.stopping().clone(), ..ProducerOptions::default() };
        let producer = Producer::with_options(&client, Arc::clone(&outcome) as _, options).map_err(within)?;
        let producer = Arc::new(producer);
        cx.control.on_abandon(&producer, Producer::purge);
        Ok(Some(Self::over(producer, outcome, topic, id.clone(), config, Arc::clone(&cx.metrics))))
    }

    /// A queue over any sink, whose deliveries the outcome hears of.
    pub(crate) fn over(
        sink: Arc<dyn DeadLetterSink>,
        outcome: Arc<Outcome>,
        topic: String,
        task: TaskId,
        config: &ErrorConfig,
        metrics: Arc<TaskMetrics>,
    ) -> Self {
        Self { topic, task, context_headers: config.dead_letter_headers, sink, outcome, metrics }
    }

    /// Sends a record to the queue. It is there only when [`delivered`](Self::delivered) has returned.
    ///
    /// # Errors
    /// When the producer does not take it.
    pub(crate) fn send(&self, raw: &RawRecord, failure: &Failure) -> Result<()> {
        let context = if self.context_headers { self.context(raw, failure) } else { Vec::new() };
        let own = raw.headers.iter().map(|(name, value)| (&**name, value.as_deref()));
        let added = context.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
        let headers: Vec<(&str, Option<&[u8]>)> = own.chain(added).collect();
        let record = ProducerRecord {
            topic: &self.topic,
            partition: None,
            key: raw.key.as_deref(),
            value: raw.value.as_deref(),
            headers: &headers,
            timestamp: raw.timestamp.filter(|timestamp| *timestamp >= 0),
        };
        self.metrics.errors.dlq_requests.add(1);
        self.outcome.outstanding.fetch_add(1, Ordering::AcqRel);
        self.sink.send(&record, 0).map_err(|error| {
            self.outcome.settle(1);
            self.metrics.errors.dlq_failures.add(1);
            error.context(format!("cannot write to the dead letter queue {}", self.topic))
        })
    }

    /// Waits until all letters sent so far are acknowledged.
    ///
    /// # Errors
    /// Fatal when one was lost: nothing behind it may be committed. `Retriable` when it takes too long.
    pub(crate) async fn delivered(&self, timeout: Duration) -> Result<()> {
        let settled = async {
            while self.outcome.outstanding.load(Ordering::Acquire) > 0 {
                self.outcome.changed.notified().await;
            }
        };
        let in_time = tokio::time::timeout(timeout, settled).await;
        if let Some(error) = self.outcome.error() {
            return Err(error);
        }
        in_time.map_err(|_| Error::retriable("dead letters are not acknowledged yet"))
    }

    fn context(&self, raw: &RawRecord, Failure { stage, class, error }: &Failure) -> Vec<(&'static str, String)> {
        vec![
            ("__connect.errors.topic", raw.topic.to_string()),
            ("__connect.errors.partition", raw.partition.to_string()),
            ("__connect.errors.offset", raw.offset.to_string()),
            ("__connect.errors.connector.name", self.task.connector.clone()),
            ("__connect.errors.task.id", self.task.task.to_string()),
            ("__connect.errors.stage", stage.name().to_owned()),
            ("__connect.errors.class.name", class.to_string()),
            ("__connect.errors.exception.class.name", error.class().to_owned()),
            ("__connect.errors.exception.message", error.to_string()),
            ("__connect.errors.exception.stacktrace", error.trace()),
        ]
    }
}

impl Outcome {
    fn settle(&self, letters: u64) {
        self.outstanding.fetch_sub(letters, Ordering::AcqRel);
        self.changed.notify_one();
    }

    fn error(&self) -> Option<Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl DeliveryListener for Outcome {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        for error in deliveries.iter().filter_map(|delivery| delivery.result.as_ref().err()) {
            tracing::error!(%error, "could not write a record to the dead letter queue");
            self.metrics.errors.dlq_failures.add(1);
            let error = Error::fatal("a record could not be written to the dead letter queue").cause(*error);
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        self.settle(deliveries.len() as u64);
    }
}

async fn create_topic(client: &ClientConfig, topic: &str, replication: i32) -> Result<()> {
    let admin = Admin::new(client)?;
    let found = admin.topics(&[topic.to_owned()]).await?;
    if found.iter().any(|found| found.partitions.is_some()) {
        return Ok(());
    }
    let new = NewTopic { name: topic.to_owned(), partitions: 1, replication, config: tributary_api::Props::new() };
    for (_, created) in admin.create_topics(vec![new]).await? {
        match created? {
            Created::New => tracing::info!(topic, "created the dead letter queue"),
            Created::Existed => {}
        }
    }
    Ok(())
}
