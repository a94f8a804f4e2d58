use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tributary_api::{AckListener, Config, Record, Result, SourceTask, SourceTaskContext};

use super::admission::Admission;
use super::config::CollectSettings;
use super::endpoint::CollectEndpoint;
use super::pending::PendingRequests;
use super::pixel::PixelEndpoint;
use crate::http::{Listeners, PathLease, PathRequest};

/// Passes the events that the endpoint has accepted to the runtime.
#[derive(Debug)]
pub(crate) struct ClickstreamTask {
    /// Released when the task stops.
    lease: Option<PathLease>,
    pending: OpenRequests,
    stopping: CancellationToken,
    poll_records: usize,
}

/// Closes when dropped, because `stop` is not called for a failed task: waiting requests are answered with
/// `Retry-After`.
#[derive(Debug)]
struct OpenRequests(Arc<PendingRequests>);

impl Drop for OpenRequests {
    fn drop(&mut self) {
        self.0.close();
        self.0.refuse_waiting();
    }
}

impl ClickstreamTask {
    pub(crate) async fn start(cx: SourceTaskContext, config: Config, listeners: Listeners) -> Result<Self> {
        let settings = CollectSettings::new(&config)?;
        let request = PathRequest { owner: &cx.connector, settings: &settings.http, paths: &settings.paths().0 };
        let mut lease = listeners.lease(request)?;
        let pending = Arc::new(PendingRequests::new(settings.budget));
        let endpoint = Arc::new(CollectEndpoint::new(&settings, Admission::new(&config)?, pending.clone()));
        if let Some(path) = &settings.pixel_path {
            lease.serve(path, Arc::new(PixelEndpoint(endpoint.clone())));
        }
        lease.serve(&settings.path, endpoint);
        let (stopping, poll_records) = (cx.stopping().clone(), settings.poll_records);
        Ok(Self { lease: Some(lease), pending: OpenRequests(pending), stopping, poll_records })
    }

    /// Requests already in the queue are still answered; new ones get 503 with `Retry-After`.
    fn close(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.pause();
        }
        self.pending.0.close();
    }
}

#[async_trait]
impl SourceTask for ClickstreamTask {
    async fn poll(&mut self) -> Result<Vec<Record>> {
        loop {
            if self.stopping.is_cancelled() {
                self.close();
                return Ok(self.pending.0.take(usize::MAX));
            }
            let records = self.pending.0.take(self.poll_records);
            if !records.is_empty() {
                return Ok(records);
            }
            tokio::select! {
                () = self.pending.0.arrived() => {}
                () = self.stopping.cancelled() => {}
            }
        }
    }

    fn ack_listener(&self) -> Option<Arc<dyn AckListener>> {
        Some(Arc::clone(&self.pending.0) as _)
    }

    async fn stop(&mut self) -> Result<()> {
        self.close();
        self.pending.0.refuse_waiting();
        if let Some(lease) = self.lease.take() {
            lease.release().await;
        }
        Ok(())
    }
}
