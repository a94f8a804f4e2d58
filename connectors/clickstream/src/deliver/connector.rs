use async_trait::async_trait;
use tributary_api::{ConfigIssue, Connector, ConnectorContext, Props, Result, SinkConnector};

use super::config::{DeliverSettings, check};
use crate::http::{Listeners, PathLease, PathRequest};

/// Leases the paths while the connector exists: while no task runs, browsers get 503 with `Retry-After`.
#[derive(Debug)]
pub(crate) struct SessionDelivery {
    listeners: Listeners,
    props: Props,
    lease: Option<PathLease>,
}

impl SessionDelivery {
    pub(crate) fn new(listeners: Listeners) -> Self {
        Self { listeners, props: Props::new(), lease: None }
    }
}

#[async_trait]
impl Connector for SessionDelivery {
    async fn validate(&mut self, props: &Props) -> Result<Vec<ConfigIssue>> {
        check(props)
    }

    async fn start(&mut self, cx: ConnectorContext, props: &Props) -> Result<()> {
        let settings = DeliverSettings::new(props)?;
        let request = PathRequest { owner: &cx.name, settings: &settings.http, paths: &settings.paths.all() };
        self.lease = Some(self.listeners.lease(request)?);
        self.props = props.clone();
        Ok(())
    }

    /// One task, because the listener must get the records of all partitions.
    async fn task_configs(&mut self, _max_tasks: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone()])
    }

    async fn stop(&mut self) -> Result<()> {
        if let Some(lease) = self.lease.take() {
            lease.release().await;
        }
        Ok(())
    }
}

#[async_trait]
impl SinkConnector for SessionDelivery {}
