use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::routing::post;
use tokio::net::TcpListener;

use crate::faults::Faults;
use crate::functions::{Code, Functions};
use crate::invoke::invoke;
use crate::records::Invocation;
use crate::runs::Runs;

/// A running front. When it is dropped it no longer listens, and the functions' processes are killed.
#[derive(Debug)]
pub struct LambdaFront {
    address: SocketAddr,
    runs: Arc<Runs>,
}

impl LambdaFront {
    /// Starts it on a free port of 127.0.0.1.
    pub async fn start(functions: Functions) -> Result<Self> {
        Self::start_on(functions, 0).await
    }

    /// Starts it on a port of 127.0.0.1.
    pub async fn start_on(functions: Functions, port: u16) -> Result<Self> {
        for (name, function) in &functions.functions {
            if let Code::Process(program) = &function.code {
                ensure!(program.is_file(), "the program of function {name} is not there: {}", program.display());
            }
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("listen on port {port} of 127.0.0.1"))?;
        let address = listener.local_addr()?;
        let runs = Arc::new(Runs::new(functions));
        let router = Router::new()
            .route("/2015-03-31/functions/{function}/invocations", post(invoke))
            .with_state(Arc::clone(&runs));
        let stopped = runs.stop.clone().cancelled_owned();
        runs.tracker.spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
                tracing::warn!(%error, "the front ended");
            }
        });
        Ok(Self { address, runs })
    }

    /// The endpoint for an SDK's client, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The last invocations in the order in which they came, one for each attempt.
    pub fn invocations(&self) -> Vec<Invocation> {
        self.runs.records.all()
    }

    /// What is to go wrong next.
    pub fn faults(&self) -> &Faults {
        &self.runs.faults
    }

    /// Stops it, and waits until nothing runs any more.
    pub async fn stop(self) {
        self.runs.end();
        self.runs.tracker.close();
        self.runs.tracker.wait().await;
    }
}

impl Drop for LambdaFront {
    fn drop(&mut self) {
        self.runs.end();
    }
}
