use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tributary_api::{Error, Offsets, Result, TopicPartition};
use tributary_kafka::Position;
use tributary_state::{DiskStore, MemoryStore, PartitionState, Store};

use super::config::StoreKind;
use super::process_loop::ProcessLoop;
use super::restore::restore;
use super::{ANSWER_TIMEOUT, retry_until_answered};

/// How long to wait for a state file that another task, which is ending, still has open.
const STATE_FILE_TIMEOUT: Duration = Duration::from_secs(30);
const STATE_FILE_RETRY: Duration = Duration::from_millis(100);

/// A partition number of the input topics, and its state.
pub(super) struct OwnedPartition {
    pub(super) state: PartitionState,
    topics: BTreeSet<TopicPartition>,
}

impl ProcessLoop {
    /// Partitions were assigned: their state is restored before their first record is read.
    pub(super) async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        if partitions.is_empty() {
            return self.input.accept_at(&[]);
        }
        let control = Arc::clone(&self.cx.control);
        let acquire = async || self.acquire(partitions).await;
        let starts = retry_until_answered(&control, "take partitions in", acquire).await?;
        let position = |at: &TopicPartition| starts.get(at).map_or(Position::Committed, |next| Position::At(*next));
        let positions: Vec<_> = partitions.iter().map(|at| (at.clone(), position(at))).collect();
        self.input.accept_at(&positions)?;
        if self.paused {
            self.input.pause(partitions)?;
        }
        self.committed.extend(starts);
        self.publish_assignment();
        Ok(())
    }

    /// The order matters. Offsets are read first, and only stable ones, which no open transaction can change any more.
    /// The ends of the changelogs are read after them, so they include all state that belongs to the records before
    /// these offsets.
    async fn acquire(&mut self, partitions: &[TopicPartition]) -> Result<Offsets> {
        let starts = self.starts(partitions)?;
        let count = self.topics.input_partitions().await?;
        self.partition_count = count;
        self.topics.ensure_changelogs(&self.changelogs.topics, count).await?;
        let ids = self.topics.ids(&self.changelogs.topics).await?;
        self.changelogs.set_ids(&ids, &self.stores.layout);
        let mut coming: BTreeMap<i32, PartitionState> = BTreeMap::new();
        for at in partitions {
            self.cx.reporter.topic_used(&at.topic);
            if !self.owned.contains_key(&at.partition) && !coming.contains_key(&at.partition) {
                let store = self.store(at.partition).await?;
                coming.insert(at.partition, PartitionState::open(&self.stores.layout, store)?);
            }
        }
        let control = &self.cx.control;
        if !restore(&mut coming, &self.changelogs, &self.stores.layout, &self.consumer, control)? {
            return Err(Error::retriable("the task is stopping"));
        }
        for (partition, state) in coming {
            self.owned.insert(partition, OwnedPartition { state, topics: BTreeSet::new() });
        }
        for at in partitions {
            if let Some(owned) = self.owned.get_mut(&at.partition) {
                owned.topics.insert(at.clone());
            }
        }
        Ok(starts)
    }

    /// Where the partitions are read from: the group's offset or, if there is none, by `auto.offset.reset`. It is
    /// resolved here so that there is an offset to commit when timers fire before the first record.
    fn starts(&self, partitions: &[TopicPartition]) -> Result<Offsets> {
        let mut starts = self.input.committed(partitions, ANSWER_TIMEOUT)?;
        let reset = self.group.get("auto.offset.reset").unwrap_or("earliest").to_ascii_lowercase();
        for at in partitions {
            if starts.contains_key(at) {
                continue;
            }
            let (first, end) = self.input.watermarks(at, ANSWER_TIMEOUT)?;
            match reset.as_str() {
                "latest" | "largest" | "end" => drop(starts.insert(at.clone(), end)),
                "earliest" | "smallest" | "beginning" => drop(starts.insert(at.clone(), first)),
                _ => {} // none: the next poll returns the error
            }
        }
        Ok(starts)
    }

    /// Partitions are revoked. No transaction is open between two batches, so there is nothing to complete.
    pub(super) fn revoked(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<()> {
        for at in partitions {
            self.committed.remove(at);
            let Some(owned) = self.owned.get_mut(&at.partition) else { continue };
            owned.topics.remove(at);
            if owned.topics.is_empty() {
                if !lost && let Err(error) = owned.state.flush() {
                    tracing::warn!(%error, partition = at.partition, "could not flush state: the next restore will take longer");
                }
                self.owned.remove(&at.partition);
            }
        }
        self.publish_assignment();
        self.input.release(partitions)
    }

    /// All assigned partitions.
    pub(super) fn partitions(&self) -> Vec<TopicPartition> {
        self.owned.values().flat_map(|owned| owned.topics.iter().cloned()).collect()
    }

    pub(super) fn publish_assignment(&self) {
        self.cx.metrics.sink.partitions.set(self.partitions().len() as u64);
        tracing::info!(partitions = ?self.owned.keys().collect::<Vec<_>>(), "partitions owned");
    }

    async fn store(&self, partition: i32) -> Result<Box<dyn Store>> {
        let layout = &self.stores.layout;
        let StoreKind::Disk { folder, cache_bytes } = &self.config.store else {
            return Ok(Box::new(MemoryStore::new(layout)));
        };
        let folder = folder.join(&self.cx.spec.worker.group_id).join(&self.cx.spec.id.connector);
        let path = folder.join(format!("{partition}.redb"));
        let open = async {
            loop {
                match DiskStore::open(&path, layout, *cache_bytes) {
                    Err(error) if error.is_retriable() => tokio::time::sleep(STATE_FILE_RETRY).await,
                    opened => return opened,
                }
            }
        };
        let late = || Error::fatal(format!("state file {} stays in use by another task or worker", path.display()));
        let store = tokio::select! {
            biased;
            () = self.cx.control.stopping().cancelled() => return Err(Error::retriable("the task is stopping")),
            opened = tokio::time::timeout(STATE_FILE_TIMEOUT, open) => opened.map_err(|_| late())??,
        };
        Ok(Box::new(store))
    }
}
