use std::sync::Arc;

use async_trait::async_trait;
use tributary_api::{Config, Offsets, Record, Result, SinkTask, SinkTaskContext, TopicPartition};

use super::address::Address;
use super::catch_up::{Bounds, CatchUp};
use super::config::DeliverSettings;
use super::endpoints;
use super::hub::{Hub, HubLimits};
use super::message::{Message, PartitionId};
use super::replay_window::ReplayWindow;
use super::subscriber::Subscriber;
use crate::http::{Listeners, PathLease, PathRequest};

/// Publishes the records of the topic to the hub.
#[derive(Debug)]
pub(crate) struct DeliveryTask {
    /// Released when the task stops.
    lease: Option<PathLease>,
    hub: OpenHub,
    catch_up: Arc<CatchUp>,
    replay_window: ReplayWindow,
    cx: SinkTaskContext,
}

/// Closes when dropped, because `stop` is not called for a failed task: otherwise its pages would stay connected and
/// get nothing.
#[derive(Debug)]
struct OpenHub(Arc<Hub>);

impl Drop for OpenHub {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl DeliveryTask {
    pub(crate) async fn start(cx: SinkTaskContext, config: Config, listeners: Listeners) -> Result<Self> {
        let settings = DeliverSettings::new(&config)?;
        let request = PathRequest { owner: &cx.connector, settings: &settings.http, paths: &settings.paths.all() };
        let mut lease = listeners.lease(request)?;
        let hub = Arc::new(Hub::new(settings.hub));
        let HubLimits { messages, bytes, .. } = settings.hub;
        let bounds = Bounds { records: settings.resume_records, messages, bytes };
        let catch_up = Arc::new(CatchUp::new(cx.clone(), bounds, hub.closed().clone()));
        let (authenticator, hub_of_pages) = (settings.http.authenticator.clone(), hub.clone());
        let subscriber = Arc::new(Subscriber { authenticator, hub: hub_of_pages, catch_up: catch_up.clone() });
        endpoints::serve(&mut lease, &settings, &subscriber);
        let replay_window = ReplayWindow::new(settings.hub.window);
        Ok(Self { lease: Some(lease), hub: OpenHub(hub), catch_up, replay_window, cx })
    }
}

#[async_trait]
impl SinkTask for DeliveryTask {
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.hub.0.forget_partitions(partitions.iter().map(PartitionId::of));
        self.catch_up.assigned();
        Ok(())
    }

    async fn put(&mut self, records: &[Record]) -> Result<()> {
        let Self { hub, replay_window, cx, .. } = self;
        let mut messages = Vec::with_capacity(records.len());
        for record in records {
            // Tombstones are not delivered.
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
        Ok(self.replay_window.safe(offsets))
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.hub.0.forget_partitions(partitions.iter().map(PartitionId::of));
        self.replay_window.forget(partitions);
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        if let Some(lease) = &mut self.lease {
            lease.pause();
        }
        self.hub.0.close();
        if let Some(lease) = self.lease.take() {
            lease.release().await;
        }
        Ok(())
    }
}
