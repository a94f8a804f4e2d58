use std::sync::Arc;

use async_trait::async_trait;
use tributary_api::{Error, Offsets, Props, Record, Result, SinkTask, SinkTaskContext, TopicPartition};

use super::address::Address;
use super::catch_up::{Bounds, CatchUp};
use super::config::DeliverSettings;
use super::endpoints;
use super::hub::{Hub, HubLimits};
use super::message::{Lane, Message};
use super::opening::Opening;
use super::settled::Settled;
use crate::http::{Hold, Listeners, Place};

/// Hands the records of the topic to the hub.
#[derive(Debug)]
pub(crate) struct DeliveryTask {
    listeners: Listeners,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    hold: Hold,
    hub: OpenHub,
    catch_up: Arc<CatchUp>,
    settled: Settled,
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
        let place = Place { owner: &cx.connector, settings: &settings.http, paths: &settings.paths.all() };
        let mut hold = self.listeners.hold(place)?;
        let hub = Arc::new(Hub::new(settings.hub));
        let HubLimits { messages, bytes, .. } = settings.hub;
        let bounds = Bounds { records: settings.resume_records, messages, bytes };
        let catch_up = Arc::new(CatchUp::new(cx.clone(), bounds, hub.closed().clone()));
        let (gate, hub_of_pages) = (settings.http.gate.clone(), hub.clone());
        let opening = Arc::new(Opening { gate, hub: hub_of_pages, catch_up: catch_up.clone() });
        endpoints::serve(&mut hold, &settings, &opening);
        let settled = Settled::new(settings.hub.window);
        self.running = Some(Running { hold, hub: OpenHub(hub), catch_up, settled, cx });
        Ok(())
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let running = self.running()?;
        running.hub.0.forget_lanes(partitions.iter().map(Lane::of));
        running.catch_up.assigned();
        Ok(())
    }

    async fn put(&mut self, records: &[Record]) -> Result<()> {
        let Running { hub, settled, cx, .. } = self.running()?;
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
                settled.handed_over(&TopicPartition::new(topic.clone(), partition), offset);
            }
        }
        Ok(())
    }

    async fn pre_commit(&mut self, offsets: &Offsets) -> Result<Offsets> {
        Ok(self.running()?.settled.safe(offsets))
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let running = self.running()?;
        running.hub.0.forget_lanes(partitions.iter().map(Lane::of));
        running.settled.forget(partitions);
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.hold.pause();
        drop(running.hub);
        running.hold.release().await;
        Ok(())
    }
}
