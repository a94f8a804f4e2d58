use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tributary_api::SinkTaskContext;

use crate::config::TopicSettings;

/// Waits after each `rate.limiting.every.n` bulks of a topic for `rate.limiting.timeout`.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    cx: SinkTaskContext,
    /// The bulks of each topic since its last wait. A topic's settings exist as long as the task, so their address
    /// identifies the topic.
    bulks: Mutex<HashMap<usize, u32>>,
}

impl RateLimiter {
    pub(crate) fn new(cx: &SinkTaskContext) -> Self {
        Self { cx: cx.clone(), bulks: Mutex::default() }
    }

    /// Counts a bulk, and waits if it was the last one before a wait.
    pub(super) async fn after_bulk(&self, settings: &Arc<TopicSettings>) {
        let Some(limit) = settings.rate_limit else { return };
        if self.is_due(Arc::as_ptr(settings).addr(), limit.every) {
            tokio::select! {
                () = tokio::time::sleep(limit.wait) => {}
                () = self.cx.stopping().cancelled() => {}
            }
        }
    }

    fn is_due(&self, topic: usize, every: u32) -> bool {
        let mut bulks = self.bulks.lock();
        let count = bulks.entry(topic).or_default();
        *count += 1;
        let due = *count >= every;
        if due {
            *count = 0;
        }
        due
    }
}
