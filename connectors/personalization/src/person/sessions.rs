//! Sessions: events of a person that follow each other within the gap, on whatever device. They are found from the events'
//! times alone, so that they are the same in whatever order events arrive; a late event may close the gap between two.

/// A session of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
    pub(crate) events: u32,
}

/// When a product was seen within one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
}

/// A stretch of time that takes in others.
pub(crate) trait Stretch: Copy {
    fn ends(&self) -> (i64, i64);
    /// Takes in a neighbour.
    fn join(&mut self, other: &Self);
}

impl Stretch for Session {
    fn ends(&self) -> (i64, i64) {
        (self.first_at, self.last_at)
    }

    fn join(&mut self, other: &Self) {
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
        self.events = self.events.saturating_add(other.events);
    }
}

impl Stretch for Span {
    fn ends(&self) -> (i64, i64) {
        (self.first_at, self.last_at)
    }

    fn join(&mut self, other: &Self) {
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
    }
}

/// Adds a stretch to an ordered list in which any two are more than the gap apart. If there are too many then, the oldest
/// is removed.
pub(crate) fn add<T: Stretch>(stretches: &mut Vec<T>, mut added: T, gap: i64, max: usize) {
    let (first_at, last_at) = added.ends();
    let from = stretches.partition_point(|known| known.ends().1.saturating_add(gap) < first_at);
    let to = stretches.partition_point(|known| known.ends().0 <= last_at.saturating_add(gap)).max(from);
    for known in stretches.get(from..to).unwrap_or_default() {
        added.join(known);
    }
    stretches.splice(from..to, [added]);
    if stretches.len() > max {
        stretches.remove(0);
    }
}

/// The one that a time belongs to.
pub(crate) fn around<T: Stretch>(stretches: &[T], at: i64) -> Option<&T> {
    stretches.iter().find(|known| (known.ends().0..=known.ends().1).contains(&at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: i64 = 30;

    fn sessions(times: &[i64]) -> Vec<(i64, i64, u32)> {
        let mut sessions = Vec::new();
        for at in times {
            add(&mut sessions, Session { first_at: *at, last_at: *at, events: 1 }, GAP, 16);
        }
        sessions.iter().map(|session| (session.first_at, session.last_at, session.events)).collect()
    }

    #[test]
    fn sessions_end_after_the_gap_and_merge_when_it_is_closed() {
        assert_eq!(sessions(&[0, 30, 61]), [(0, 30, 2), (61, 61, 1)]);
        assert_eq!(sessions(&[0, 60]), [(0, 0, 1), (60, 60, 1)]);
        assert_eq!(sessions(&[0, 60, 30]), [(0, 60, 3)]);
    }

    #[test]
    fn order_does_not_matter() {
        let times = [5, 200, 31, 90, 60, 5, 130, 131, 400, 230, 371, 300];
        let mut sorted = times;
        sorted.sort_unstable();
        let mut reversed = sorted;
        reversed.reverse();
        assert_eq!(sessions(&times), sessions(&sorted));
        assert_eq!(sessions(&reversed), sessions(&sorted));
        assert_eq!(sessions(&sorted).len(), 5);
    }

    #[test]
    fn the_oldest_is_removed_first() {
        let mut spans: Vec<Span> = Vec::new();
        for at in [900, 100, 500, 300] {
            add(&mut spans, Span { first_at: at, last_at: at }, GAP, 3);
        }
        assert_eq!(spans.iter().map(|span| span.first_at).collect::<Vec<_>>(), [300, 500, 900]);
        assert_eq!((around(&spans, 500), around(&spans, 501)), (Some(&spans[1]), None));
    }
}
