use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Control, TaskMetrics};

/// The herder's handle of a running task. Dropping it asks the task to stop.
#[derive(Debug)]
pub(crate) struct TaskHandle {
    pub(super) control: Arc<Control>,
    pub(super) metrics: Arc<TaskMetrics>,
    /// True, or closed, once the task has ended and reports nothing more.
    pub(super) ended: watch::Receiver<bool>,
}

impl TaskHandle {
    /// Asks the task to pause; it keeps its resources. It reports `Paused` when it has.
    pub(crate) fn pause(&self) {
        self.control.set_paused(true);
    }

    /// Asks the task to resume. It reports `Running` when it has.
    pub(crate) fn resume(&self) {
        self.control.set_paused(false);
    }

    /// Asks the task to store its last offsets and end. Returns at once.
    pub(crate) fn stop(&self) {
        self.control.stop();
    }

    /// Waits for the end of a task that was asked to stop. If it does not end in time, it is abandoned and the result
    /// is `false`: from then on it writes no status, stores no offset and sends nothing, although a thread may stay
    /// blocked in the plugin.
    pub(crate) async fn stopped(&mut self, timeout: Duration) -> bool {
        if tokio::time::timeout(timeout, self.ended.wait_for(|ended| *ended)).await.is_ok() {
            return true;
        }
        self.control.abandon();
        false
    }

    /// Waits for the end of the task, by request or by failure.
    pub(crate) async fn ended(&self) {
        // An error means that the sender was dropped: that is an end too.
        drop(self.ended.clone().wait_for(|ended| *ended).await);
    }

    /// Whether the task has ended, by request or by failure.
    pub(crate) fn has_ended(&self) -> bool {
        *self.ended.borrow() || self.ended.has_changed().is_err()
    }

    /// The task's metrics.
    pub(crate) fn metrics(&self) -> Arc<TaskMetrics> {
        Arc::clone(&self.metrics)
    }
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        self.stop();
    }
}
