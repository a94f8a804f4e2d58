use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

type OnAbandon = Box<dyn FnOnce() + Send>;
/// Ends a wait inside a client library, which cancelling a future does not end.
pub(crate) type Wake = Box<dyn Fn() + Send + Sync>;

/// The requests to a task, shared by its handle and its threads.
pub(crate) struct Control {
    stopping: CancellationToken,
    paused: watch::Sender<bool>,
    abandoned: CancellationToken,
    on_abandon: Mutex<Vec<OnAbandon>>,
    wakes: Mutex<Vec<Wake>>,
}

impl Control {
    pub(crate) fn new(paused: bool) -> Self {
        Self {
            stopping: CancellationToken::new(),
            paused: watch::Sender::new(paused),
            abandoned: CancellationToken::new(),
            on_abandon: Mutex::default(),
            wakes: Mutex::default(),
        }
    }

    /// Cancelled when the task should end.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Sleeps, or returns early when the task is asked to stop.
    pub(crate) async fn sleep(&self, time: Duration) {
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
    }

    /// Asks the task to end.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
        self.wake();
    }

    pub(crate) fn is_paused(&self) -> bool {
        *self.paused.borrow()
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.send_replace(paused);
        self.wake();
    }

    /// Follows whether the task should be paused.
    pub(crate) fn watch_paused(&self) -> watch::Receiver<bool> {
        self.paused.subscribe()
    }

    /// Whether the task is abandoned: from now on it must not write, commit or report anything.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.is_cancelled()
    }

    /// Waits until the task is abandoned.
    pub(crate) async fn abandoned(&self) {
        self.abandoned.cancelled().await;
    }

    /// Abandons the task and releases what it holds in clients.
    pub(crate) fn abandon(&self) {
        self.abandoned.cancel();
        self.stop();
        let hooks = std::mem::take(&mut *self.on_abandon.lock());
        hooks.into_iter().for_each(|hook| hook());
    }

    /// `wake` is called with every request; it must not block.
    pub(crate) fn on_request(&self, wake: Wake) {
        self.wakes.lock().push(wake);
    }

    fn wake(&self) {
        self.wakes.lock().iter().for_each(|wake| wake());
    }

    /// Called with a client when the task is abandoned, if the client still exists; it must not block. A weak
    /// reference, because this object may outlive the task's clients and must not keep them alive.
    pub(crate) fn on_abandon<T: Send + Sync + 'static>(&self, client: &Arc<T>, release: fn(&T)) {
        let client = Arc::downgrade(client);
        let hook = move || {
            if let Some(client) = client.upgrade() {
                release(&client);
            }
        };
        self.on_abandon.lock().push(Box::new(hook));
        if self.is_abandoned() {
            self.abandon();
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("stopping", &self.is_stopping())
            .field("paused", &self.is_paused())
            .field("abandoned", &self.is_abandoned())
            .finish_non_exhaustive()
    }
}
