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

/// Starts a task and returns at once. Whatever happens is told to the listener: `Running` once the plugin has started,
/// `Paused`, `Unassigned` when it has ended as asked, `Failed` with a trace.
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

/// A processor has a thread to itself: it waits for records and for the ends of transactions inside the client library.
fn spawn_on_own_thread(lifecycle: TaskLifecycle, cx: TaskContext, ended_sender: watch::Sender<bool>) {
    let (reporter, runtime) = (Arc::clone(&cx.reporter), cx.spec.worker.executor.runtime().clone());
    // Linux shows 15 bytes of a thread's name.
    let name: String = cx.spec.id.to_string().chars().take(15).collect();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        // Nothing else runs on this thread: the loop owes nobody a turn.
        runtime.block_on(tokio::task::unconstrained(lifecycle.supervise(process(cx))));
        ended_sender.send_replace(true);
    });
    if let Err(error) = thread {
        reporter.failed(&Error::fatal("cannot start a thread for the task").cause(&error));
    }
}

/// What goes around a task's loop, whatever the loop does.
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
                // A plugin that waits is dropped, one that blocks keeps its thread.
                () = control.abandoned() => Ok(()),
            }
        };
        let outcome = AssertUnwindSafe(lifecycle).catch_unwind().instrument(span.clone()).await;
        span.in_scope(|| match outcome.unwrap_or_else(|panic| Err(panicked("the task", &*panic))) {
            Ok(()) => reporter.state(InstanceState::Unassigned),
            Err(_) if control.is_abandoned() => {}
            Err(error) => {
                tracing::error!(%error, "task failed: restart it when the cause is removed");
                reporter.failed(&error);
            }
        });
    }
}

async fn run(cx: TaskContext) -> Result<()> {
    if !may_run(&cx).await {
        return Ok(());
    }
    // Boxed: a task is as large as the loop it runs, not as the largest there is.
    match cx.spec.plugin.factory.clone() {
        Factory::Source(factory) => Box::pin(source::run(cx, &*factory.task)).await,
        Factory::Sink(factory) => Box::pin(sink::run(cx, (factory.task)())).await,
        _ => Err(Error::config(format!("{} is not a connector", cx.spec.plugin.description.class))),
    }
}

async fn process(cx: TaskContext) -> Result<()> {
    if may_run(&cx).await { crate::processor::run(cx).await } else { Ok(()) }
}

/// Waits while the task is paused from its start on; `false` when it should end instead.
async fn may_run(cx: &TaskContext) -> bool {
    if cx.control.is_paused() {
        cx.reporter.running(true);
    }
    cx.wait_until_resumed().await
}
