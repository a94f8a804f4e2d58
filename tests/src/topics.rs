use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message as _};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

const TIMEOUT: Duration = Duration::from_secs(120);

/// One record of a topic, as an independent client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The partition it was in.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// `None` for a null key.
    pub key: Option<Vec<u8>>,
    /// `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// In their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since 1970, if it has a time.
    pub timestamp: Option<i64>,
}

impl Message {
    /// The key as text; empty for a null key.
    pub fn key_text(&self) -> String {
        String::from_utf8_lossy(self.key.as_deref().unwrap_or_default()).into_owned()
    }

    /// The value as text; empty for a tombstone.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }
}

/// A unique name for topics, groups and connectors on a shared server.
pub fn unique(stem: &str) -> String {
    format!("{stem}-{:08x}", rand::random::<u32>())
}

/// Creates a topic with one replica.
pub async fn create_topic(bootstrap: &str, topic: &str, partitions: i32) -> Result<()> {
    create_topic_with(bootstrap, topic, partitions, &[]).await
}

/// Creates a topic with one replica and settings like `("cleanup.policy", "compact")`.
pub async fn create_topic_with(bootstrap: &str, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
    create(bootstrap, topic, partitions, TopicReplication::Fixed(1), settings).await
}

/// Creates a topic of one partition with a replica on each of these nodes, of which the first one leads.
pub async fn create_topic_on(bootstrap: &str, topic: &str, nodes: &[i32], settings: &[(&str, &str)]) -> Result<()> {
    create(bootstrap, topic, 1, TopicReplication::Variable(&[nodes]), settings).await
}

/// The node that leads partition 0 of a topic, and how many replicas are in sync. For `__consumer_offsets` and
/// `__transaction_state` with one partition that node is the coordinator of all groups and transactions.
pub async fn leader(bootstrap: &str, topic: &str) -> Result<(i32, usize)> {
    let (config, topic) = (client(bootstrap), topic.to_owned());
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create()?;
        let metadata = consumer.fetch_metadata(Some(&topic), TIMEOUT)?;
        let partition = metadata.topics().first().and_then(|one| one.partitions().first());
        let partition = partition.with_context(|| format!("there is no topic {topic}"))?;
        Ok((partition.leader(), partition.isr().len()))
    })
    .await?
}

/// Writes `(key, value)` records in order, by Java's partitioning, and waits until the broker has acknowledged all.
pub async fn produce<R>(bootstrap: &str, topic: &str, records: R) -> Result<()>
where
    R: IntoIterator<Item = (Option<Vec<u8>>, Vec<u8>)> + Send + 'static,
{
    let mut config = client(bootstrap);
    config.set("enable.idempotence", "true").set("partitioner", "murmur2_random").set("linger.ms", "5");
    let topic = topic.to_owned();
    tokio::task::spawn_blocking(move || {
        let producer: ThreadedProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
        for (key, value) in records {
            let mut record = BaseRecord::<Vec<u8>, Vec<u8>>::to(&topic).payload(&value);
            if let Some(key) = &key {
                record = record.key(key);
            }
            while let Err((error, rejected)) = producer.send(record) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(error).context("produce");
                }
                producer.poll(Duration::from_millis(10));
                record = rejected;
            }
        }
        producer.flush(TIMEOUT).context("wait for the acknowledgement of all records")?;
        match producer.context().first_failure() {
            Some(error) => Err(error).context("deliver a record"),
            None => Ok(()),
        }
    })
    .await?
}

/// Reads a topic from its start to its end, without a group. With `read_committed` the end is the first open
/// transaction. Sorted by partition, then by offset.
pub async fn consume_all(bootstrap: &str, topic: &str, read_committed: bool) -> Result<Vec<Message>> {
    let mut config = client(bootstrap);
    config
        .set("group.id", unique("reader"))
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("isolation.level", if read_committed { "read_committed" } else { "read_uncommitted" });
    let topic = topic.to_owned();
    tokio::task::spawn_blocking(move || read_to_end(&config.create()?, &topic)).await?
}

