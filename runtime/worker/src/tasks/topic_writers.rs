use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tributary_api::{Error, Props, Result, TopicRecord, TopicWriter, TopicWriterOptions};
use tributary_control::TaskId;
use tributary_kafka::{
    Admin, ClientConfig, Delivery, DeliveryListener, NewTopic, Producer, ProducerRecord, Role, Token,
};

use super::{Control, TaskContext, own_producer};
use crate::clients::ensure_topics;
use crate::settings::WorkerSettings;

/// How often a full queue is tried again if no delivery reports free space.
const ROOM_CHECK: Duration = Duration::from_millis(50);
/// Connection and security settings: the admin client takes these over from the producer's.
const ACCESS: [&str; 4] = ["bootstrap.servers", "security.", "sasl.", "ssl."];

/// Creates topic writers for a task.
pub(crate) struct TopicWriters {
    task: TaskId,
    worker: Arc<WorkerSettings>,
    connector: Props,
    control: Arc<Control>,
}

impl TopicWriters {
    pub(crate) fn new(cx: &TaskContext) -> Self {
        let (spec, control) = (&cx.spec, Arc::clone(&cx.control));
        Self::of(spec.id.clone(), Arc::clone(&spec.worker), spec.connector.props.clone(), control)
    }

    /// Writers outside a task, for a connector's configuration with its variables resolved.
    pub(crate) fn of(task: TaskId, worker: Arc<WorkerSettings>, connector: Props, control: Arc<Control>) -> Self {
        Self { task, worker, connector, control }
    }

    /// Creates the topics that do not exist, and a producer for them.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used; when a topic cannot be created.
    pub(crate) async fn open(&self, options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>> {
        let (producer, admin) = writer_clients(&self.task, &self.worker, &self.connector, &options);
        self.create(&admin, options.topics).await?;
        let stop = self.control.stopping().clone();
        let pending = Arc::<Pending>::default();
        let producer = own_producer(&self.control, producer, Arc::clone(&pending) as _)?;
        Ok(Box::new(ProducerTopicWriter { producer, pending, stop }))
    }

    async fn create(&self, client: &ClientConfig, topics: Vec<tributary_api::NewTopic>) -> Result<()> {
        if topics.is_empty() {
            return Ok(());
        }
        let new = |topic: tributary_api::NewTopic| NewTopic {
            name: topic.name,
            partitions: topic.partitions,
            replication: if self.worker.embedded_broker { 1 } else { topic.replication_factor },
            config: topic.config,
        };
        ensure_topics(&Admin::new(client)?, topics.into_iter().map(new).collect()).await
    }
}

/// The settings of a writer's producer and of the client that creates its topics.
pub(crate) fn writer_clients(
    id: &TaskId,
    worker: &WorkerSettings,
    connector: &Props,
    options: &TopicWriterOptions,
) -> (ClientConfig, ClientConfig) {
    let alone = options.producer.contains_key("bootstrap.servers");
    let (producer, admin) = if alone {
        (ClientConfig::new(Role::Producer, &Props::new()), ClientConfig::new(Role::Admin, &Props::new()))
    } else {
        (worker.producer(&id.connector, id.task, connector), worker.admin(&id.connector, id.task, connector))
    };
    let is_access = |name: &str| ACCESS.iter().any(|access| name.starts_with(access));
    let access = options.producer.iter().filter(|(name, _)| is_access(name));
    let admin = all(admin, access);
    let producer = producer.set("client.id", format!("connector-topic-writer-{id}"));
    (all(producer, &options.producer), all(admin, &options.admin))
}

fn all<'a>(client: ClientConfig, settings: impl IntoIterator<Item = (&'a String, &'a String)>) -> ClientConfig {
    settings.into_iter().fold(client, |client, (name, value)| client.set(name, value))
}

/// A writer with its own producer.
struct ProducerTopicWriter {
    producer: Arc<Producer>,
    pending: Arc<Pending>,
    stop: CancellationToken,
}

#[async_trait]
impl TopicWriter for ProducerTopicWriter {
    async fn write(&self, records: Vec<TopicRecord>) -> Result<()> {
        let (write, done) = self.pending.begin();
        for record in &records {
            if let Err(error) = self.send(record, write.token).await {
                self.pending.failed(write.token, error.context(format!("cannot write to topic {}", record.topic)));
                break;
            }
        }
        // No more records will be sent: waits for those that were, even if sending one failed.
        drop(write);
        done.await.unwrap_or_else(|_| Err(Error::retriable("the producer is closed")))
    }
}

