use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tributary_api::Result;

use crate::supervision::panicked;

/// Calls into a plugin, with panics caught. After a panic the plugin's state is unknown: it must not be called again.
#[derive(Debug, Default)]
pub(crate) struct PluginCalls {
    broken: bool,
}

impl PluginCalls {
    /// Awaits one call.
    ///
    /// # Errors
    /// The plugin's own; fatal, with the message, when it panicked.
    pub(crate) async fn call<R>(&mut self, what: &'static str, call: impl Future<Output = Result<R>>) -> Result<R> {
        match AssertUnwindSafe(call).catch_unwind().await {
            Ok(outcome) => outcome,
            Err(panic) => {
                self.broken = true;
                Err(panicked(what, &*panic))
            }
        }
    }

    /// Whether a call panicked or was abandoned.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// A call was abandoned before it returned.
    pub(crate) fn mark_broken(&mut self) {
        self.broken = true;
    }
}
