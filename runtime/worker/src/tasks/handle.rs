use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Control, TaskMetrics};

/// A running task, as the herder holds it. Dropping it asks the task to stop.
#[derive(Debug)]
pub(crate) struct TaskHandle {
    pub(super) control: Arc<Control>,
    pub(super) metrics: Arc<TaskMetrics>,
    /// True, or closed, once the task has nothing more to say.
    pub(super) ended: watch::Receiver<bool>,
}

impl TaskHandle {
    /// Asks the task to keep its resources and do nothing. It reports `Paused` when it does.
    pub(crate) fn pause(&self) {
        self.control.set_paused(true);
    }

    /// Asks the task to go on. It reports `Running` when it does.
    pub(crate) fn resume(&self) {
        self.control.set_paused(false);
    }

    /// Asks the task to end, its last offsets stored. Returns at once.
    pub(crate) fn stop(&self) {
        self.control.stop();
    }

    /// Waits for the end of a task that was asked to stop. When it does not come in time the task is abandoned and
    /// the answer is `false`: from then on it writes no status, stores no offset and sends nothing, although a
    /// thread may hang in the plugin for ever.
    pub(crate) async fn stopped(&mut self, timeout: Duration) -> bool {
        if tokio::time::timeout(timeout, self.ended.wait_for(|ended| *ended)).await.is_ok() {
            return true;
        }
        self.control.abandon();
        false
    }

    /// Waits for the end of the task, by request or by failure.
    pub(crate) async fn ended(&self) {
        // An error says that the thread has gone: that is an end too.
        drop(self.ended.clone().wait_for(|ended| *ended).await);
    }

    /// Whether the task has ended, by request or by failure.
    pub(crate) fn has_ended(&self) -> bool {
        *self.ended.borrow() || self.ended.has_changed().is_err()
    }

    /// What the task counts.
    pub(crate) fn metrics(&self) -> Arc<TaskMetrics> {
        Arc::clone(&self.metrics)
    }
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        self.stop();
    }
}
