use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::OnceCell;

use crate::port::{free_port, free_ports};
use crate::process::Usage;
use crate::rig::RigServer;

/// A real Apache Kafka broker.
#[derive(Debug)]
pub struct Kafka {
    server: RigServer,
}

impl Kafka {
    /// Starts one.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts one with lines of server.properties.
    pub async fn start_with(settings: &[(&str, &str)]) -> Result<Self> {
        let lines = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        // Two: the second one is the controller's.
        Ok(Self { server: RigServer::start("kafka.sh", free_ports(2)?, lines, Vec::new()).await? })
    }

    /// A cluster of two nodes that has two replicas of each topic and writes with one: the first is broker and controller,
    /// the second a broker that may go away. Both of the topics that decide who coordinates have one partition, so that a
    /// single node coordinates all groups and transactions.
    pub async fn pair() -> Result<[Self; 2]> {
        const REPLICATED: [(&str, &str); 6] = [
            ("default.replication.factor", "2"),
            ("min.insync.replicas", "1"),
            ("offsets.topic.replication.factor", "2"),
            ("offsets.topic.num.partitions", "1"),
            ("transaction.state.log.replication.factor", "2"),
            ("transaction.state.log.num.partitions", "1"),
        ];
        let first = Self::start_with(&REPLICATED).await?;
        let port = free_port()?;
        let own = [
            "process.roles=broker".to_owned(),
            "node.id=2".to_owned(),
            format!("controller.quorum.voters=1@127.0.0.1:{}", first.server.port() + 1),
            format!("listeners=PLAINTEXT://127.0.0.1:{port}"),
        ];
        let lines = REPLICATED.iter().map(|(name, value)| format!("{name}={value}")).chain(own).collect();
        let second = Self { server: RigServer::start("kafka.sh", port, lines, Vec::new()).await? };
        Ok([first, second])
    }

    /// The one broker of this test process, started at the first call; it ends with the process. A test that stops or
    /// kills its broker starts its own.
    pub async fn shared() -> Result<&'static Self> {
        // Only for its one slow start: the guard ends the broker, because statics are not dropped.
        static BROKER: OnceCell<Kafka> = OnceCell::const_new();
        BROKER.get_or_try_init(Self::start).await
    }

    /// Its `host:port`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.server.port())
    }

    /// The process id; another one after [`restart`](Self::restart).
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// How long it took until it was ready, the first time with the formatting of its storage.
    pub fn startup(&self) -> Duration {
        self.server.startup()
    }

    /// Its settings, data and logs.
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// Memory and processor time up to now.
    pub fn usage(&self) -> Result<Usage> {
        self.server.usage()
    }

    /// Ends it at once, as a power cut would for the process.
    pub async fn kill9(&mut self) -> Result<()> {
        self.server.stop(true).await
    }

    /// Ends it in order.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.stop(false).await
    }

    /// Starts it again on the same port and data; stops it first if it runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.server.stop(false).await?;
        self.server.start_again().await
    }
}
