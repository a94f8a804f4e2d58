use std::sync::Arc;

use async_trait::async_trait;
use tributary_api::{Error, Offsets, Props, Record, Result, SinkTask, SinkTaskContext, TopicPartition};

use super::address::Address;
use super::catch_up::{Bounds, CatchUp};
use super::config::DeliverSettings;
use super::endpoints;
use super::hub::{Hub, HubLimits};
use super::message::{Message, PartitionId};
use super::replay_window::ReplayWindow;
use super::subscriber::Subscriber;
use crate::http::{Listeners, PathLease, PathRequest};

/// Hands the records of the topic to the hub.
#[derive(Debug)]
pub(crate) struct DeliveryTask {
    listeners: Listeners,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    lease: PathLease,
    hub: OpenHub,
    catch_up: Arc<CatchUp>,
    replay_window: ReplayWindow,
    cx: SinkTaskContext,
}

/// Closes when dropped: a task that fails is not stopped, and its pages would wait for a hub that nobody feeds.
#[derive(Debug)]
struct OpenHub(Arc<Hub>);

impl Drop for OpenHub {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl DeliveryTask {
    pub(crate) fn new(listeners: Listeners) -> Self {
        Self { listeners, running: None }
    }

    fn running(&mut self) -> Result<&mut Running> {
        self.running.as_mut().ok_or_else(|| Error::fatal("used before it was started"))
    }
}

#[async_trait]
impl SinkTask for DeliveryTask {
    async fn start(&mut self, cx: SinkTaskContext, props: &Props) -> Result<()> {
        let settings = DeliverSettings::new(props)?;
        let request = PathRequest { owner: &cx.connector, settings: &settings.http, paths: &settings.paths.all() };
        let mut lease = self.listeners.lease(request)?;
        let hub = Arc::new(Hub::new(settings.hub));
        let HubLimits { messages, bytes, .. } = settings.hub;
        let bounds = Bounds { records: settings.resume_records, messages, bytes };
        let catch_up = Arc::new(CatchUp::new(cx.clone(), bounds, hub.closed().clone()));
        let (authenticator, hub_of_pages) = (settings.http.authenticator.clone(), hub.clone());
        let subscriber = Arc::new(Subscriber { authenticator, hub: hub_of_pages, catch_up: catch_up.clone() });
        endpoints::serve(&mut lease, &settings, &subscriber);
        let replay_window = ReplayWindow::new(settings.hub.window);
        self.running = Some(Running { lease, hub: OpenHub(hub), catch_up, replay_window, cx });
        Ok(())
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let running = self.running()?;
        running.hub.0.forget_partitions(partitions.iter().map(PartitionId::of));
        running.catch_up.assigned();
        Ok(())
    }

    async fn put(&mut self, records: &[Record]) -> Result<()> {
        let Running { hub, replay_window, cx, .. } = self.running()?;
        let mut messages = Vec::with_capacity(records.len());
        for record in records {
            // A tombstone says nothing to a browser.
            if record.value.value.is_null() {
                continue;
            }
            match Address::of(record).and_then(|address| Ok((address, Message::of(record)?))) {
                Ok(message) => messages.push(message),
                Err(error) => cx.report(record, &error)?,
            }
        }
        hub.0.publish(messages);
        for record in records {
            if let Some((topic, partition, offset)) = record.consumed_from() {
                replay_window.handed_over(&TopicPartition::new(topic.clone(), partition), offset);
            }
        }
        Ok(())
    }

    async fn pre_commit(&mut self, offsets: &Offsets) -> Result<Offsets> {
        Ok(self.running()?.replay_window.safe(offsets))
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let running = self.running()?;
        running.hub.0.forget_partitions(partitions.iter().map(PartitionId::of));
        running.replay_window.forget(partitions);
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.lease.pause();
        drop(running.hub);
        running.lease.release().await;
        Ok(())
    }
}