/// The offset after the last record of each partition.
pub async fn end_offsets(bootstrap: &str, topic: &str) -> Result<BTreeMap<i32, i64>> {
    let config = client(bootstrap);
    let topic = topic.to_owned();
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create()?;
        let mut ends = BTreeMap::new();
        for partition in partitions(&consumer, &topic)? {
            ends.insert(partition, consumer.fetch_watermarks(&topic, partition, TIMEOUT)?.1);
        }
        Ok(ends)
    })
    .await?
}

/// The committed offsets of a consumer group for a topic, by partition; one without an offset is absent.
pub async fn committed_offsets(bootstrap: &str, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>> {
    let mut config = client(bootstrap);
    config.set("group.id", group);
    let topic = topic.to_owned();
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create()?;
        let mut asked = TopicPartitionList::new();
        for partition in partitions(&consumer, &topic)? {
            asked.add_partition(&topic, partition);
        }
        let committed = consumer.committed_offsets(asked, TIMEOUT)?;
        let offsets = committed.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => Some((element.partition(), offset)),
            _ => None,
        });
        Ok(offsets.collect())
    })
    .await?
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("broker.address.family", "v4");
    config
}

async fn create(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    replication: TopicReplication<'_>,
    settings: &[(&str, &str)],
) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create()?;
    let new = NewTopic::new(topic, partitions, replication);
    let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
    for result in admin.create_topics([&new], &options).await? {
        result.map_err(|(topic, code)| anyhow::anyhow!("create topic {topic}: {code}"))?;
    }
    let (config, topic) = (client(bootstrap), topic.to_owned());
    tokio::task::spawn_blocking(move || wait_for_topic(&config.create()?, &topic)).await?
}

/// The controller answers before the broker knows.
fn wait_for_topic(consumer: &BaseConsumer, topic: &str) -> Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    while let Err(error) = partitions(consumer, topic) {
        if Instant::now() > deadline {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    let found = metadata.topics().iter().find(|one| one.name() == topic && one.error().is_none());
    let found = found.with_context(|| format!("there is no topic {topic}"))?;
    Ok(found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect())
}

fn read_to_end(consumer: &BaseConsumer, topic: &str) -> Result<Vec<Message>> {
    let mut open = partitions(consumer, topic)?;
    let mut assignment = TopicPartitionList::new();
    for partition in &open {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut messages = Vec::new();
    let mut last_seen = Instant::now();
    while !open.is_empty() {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                last_seen = Instant::now();
                messages.push(owned(&message));
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => open.retain(|one| *one != partition),
            // The client connects again by itself.
            Some(Err(error)) if is_of_the_connection(&error) && last_seen.elapsed() <= TIMEOUT => {}
            Some(Err(error)) => return Err(error).with_context(|| format!("read {topic}")),
            None if last_seen.elapsed() > TIMEOUT => bail!("no end of {topic} within {TIMEOUT:?}"),
            None => {}
        }
    }
    messages.sort_by_key(|message| (message.partition, message.offset));
    Ok(messages)
}

/// Whether a connection broke or was not answered in time, which the client reports besides what it reads.
fn is_of_the_connection(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, RequestTimedOut};
    let KafkaError::MessageConsumption(code) = error else { return false };
    [AllBrokersDown, BrokerTransportFailure, OperationTimedOut, RequestTimedOut].contains(code)
}

fn owned(message: &rdkafka::message::BorrowedMessage<'_>) -> Message {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    Message {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        timestamp: message.timestamp().to_millis(),
    }
}

/// Remembers the first record that was not delivered.
#[derive(Default)]
struct Deliveries {
    failure: std::sync::Mutex<Option<KafkaError>>,
}

impl Deliveries {
    fn first_failure(&self) -> Option<KafkaError> {
        self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut failure = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            failure.get_or_insert_with(|| error.clone());
        }
    }
}
