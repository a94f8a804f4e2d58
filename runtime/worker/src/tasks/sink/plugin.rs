use tokio_util::sync::CancellationToken;
use tributary_api::{Offsets, Props, Record, Result, SinkTask, SinkTaskContext, TopicPartition};

use crate::tasks::PluginCalls;

/// The plugin's task and whether it can still be called: after a panic it cannot.
pub(super) struct SinkPlugin {
    task: Box<dyn SinkTask>,
    calls: PluginCalls,
    /// Cancelled when the task should end.
    stopping: CancellationToken,
}

impl SinkPlugin {
    pub(super) fn new(task: Box<dyn SinkTask>, stopping: CancellationToken) -> Self {
        Self { task, calls: PluginCalls::default(), stopping }
    }

    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    pub(super) fn is_broken(&self) -> bool {
        self.calls.is_broken()
    }

    pub(super) async fn start(&mut self, cx: SinkTaskContext, props: &Props) -> Result<()> {
        self.calls.call("start", self.task.start(cx, props)).await
    }

    pub(super) async fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        if partitions.is_empty() {
            return Ok(());
        }
        self.calls.call("open", self.task.open(partitions)).await
    }

    pub(super) async fn put(&mut self, records: &[Record]) -> Result<()> {
        self.calls.call("put", self.task.put(records)).await
    }

    /// The offsets that the plugin calls safe, of these.
    pub(super) async fn pre_commit(&mut self, current: &Offsets) -> Result<Offsets> {
        self.calls.call("pre_commit", self.task.pre_commit(current)).await
    }

    pub(super) async fn close(&mut self, partitions: &[TopicPartition]) {
        if self.is_broken() || partitions.is_empty() {
            return;
        }
        if let Err(error) = self.calls.call("close", self.task.close(partitions)).await {
            tracing::error!(%error, "the plugin did not close its partitions cleanly");
        }
    }

    pub(super) async fn stop(&mut self) {
        if self.is_broken() {
            return;
        }
        if let Err(error) = self.calls.call("stop", self.task.stop()).await {
            tracing::error!(%error, "the plugin did not stop cleanly");
        }
    }
}
