use tributary_api::{Result, TopicPartition};

use super::{RecordConsumer, SinkLoop};

impl<I: RecordConsumer> SinkLoop<I> {
    /// Partitions were assigned.
    pub(super) async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.partitions.add(partitions)?;
        self.plugin.open(partitions).await?;
        self.apply_requests()
    }

    /// Partitions are revoked: their safe offsets are committed first, unless they are already lost to another member.
    pub(super) async fn revoked(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<()> {
        let committed = if lost { Ok(()) } else { self.commit_and_wait(partitions).await };
        self.plugin.close(partitions).await;
        self.partitions.remove(partitions);
        self.delivery.discard(partitions, &mut self.partitions)?;
        self.partitions.consumer.release(partitions)?;
        committed
    }
}
