use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection};

use crate::port::free_port;
use crate::process::Usage;
use crate::rig::RigServer;

/// A server with MongoDB's protocol.
#[derive(Debug)]
pub struct Mongo {
    server: RigServer,
    /// `user:password@`, or nothing.
    credentials: String,
}

impl Mongo {
    /// The user of [`ferretdb`](Self::ferretdb).
    pub const USER: &str = "tributary";
    /// Its password.
    pub const PASSWORD: &str = "tributary-secret";

    /// Starts mongo-java-server with its collections in memory.
    pub async fn start() -> Result<Self> {
        Self::start_on("memory").await
    }

    /// Starts mongo-java-server with its collections in a file: what it has acknowledged survives
    /// [`kill9`](Self::kill9).
    pub async fn durable() -> Result<Self> {
        Self::start_on("file").await
    }

    /// Starts FerretDB with one user, which says that it is a replica set of one.
    pub async fn ferretdb() -> Result<Self> {
        let environment =
            [("RIG_FERRETDB_USER", Self::USER), ("RIG_FERRETDB_PASSWORD", Self::PASSWORD), ("RIG_FERRETDB_SET", "rs0")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let server = RigServer::start("ferretdb.sh", free_port()?, Vec::new(), environment.into()).await?;
        Ok(Self { server, credentials: format!("{}:{}@", Self::USER, Self::PASSWORD) })
    }

    async fn start_on(store: &str) -> Result<Self> {
        let environment = vec![("RIG_MONGO_STORE".to_owned(), store.to_owned())];
        let server = RigServer::start("mongo.sh", free_port()?, Vec::new(), environment).await?;
        Ok(Self { server, credentials: String::new() })
    }

    /// Its connection string.
    pub fn uri(&self) -> String {
        format!("mongodb://{}127.0.0.1:{}/?directConnection=true", self.credentials, self.server.port())
    }

    /// Its connection string with another password, or another user's.
    pub fn uri_as(&self, user: &str, password: &str) -> String {
        format!("mongodb://{user}:{password}@127.0.0.1:{}/?directConnection=true", self.server.port())
    }

    /// A collection, to look at what a sink has written.
    pub async fn collection(&self, database: &str, name: &str) -> Result<Collection<Document>> {
        Ok(Client::with_uri_str(self.uri()).await?.database(database).collection(name))
    }

    /// All documents of a collection, sorted by `_id`.
    pub async fn documents(&self, database: &str, name: &str) -> Result<Vec<Document>> {
        let mut cursor = self.collection(database, name).await?.find(doc! {}).sort(doc! { "_id": 1 }).await?;
        let mut documents = Vec::new();
        while cursor.advance().await? {
            documents.push(cursor.deserialize_current()?);
        }
        Ok(documents)
    }

    /// How many documents a collection has.
    pub async fn count(&self, database: &str, name: &str) -> Result<u64> {
        // Not `count_documents`, which is a pipeline.
        let counted = self.collection(database, name).await?.estimated_document_count().await?;
        Ok(counted)
    }

    /// The process id; another one after [`restart`](Self::restart).
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// How long it took until it was ready.
    pub fn startup(&self) -> Duration {
        self.server.startup()
    }

    /// Its data and logs.
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// Memory and processor time up to now.
    pub fn usage(&self) -> Result<Usage> {
        self.server.usage()
    }

    /// Ends it at once.
    pub async fn kill9(&mut self) -> Result<()> {
        self.server.stop(true).await
    }

    /// Starts it again on the same port and data; stops it first if it runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.server.stop(false).await?;
        self.server.start_again().await
    }
}
