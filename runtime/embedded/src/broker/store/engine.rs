//! One run of Tansu's storage engine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tansu_storage::{BrokerRegistrationRequest, Error, Storage as _, StorageContainer};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

/// The only node of the cluster.
const NODE: i32 = 1;

/// Additions to Tansu 0.6.0's tables.
const ADDITIONS: [&str; 2] = [HEADER_INDEX, DELETION_GUARD];

/// Tansu reads the headers of each record by its offset but has no index for that, so reading or removing a record
/// would scan all headers.
const HEADER_INDEX: &str = "create index if not exists header_by_record on header (topition, offset_id)";

/// Tansu deletes a topic's partitions first and then, by a wrong condition, the rows of all topics, which would delete
/// every record of the broker. A topic that still has partitions must not be deleted.
const DELETION_GUARD: &str = "create trigger if not exists keep_other_topics before delete on topic \
    when exists (select 1 from topition where topition.topic = old.id) begin select raise(ignore); end";

/// The options of an engine.
#[derive(Clone, Debug)]
pub(in crate::broker) struct StoreOptions {
    /// Tansu's storage address.
    pub(in crate::broker) url: Url,
    /// The SQLite file of the address; `None` in memory.
    pub(in crate::broker) database: Option<PathBuf>,
    pub(in crate::broker) cluster_id: String,
    /// The address that clients get in metadata.
    pub(in crate::broker) advertised: SocketAddr,
}

/// A running engine. Clones share it.
#[derive(Clone)]
pub(super) struct Engine {
    pub(super) container: StorageContainer,
    /// Cancelled when the broker closes.
    pub(super) cancellation: CancellationToken,
    /// Counts the engines of one broker.
    pub(super) generation: u64,
}

impl Engine {
    pub(super) async fn start(options: &StoreOptions) -> Result<Self, Error> {
        if let Some(database) = &options.database {
            log_ahead(database).await.map_err(|error| Error::LibSql(Arc::new(error)))?;
        }
        let cancellation = CancellationToken::new();
        let container = StorageContainer::builder()
            .cluster_id(options.cluster_id.as_str())
            .node_id(NODE)
            .advertised_listener(Url::parse(&format!("tcp://{}", options.advertised))?)
            .storage(options.url.clone())
            .cancellation(cancellation.clone())
            .silent(true)
            .build()
            .await?;
        if let Some(database) = &options.database {
            complete_tables(database).await.map_err(|error| Error::LibSql(Arc::new(error)))?;
        }
        let registration = BrokerRegistrationRequest {
            broker_id: NODE,
            cluster_id: options.cluster_id.clone(),
            incarnation_id: Uuid::now_v7(),
            rack: None,
        };
        container.register_broker(registration).await?;
        Ok(Self { container, cancellation, generation: 0 })
    }

    /// This engine as the successor of another one.
    pub(super) fn after(self, ended: &Self) -> Self {
        Self { generation: ended.generation + 1, ..self }
    }
}

/// Sets the file's WAL mode before the engine creates its tables; the engine itself sets it only afterwards. Each table
/// then needs one disk write instead of several, which is most of the time of a first start.
async fn log_ahead(database: &Path) -> Result<(), libsql::Error> {
    connect(database).await?.query("pragma journal_mode = wal", ()).await?.next().await?;
    Ok(())
}

/// Removes all members from groups when the broker starts, because none is connected. Otherwise Tansu would wait until
/// their sessions expire before it assigns their partitions to new members. Offsets are kept.
pub(super) async fn forget_members(database: &Path) -> Result<(), libsql::Error> {
    connect(database).await?.execute("delete from consumer_group_detail", ()).await.map(drop)
}

async fn complete_tables(database: &Path) -> Result<(), libsql::Error> {
    let connection = connect(database).await?;
    for addition in ADDITIONS {
        connection.execute(addition, ()).await?;
    }
    Ok(())
}

async fn connect(database: &Path) -> Result<libsql::Connection, libsql::Error> {
    libsql::Builder::new_local(database).build().await?.connect()
}
