use std::collections::HashMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use parking_lot::Mutex;
use tributary_api::{Props, Result, SourceOffset, SourcePartition};

use super::KafkaOffsetStore;
use crate::settings::{ExactlyOnce, WorkerSettings};
use crate::tasks::{OffsetRecord, OffsetStore};

const TOPIC: &str = "offsets.storage.topic";
const BOOTSTRAP: &str = "bootstrap.servers";

/// Where the offsets of source connectors are: in the worker's topic, or in one of the connector's own.
pub(crate) struct OffsetStores {
    settings: Arc<WorkerSettings>,
    worker: KafkaOffsetStore,
    /// By connector.
    own: Mutex<HashMap<String, Arc<Slot>>>,
}

/// A connector's store, as long as anybody uses it. Opening it blocks other users of this connector only.
type Slot = tokio::sync::Mutex<Weak<ConnectorOffsets>>;

impl OffsetStores {
    pub(crate) fn new(settings: Arc<WorkerSettings>, worker: KafkaOffsetStore) -> Self {
        Self { settings, worker, own: Mutex::default() }
    }

    /// The store of a connector, whose variables are resolved.
    ///
    /// # Errors
    /// When its own topic is not compacted, or cannot be created or read.
    pub(crate) async fn of(&self, connector: &str, props: &Props) -> Result<Arc<dyn OffsetStore>> {
        let Some(topic) = self.own_topic(props) else { return Ok(Arc::new(self.worker.clone())) };
        let slot = self.slot(connector);
        let mut own = slot.lock().await;
        if let Some(known) = own.upgrade().filter(|known| known.own.topic() == topic && known.props == clients(props)) {
            return Ok(known);
        }
        let store = Arc::new(ConnectorOffsets {
            own: KafkaOffsetStore::open_own(&self.settings, &topic, connector, props).await?,
            worker: self.worker.clone(),
            props: clients(props),
            settings: Arc::clone(&self.settings),
            copies: Arc::default(),
        });
        *own = Arc::downgrade(&store);
        Ok(store)
    }

    fn slot(&self, connector: &str) -> Arc<Slot> {
        let mut own = self.own.lock();
        let in_use = |slot: &Arc<Slot>| slot.try_lock().map_or(true, |store| store.strong_count() > 0);
        own.retain(|_, slot| Arc::strong_count(slot) > 1 || in_use(slot));
        Arc::clone(own.entry(connector.to_owned()).or_default())
    }

    /// Stops reading.
    pub(crate) async fn close(&self) {
        self.worker.clone().close().await;
    }

    /// A transaction is one cluster's: offsets go to the one that the records go to.
    fn own_topic(&self, props: &Props) -> Option<String> {
        let workers = &self.settings.topics.offsets.name;
        let given = props.get(TOPIC).map(|topic| topic.trim()).filter(|topic| !topic.is_empty());
        let servers = self.settings.producer("", 0, props);
        let elsewhere = servers.get(BOOTSTRAP) != self.settings.defaults.get(BOOTSTRAP).map(String::as_str);
        match given {
            Some(topic) if topic != workers || elsewhere => Some(topic.to_owned()),
            None if elsewhere && self.settings.exactly_once == ExactlyOnce::Enabled => Some(workers.clone()),
            _ => None,
        }
    }
}

/// What decides which clients a store has.
fn clients(props: &Props) -> Props {
    let of_clients = |name: &str| name.contains(".override.") || name == "name";
    props.iter().filter(|(name, _)| of_clients(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Offsets in a topic of the connector's own, with a copy in the worker's, as Connect's `ConnectorOffsetBackingStore` has it:
/// what was stored before the connector had its topic is still found, and what is stored is found when it has none any more.
struct ConnectorOffsets {
    own: KafkaOffsetStore,
    worker: KafkaOffsetStore,
    props: Props,
    settings: Arc<WorkerSettings>,
    copies: Arc<Mutex<Copies>>,
}

/// What is to be copied to the worker's topic: the latest offset of each partition.
#[derive(Default)]
struct Copies {
    waiting: Vec<(SourcePartition, SourceOffset)>,
    running: bool,
}

#[async_trait]
impl OffsetStore for ConnectorOffsets {
    async fn get(&self, connector: &str, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        let own = self.own.get(connector, partitions).await?;
        Ok(first_of(own, self.worker.get(connector, partitions).await?))
    }

    async fn get_settled(&self, connector: &str, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        let own = self.own.get_settled(connector, partitions).await?;
        Ok(first_of(own, self.worker.get_settled(connector, partitions).await?))
    }

    async fn all(&self, connector: &str) -> Result<Vec<(SourcePartition, SourceOffset)>> {
        let mut all = self.own.all(connector).await?;
        for (partition, offset) in self.worker.all(connector).await? {
            if !all.iter().any(|(known, _)| *known == partition) {
                all.push((partition, offset));
            }
        }
        Ok(all)
    }

    /// A tombstone is written to the worker's topic first: were it missing there, the offset would come back from it.
    async fn put(&self, connector: &str, offsets: Vec<(SourcePartition, Option<SourceOffset>)>) -> Result<()> {
        let removed: Vec<_> = offsets.iter().filter(|(_, offset)| offset.is_none()).cloned().collect();
        if !removed.is_empty() {
            self.worker.put(connector, removed).await?;
        }
        let stored = offsets.iter().filter_map(|(partition, offset)| Some((partition.clone(), offset.clone()?)));
        let stored: Vec<_> = stored.collect();
        self.own.put(connector, offsets).await?;
        self.committed(connector, stored);
        Ok(())
    }

    fn topic(&self) -> &str {
        self.own.topic()
    }

    fn encode(&self, connector: &str, offsets: &[(SourcePartition, SourceOffset)]) -> Result<Vec<OffsetRecord>> {
        self.own.encode(connector, offsets)
    }

    /// Copied beside the task's work, as far as that can be: its own topic is what counts.
    fn committed(&self, connector: &str, offsets: Vec<(SourcePartition, SourceOffset)>) {
        {
            let mut copies = self.copies.lock();
            for (partition, offset) in offsets {
                match copies.waiting.iter_mut().find(|(known, _)| *known == partition) {
                    Some((_, known)) => *known = offset,
                    None => copies.waiting.push((partition, offset)),
                }
            }
            if copies.waiting.is_empty() || std::mem::replace(&mut copies.running, true) {
                return;
            }
        }
        let (copies, worker, connector) = (Arc::clone(&self.copies), self.worker.clone(), connector.to_owned());
        self.settings.executor.spawn(async move {
            loop {
                let waiting = {
                    let mut copies = copies.lock();
                    copies.running = !copies.waiting.is_empty();
                    std::mem::take(&mut copies.waiting)
                };
                if waiting.is_empty() {
                    return;
                }
                let offsets = waiting.into_iter().map(|(partition, offset)| (partition, Some(offset))).collect();
                if let Err(error) = worker.put(&connector, offsets).await {
                    tracing::warn!(connector, %error, "could not copy offsets to the worker's topic");
                }
            }
        });
    }
}

/// What the first store has, else what the second has.
fn first_of(own: Vec<Option<SourceOffset>>, other: Vec<Option<SourceOffset>>) -> Vec<Option<SourceOffset>> {
    own.into_iter().zip(other).map(|(own, other)| own.or(other)).collect()
}
