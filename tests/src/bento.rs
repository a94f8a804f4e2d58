use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::port::free_port;
use crate::process::Usage;
use crate::rest::RestClient;
use crate::rig::RigServer;

/// Bento, with its Kafka input and its MongoDB output. It has no pipeline yet.
#[derive(Debug)]
pub struct Bento {
    server: RigServer,
}

impl Bento {
    /// Starts one; returns when it listens.
    pub async fn start() -> Result<Self> {
        Ok(Self { server: RigServer::start("bento.sh", free_port()?, Vec::new(), Vec::new()).await? })
    }

    /// Starts a pipeline of an input, processors and an output, as its documentation has them.
    pub async fn put_stream(&self, name: &str, stream: &Value) -> Result<()> {
        self.rest().post(&format!("/streams/{name}"), stream).await?.success().map(drop)
    }

    /// A client of its REST API.
    pub fn rest(&self) -> RestClient {
        RestClient::new(format!("http://127.0.0.1:{}", self.server.port()))
    }

    /// How long it took until it listened.
    pub fn startup(&self) -> Duration {
        self.server.startup()
    }

    /// Memory and processor time up to now.
    pub fn usage(&self) -> Result<Usage> {
        self.server.usage()
    }

    /// Ends it in order.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.stop(false).await
    }
}
