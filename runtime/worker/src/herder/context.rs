use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tributary_api::{Error, Plugin, PluginKind, PluginRegistry, Props, Result};

use super::status_writer::StatusWriter;
use crate::config_transformer::ConfigTransformer;
use crate::connector_config::ConnectorConfig;
use crate::prometheus::TaskRegistry;
use crate::settings::WorkerSettings;
use crate::stores::{ConfigStore, OffsetStores};

/// Shared by the requests and all runners.
pub(crate) struct HerderContext {
    pub(crate) settings: Arc<WorkerSettings>,
    pub(crate) plugins: PluginRegistry,
    pub(crate) transformer: ConfigTransformer,
    pub(crate) configs: ConfigStore,
    pub(crate) offsets: OffsetStores,
    pub(crate) status_writer: Arc<StatusWriter>,
    pub(crate) incarnations: AtomicU64,
    pub(crate) metrics: TaskRegistry,
}

impl HerderContext {
    pub(super) fn next_incarnation(&self) -> u64 {
        self.incarnations.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn plugin(&self, config: &Props) -> Result<&Plugin> {
        let class = config.get("connector.class").ok_or_else(|| {
            Error::config_at("connector.class", "connector.class is missing: name the connector's plugin")
        })?;
        self.plugins.find(class, PluginKind::is_connector)
    }

    /// A connector's configuration, parsed, with its variables resolved.
    pub(super) async fn parse(&self, config: &Props) -> Result<ConnectorConfig> {
        let plugin = self.plugin(config)?;
        ConnectorConfig::parse(self.transformer.resolve_async(config).await?, plugin, &self.settings)
    }
}
