use std::os::unix::process::ExitStatusExt;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;

use crate::environment::{Environment, Ran, exit_reason};
use crate::event::{Event, Handler, Reply, error_payload};
use crate::faults::Fault;
use crate::functions::{Code, Function};
use crate::records::Outcome;

/// A function with its concurrency and the processes that wait for their next event.
#[derive(Debug)]
pub(crate) struct Pool {
    name: String,
    function: Function,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Environment>>,
}

impl Pool {
    /// A function takes its slots from `shared` unless it reserves some.
    pub(crate) fn new(name: String, function: Function, shared: &Arc<Semaphore>) -> Self {
        let slots = function.reserved.map_or_else(|| Arc::clone(shared), |limit| Arc::new(Semaphore::new(limit)));
        Self { name, function, slots, idle: Mutex::default() }
    }

    pub(crate) fn function(&self) -> &Function {
        &self.function
    }

    /// Leave to run now, or why there is none.
    pub(crate) fn try_slot(&self) -> Result<OwnedSemaphorePermit, &'static str> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| match self.function.reserved {
            Some(_) => "ReservedFunctionConcurrentInvocationLimitExceeded",
            None => "ConcurrentInvocationLimitExceeded",
        })
    }

    /// Leave to run, as soon as there is some.
    pub(crate) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    pub(crate) async fn run(&self, event: Event, version: &str, fault: Option<Fault>, tracker: &TaskTracker) -> Ran {
        if let Some(Fault::Error { kind, message, handled }) = fault {
            return at_once(Outcome::Error { payload: error_payload(&kind, &message), handled });
        }
        match &self.function.code {
            Code::Process(program) => self.run_process(program, event, version, fault, tracker).await,
            Code::Inline(handler) => run_inline(handler, event, self.function.timeout, fault).await,
        }
    }

    /// Ends the processes that wait, and lets none wait any more.
    pub(crate) fn end(&self) {
        self.slots.close();
        self.idle().clear();
    }

    async fn run_process(
        &self,
        program: &Path,
        event: Event,
        version: &str,
        fault: Option<Fault>,
        tracker: &TaskTracker,
    ) -> Ran {
        let mut environment = match self.idle_one(version) {
            Some(environment) => environment,
            None => match Environment::start(&self.name, version, program, &self.function, tracker).await {
                Ok(environment) => environment,
                Err(error) => {
                    let message = format!("RequestId: {} Error: {error:#}", event.request_id);
                    let payload = error_payload("Runtime.InvalidEntrypoint", &message);
                    return at_once(Outcome::Error { payload, handled: false });
                }
            },
        };
        let ran = environment.run(event, self.function.timeout, fault).await;
        if environment.is_alive() {
            self.idle().push(environment);
        }
        ran
    }

    fn idle_one(&self, version: &str) -> Option<Environment> {
        let mut idle = self.idle();
        // The one that ran last, as it is the warmest.
        while let Some(place) = idle.iter().rposition(|environment| environment.version() == version) {
            let mut environment = idle.remove(place);
            if environment.is_alive() {
                return Some(environment);
            }
        }
        None
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Environment>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn at_once(outcome: Outcome) -> Ran {
    Ran { outcome, printed: String::new(), took: Duration::ZERO }
}

async fn run_inline(handler: &Handler, event: Event, limit: Duration, fault: Option<Fault>) -> Ran {
    let begun = Instant::now();
    let killed = || Outcome::Exited(exit_reason(ExitStatus::from_raw(9)));
    if matches!(fault, Some(Fault::CrashBefore)) {
        return at_once(killed());
    }
    let reply = tokio::select! {
        reply = AssertUnwindSafe(handler.call(event)).catch_unwind() => Some(reply),
        () = sleep_until(begun + limit) => None,
    };
    if matches!(fault, Some(Fault::TimeOut)) {
        sleep_until(begun + limit).await;
    }
    let outcome = match (fault, reply) {
        (Some(Fault::CrashAfter), _) => killed(),
        (Some(Fault::TimeOut), _) | (_, None) => Outcome::TimedOut,
        (_, Some(Ok(Reply::Response(payload)))) if payload.len() > crate::RESPONSE_LIMIT => Outcome::ResponseTooLarge,
        (_, Some(Ok(Reply::Response(payload)))) => Outcome::Response(payload),
        (_, Some(Ok(Reply::Error { kind, message, handled }))) => {
            Outcome::Error { payload: error_payload(&kind, &message), handled }
        }
        (_, Some(Ok(Reply::Exit(code)))) => Outcome::Exited(exit_reason(ExitStatus::from_raw(code << 8))),
        // What a Rust program's panic in its main thread ends with.
        (_, Some(Err(_))) => Outcome::Exited(exit_reason(ExitStatus::from_raw(101 << 8))),
    };
    Ran { outcome, printed: String::new(), took: begun.elapsed().min(limit) }
}
