use async_trait::async_trait;
use tributary_api::{
    ConfigIssue, Connector, ConnectorContext, Error, ExactlyOnceSupport, OffsetMap, Props, Result, SourceConnector,
};

use super::config::{CollectSettings, check};
use crate::http::{Listeners, PathLease, PathRequest};

/// Leases the path while the connector exists: while no task runs, browsers get 503 with `Retry-After`.
#[derive(Debug)]
pub(crate) struct ClickstreamSource {
    listeners: Listeners,
    props: Props,
    lease: Option<PathLease>,
}

impl ClickstreamSource {
    pub(crate) fn new(listeners: Listeners) -> Self {
        Self { listeners, props: Props::new(), lease: None }
    }
}

#[async_trait]
impl Connector for ClickstreamSource {
    async fn validate(&mut self, props: &Props) -> Result<Vec<ConfigIssue>> {
        check(props)
    }

    async fn start(&mut self, cx: ConnectorContext, props: &Props) -> Result<()> {
        let settings = CollectSettings::new(props)?;
        let request = PathRequest { owner: &cx.name, settings: &settings.http, paths: &[&settings.path] };
        self.lease = Some(self.listeners.lease(request)?);
        self.props = props.clone();
        Ok(())
    }

    /// One task, because a listener cannot be shared by tasks.
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
impl SourceConnector for ClickstreamSource {
    fn exactly_once_support(&self, _props: &Props) -> ExactlyOnceSupport {
        ExactlyOnceSupport::Unsupported
    }

    async fn alter_offsets(&mut self, _props: &Props, _offsets: &[(OffsetMap, Option<OffsetMap>)]) -> Result<bool> {
        Err(Error::config("this connector has no offsets: a browser cannot be read again"))
    }
}
