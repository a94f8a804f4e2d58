use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::watch;
use tracing::Instrument as _;
use tributary_api::{Error, Factory, Result};
use tributary_control::InstanceState;

use super::{TaskContext, TaskHandle, TaskListener, TaskSpec, sink, source};
use crate::supervision::panicked;

/// Starts a task on a thread of its own and returns at once. Whatever happens is told to the listener: `Running` once
/// the plugin has started, `Paused`, `Unassigned` when it has ended as asked, `Failed` with a trace.
pub(crate) fn start(spec: TaskSpec, listener: Arc<dyn TaskListener>) -> TaskHandle {
    let cx = TaskContext::new(spec, listener);
    let (tell_end, ended) = watch::channel(false);
    let handle = TaskHandle { control: Arc::clone(&cx.control), metrics: Arc::clone(&cx.metrics), ended };
    let voice = Arc::clone(&cx.voice);
    // Linux shows 15 bytes of a thread's name.
    let name: String = cx.spec.id.to_string().chars().take(15).collect();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        live(cx);
        tell_end.send_replace(true);
    });
    if let Err(error) = thread {
        voice.failed(&Error::fatal("cannot start a thread for the task").cause(&error));
    }
    handle
}

fn live(cx: TaskContext) {
    let (voice, control) = (Arc::clone(&cx.voice), Arc::clone(&cx.control));
    let runtime = cx.spec.worker.runtime.clone();
    let span = tracing::info_span!("task", connector = %cx.spec.id.connector, task = cx.spec.id.task);
    // Nothing else runs on this thread: the loop owes nobody a turn.
    let life = async {
        tokio::select! {
            biased;
            outcome = run(cx) => outcome,
            // A plugin that waits is dropped, one that blocks keeps the thread.
            () = control.abandoned() => Ok(()),
        }
    };
    let life = tokio::task::unconstrained(life.instrument(span.clone()));
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(life)));
    let _entered = span.enter();
    match outcome.unwrap_or_else(|panic| Err(panicked("the task", &*panic))) {
        Ok(()) => voice.state(InstanceState::Unassigned),
        Err(_) if control.is_abandoned() => {}
        Err(error) => {
            tracing::error!(%error, "task failed: restart it when the cause is removed");
            voice.failed(&error);
        }
    }
}

async fn run(cx: TaskContext) -> Result<()> {
    if cx.control.is_paused() {
        cx.voice.running(true);
    }
    if !cx.wait_until_resumed().await {
        return Ok(());
    }
    match cx.spec.plugin.factory.clone() {
        Factory::Source(factory) => source::run(cx, (factory.task)()).await,
        Factory::Sink(factory) => sink::run(cx, (factory.task)()).await,
        Factory::Processor => crate::processor::run(cx).await,
        _ => Err(Error::config(format!("{} is not a connector", cx.spec.plugin.description.class))),
    }
}
