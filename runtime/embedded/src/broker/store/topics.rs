//! The existing topics, so that the engine is never called for one that does not exist.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tansu_sans_io::ErrorCode;
use tansu_sans_io::create_topics_request::CreatableTopic;
use tansu_sans_io::metadata_response::MetadataResponseTopic;
use tansu_storage::{Error, Result, TopicId};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The maximum number of partitions of a topic. Each is a row or two, and no request is served while they are written.
const MAX_PARTITIONS: i32 = 1_000;
const MAX_ALL_PARTITIONS: usize = 20_000;

/// Kafka's number for "the broker's default".
const DEFAULT_REPLICATION_FACTOR: i16 = -1;
/// As many replicas as a configuration for a real cluster may ask for. There is one, whatever is asked for; but the number is
/// stored, and each answer about the topic lists so many.
const MAX_REPLICATION_FACTOR: i16 = 15;

/// Kafka's limit: the name is that of a folder there.
const MAX_NAME: usize = 249;

/// A topic that exists. The number of its partitions never changes: there is no request for that.
#[derive(Debug)]
pub(in crate::broker) struct Topic {
    pub(in crate::broker) name: String,
    pub(super) partitions: i32,
}

/// The topics seen since the last deletion.
#[derive(Debug, Default)]
pub(super) struct Topics {
    known: Mutex<HashMap<TopicId, Arc<Topic>>>,
    /// Those of all topics, known or not; `None` if not counted since the last deletion.
    partitions: Mutex<Option<usize>>,
    deletion: RwLock<()>,
}

/// Refuses topics that Kafka refuses, and those that would block others for too long.
pub(super) fn check_new(topic: &CreatableTopic) -> Result<()> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let name = topic.name.as_str();
    if !(1..=MAX_NAME).contains(&name.len()) || name == "." || name == ".." || !name.bytes().all(is_legal) {
        return Err(Error::Api(ErrorCode::InvalidTopicException));
    }
    if !(1..=MAX_PARTITIONS).contains(&topic.num_partitions) {
        return Err(Error::Api(ErrorCode::InvalidPartitions));
    }
    let replicas = topic.replication_factor;
    let may_be = replicas == DEFAULT_REPLICATION_FACTOR || (1..=MAX_REPLICATION_FACTOR).contains(&replicas);
    if may_be { Ok(()) } else { Err(Error::Api(ErrorCode::InvalidReplicationFactor)) }
}

impl Topics {
    /// Held while a request depends on a topic: none is deleted meanwhile.
    pub(super) async fn keep(&self) -> RwLockReadGuard<'_, ()> {
        self.deletion.read().await
    }

    /// Held while a topic is deleted. Forgets all topics, as one may be known by its name and by its id.
    pub(super) async fn delete(&self) -> RwLockWriteGuard<'_, ()> {
        let guard = self.deletion.write().await;
        self.known.lock().clear();
        *self.partitions.lock() = None;
        guard
    }

    pub(super) fn get(&self, id: &TopicId) -> Option<Arc<Topic>> {
        self.known.lock().get(id).cloned()
    }

    /// Caches a topic from the metadata; `None` when it does not exist.
    pub(super) fn remember(&self, id: &TopicId, found: &MetadataResponseTopic) -> Option<Arc<Topic>> {
        if found.error_code != i16::from(ErrorCode::None) {
            return None;
        }
        let partitions = i32::try_from(found.partitions.as_ref()?.len()).ok()?;
        let topic = Arc::new(Topic { name: found.name.clone()?, partitions });
        self.known.lock().insert(id.clone(), Arc::clone(&topic));
        Some(topic)
    }

    /// Whether this many more partitions are allowed; `None` when they have to be [counted](Self::counted) first.
    pub(super) fn has_room(&self, partitions: i32) -> Option<bool> {
        let wanted = usize::try_from(partitions).unwrap_or_default();
        self.partitions.lock().map(|count| count + wanted <= MAX_ALL_PARTITIONS)
    }

    /// Sets the number of partitions of all topics.
    pub(super) fn counted(&self, partitions: usize) {
        *self.partitions.lock() = Some(partitions);
    }

    /// Says that a topic was created.
    pub(super) fn created(&self, partitions: i32) {
        if let Some(count) = self.partitions.lock().as_mut() {
            *count += usize::try_from(partitions).unwrap_or_default();
        }
    }
}
