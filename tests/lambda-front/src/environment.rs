use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::event::Event;
use crate::faults::Fault;
use crate::functions::Function;
use crate::log::Log;
use crate::name::REGION;
use crate::records::Outcome;
use crate::runtime_api::{Delivery, RuntimeApi, RuntimeReply};

/// How long a process may take until it asks for its first event.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// What one run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    /// What the function printed.
    pub(crate) printed: String,
    pub(crate) took: Duration,
}

/// A function's process with the API that it speaks. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Environment {
    version: String,
    child: Child,
    api: RuntimeApi,
    log: Log,
}

impl Environment {
    pub(crate) async fn start(
        name: &str,
        version: &str,
        program: &Path,
        function: &Function,
        tracker: &TaskTracker,
    ) -> Result<Self> {
        let (api, log) = (RuntimeApi::serve(tracker).await?, Log::new()?);
        let child = Command::new(program)
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", version)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("[{version}]{}", Uuid::new_v4().simple()))
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .envs(function.environment.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
            .stdin(Stdio::null())
            .stdout(log.writer()?)
            .stderr(log.writer()?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        tracing::debug!(function = name, version, pid = child.id(), "a function's process begins");
        Ok(Self { version: version.to_owned(), child, api, log })
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Whether the process can take another event.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Runs the function once. After anything but an answer of the function the process is gone.
    pub(crate) async fn run(&mut self, event: Event, limit: Duration, fault: Option<Fault>) -> Ran {
        let mut begun = Instant::now();
        let mut outcome = self.initialised().await;
        if outcome.is_none() {
            begun = Instant::now();
            outcome = Some(self.run_event(event, begun + limit, fault).await);
        }
        let took = begun.elapsed().min(limit);
        let printed = self.log.take().unwrap_or_default();
        Ran { outcome: outcome.unwrap_or(Outcome::TimedOut), printed, took }
    }

    /// Waits until the process asks for an event; how it failed if it does not.
    async fn initialised(&mut self) -> Option<Outcome> {
        let reply = tokio::select! {
            biased;
            polled = self.api.polled() => match polled {
                Ok(()) => return None,
                Err(reply) => reply,
            },
            status = self.child.wait() => return Some(exited(status)),
            () = sleep(INIT_LIMIT) => None,
        };
        self.kill().await;
        Some(match reply {
            Some(RuntimeReply::InitError(payload)) => Outcome::Error { payload, handled: false },
            _ => Outcome::TimedOut,
        })
    }

    async fn run_event(&mut self, event: Event, deadline: Instant, fault: Option<Fault>) -> Outcome {
        if matches!(fault, Some(Fault::CrashBefore)) {
            return self.crash().await;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let trace_id = trace_id();
        self.api.deliver(Delivery { event, deadline: SystemTime::now() + left, trace_id });
        let reply = tokio::select! {
            biased;
            reply = self.api.reply() => reply,
            status = self.child.wait() => return exited(status),
            () = sleep_until(deadline) => None,
        };
        match fault {
            Some(Fault::CrashAfter) => return self.crash().await,
            Some(Fault::TimeOut) => sleep_until(deadline).await,
            _ => {}
        }
        match reply.filter(|_| !matches!(fault, Some(Fault::TimeOut))) {
            Some(RuntimeReply::Response(payload)) => Outcome::Response(payload),
            Some(RuntimeReply::Error { payload, handled }) => Outcome::Error { payload, handled },
            Some(RuntimeReply::ResponseTooLarge) => Outcome::ResponseTooLarge,
            Some(RuntimeReply::InitError(_)) | None => {
                self.kill().await;
                Outcome::TimedOut
            }
        }
    }

    async fn crash(&mut self) -> Outcome {
        self.kill().await;
        exited(self.child.wait().await)
    }

    async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "could not kill a function's process");
        }
    }
}

/// In Lambda's words.
pub(crate) fn exit_reason(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(6)) => "Runtime exited with error: signal: aborted".to_owned(),
        (None, Some(9)) => "Runtime exited with error: signal: killed".to_owned(),
        (None, Some(11)) => "Runtime exited with error: signal: segmentation fault".to_owned(),
        (None, signal) => format!("Runtime exited with error: signal: {}", signal.unwrap_or_default()),
    }
}

/// For the header `X-Amzn-Trace-Id` and the function's own trace header; not sampled.
pub(crate) fn trace_id() -> String {
    let id = Uuid::new_v4().simple().to_string();
    format!("Root=1-{}-{};Parent={};Sampled=0", &id[..8], &id[8..], &id[..16])
}

fn exited(status: std::io::Result<ExitStatus>) -> Outcome {
    Outcome::Exited(match status {
        Ok(status) => exit_reason(status),
        Err(error) => format!("Runtime exited with error: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_of_a_process_is_reported_in_lambdas_words() {
        let status = |raw| exit_reason(ExitStatus::from_raw(raw));
        assert_eq!(status(0), "Runtime exited without providing a reason");
        assert_eq!(status(3 << 8), "Runtime exited with error: exit status 3");
        assert_eq!(status(9), "Runtime exited with error: signal: killed");
        assert_eq!(status(15), "Runtime exited with error: signal: 15");
    }
}