impl ProducerTopicWriter {
    /// Hands a record to the producer; waits for space in its queue without blocking the thread.
    async fn send(&self, record: &TopicRecord, token: Token) -> Result<()> {
        let headers: Vec<(&str, Option<&[u8]>)> =
            record.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
        let out = ProducerRecord {
            topic: &record.topic,
            partition: None,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
            timestamp: record.timestamp.filter(|timestamp| *timestamp >= 0),
        };
        loop {
            self.pending.sending(token);
            match self.producer.try_send(&out, token) {
                Ok(true) => return Ok(()),
                Ok(false) => self.pending.complete(token, None),
                Err(error) => {
                    self.pending.complete(token, None);
                    return Err(error);
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => {
                    return Err(Error::retriable("the producer's queue is full and the task is stopping"));
                }
                () = self.pending.room.notified() => {}
                () = tokio::time::sleep(ROOM_CHECK) => {}
            }
        }
    }
}

/// Writes with unacknowledged records.
#[derive(Default)]
struct Pending {
    writes: Mutex<HashMap<Token, Write>>,
    next: AtomicU64,
    room: Notify,
}

struct Write {
    /// Records that were sent and are not acknowledged.
    left: usize,
    /// Whether more may be sent.
    open: bool,
    error: Option<Error>,
    done: oneshot::Sender<Result<()>>,
}

/// A write that may send more records; it is complete when this is dropped and all its records are acknowledged.
struct OpenWrite<'a> {
    pending: &'a Pending,
    token: Token,
}

impl Drop for OpenWrite<'_> {
    fn drop(&mut self) {
        let mut writes = self.pending.writes();
        if let Some(write) = writes.get_mut(&self.token) {
            write.open = false;
        }
        finish(&mut writes, self.token);
    }
}

impl Pending {
    fn writes(&self) -> MutexGuard<'_, HashMap<Token, Write>> {
        self.writes.lock()
    }

    fn begin(&self) -> (OpenWrite<'_>, oneshot::Receiver<Result<()>>) {
        let token = self.next.fetch_add(1, Ordering::Relaxed);
        let (done, outcome) = oneshot::channel();
        self.writes().insert(token, Write { left: 0, open: true, error: None, done });
        (OpenWrite { pending: self, token }, outcome)
    }

    fn sending(&self, token: Token) {
        if let Some(write) = self.writes().get_mut(&token) {
            write.left += 1;
        }
    }

    fn failed(&self, token: Token, error: Error) {
        if let Some(write) = self.writes().get_mut(&token) {
            write.error.get_or_insert(error);
        }
    }

    fn complete(&self, token: Token, error: Option<&Error>) {
        complete(&mut self.writes(), token, error);
    }
}

fn complete(writes: &mut HashMap<Token, Write>, token: Token, error: Option<&Error>) {
    if let Some(write) = writes.get_mut(&token) {
        write.left = write.left.saturating_sub(1);
        if let Some(error) = error {
            write.error.get_or_insert_with(|| error.clone().context("a record was not written"));
        }
    }
    finish(writes, token);
}

fn finish(writes: &mut HashMap<Token, Write>, token: Token) {
    if writes.get(&token).is_some_and(|write| write.left == 0 && !write.open)
        && let Some(write) = writes.remove(&token)
    {
        // The receiver is gone if the caller was cancelled.
        let _ = write.done.send(write.error.map_or(Ok(()), Err));
    }
}

impl DeliveryListener for Pending {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        let mut writes = self.writes();
        for delivery in deliveries {
            complete(&mut writes, delivery.token, delivery.result.as_ref().err().copied());
        }
        drop(writes);
        self.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use tributary_api::RecordMetadata;

    use super::*;

    fn acknowledge(pending: &Pending, token: Token, error: Option<&Error>) {
        let result = error.map_or_else(|| Ok(metadata()), Err);
        pending.delivered(&[Delivery { token, result }]);
    }

    fn metadata() -> RecordMetadata {
        RecordMetadata::new(0, 0)
    }

    #[tokio::test]
    async fn a_write_ends_with_its_last_acknowledgement() {
        let pending = Pending::default();
        let (open, mut done) = pending.begin();
        let token = open.token;
        pending.sending(token);
        acknowledge(&pending, token, None);
        assert!(done.try_recv().is_err(), "more may come");
        pending.sending(token);
        drop(open);
        assert!(done.try_recv().is_err(), "one is not acknowledged");
        acknowledge(&pending, token, None);
        done.await.unwrap().unwrap();
        assert!(pending.writes().is_empty());
    }

    #[tokio::test]
    async fn one_lost_record_fails_its_write_and_no_other() {
        let pending = Pending::default();
        let ((one, one_done), (other, other_done)) = (pending.begin(), pending.begin());
        let (first, second) = (one.token, other.token);
        for token in [first, first, second] {
            pending.sending(token);
        }
        drop((one, other));
        acknowledge(&pending, first, Some(&Error::retriable("timed out")));
        acknowledge(&pending, second, None);
        acknowledge(&pending, first, None);
        assert!(one_done.await.unwrap().unwrap_err().to_string().contains("timed out"));
        other_done.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_cancelled_write_is_cleaned_up() {
        let pending = Pending::default();
        let (open, done) = pending.begin();
        let token = open.token;
        pending.sending(token);
        drop((open, done));
        acknowledge(&pending, token, None);
        assert!(pending.writes().is_empty());
    }
}
