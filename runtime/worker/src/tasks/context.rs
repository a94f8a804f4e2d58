use std::sync::Arc;

use parking_lot::Mutex;
use tributary_api::Error;
use tributary_control::{InstanceState, TaskId};

use super::{Control, TaskListener, TaskMetrics, TaskSpec};

/// What a task's loop works with: its specification, the requests of its handle, its metrics and its status reporter.
pub(crate) struct TaskContext {
    pub(crate) spec: TaskSpec,
    pub(crate) control: Arc<Control>,
    pub(crate) metrics: Arc<TaskMetrics>,
    pub(crate) reporter: Arc<StatusReporter>,
}

/// Reports the states of one incarnation of a task to the herder; reports nothing once the task is abandoned.
pub(crate) struct StatusReporter {
    task: TaskId,
    incarnation: u64,
    control: Arc<Control>,
    listener: Arc<dyn TaskListener>,
    last: Mutex<Option<InstanceState>>,
}

impl TaskContext {
    pub(super) fn new(spec: TaskSpec, listener: Arc<dyn TaskListener>) -> Self {
        let control = Arc::new(Control::new(spec.paused));
        let reporter = Arc::new(StatusReporter {
            task: spec.id.clone(),
            incarnation: spec.incarnation,
            control: Arc::clone(&control),
            listener,
            last: Mutex::new(None),
        });
        let metrics = Arc::new(TaskMetrics::of(&spec.id));
        Self { spec, control, metrics, reporter }
    }

    /// Waits until the task may run; `false` when it should end instead.
    pub(crate) async fn wait_until_resumed(&self) -> bool {
        let mut paused = self.control.watch_paused();
        tokio::select! {
            biased;
            () = self.control.stopping().cancelled() => false,
            resumed = paused.wait_for(|paused| !paused) => resumed.is_ok(),
        }
    }
}

impl StatusReporter {
    /// Reports a state if it differs from the last one.
    pub(crate) fn state(&self, state: InstanceState) {
        let before = self.last.lock().replace(state);
        if before != Some(state) && !self.control.is_abandoned() {
            self.listener.state_changed(&self.task, self.incarnation, state, None);
        }
    }

    /// Reports that the task is running or paused.
    pub(crate) fn running(&self, paused: bool) {
        self.state(if paused { InstanceState::Paused } else { InstanceState::Running });
    }

    /// Reports that the task has failed, and why.
    pub(crate) fn failed(&self, error: &Error) {
        if !self.control.is_abandoned() {
            self.listener.state_changed(&self.task, self.incarnation, InstanceState::Failed, Some(error.trace()));
        }
    }

    /// Whether another worker runs the task by now.
    pub(crate) async fn is_taken_over(&self) -> bool {
        self.listener.is_taken_over(&self.task).await
    }

    /// Reports that a topic is in use.
    pub(crate) fn topic_used(&self, topic: &str) {
        if !self.control.is_abandoned() {
            self.listener.topic_used(&self.task, topic);
        }
    }
}
