use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tributary_api::{Error, RecordMetadata, Result};
use tributary_librdkafka::Client;

use crate::{ClientConfig, Delivery, DeliveryListener, Producer, ProducerRecord, Token};

/// Writes records of a log and waits for their acknowledgements.
pub(super) struct Writer {
    producer: Arc<Producer>,
    waiting: Arc<Waiting>,
    next: AtomicU64,
}

type Answer = oneshot::Receiver<Result<RecordMetadata>>;

/// How often a full queue is tried again; a log's queue is hardly ever full.
const STEP: Duration = Duration::from_millis(10);
/// How long closing waits for what was written.
const CLOSE: Duration = Duration::from_secs(5);

impl Writer {
    pub(super) fn new(config: &ClientConfig) -> Result<Self> {
        let waiting = Arc::new(Waiting::default());
        let listener: Arc<dyn DeliveryListener> = waiting.clone();
        Ok(Self { producer: Arc::new(Producer::new(config, listener)?), waiting, next: AtomicU64::new(0) })
    }

    /// A client whose requests are not delayed by a waiting fetch.
    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.producer.client)
    }

    pub(super) async fn write(&self, topic: &str, key: &[u8], value: Option<&[u8]>) -> Result<RecordMetadata> {
        done(self.send(topic, key, value).await?).await
    }

    pub(super) async fn write_all(
        &self,
        topic: &str,
        records: &[(Bytes, Option<Bytes>)],
    ) -> Result<Vec<RecordMetadata>> {
        let mut answers = Vec::with_capacity(records.len());
        for (key, value) in records {
            answers.push(self.send(topic, key, value.as_deref()).await?);
        }
        let mut written = Vec::with_capacity(answers.len());
        for answer in answers {
            written.push(done(answer).await?);
        }
        Ok(written)
    }

    pub(super) async fn close(&self) {
        let producer = Arc::clone(&self.producer);
        let flushed = tokio::task::spawn_blocking(move || producer.flush(CLOSE)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "closing a log with records not delivered");
        }
    }

    async fn send(&self, topic: &str, key: &[u8], value: Option<&[u8]>) -> Result<Answer> {
        let token = self.next.fetch_add(1, Ordering::Relaxed);
        let answer = self.waiting.add(token);
        let record = ProducerRecord { topic, key: Some(key), value, ..ProducerRecord::default() };
        loop {
            match self.producer.try_send(&record, token) {
                Ok(true) => return Ok(answer),
                Ok(false) => tokio::time::sleep(STEP).await,
                Err(error) => {
                    self.waiting.remove(token);
                    return Err(error);
                }
            }
        }
    }
}

async fn done(answer: Answer) -> Result<RecordMetadata> {
    answer.await.unwrap_or_else(|_| Err(Error::retriable("the log was closed before the record was acknowledged")))
}

/// Writers that wait, by the token of their record. Bounded by the producer's queue.
#[derive(Default)]
struct Waiting(Mutex<HashMap<Token, oneshot::Sender<Result<RecordMetadata>>>>);

impl Waiting {
    fn add(&self, token: Token) -> Answer {
        let (done, answer) = oneshot::channel();
        self.0.lock().insert(token, done);
        answer
    }

    fn remove(&self, token: Token) {
        self.0.lock().remove(&token);
    }
}

impl DeliveryListener for Waiting {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        let mut waiting = self.0.lock();
        for delivery in deliveries {
            if let Some(done) = waiting.remove(&delivery.token) {
                // The receiver may be gone.
                let _ = done.send(delivery.result.map_err(Clone::clone));
            }
        }
    }
}
