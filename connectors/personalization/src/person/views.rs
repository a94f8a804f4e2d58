//! Views of products' pages, and for how long each was looked at.

use super::MAX_BEATS;
use crate::event::{Event, HEARTBEAT, PAGE_VIEW, PRODUCT_VIEW};
use crate::hash::stable_hash;

/// A product on a page, or a page of no product. Another product on the same page, as in an application of a single page,
/// is another view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// The hash of the page's id.
    pub(crate) page: u64,
    /// The hash of the product's id.
    pub(crate) product: u64,
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
    /// When the server received its first event, and its latest one.
    pub(crate) first_received_at: i64,
    pub(crate) last_received_at: i64,
    /// Heartbeats: distinct whole seconds since the epoch, in order.
    pub(crate) beats: Vec<i64>,
}

impl View {
    /// What an event says of the view that it belongs to; none if it belongs to none.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        let (page, product) = key(event)?;
        let is_told = [PRODUCT_VIEW, PAGE_VIEW, HEARTBEAT].contains(&event.kind);
        is_told.then(|| Self {
            page,
            product,
            first_at: event.at,
            last_at: event.at,
            first_received_at: event.received_at,
            last_received_at: event.received_at,
            beats: if event.kind == HEARTBEAT { vec![event.at.div_euclid(1000)] } else { Vec::new() },
        })
    }

    /// Whether both are of the same page and product, without a pause of more than the gap between them.
    pub(super) fn is_near(&self, other: &Self, gap: i64) -> bool {
        let is_same = (self.page, self.product) == (other.page, other.product);
        is_same
            && self.first_at.saturating_sub(other.last_at) <= gap
            && other.first_at.saturating_sub(self.last_at) <= gap
    }

    /// Takes in what else is known of the same view. The order does not matter: times are minima and maxima, heartbeats are
    /// a set, of which the first ones are kept.
    pub(super) fn join(&mut self, other: &Self) {
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
        self.first_received_at = self.first_received_at.min(other.first_received_at);
        self.last_received_at = self.last_received_at.max(other.last_received_at);
        for beat in &other.beats {
            if let Err(place) = self.beats.binary_search(beat) {
                self.beats.insert(place, *beat);
            }
        }
        self.beats.truncate(MAX_BEATS);
    }

    /// Snowplow's engaged time: each period with a heartbeat counts, the first one as the minimum visit. 0 without a
    /// heartbeat. It is never more than the minimum visit and the time between the first and the latest event at the server:
    /// a browser that claims to have looked for longer is not believed.
    pub(crate) fn engaged_s(&self, heartbeat_s: u32, min_visit_s: u32) -> i64 {
        let period = |second: &i64| second.div_euclid(i64::from(heartbeat_s.max(1)));
        let mut periods = 0;
        let mut last = None;
        for beat in self.beats.iter().map(period) {
            periods += i64::from(last != Some(beat));
            last = Some(beat);
        }
        if periods == 0 {
            return 0;
        }
        let claimed = (periods - 1) * i64::from(heartbeat_s) + i64::from(min_visit_s);
        let passed_ms = self.last_received_at.saturating_sub(self.first_received_at);
        // A second that has begun counts: on its way to the server one event may take some milliseconds less than another.
        claimed.min(passed_ms.saturating_add(999) / 1000 + i64::from(min_visit_s))
    }
}

/// The view that an event belongs to: the hashes of its page's and of its product's id.
pub(crate) fn key(event: &Event<'_>) -> Option<(u64, u64)> {
    Some((stable_hash([event.page?]), stable_hash([event.product.unwrap_or_default()])))
}
