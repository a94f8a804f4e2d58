use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio::sync::watch;
use tracing::{Instrument as _, Span};
use tributary_api::{Error, Factory, Result};
use tributary_control::InstanceState;

use super::context::Voice;
use super::{Control, TaskContext, TaskHandle, TaskListener, TaskSpec, sink, source};
use crate::supervision::panicked;

/// Starts a task and returns at once. Whatever happens is told to the listener: `Running` once the plugin has started,
/// `Paused`, `Unassigned` when it has ended as asked, `Failed` with a trace.
pub(crate) fn start(spec: TaskSpec, listener: Arc<dyn TaskListener>) -> TaskHandle {
    let cx = TaskContext::new(spec, listener);
    let (tell_end, ended) = watch::channel(false);
    let handle = TaskHandle { control: Arc::clone(&cx.control), metrics: Arc::clone(&cx.metrics), ended };
    let (life, executor) = (Life::of(&cx), cx.spec.worker.executor.clone());
    if matches!(cx.spec.plugin.factory, Factory::Processor) {
        own_thread(life, cx, tell_end);
    } else {
        executor.spawn(async move {
            life.live(run(cx)).await;
            tell_end.send_replace(true);
        });
    }
    handle
}

/// A processor has a thread to itself: it waits for records and for the ends of transactions inside the client library.
fn own_thread(life: Life, cx: TaskContext, tell_end: watch::Sender<bool>) {
    let (voice, runtime) = (Arc::clone(&cx.voice), cx.spec.worker.executor.runtime().clone());
    // Linux shows 15 bytes of a thread's name.
    let name: String = cx.spec.id.to_string().chars().take(15).collect();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        // Nothing else runs on this thread: the loop owes nobody a turn.
        runtime.block_on(tokio::task::unconstrained(life.live(process(cx))));
        tell_end.send_replace(true);
    });
    if let Err(error) = thread {
        voice.failed(&Error::fatal("cannot start a thread for the task").cause(&error));
    }
}

/// What goes around a task's loop, whatever the loop does.
struct Life {
    voice: Arc<Voice>,
    control: Arc<Control>,
    span: Span,
}

impl Life {
    fn of(cx: &TaskContext) -> Self {
        let span = tracing::info_span!("task", connector = %cx.spec.id.connector, task = cx.spec.id.task);
        Self { voice: Arc::clone(&cx.voice), control: Arc::clone(&cx.control), span }
    }

    async fn live(self, run: impl Future<Output = Result<()>>) {
        let Self { voice, control, span } = self;
        let life = async {
            tokio::select! {
                biased;
                outcome = run => outcome,
                // A plugin that waits is dropped, one that blocks keeps its thread.
                () = control.abandoned() => Ok(()),
            }
        };
        let outcome = AssertUnwindSafe(life).catch_unwind().instrument(span.clone()).await;
        span.in_scope(|| match outcome.unwrap_or_else(|panic| Err(panicked("the task", &*panic))) {
            Ok(()) => voice.state(InstanceState::Unassigned),
            Err(_) if control.is_abandoned() => {}
            Err(error) => {
                tracing::error!(%error, "task failed: restart it when the cause is removed");
                voice.failed(&error);
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
        cx.voice.running(true);
    }
    cx.wait_until_resumed().await
}
