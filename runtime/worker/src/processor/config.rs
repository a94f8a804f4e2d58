use std::path::PathBuf;
use std::time::Duration;

use tributary_api::{ConfigDef, ConfigKey, ConfigType, Error, Importance, Props, Result, Validator, list_items};
use tributary_control::TaskId;
use tributary_kafka::ClientConfig;

use crate::settings::WorkerSettings;

const GROUP: &str = "Processing";
const REPLICATION: &str = "changelog.replication.factor";
const GUARANTEE: &str = "processing.guarantee";
const TRANSACTION_TIMEOUT: &str = "transaction.timeout.ms";

/// A processor's delivery guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
}

impl Guarantee {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly_once",
            Self::AtLeastOnce => "at_least_once",
        }
    }

    /// The isolation level with which to read records of such a processor.
    pub(super) fn isolation(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "read_committed",
            Self::AtLeastOnce => "read_uncommitted",
        }
    }
}

/// Where state is kept locally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    Memory,
    Disk { folder: PathBuf, cache_bytes: usize },
}

impl StoreKind {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk { .. } => "redb",
        }
    }
}

/// The properties of a processor.
#[derive(Clone, Debug)]
pub(crate) struct ProcessorConfig {
    pub(super) topics: Vec<String>,
    pub(super) guarantee: Guarantee,
    /// Why this guarantee is in effect.
    pub(super) reason: &'static str,
    pub(super) store: StoreKind,
    pub(super) commit_interval: Duration,
    pub(super) transaction_timeout: Duration,
    pub(super) max_batch: usize,
    pub(super) replication: i32,
    pub(super) compacted: Vec<String>,
    /// Input topics to which outputs may be written; they are in `topics` too.
    pub(super) repartition: Vec<String>,
}

pub(super) fn definition() -> ConfigDef {
    let keys = [
        ConfigKey::new(GUARANTEE, ConfigType::String)
            .default("auto")
            .one_of(&["auto", "exactly_once", "at_least_once"])
            .importance(Importance::High)
            .doc(
                "auto: exactly_once on Kafka, at_least_once on the embedded broker, which has no usable transactions.",
            ),
        ConfigKey::new("state.store", ConfigType::String)
            .default("memory")
            .one_of(&["memory", "redb"])
            .importance(Importance::High)
            .doc("memory: fastest; restored from the changelog topics at every start. redb: one file per partition."),
        ConfigKey::new("state.dir", ConfigType::String)
            .default("data/state")
            .validator(Validator::NonEmpty)
            .doc("Folder of the state files; workers must not share it."),
        ConfigKey::new("state.cache.bytes", ConfigType::Int)
            .default(16 * 1024 * 1024)
            .validator(Validator::AtLeast(1024 * 1024))
            .importance(Importance::Low)
            .doc("Memory for the cache of each state file."),
        ConfigKey::new("commit.interval.ms", ConfigType::Long)
            .default(0)
            .validator(Validator::Between(0, 60_000))
            .doc("How long records are collected for one commit; with 0 each batch is committed at once."),
        ConfigKey::new(TRANSACTION_TIMEOUT, ConfigType::Int)
            .default(9_000)
            .validator(Validator::Between(1_000, 900_000))
            .importance(Importance::Low)
            .doc(
                "How long the broker waits for a transaction whose task has died; its partitions are not processed \
                 meanwhile. It must be shorter than consumer.override.session.timeout.ms (10000 by default): the next \
                 owner of a partition waits for the transactions of the previous one. The default is nine tenths of \
                 the session timeout, and at most 9000.",
            ),
        ConfigKey::new("max.batch.records", ConfigType::Int)
            .default(1_000)
            .validator(Validator::Between(1, 100_000))
            .importance(Importance::Low)
            .doc("Records in one commit at most."),
        ConfigKey::new(REPLICATION, ConfigType::Int)
            .default(-1)
            .importance(Importance::Low)
            .doc("Replicas of the changelog topics and of topics the processor creates; -1: the broker's default."),
        ConfigKey::new("output.topics.compacted", ConfigType::List)
            .default("")
            .validator(Validator::TopicName)
            .doc("Output topics that are compacted if the processor has to create them."),
        ConfigKey::new("repartition.topics", ConfigType::List)
            .default("")
            .validator(Validator::TopicName)
            .doc(
                "Topics that the processor both writes and reads: by them a transform reaches the state of another key. They \
                 are inputs in addition to topics, and are created with as many partitions. To any other input nothing \
                 may be written.",
            ),
    ];
    keys.into_iter().fold(ConfigDef::default(), |definition, key| definition.with(key.group(GROUP)))
}

