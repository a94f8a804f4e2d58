//! Calls into connector plugins: on the executor, with a deadline, with panics caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use tributary_api::{Error, Result};

use crate::executor::Executor;

/// Calls that may wait while one runs.
const WAITING: usize = 8;

type Job<T> = Box<dyn for<'a> FnOnce(&'a mut T) -> BoxFuture<'a, ()> + Send>;

/// A plugin object that is owned by a task on the executor and called through a mailbox, one call at a time. Dropping
/// the mailbox ends it: a call that awaits is dropped; one that blocks keeps its thread, and nothing else waits for it.
pub(crate) struct PluginMailbox<T> {
    jobs: mpsc::Sender<Job<T>>,
    _end: DropGuard,
}

impl<T: Send + 'static> PluginMailbox<T> {
    /// Creates the object on the executor.
    pub(crate) fn open(executor: &Executor, make: impl FnOnce() -> T + Send + 'static) -> Self {
        let (jobs, mut queue) = mpsc::channel::<Job<T>>(WAITING);
        let ended = CancellationToken::new();
        let end = ended.clone().drop_guard();
        executor.spawn(async move {
            let Ok(mut plugin) = catch_unwind(AssertUnwindSafe(make)) else { return };
            let calls = async {
                while let Some(job) = queue.recv().await {
                    job(&mut plugin).await;
                }
            };
            tokio::select! {
                biased;
                () = ended.cancelled() => {}
                () = calls => {}
            }
        });
        Self { jobs, _end: end }
    }

    /// Calls the object. A panic is returned as a fatal error with its message.
    ///
    /// # Errors
    /// The plugin's own; fatal when it panicked, or did not answer before the deadline.
    pub(crate) async fn call<R: Send + 'static>(
        &self,
        what: &'static str,
        deadline: Duration,
        call: impl for<'a> FnOnce(&'a mut T) -> BoxFuture<'a, Result<R>> + Send + 'static,
    ) -> Result<R> {
        let (answer, answered) = oneshot::channel();
        let job: Job<T> = Box::new(move |plugin| {
            let called = async move {
                let outcome = AssertUnwindSafe(async { call(plugin).await }).catch_unwind().await;
                // The receiver is gone if the deadline has passed.
                drop(answer.send(outcome.unwrap_or_else(|panic| Err(panicked(what, &*panic)))));
            };
            called.boxed()
        });
        self.jobs
            .try_send(job)
            .map_err(|_| Error::fatal(format!("cannot call {what}: the plugin is blocked in an earlier call")))?;
        match tokio::time::timeout(deadline, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Error::fatal(format!("the plugin panicked before {what}"))),
            Err(_) => Err(Error::fatal(format!("{what} did not return within {} ms", deadline.as_millis()))),
        }
    }
}

/// The error of a plugin's panic.
pub(crate) fn panicked(what: &str, panic: &(dyn Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Error::fatal(format!("the plugin panicked in {what}: {message}")).with_class("java.lang.RuntimeException")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::sync::Arc;

    use tokio::runtime::Handle;
    use tokio::sync::Notify;

    use super::*;

    fn mailbox() -> PluginMailbox<u32> {
        PluginMailbox::open(&Executor::new(Handle::current()), || 7)
    }

    #[tokio::test]
    async fn a_call_answers_and_keeps_the_object() {
        let plugin = mailbox();
        fn add(n: &mut u32) -> BoxFuture<'_, Result<u32>> {
            *n += 1;
            futures::future::ready(Ok(*n)).boxed()
        }
        assert_eq!(plugin.call("add", Duration::from_secs(5), add).await.unwrap(), 8);
        assert_eq!(plugin.call("add", Duration::from_secs(5), add).await.unwrap(), 9);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_mailbox_continues() {
        let plugin = mailbox();
        let error = plugin
            .call("start", Duration::from_secs(5), |_| async { panic!("no disk") as Result<()> }.boxed())
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "the plugin panicked in start: no disk");
        plugin.call("start", Duration::from_secs(5), |_| async { Ok(()) }.boxed()).await.unwrap();
    }

    #[tokio::test]
    async fn a_call_that_blocks_ends_at_the_deadline() {
        let plugin = mailbox();
        fn block(_: &mut u32) -> BoxFuture<'_, Result<()>> {
            loop {
                std::thread::park();
            }
        }
        let error = plugin.call("stop", Duration::from_millis(50), block).await.unwrap_err();
        assert_eq!(error.to_string(), "stop did not return within 50 ms");
    }

    #[tokio::test]
    async fn a_call_that_never_completes_ends_with_the_mailbox() {
        struct NotifyOnDrop(Arc<Notify>);
        impl Drop for NotifyOnDrop {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        let (plugin, dropped) = (mailbox(), Arc::new(Notify::new()));
        let guard = NotifyOnDrop(Arc::clone(&dropped));
        let call = plugin.call("start", Duration::from_millis(50), move |_| {
            let wait = async move {
                let _guard = guard;
                std::future::pending::<Result<()>>().await
            };
            wait.boxed()
        });
        call.await.unwrap_err();
        drop(plugin);
        tokio::time::timeout(Duration::from_secs(20), dropped.notified()).await.unwrap();
    }
}
