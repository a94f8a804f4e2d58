use tributary_api::{Result, TopicPartition};

use super::{RecordConsumer, SinkLoop};

impl<I: RecordConsumer> SinkLoop<I> {
    /// Partitions were assigned.
    pub(super) async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let starts = self.input.accept(partitions)?;
        self.progress.assigned(partitions, &starts);
        self.publish_assignment();
        if self.paused || self.redelivery.is_some() {
            self.input.pause(partitions)?;
        }
        if !partitions.is_empty() {
            self.calls.call("open", self.task.open(partitions)).await?;
        }
        self.apply_requests()
    }

    /// Partitions are revoked: their safe offsets are committed first, unless they are already lost to another member.
    pub(super) async fn revoked(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<()> {
        let committed = if lost { Ok(()) } else { self.commit_and_wait(partitions).await };
        if !self.calls.is_broken() && !partitions.is_empty() {
            self.close_partitions(partitions).await;
        }
        self.progress.revoked(partitions);
        self.discard_undelivered(partitions)?;
        self.publish_assignment();
        self.input.release(partitions)?;
        committed
    }

    pub(super) async fn close_partitions(&mut self, partitions: &[TopicPartition]) {
        if let Err(error) = self.calls.call("close", self.task.close(partitions)).await {
            tracing::error!(%error, "the plugin did not close its partitions cleanly");
        }
    }

    fn publish_assignment(&self) {
        let assignment = self.progress.partitions();
        self.cx.metrics.sink.partitions.set(assignment.len() as u64);
        let mut requests = self.host.requests();
        requests.assignment = assignment.into_iter().collect();
        let kept = std::mem::take(&mut requests.paused);
        requests.paused = kept.into_iter().filter(|partition| requests.assignment.contains(partition)).collect();
    }
}
