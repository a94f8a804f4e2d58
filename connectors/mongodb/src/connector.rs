use async_trait::async_trait;
use tributary_api::{Config, ConfigIssue, Connector, Error, Offsets, Props, Result, SinkConnector};

use crate::client::connect;
use crate::config::Settings;
use crate::exactly_once::OffsetStore;
use crate::server::Server;

const URI: &str = "connection.uri";
const OFFSETS: &str = "exactly.once.offsets.collection";

/// Plans the MongoDB sink: every task has the same configuration, and its share of the partitions.
pub(crate) struct MongoConnector;

#[async_trait]
impl Connector for MongoConnector {
    async fn validate(&mut self, config: &Config) -> Result<Vec<ConfigIssue>> {
        let settings = Settings::new(config)?;
        let reached = async {
            let (client, retry_writes) = connect(&settings, name(config)).await?;
            Server::ask(client, retry_writes).await
        };
        Ok(match reached.await {
            Err(error) => vec![ConfigIssue::of_error(&error.context("Unable to connect to the server"), URI)],
            Ok(server) if settings.offsets_collection.is_some() => {
                let issue = require_transactions(&server).err();
                issue.map(|error| ConfigIssue::of_error(&error, OFFSETS)).into_iter().collect()
            }
            Ok(_) => Vec::new(),
        })
    }

    async fn task_configs(&mut self, config: &Config, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(config.for_tasks(max_tasks))
    }
}

#[async_trait]
impl SinkConnector for MongoConnector {
    async fn alter_offsets(&mut self, config: &Config, offsets: &Offsets) -> Result<bool> {
        let settings = Settings::new(config)?;
        let Some(store) = offset_store(&settings, name(config)) else { return Ok(true) };
        let (client, _) = connect(&settings, name(config)).await?;
        store.alter(&client, offsets).await?;
        Ok(true)
    }
}

/// The store of offsets in the database, if configured.
pub(crate) fn offset_store(settings: &Settings, connector: &str) -> Option<OffsetStore> {
    let collection = settings.offsets_collection.clone()?;
    Some(OffsetStore { database: settings.database.clone(), collection, connector: connector.to_owned() })
}

/// Transactions need a replica set.
///
/// # Errors
/// `Config` when the server is a standalone one.
pub(crate) fn require_transactions(server: &Server) -> Result<()> {
    if server.replicated {
        return Ok(());
    }
    let advice = "connect to a replica set or a sharded cluster, or leave the property out";
    Err(Error::config_at(OFFSETS, format!("exactly once needs transactions, which this server has not: {advice}")))
}

fn name(config: &Config) -> &str {
    config.originals().get("name").map_or("", String::as_str)
}
