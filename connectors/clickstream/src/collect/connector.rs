use async_trait::async_trait;
use tributary_api::{
    Config, ConfigIssue, Connector, ConnectorContext, Error, ExactlyOnceSupport, OffsetMap, Props, Result,
    SourceConnector,
};

use super::admission;
use super::config::{CollectSettings, beyond_producer};
use crate::http::{Listeners, PathLease, PathRequest, check_files};

/// Leases the path while the connector exists: while no task runs, browsers get 503 with `Retry-After`.
#[derive(Debug)]
pub(crate) struct ClickstreamSource {
    listeners: Listeners,
    lease: Option<PathLease>,
}

impl ClickstreamSource {
    pub(crate) fn new(listeners: Listeners) -> Self {
        Self { listeners, lease: None }
    }
}

#[async_trait]
impl Connector for ClickstreamSource {
    async fn validate(&mut self, config: &Config) -> Result<Vec<ConfigIssue>> {
        let files = check_files(config)?.into_iter().chain(admission::check_file(config));
        let issues: Vec<ConfigIssue> = beyond_producer(config)?.into_iter().chain(files).collect();
        if !issues.is_empty() {
            return Ok(issues);
        }
        let settings = CollectSettings::new(config)?;
        let owner = config.originals().get("name").map_or("", String::as_str);
        let (paths, properties) = settings.paths();
        let request = PathRequest { owner, settings: &settings.http, paths: &paths };
        Ok(self.listeners.check(request, properties).await)
    }

    async fn start(&mut self, cx: ConnectorContext, config: &Config) -> Result<()> {
        let settings = CollectSettings::new(config)?;
        let request = PathRequest { owner: &cx.name, settings: &settings.http, paths: &settings.paths().0 };
        self.lease = Some(self.listeners.lease(request)?);
        Ok(())
    }

    /// One task, because a listener cannot be shared by tasks.
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
impl SourceConnector for ClickstreamSource {
    fn exactly_once_support(&self, _config: &Config) -> ExactlyOnceSupport {
        ExactlyOnceSupport::Unsupported
    }

    async fn alter_offsets(&mut self, _config: &Config, _offsets: &[(OffsetMap, Option<OffsetMap>)]) -> Result<bool> {
        Err(Error::config("this connector has no offsets: a browser cannot be read again"))
    }
}
