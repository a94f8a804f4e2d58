use std::time::Duration;

/// How many producers in a row may fail before the task fails.
const MAX_LOST_PRODUCERS: u32 = 5;
/// A producer that lasted longer than this resets the count.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// The producers of a task that have failed for good, in a row.
#[derive(Debug, Default)]
pub(super) struct LostProducers(u32);

impl LostProducers {
    /// Counts one that lasted so long. Whether the task may go on with another.
    pub(super) fn may_go_on(&mut self, lasted: Duration) -> bool {
        self.0 = if lasted > HEALTHY_AFTER { 1 } else { self.0 + 1 };
        self.0 < MAX_LOST_PRODUCERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_in_a_row_ends_the_task_and_a_minute_with_one_begins_the_row_anew() {
        let short = Duration::from_secs(60);
        let mut lost = LostProducers::default();
        assert_eq!([short; 5].map(|lasted| lost.may_go_on(lasted)), [true, true, true, true, false]);
        let mut lost = LostProducers::default();
        assert_eq!([short; 4].map(|lasted| lost.may_go_on(lasted)), [true; 4]);
        assert!(lost.may_go_on(short + Duration::from_secs(1)), "a minute with one was not heeded");
        assert_eq!([short; 4].map(|lasted| lost.may_go_on(lasted)), [true, true, true, false]);
    }
}
