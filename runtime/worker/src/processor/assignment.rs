use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tributary_api::{Error, Offsets, Result, TopicPartition};
use tributary_state::{DiskStore, MemoryStore, PartitionState, Store};

use super::config::StoreKind;
use super::process_loop::ProcessLoop;
use super::restore::restore;
use super::retry_until_answered;

/// How long to wait for a state file that another task, which is ending, still has open.
const STATE_FILE_TIMEOUT: Duration = Duration::from_secs(30);
const STATE_FILE_RETRY: Duration = Duration::from_millis(100);

impl ProcessLoop {
    /// Partitions were assigned: their state is restored before their first record is read.
    pub(super) async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        if partitions.is_empty() {
            return self.partitions.consumer.accept_at(&[]);
        }
        let control = Arc::clone(&self.cx.control);
        let acquire = async || self.acquire(partitions).await;
        let starts = retry_until_answered(&control, "take partitions in", acquire).await?;
        self.partitions.read(partitions, starts)
    }

    /// The order matters. Offsets are read first, and only stable ones, which no open transaction can change any more.
    /// The ends of the changelogs are read after them, so they include all state that belongs to the records before
    /// these offsets.
    async fn acquire(&mut self, partitions: &[TopicPartition]) -> Result<Offsets> {
        let starts = self.partitions.starts(partitions)?;
        self.topics.ensure_repartition().await?;
        let count = self.topics.input_partitions().await?;
        self.partitions.count = count;
        self.topics.ensure_changelogs(&self.changelogs.topics, count).await?;
        let ids = self.topics.ids(&self.changelogs.topics).await?;
        let layout = &self.chain.stores.layout;
        self.changelogs.set_ids(&ids, layout);
        let mut coming: BTreeMap<i32, PartitionState> = BTreeMap::new();
        for at in partitions {
            self.cx.reporter.topic_used(&at.topic);
            if !self.partitions.owned.contains_key(&at.partition) && !coming.contains_key(&at.partition) {
                let store = self.store(at.partition).await?;
                coming.insert(at.partition, PartitionState::open(layout, store)?);
            }
        }
        if !restore(&mut coming, &self.changelogs, layout, &self.consumer, &self.cx.control)? {
            return Err(Error::retriable("the task is stopping"));
        }
        self.partitions.add(partitions, coming);
        Ok(starts)
    }

    async fn store(&self, partition: i32) -> Result<Box<dyn Store>> {
        let layout = &self.chain.stores.layout;
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
