use async_trait::async_trait;
use tributary_api::{ConfigIssue, Connector, ConnectorContext, Props, Result, SinkConnector};

use super::config::{DeliverSettings, check};
use crate::http::{Hold, Listeners, Place};

/// Holds the paths while the connector exists, so that browsers are told to come again while its task is not running.
#[derive(Debug)]
pub(crate) struct SessionDelivery {
    listeners: Listeners,
    props: Props,
    hold: Option<Hold>,
}

impl SessionDelivery {
    pub(crate) fn new(listeners: Listeners) -> Self {
        Self { listeners, props: Props::new(), hold: None }
    }
}

#[async_trait]
impl Connector for SessionDelivery {
    async fn validate(&mut self, props: &Props) -> Result<Vec<ConfigIssue>> {
        check(props)
    }

    async fn start(&mut self, cx: ConnectorContext, props: &Props) -> Result<()> {
        let settings = DeliverSettings::new(props)?;
        let place = Place { owner: &cx.name, settings: &settings.http, paths: &settings.paths.all() };
        self.hold = Some(self.listeners.hold(place)?);
        self.props = props.clone();
        Ok(())
    }

    /// One task: whatever partition a person's records are in, the listener must have them.
    async fn task_configs(&mut self, _max_tasks: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone()])
    }

    async fn stop(&mut self) -> Result<()> {
        if let Some(hold) = self.hold.take() {
            hold.release().await;
        }
        Ok(())
    }
}

#[async_trait]
impl SinkConnector for SessionDelivery {}
