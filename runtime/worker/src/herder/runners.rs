use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::context::HerderContext;
use super::message::RunnerMessage;
use super::runner::Runner;
use crate::loggers::LoggerControl;
use crate::membership::Membership;
use crate::stores::ConfigEvent;

/// How many requests may wait for one runner.
const INBOX: usize = 64;

/// The runners, one for each connector of this worker.
pub(crate) struct Runners {
    pub(crate) context: Arc<HerderContext>,
    membership: Arc<dyn Membership>,
    runners: Mutex<HashMap<String, RunnerEntry>>,
    tracker: TaskTracker,
    /// No new runners are started.
    closing: CancellationToken,
    /// All runners have ended: the background tasks end too.
    stopping: CancellationToken,
}

struct RunnerEntry {
    inbox: mpsc::Sender<RunnerMessage>,
    task: JoinHandle<()>,
}

impl Runners {
    pub(crate) fn new(context: HerderContext, membership: Arc<dyn Membership>) -> Arc<Self> {
        Arc::new(Self {
            context: Arc::new(context),
            membership,
            runners: Mutex::default(),
            tracker: TaskTracker::new(),
            closing: CancellationToken::new(),
            stopping: CancellationToken::new(),
        })
    }

    /// Starts to follow the configuration topic.
    pub(crate) fn start(self: &Arc<Self>, events: mpsc::Receiver<ConfigEvent>, loggers: Arc<dyn LoggerControl>) {
        let statuses = Arc::clone(&self.context.status_writer);
        let stopping = self.stopping.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                // Writes statuses until the worker stops.
                () = statuses.run() => {}
                () = stopping.cancelled() => {}
            }
        });
        self.tracker.spawn(Arc::clone(self).follow_configuration());
        self.tracker.spawn(Arc::clone(self).handle_events(events, loggers));
    }

    /// Sends a request to a connector's runner; false when this worker has none.
    pub(super) async fn send(&self, connector: &str, message: RunnerMessage) -> bool {
        let inbox = {
            let runners = self.runners.lock();
            runners.get(connector).map(|entry| entry.inbox.clone())
        };
        match inbox {
            Some(inbox) => inbox.send(message).await.is_ok(),
            None => false,
        }
    }

    /// Stops all runners concurrently and writes the last states.
    pub(crate) async fn stop(&self, timeout: Duration) {
        let entries: Vec<RunnerEntry> = {
            let mut runners = self.runners.lock();
            self.closing.cancel();
            runners.drain().map(|(_, entry)| entry).collect()
        };
        let stopped = join_all(entries.into_iter().map(|entry| async move {
            let (done, ended) = oneshot::channel();
            if entry.inbox.send(RunnerMessage::Shutdown(done)).await.is_ok() {
                let _ = ended.await;
            }
        }));
        if tokio::time::timeout(timeout, stopped).await.is_err() {
            tracing::warn!("some connectors did not end in time and were abandoned");
        }
        self.context.status_writer.flush(Duration::from_secs(2)).await;
        self.stopping.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    async fn follow_configuration(self: Arc<Self>) {
        let mut changes = self.context.configs.watch_names();
        loop {
            changes.mark_unchanged();
            self.start_missing(&self.context.configs.names());
            tokio::select! {
                // Connectors were created or deleted. An error: the configuration is no longer followed.
                changed = changes.changed() => if changed.is_err() { return },
                () = self.closing.cancelled() => return,
            }
        }
    }

    /// Starts a runner for every connector that has none. A runner ends when its connector is deleted; a new one of the
    /// same name waits until it has ended.
    fn start_missing(&self, names: &[String]) {
        let mut runners = self.runners.lock();
        if self.closing.is_cancelled() {
            return;
        }
        runners.retain(|name, entry| names.binary_search(name).is_ok() || !entry.task.is_finished());
        for name in names.iter().filter(|name| self.membership.is_mine(name)) {
            let predecessor = match runners.get(name) {
                Some(entry) if !entry.task.is_finished() && !entry.inbox.is_closed() => continue,
                Some(_) => runners.remove(name),
                None => None,
            };
            let (sender, inbox) = mpsc::channel(INBOX);
            let runner = Runner::new(name.clone(), Arc::clone(&self.context), sender.clone(), inbox);
            let context = Arc::clone(&self.context);
            let task = self.tracker.spawn(async move {
                if let Some(predecessor) = predecessor {
                    let _ = predecessor.task.await;
                }
                runner.run().await;
                // A connector of the same name that was created while this runner was ending has no runner yet.
                context.configs.wake_name_watchers();
            });
            runners.insert(name.clone(), RunnerEntry { inbox: sender, task });
        }
    }

    async fn handle_events(self: Arc<Self>, mut events: mpsc::Receiver<ConfigEvent>, loggers: Arc<dyn LoggerControl>) {
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = self.stopping.cancelled() => return,
            };
            match event {
                Some(ConfigEvent::Restart(connector, request)) => {
                    self.send(&connector, RunnerMessage::Restart(request)).await;
                }
                Some(ConfigEvent::Logger(logger, level)) => {
                    if let Err(reason) = loggers.set(&logger, &level) {
                        tracing::warn!(logger, level, %reason, "ignored a request to set a logger's level");
                    }
                }
                None => return,
            }
        }
    }
}
