use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::port::free_port;
use crate::process::Usage;
use crate::rig::RigServer;
use crate::s3::S3;

/// A MinIO server.
#[derive(Debug)]
pub struct Minio {
    server: RigServer,
}

impl Minio {
    /// The access key of its only user.
    pub const ACCESS_KEY: &str = "tributary";
    /// The secret key of its only user.
    pub const SECRET_KEY: &str = "tributary-secret";
    /// The region that signatures name.
    pub const REGION: &str = "us-east-1";

    /// Starts one that has these buckets.
    pub async fn start(buckets: &[&str]) -> Result<Self> {
        let environment = [
            ("MINIO_ROOT_USER", Self::ACCESS_KEY),
            ("MINIO_ROOT_PASSWORD", Self::SECRET_KEY),
            ("MINIO_REGION", Self::REGION),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let buckets = buckets.iter().map(ToString::to_string).collect();
        Ok(Self { server: RigServer::start("minio.sh", free_port()?, buckets, environment.into()).await? })
    }

    /// Its URL; buckets are addressed by path.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// A client with the user's keys.
    pub fn client(&self) -> S3 {
        S3::new(&self.endpoint(), Self::ACCESS_KEY, Self::SECRET_KEY, Self::REGION)
    }

    /// The process id.
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
