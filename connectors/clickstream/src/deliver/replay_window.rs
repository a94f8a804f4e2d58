use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;
use tributary_api::{Offsets, TopicPartition};

/// At most this many records wait for their commit; beyond it the oldest are committed early.
const MAX_RECENT: usize = 100_000;

/// Decides which offsets may be committed: a record is safe once it is older than the replay window. Until then a
/// restart reads it again and so refills the rings.
#[derive(Debug)]
pub(super) struct ReplayWindow {
    window: Duration,
    recent: HashMap<TopicPartition, VecDeque<(i64, Instant)>>,
}

impl ReplayWindow {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, recent: HashMap::new() }
    }

    /// A record was published to the hub.
    pub(super) fn handed_over(&mut self, partition: &TopicPartition, offset: i64) {
        let now = Instant::now();
        let recent = match self.recent.get_mut(partition) {
            Some(recent) => recent,
            None => self.recent.entry(partition.clone()).or_default(),
        };
        // A batch that is put again starts below the offsets recorded here.
        while recent.back().is_some_and(|(last, _)| *last >= offset) {
            recent.pop_back();
        }
        recent.push_back((offset, now));
        if recent.len() > MAX_RECENT {
            recent.pop_front();
        }
    }

    /// Which of these next offsets may be committed.
    pub(super) fn safe(&mut self, offsets: &Offsets) -> Offsets {
        let since = Instant::now().checked_sub(self.window);
        let mut safe = Offsets::new();
        for (partition, next) in offsets {
            let mut limit = *next;
            if let Some(recent) = self.recent.get_mut(partition) {
                while recent.front().is_some_and(|(_, at)| since.is_some_and(|since| *at <= since)) {
                    recent.pop_front();
                }
                limit = recent.front().map_or(limit, |(offset, _)| limit.min(*offset));
            }
            safe.insert(partition.clone(), limit);
        }
        safe
    }

    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        partitions.iter().for_each(|partition| drop(self.recent.remove(partition)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_offset_is_safe_after_the_window() {
        let partition = TopicPartition::new("offers", 0);
        let mut replay_window = ReplayWindow::new(Duration::from_secs(30));
        let safe = |replay_window: &mut ReplayWindow, next| {
            replay_window.safe(&Offsets::from([(partition.clone(), next)]))[&partition]
        };
        assert_eq!(safe(&mut replay_window, 5), 5);
        replay_window.handed_over(&partition, 5);
        tokio::time::advance(Duration::from_secs(20)).await;
        replay_window.handed_over(&partition, 7);
        assert_eq!(safe(&mut replay_window, 8), 5);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(safe(&mut replay_window, 8), 7);
        assert_eq!(safe(&mut replay_window, 6), 6);
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(safe(&mut replay_window, 8), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeated_batch_counts_once() {
        let partition = TopicPartition::new("offers", 0);
        let mut replay_window = ReplayWindow::new(Duration::from_secs(30));
        for offset in [1, 2, 3, 1, 2, 3] {
            replay_window.handed_over(&partition, offset);
        }
        assert_eq!(replay_window.recent[&partition].len(), 3);
        replay_window.forget(std::slice::from_ref(&partition));
        assert!(replay_window.recent.is_empty());
    }
}
