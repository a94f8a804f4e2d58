use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tributary_api::{AckListener, Error, Props, Record, Result, SourceTask, SourceTaskContext};

use super::config::CollectSettings;
use super::endpoint::CollectEndpoint;
use super::pending::PendingRequests;
use crate::http::{Listeners, PathLease, PathRequest};

/// Hands what the endpoint has taken in to the runtime.
#[derive(Debug)]
pub(crate) struct ClickstreamTask {
    listeners: Listeners,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    lease: PathLease,
    pending: OpenRequests,
    stopping: CancellationToken,
    poll_records: usize,
}

/// Closes when dropped, since a failed task is not stopped: requests that still wait are answered with a time to retry.
#[derive(Debug)]
struct OpenRequests(Arc<PendingRequests>);

impl Drop for OpenRequests {
    fn drop(&mut self) {
        self.0.close();
        self.0.refuse_waiting();
    }
}

impl ClickstreamTask {
    pub(crate) fn new(listeners: Listeners) -> Self {
        Self { listeners, running: None }
    }
}

#[async_trait]
impl SourceTask for ClickstreamTask {
    async fn start(&mut self, cx: SourceTaskContext, props: &Props) -> Result<()> {
        let settings = CollectSettings::new(props)?;
        let request = PathRequest { owner: &cx.connector, settings: &settings.http, paths: &[&settings.path] };
        let mut lease = self.listeners.lease(request)?;
        let pending = Arc::new(PendingRequests::new(settings.room));
        lease.serve(&settings.path, Arc::new(CollectEndpoint::new(&settings, pending.clone())));
        let (stopping, poll_records) = (cx.stopping().clone(), settings.poll_records);
        self.running = Some(Running { lease, pending: OpenRequests(pending), stopping, poll_records });
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<Record>> {
        let Some(running) = &mut self.running else { return Err(Error::fatal("polled before it was started")) };
        loop {
            if running.stopping.is_cancelled() {
                // Requests already in the queue are still answered; new ones get 503 and a time to retry.
                running.lease.pause();
                running.pending.0.close();
                return Ok(running.pending.0.take(usize::MAX));
            }
            let records = running.pending.0.take(running.poll_records);
            if !records.is_empty() {
                return Ok(records);
            }
            tokio::select! {
                () = running.pending.0.arrived() => {}
                () = running.stopping.cancelled() => {}
            }
        }
    }

    fn ack_listener(&self) -> Option<Arc<dyn AckListener>> {
        self.running.as_ref().map(|running| running.pending.0.clone() as Arc<dyn AckListener>)
    }

    async fn stop(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.lease.pause();
        drop(running.pending);
        running.lease.release().await;
        Ok(())
    }
}