impl ProcessorConfig {
    /// Reads a connector's properties.
    ///
    /// # Errors
    /// `Config`, naming what is wrong.
    pub(crate) fn parse(connector: &Props, worker: &WorkerSettings) -> Result<Self> {
        let config = definition().parse(connector)?;
        let mut topics: Vec<String> = list_items(connector, "topics").map(str::to_owned).collect();
        if topics.is_empty() {
            let message = "topics is missing: name the topics to process (topics.regex is for sinks)";
            return Err(Error::config_at("topics", message));
        }
        let repartition = config.list("repartition.topics")?.to_vec();
        if topics.iter().all(|topic| repartition.contains(topic)) {
            let message =
                "repartition.topics names all of topics: name another input, whose number of partitions they get";
            return Err(Error::config_at("repartition.topics", message));
        }
        for topic in &repartition {
            if !topics.contains(topic) {
                topics.push(topic.clone());
            }
        }
        let (guarantee, reason) = match (config.string(GUARANTEE)?, worker.embedded_broker) {
            ("exactly_once", true) => {
                return Err(Error::config_at(
                    GUARANTEE,
                    "processing.guarantee is exactly_once, which the embedded broker cannot give: set \
                     bootstrap.servers to a Kafka cluster, or write auto",
                ));
            }
            ("exactly_once", false) => (Guarantee::ExactlyOnce, "processing.guarantee is exactly_once"),
            ("auto", false) => {
                (Guarantee::ExactlyOnce, "processing.guarantee is auto, and the brokers are a Kafka cluster's")
            }
            ("auto", true) => (
                Guarantee::AtLeastOnce,
                "processing.guarantee is auto, and the embedded broker has no usable transactions: set bootstrap.servers \
                 to a Kafka cluster for exactly_once",
            ),
            _ => (Guarantee::AtLeastOnce, "processing.guarantee is at_least_once"),
        };
        let store = match config.string("state.store")? {
            "redb" => StoreKind::Disk {
                folder: PathBuf::from(config.string("state.dir")?),
                cache_bytes: config.int("state.cache.bytes")?,
            },
            _ => StoreKind::Memory,
        };
        let replication: i32 = config.int(REPLICATION)?;
        if replication != -1 && replication < 1 {
            let message = format!(
                "Invalid value {replication} for configuration {REPLICATION}: Replication factor must be positive, or -1 to \
                 use the broker's default"
            );
            return Err(Error::config_at(REPLICATION, message));
        }
        let mut transaction_timeout: i64 = config.int(TRANSACTION_TIMEOUT)?;
        if guarantee == Guarantee::ExactlyOnce
            && let Some(session) = session_timeout(connector, worker)
        {
            if connector.contains_key(TRANSACTION_TIMEOUT) {
                within_session(transaction_timeout, session)?;
            } else {
                transaction_timeout = transaction_timeout.min(session / 10 * 9);
            }
        }
        Ok(Self {
            topics,
            guarantee,
            reason,
            store,
            commit_interval: Duration::from_millis(config.int("commit.interval.ms")?),
            transaction_timeout: Duration::from_millis(transaction_timeout.unsigned_abs()),
            max_batch: config.int("max.batch.records")?,
            replication: if worker.embedded_broker { 1 } else { replication },
            compacted: config.list("output.topics.compacted")?.to_vec(),
            repartition,
        })
    }
}

impl ProcessorConfig {
    /// The settings of a task's producer.
    pub(crate) fn producer(&self, connector: &Props, worker: &WorkerSettings, task: &TaskId) -> ClientConfig {
        let client = worker.producer(&task.connector, task.task, connector).set_default("linger.ms", 0);
        match self.guarantee {
            Guarantee::AtLeastOnce => client,
            Guarantee::ExactlyOnce => client
                .set("transactional.id", format!("{}-{}-{}", worker.group_id, task.connector, task.task))
                .set("transaction.timeout.ms", self.transaction_timeout.as_millis()),
        }
    }
}

/// In milliseconds; none if it is no number: then the client refuses it.
fn session_timeout(connector: &Props, worker: &WorkerSettings) -> Option<i64> {
    let consumer = worker.consumer("", 0, connector);
    consumer.get("session.timeout.ms")?.parse().ok()
}

/// If a transaction lasted longer than its owner's session, the next owner of the partitions would have to wait for it.
fn within_session(transaction_timeout: i64, session: i64) -> Result<()> {
    if transaction_timeout < session {
        return Ok(());
    }
    let message = format!(
        "transaction.timeout.ms is {transaction_timeout} and the consumer's session.timeout.ms is {session}: lower \
         transaction.timeout.ms below it, or raise consumer.override.session.timeout.ms"
    );
    Err(Error::config_at(TRANSACTION_TIMEOUT, message))
}
