//! Every call into a connector plugin: on a thread of its own, under a deadline, with panics caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tributary_api::{Error, Result};

type Job<T> = Box<dyn FnOnce(&mut T, &Handle) + Send>;

/// A plugin object that lives on its own thread. Dropping it ends the thread after the call at hand; a call that never
/// returns leaves the thread behind and nothing else.
pub(crate) struct PluginThread<T> {
    jobs: mpsc::Sender<Job<T>>,
}

impl<T: 'static> PluginThread<T> {
    /// Makes the object on a new thread of the given name.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn spawn(name: &str, runtime: Handle, make: impl FnOnce() -> T + Send + 'static) -> Result<Self> {
        let (jobs, mut queue) = mpsc::channel::<Job<T>>(8);
        let run = move || {
            let Ok(mut plugin) = catch_unwind(AssertUnwindSafe(make)) else { return };
            while let Some(job) = queue.blocking_recv() {
                job(&mut plugin, &runtime);
            }
        };
        std::thread::Builder::new()
            .name(name.chars().take(15).collect())
            .spawn(run)
            .map_err(|error| Error::fatal("cannot start a thread for the plugin").cause(&error))?;
        Ok(Self { jobs })
    }

    /// Calls the object. A panic comes back as a fatal error that tells its message.
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
        let job: Job<T> = Box::new(move |plugin, runtime| {
            let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(call(plugin))));
            // Nobody waits any more when the deadline has passed.
            drop(answer.send(outcome.unwrap_or_else(|panic| Err(panicked(what, &*panic)))));
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

    use futures::FutureExt as _;

    use super::*;

    fn thread() -> PluginThread<u32> {
        PluginThread::spawn("test", Handle::current(), || 7).unwrap()
    }

    #[tokio::test]
    async fn a_call_answers_and_keeps_the_object() {
        let plugin = thread();
        fn add(n: &mut u32) -> BoxFuture<'_, Result<u32>> {
            *n += 1;
            futures::future::ready(Ok(*n)).boxed()
        }
        assert_eq!(plugin.call("add", Duration::from_secs(5), add).await.unwrap(), 8);
        assert_eq!(plugin.call("add", Duration::from_secs(5), add).await.unwrap(), 9);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_thread_goes_on() {
        let plugin = thread();
        let error = plugin
            .call("start", Duration::from_secs(5), |_| async { panic!("no disk") as Result<()> }.boxed())
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "the plugin panicked in start: no disk");
        plugin.call("start", Duration::from_secs(5), |_| async { Ok(()) }.boxed()).await.unwrap();
    }

    #[tokio::test]
    async fn a_call_that_blocks_for_ever_ends_at_the_deadline() {
        let plugin = thread();
        fn block(_: &mut u32) -> BoxFuture<'_, Result<()>> {
            std::thread::park();
            futures::future::ready(Ok(())).boxed()
        }
        let error = plugin.call("stop", Duration::from_millis(50), block).await.unwrap_err();
        assert_eq!(error.to_string(), "stop did not return within 50 ms");
    }
}
