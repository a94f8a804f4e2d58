//! Which topics exist, so that the engine is never asked for one that does not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tansu_sans_io::ErrorCode;
use tansu_sans_io::metadata_response::MetadataResponseTopic;
use tansu_storage::TopicId;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

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
    deletion: RwLock<()>,
}

impl Topics {
    /// Held while a request relies on a topic: none is deleted meanwhile.
    pub(super) async fn keep(&self) -> RwLockReadGuard<'_, ()> {
        self.deletion.read().await
    }

    /// Held while a topic is deleted. Forgets all topics, as one may be known by its name and by its id.
    pub(super) async fn delete(&self) -> RwLockWriteGuard<'_, ()> {
        let guard = self.deletion.write().await;
        self.lock().clear();
        guard
    }

    pub(super) fn get(&self, id: &TopicId) -> Option<Arc<Topic>> {
        self.lock().get(id).cloned()
    }

    /// Keeps what the metadata says of a topic; `None` when it does not exist.
    pub(super) fn learn(&self, id: &TopicId, found: &MetadataResponseTopic) -> Option<Arc<Topic>> {
        if found.error_code != i16::from(ErrorCode::None) {
            return None;
        }
        let partitions = i32::try_from(found.partitions.as_ref()?.len()).ok()?;
        let topic = Arc::new(Topic { name: found.name.clone()?, partitions });
        self.lock().insert(id.clone(), Arc::clone(&topic));
        Some(topic)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TopicId, Arc<Topic>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
