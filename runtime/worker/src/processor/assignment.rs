use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tributary_api::{Error, Result, TopicPartition};
use tributary_state::{DiskStore, MemoryStore, PartitionState, Store};

use super::config::StoreKind;
use super::process_loop::ProcessLoop;
use super::restore::restore;
use super::until_answered;

/// How long a state file of a task that is ending is waited for.
const BUSY: Duration = Duration::from_secs(30);
const BUSY_STEP: Duration = Duration::from_millis(100);
const ANSWER: Duration = Duration::from_secs(30);

/// A partition number of the input topics, with its state.
pub(super) struct Owned {
    pub(super) state: PartitionState,
    topics: BTreeSet<TopicPartition>,
}

impl ProcessLoop {
    /// Partitions come in: their state is restored before their first record is read.
    pub(super) async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.input.accept(partitions)?;
        if partitions.is_empty() {
            return Ok(());
        }
        if self.paused {
            self.input.pause(partitions)?;
        }
        let control = Arc::clone(&self.cx.control);
        until_answered(&control, "take partitions in", async || self.take_in(partitions).await).await
    }

    async fn take_in(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let count = self.topics.input_partitions().await?;
        self.topics.ensure_changelogs(&self.changelogs.topics, count).await?;
        let mut coming: BTreeMap<i32, PartitionState> = BTreeMap::new();
        for at in partitions {
            self.cx.voice.topic_used(&at.topic);
            if !self.owned.contains_key(&at.partition) && !coming.contains_key(&at.partition) {
                let store = self.store(at.partition).await?;
                coming.insert(at.partition, PartitionState::open(&self.links.layout, store)?);
            }
        }
        let control = &self.cx.control;
        if !restore(&mut coming, &self.changelogs, &self.links.layout, &self.consumer, control)? {
            return Ok(()); // asked to stop
        }
        let committed = self.input.committed(partitions, ANSWER)?;
        self.committed.extend(committed.into_iter().filter(|(_, next)| *next >= 0));
        for (partition, state) in coming {
            self.owned.insert(partition, Owned { state, topics: BTreeSet::new() });
        }
        for at in partitions {
            if let Some(owned) = self.owned.get_mut(&at.partition) {
                owned.topics.insert(at.clone());
            }
        }
        self.tell_assignment();
        Ok(())
    }

    /// Partitions leave. Nothing is open between two batches, so there is nothing to finish.
    pub(super) fn revoked(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<()> {
        for at in partitions {
            self.committed.remove(at);
            let Some(owned) = self.owned.get_mut(&at.partition) else { continue };
            owned.topics.remove(at);
            if owned.topics.is_empty() {
                if !lost && let Err(error) = owned.state.flush() {
                    tracing::warn!(%error, partition = at.partition, "could not flush state, its restore takes longer");
                }
                self.owned.remove(&at.partition);
            }
        }
        self.tell_assignment();
        self.input.release(partitions)
    }

    /// All partitions read.
    pub(super) fn partitions(&self) -> Vec<TopicPartition> {
        self.owned.values().flat_map(|owned| owned.topics.iter().cloned()).collect()
    }

    fn tell_assignment(&self) {
        self.cx.metrics.sink.partitions.set(self.partitions().len() as u64);
        tracing::info!(partitions = ?self.owned.keys().collect::<Vec<_>>(), "partitions owned");
    }

    async fn store(&self, partition: i32) -> Result<Box<dyn Store>> {
        let layout = &self.links.layout;
        let StoreKind::Disk { folder, cache_bytes } = &self.config.store else {
            return Ok(Box::new(MemoryStore::new(layout)));
        };
        let folder = folder.join(&self.cx.spec.worker.group_id).join(&self.cx.spec.id.connector);
        let path = folder.join(format!("{partition}.redb"));
        let open = async {
            loop {
                match DiskStore::open(&path, layout, *cache_bytes) {
                    Err(error) if error.is_retriable() => tokio::time::sleep(BUSY_STEP).await,
                    opened => return opened,
                }
            }
        };
        let late = || Error::fatal(format!("state file {} stays in use by another task or worker", path.display()));
        let store = tokio::select! {
            biased;
            () = self.cx.control.stopping().cancelled() => return Err(Error::retriable("the task is stopping")),
            opened = tokio::time::timeout(BUSY, open) => opened.map_err(|_| late())??,
        };
        Ok(Box::new(store))
    }
}
