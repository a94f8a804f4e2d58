use async_trait::async_trait;
use tributary_api::{ConfigIssue, Connector, ConnectorContext, Error, Offsets, Props, Result, SinkConnector};

use crate::client::connect;
use crate::config::{Settings, definition};
use crate::exactly_once::OffsetStore;
use crate::server::Server;

const URI: &str = "connection.uri";
const OFFSETS: &str = "exactly.once.offsets.collection";

/// Plans the MongoDB sink: every task has the same configuration, and its share of the partitions.
#[derive(Debug, Default)]
pub(crate) struct MongoConnector {
    props: Props,
}

#[async_trait]
impl Connector for MongoConnector {
    async fn validate(&mut self, props: &Props) -> Result<Vec<ConfigIssue>> {
        let issues = Settings::issues(props);
        if !issues.is_empty() {
            return Ok(issues);
        }
        let settings = Settings::new(&definition().parse(props)?)?;
        let reached = async {
            let (client, retry_writes) = connect(&settings, name(props)).await?;
            Server::ask(client, retry_writes).await
        };
        Ok(match reached.await {
            Err(error) => vec![ConfigIssue::new(URI, format!("Unable to connect to the server: {error}"))],
            Ok(server) if settings.offsets_collection.is_some() => {
                let issue = require_transactions(&server).err();
                issue.map(|error| ConfigIssue::of_error(&error, OFFSETS)).into_iter().collect()
            }
            Ok(_) => Vec::new(),
        })
    }

    async fn start(&mut self, _cx: ConnectorContext, props: &Props) -> Result<()> {
        if let Some(issue) = Settings::issues(props).into_iter().next() {
            return Err(issue.into_error());
        }
        self.props = props.clone();
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone(); max_tasks])
    }
}

#[async_trait]
impl SinkConnector for MongoConnector {
    async fn alter_offsets(&mut self, props: &Props, offsets: &Offsets) -> Result<bool> {
        let settings = Settings::new(&definition().parse(props)?)?;
        let Some(store) = offset_store(&settings, name(props)) else { return Ok(true) };
        let (client, _) = connect(&settings, name(props)).await?;
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

fn name(props: &Props) -> &str {
    props.get("name").map_or("", String::as_str)
}
