use async_trait::async_trait;
use tributary_api::{Config, ConfigIssue, Connector, ConnectorContext, Props, Result, SinkConnector};

use super::config::{DeliverSettings, PATHS};
use crate::http::{Listeners, PathLease, PathRequest, check_files};

/// Leases the paths while the connector exists: while no task runs, browsers get 503 with `Retry-After`.
#[derive(Debug)]
pub(crate) struct SessionDelivery {
    listeners: Listeners,
    lease: Option<PathLease>,
}

impl SessionDelivery {
    pub(crate) fn new(listeners: Listeners) -> Self {
        Self { listeners, lease: None }
    }
}

#[async_trait]
impl Connector for SessionDelivery {
    async fn validate(&mut self, config: &Config) -> Result<Vec<ConfigIssue>> {
        if let Some(issue) = check_files(config)? {
            return Ok(vec![issue]);
        }
        let settings = DeliverSettings::new(config)?;
        let owner = config.originals().get("name").map_or("", String::as_str);
        let request = PathRequest { owner, settings: &settings.http, paths: &settings.paths.all() };
        Ok(self.listeners.check(request, &PATHS).await)
    }

    async fn start(&mut self, cx: ConnectorContext, config: &Config) -> Result<()> {
        let settings = DeliverSettings::new(config)?;
        let request = PathRequest { owner: &cx.name, settings: &settings.http, paths: &settings.paths.all() };
        self.lease = Some(self.listeners.lease(request)?);
        Ok(())
    }

    /// One task, because the listener must get the records of all partitions.
    async fn task_configs(&mut self, config: &Config, _max_tasks: usize) -> Result<Vec<Props>> {
        Ok(config.for_tasks(1))
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
