use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::rest::RestClient;
use crate::sqlserver::SqlServer;
use crate::tributary::WorkerOptions;

const CONNECTORS: [&str; 8] =
    ["clicks", "customers", "enriched-to-s3", "offers", "orders", "personalize", "products", "raw-to-s3"];

/// The shop's database on the stand-in, as `--demo` makes it, and the settings of `configs/sqlserver.properties` for it.
#[derive(Debug)]
pub struct SqlPipeline {
    /// The server.
    pub server: SqlServer,
}

impl SqlPipeline {
    /// The shop's database.
    pub const DATABASE: &str = "shop";

    /// A server on which nothing changes but what a test does.
    pub async fn start() -> Result<Self> {
        Ok(Self { server: SqlServer::start(&["--demo", "--rate", "0", "--capture-every", "100"]).await? })
    }

    /// The options of a worker of the reference pipeline with the settings of the project's file, but for the server's port.
    pub fn options(&self, mut options: WorkerOptions) -> Result<WorkerOptions> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/sqlserver.properties");
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        for (name, value) in lines {
            options = options.set(name, value);
        }
        let port = self.server.port().to_string();
        Ok(options.set("shared.sqlserver.port", port).set("shared.sqlserver.password", SqlServer::PASSWORD))
    }

    /// Waits until all connectors run.
    pub async fn running(&self, rest: &RestClient, limit: Duration) -> Result<()> {
        for name in CONNECTORS {
            rest.wait_running(name, 1, limit).await?;
        }
        Ok(())
    }
}
