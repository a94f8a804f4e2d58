use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tributary_api::{AckListener, Error, Props, Record, Result, SourceTask, SourceTaskContext};

use super::config::CollectSettings;
use super::endpoint::CollectEndpoint;
use super::intake::Intake;
use crate::http::{Hold, Listeners, Place};

/// Hands what the endpoint has taken in to the runtime.
#[derive(Debug)]
pub(crate) struct ClickstreamTask {
    listeners: Listeners,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    hold: Hold,
    intake: OpenIntake,
    stopping: CancellationToken,
    poll_records: usize,
}

/// Closes when dropped: a task that fails is not stopped, and who waits in its queue is told to come again.
#[derive(Debug)]
struct OpenIntake(Arc<Intake>);

impl Drop for OpenIntake {
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
        let place = Place { owner: &cx.connector, settings: &settings.http, paths: &[&settings.path] };
        let mut hold = self.listeners.hold(place)?;
        let intake = Arc::new(Intake::new(settings.room));
        hold.serve(&settings.path, Arc::new(CollectEndpoint::new(&settings, intake.clone())));
        let (stopping, poll_records) = (cx.stopping().clone(), settings.poll_records);
        self.running = Some(Running { hold, intake: OpenIntake(intake), stopping, poll_records });
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<Record>> {
        let Some(running) = &mut self.running else { return Err(Error::fatal("polled before it was started")) };
        loop {
            if running.stopping.is_cancelled() {
                // Whoever is already in the queue still gets an answer; who comes now is told to come again.
                running.hold.pause();
                running.intake.0.close();
                return Ok(running.intake.0.take(usize::MAX));
            }
            let records = running.intake.0.take(running.poll_records);
            if !records.is_empty() {
                return Ok(records);
            }
            tokio::select! {
                () = running.intake.0.arrived() => {}
                () = running.stopping.cancelled() => {}
            }
        }
    }

    fn ack_listener(&self) -> Option<Arc<dyn AckListener>> {
        self.running.as_ref().map(|running| running.intake.0.clone() as Arc<dyn AckListener>)
    }

    async fn stop(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.hold.pause();
        drop(running.intake);
        running.hold.release().await;
        Ok(())
    }
}
