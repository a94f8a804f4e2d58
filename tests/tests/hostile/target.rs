use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tributary_tests::{RestClient, Tributary, WorkerOptions, consume_all, create_topic, produce, unique, wait_until};

/// How long a regular request may wait during an attack on the worker. Not a claim about speed: what never ends must
/// not hold up the tests.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// What a process logs that has lost a thread or is about to end.
const CRIES: [&str; 3] = ["panicked at", "memory allocation of", "capacity overflow"];

/// A worker over its embedded servers, to be attacked.
pub(crate) struct Target {
    pub(crate) worker: Tributary,
    pid: u32,
}

impl Target {
    /// Nothing but the embedded servers: no connector, no shop.
    pub(crate) async fn start() -> Result<Self> {
        Self::of(WorkerOptions::embedded().set("demo.shop.enable", "false")).await
    }

    /// A worker with more in it, such as `Pipeline::options`.
    pub(crate) async fn of(options: WorkerOptions) -> Result<Self> {
        let worker = Tributary::start(options).await?;
        let pid = worker.pid();
        Ok(Self { worker, pid })
    }

    /// Ends the worker in order and starts it again.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.worker.restart().await?;
        self.pid = self.worker.pid();
        Ok(())
    }

    pub(crate) fn rest(&self) -> RestClient {
        self.worker.rest()
    }

    /// The worker is the same process, has not panicked, answers REST, and its broker takes and gives a record.
    pub(crate) async fn holds(&mut self) -> Result<()> {
        self.is_alive()?;
        let rest = self.rest();
        let answers = || async { rest.get("/").await.is_ok_and(|answer| answer.status == 200) };
        wait_until(LIMIT, "an answer of REST", answers).await?;
        tokio::time::timeout(LIMIT, self.passes_a_record()).await.context("the broker does not answer")??;
        self.is_alive()
    }

    fn is_alive(&mut self) -> Result<()> {
        let log = self.worker.log();
        ensure!(self.worker.is_running() && self.worker.pid() == self.pid, "the worker has ended\n{log}");
        match log.lines().find(|line| CRIES.iter().any(|cry| line.contains(cry))) {
            Some(cry) => bail!("the worker has logged: {cry}"),
            None => Ok(()),
        }
    }

    async fn passes_a_record(&self) -> Result<()> {
        let (bootstrap, topic) = (self.worker.bootstrap(), unique("regular"));
        create_topic(&bootstrap, &topic, 1).await?;
        produce(&bootstrap, &topic, [(None, b"regular".to_vec())]).await?;
        let read = consume_all(&bootstrap, &topic, false).await?;
        ensure!(read.len() == 1, "{} records instead of one", read.len());
        Ok(())
    }
}
