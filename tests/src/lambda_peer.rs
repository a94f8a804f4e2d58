use std::path::Path;

use anyhow::{Context, Result};

use crate::port::{free_port, free_ports};
use crate::rig::RigServer;

/// Another implementation of a Lambda endpoint, with one function that does what its event says.
#[derive(Debug)]
pub struct LambdaPeer {
    server: RigServer,
    function: &'static str,
}

impl LambdaPeer {
    /// serverless-offline, with a function in JavaScript.
    pub async fn serverless_offline() -> Result<Self> {
        // Two: the second one is of an HTTP API that is not used.
        let server = RigServer::start("serverless.sh", free_ports(2)?, Vec::new(), Vec::new()).await?;
        Ok(Self { server, function: "rig-dev-probe" })
    }

    /// `cargo lambda watch`, with a built program as the function.
    pub async fn cargo_lambda(program: &Path) -> Result<Self> {
        let program = program.to_str().context("the path of the function is no text")?.to_owned();
        let server = RigServer::start("cargo-lambda.sh", free_port()?, vec![program], Vec::new()).await?;
        Ok(Self { server, function: "probe" })
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// The name of its function.
    pub fn function(&self) -> &'static str {
        self.function
    }
}
