//! The storage of all handlers: Tansu's engine, with checks and restarts.
//!
//! Tansu's SQLite engine is one task that answers one call at a time. It ends for good when a call panics (a partition
//! that does not exist is enough) or when a caller goes away before its answer. [`Store`] therefore checks for
//! everything that would panic before it calls, and starts a new engine over the same file if one ends even so.

mod ends;
mod engine;
mod groups;
mod records;
mod restarts;
mod storage;
mod topics;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::RwLock;
use tansu_storage::{Error, OffsetStage, Storage as _, StorageContainer, TopicId, Topition};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tracing::{error, info, warn};

use self::ends::Ends;
use self::engine::Engine;
pub(super) use self::engine::StoreOptions;
use self::groups::Groups;
use self::restarts::Restarts;
use self::topics::{Topic, Topics};

/// The minimum interval of log lines about a failing storage.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The storage of one broker. Clones share it.
#[derive(Clone)]
pub(super) struct Store {
    shared: Arc<StoreState>,
}

struct StoreState {
    options: StoreOptions,
    engine: RwLock<Engine>,
    restarting: Mutex<Restarts>,
    /// When a failure of the storage was last logged.
    last_logged: parking_lot::Mutex<Option<Instant>>,
    topics: Topics,
    ends: Ends,
    groups: Groups,
}

impl Store {
    /// Opens the storage and creates its tables when absent.
    pub(super) async fn open(options: StoreOptions) -> Result<Self, Error> {
        let engine = Engine::start(&options).await?;
        if let Some(database) = &options.database {
            engine::forget_members(database).await.map_err(|error| Error::LibSql(Arc::new(error)))?;
        }
        let shared = StoreState {
            options,
            engine: RwLock::new(engine),
            restarting: Mutex::default(),
            last_logged: parking_lot::Mutex::default(),
            topics: Topics::default(),
            ends: Ends::default(),
            groups: Groups::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Ends the engine; later calls fail.
    pub(super) fn close(&self) {
        self.engine().cancellation.cancel();
    }

    /// Changes whenever a partition has grown or a topic is gone.
    pub(super) fn grown(&self) -> watch::Receiver<u64> {
        self.shared.ends.subscribe()
    }

    /// The topic of that name or id; `None` when there is none.
    pub(super) async fn topic(&self, id: &TopicId) -> Result<Option<Arc<Topic>>, Error> {
        let _kept = self.shared.topics.keep().await;
        self.find(id).await
    }

    /// The first and the next offset of a partition, from memory if nothing was appended since they were last read.
    pub(super) async fn end(&self, partition: &Topition) -> Result<OffsetStage, Error> {
        let version = match self.shared.ends.get(partition) {
            Ok(stage) => return Ok(stage),
            Err(version) => version,
        };
        let stage = self.offset_stage(partition).await?;
        self.shared.ends.remember(partition, version, stage);
        Ok(stage)
    }

    /// [`end`](Self::end) for a reader at this offset. Records can be read before their append is announced here: a
    /// reader is then beyond the end in memory, which is read again.
    pub(super) async fn end_for_reader(&self, partition: &Topition, offset: i64) -> Result<OffsetStage, Error> {
        let stage = self.end(partition).await?;
        if offset <= stage.high_watermark() { Ok(stage) } else { self.offset_stage(partition).await }
    }

    /// Removes the members of a group whose session is over.
    pub(super) fn expire_members(&self, group: &str, now: SystemTime) {
        self.shared.groups.expire(group, now);
    }

    /// Extends the session of a member, whose last heartbeat was at this time.
    pub(super) fn record_heartbeat(&self, group: &str, member: &str, at: SystemTime) {
        self.shared.groups.record_heartbeat(group, member, at);
    }

    /// Whether a group's members have their assignments; a follower has to wait for that.
    pub(super) fn group_is_formed(&self, group: &str) -> bool {
        self.shared.groups.is_formed(group)
    }

    /// How many members a group has.
    pub(super) fn members(&self, group: &str) -> usize {
        self.shared.groups.members(group)
    }

    fn engine(&self) -> Engine {
        self.shared.engine.read().clone()
    }

    /// As [`Store::topic`], for callers that already keep topics from being deleted.
    async fn find(&self, id: &TopicId) -> Result<Option<Arc<Topic>>, Error> {
        if let Some(topic) = self.shared.topics.get(id) {
            return Ok(Some(topic));
        }
        let found = self.run(async |engine| engine.metadata(Some(std::slice::from_ref(id))).await).await?;
        Ok(found.topics().first().and_then(|found| self.shared.topics.remember(id, found)))
    }

    /// Whether this many more partitions may be created.
    async fn has_room(&self, partitions: i32) -> Result<bool, Error> {
        if let Some(room) = self.shared.topics.has_room(partitions) {
            return Ok(room);
        }
        let all = self.run(async |engine| engine.metadata(None).await).await?;
        self.shared
            .topics
            .counted(all.topics().iter().map(|topic| topic.partitions.as_ref().map_or(0, Vec::len)).sum());
        Ok(self.shared.topics.has_room(partitions).unwrap_or_default())
    }

    /// Refuses a partition that does not exist. The caller keeps topics from being deleted.
    async fn require(&self, partition: &Topition) -> Result<(), Error> {
        let topic = self.find(&TopicId::Name(partition.topic().to_owned())).await?;
        let exists = topic.is_some_and(|topic| (0..topic.partitions).contains(&partition.partition()));
        if exists { Ok(()) } else { Err(Error::Api(tansu_sans_io::ErrorCode::UnknownTopicOrPartition)) }
    }

    /// Calls the engine, and replaces it when it turns out to have ended.
    async fn run<T>(&self, call: impl AsyncFnOnce(&StorageContainer) -> Result<T, Error>) -> Result<T, Error> {
        let engine = self.engine();
        let result = call(&engine.container).await;
        if let Err(error) = &result {
            self.log_failure(error);
        }
        if matches!(result, Err(Error::UnableToSend | Error::OneshotRecv)) {
            self.replace(&engine).await?;
        }
        result
    }

    /// Logs a failure of the storage, at intervals: clients only try again.
    fn log_failure(&self, error: &Error) {
        if matches!(error, Error::Api(_)) {
            return;
        }
        let mut last_logged = self.shared.last_logged.lock();
        if last_logged.is_some_and(|last_logged| last_logged.elapsed() < LOG_INTERVAL) {
            return;
        }
        *last_logged = Some(Instant::now());
        let file = self.shared.options.database.as_deref().unwrap_or_else(|| Path::new("memory")).display();
        warn!(%error, %file, "the embedded broker's storage has failed, clients retry: check the disk of its file");
    }

    /// Starts a new engine instead of `ended`, unless that was done already, the pause is not over, or the broker is
    /// closing.
    async fn replace(&self, ended: &Engine) -> Result<(), Error> {
        let mut restarts = self.shared.restarting.lock().await;
        let is_done = ended.cancellation.is_cancelled() || self.engine().generation != ended.generation;
        if is_done || !restarts.begin(Instant::now()) {
            return Ok(());
        }
        error!(generation = ended.generation, "the embedded broker's storage ended unexpectedly, starting it again");
        let engine = Engine::start(&self.shared.options).await?.after(ended);
        info!(generation = engine.generation, "the embedded broker's storage runs again");
        self.shared.ends.forget();
        *self.shared.engine.write() = engine;
        Ok(())
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("url", &self.shared.options.url.as_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use self::tests::open as test_store;
