use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio::sync::watch;
use tracing::{Instrument as _, Span};
use tributary_api::{Error, Factory, Result};
use tributary_control::InstanceState;

use super::context::StatusReporter;
use super::{Control, TaskContext, TaskHandle, TaskListener, TaskSpec, sink, source};
use crate::supervision::panicked;

/// Starts a task and returns at once. The listener gets its states: `Running` once the plugin has started, `Paused`,
/// `Unassigned` when it has ended on request, `Failed` with a trace.
pub(crate) fn start(spec: TaskSpec, listener: Arc<dyn TaskListener>) -> TaskHandle {
    let cx = TaskContext::new(spec, listener);
    let (ended_sender, ended) = watch::channel(false);
    let handle = TaskHandle { control: Arc::clone(&cx.control), metrics: Arc::clone(&cx.metrics), ended };
    let (lifecycle, executor) = (TaskLifecycle::of(&cx), cx.spec.worker.executor.clone());
    if matches!(cx.spec.plugin.factory, Factory::Processor) {
        spawn_on_own_thread(lifecycle, cx, ended_sender);
    } else {
        executor.spawn(async move {
            lifecycle.supervise(run(cx)).await;
            ended_sender.send_replace(true);
        });
    }
    handle
}

/// A processor has its own thread, because it blocks in the client library while it waits for records and for
/// transactions.
fn spawn_on_own_thread(lifecycle: TaskLifecycle, cx: TaskContext, ended_sender: watch::Sender<bool>) {
    let (reporter, runtime) = (Arc::clone(&cx.reporter), cx.spec.worker.executor.runtime().clone());
    // Linux shows 15 bytes of a thread's name.
    let name: String = cx.spec.id.to_string().chars().take(15).collect();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        // `unconstrained`: nothing else runs on this thread, so tokio's cooperative budget is not needed.
        runtime.block_on(tokio::task::unconstrained(lifecycle.supervise(process(cx))));
        ended_sender.send_replace(true);
    });
    if let Err(error) = thread {
        reporter.failed(&Error::fatal("cannot start a thread for the task").cause(&error));
    }
}

/// Runs a task's loop: catches panics, ends it when the task is abandoned, and reports how it ended.
struct TaskLifecycle {
    reporter: Arc<StatusReporter>,
    control: Arc<Control>,
    span: Span,
}

impl TaskLifecycle {
    fn of(cx: &TaskContext) -> Self {
        let span = tracing::info_span!("task", connector = %cx.spec.id.connector, task = cx.spec.id.task);
        Self { reporter: Arc::clone(&cx.reporter), control: Arc::clone(&cx.control), span }
    }

    async fn supervise(self, run: impl Future<Output = Result<()>>) {
        let Self { reporter, control, span } = self;
        let lifecycle = async {
            tokio::select! {
                biased;
                outcome = run => outcome,
                // A plugin that awaits is dropped here; one that blocks keeps its thread.
                () = control.abandoned() => Ok(()),
            }
        };
        let outcome = AssertUnwindSafe(lifecycle).catch_unwind().instrument(span.clone()).await;
        span.in_scope(|| match outcome.unwrap_or_else(|panic| Err(panicked("the task", &*panic))) {
            Ok(()) => reporter.state(InstanceState::Unassigned),
            Err(_) if control.is_abandoned() => {}
            Err(error) => {
                tracing::error!(%error, "task failed: remove the cause and restart it");
                reporter.failed(&error);
            }
        });
    }
}

async fn run(cx: TaskContext) -> Result<()> {
    if !may_run(&cx).await {
        return Ok(());
    }
    // Boxed, so that a task takes the memory of its own loop and not of the largest one.
    match cx.spec.plugin.factory.clone() {
        Factory::Source(factory) => Box::pin(source::run(cx, &*factory.task)).await,
        Factory::Sink(factory) => Box::pin(sink::run(cx, (factory.task)())).await,
        _ => {
            let message = format!("{} is not a connector", cx.spec.plugin.description.class);
            Err(Error::config_at("connector.class", message))
        }
    }
}

async fn process(cx: TaskContext) -> Result<()> {
    if may_run(&cx).await { crate::processor::run(cx).await } else { Ok(()) }
}

/// Waits while the task is started as paused; `false` when it should end instead.
async fn may_run(cx: &TaskContext) -> bool {
    if cx.control.is_paused() {
        cx.reporter.running(true);
    }
    cx.wait_until_resumed().await
}
