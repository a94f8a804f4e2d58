//! The anonymous history of a device becomes that of the customer who logs in there.
//!
//! What counts, such as views, is moved: the device's state is empty then. What limits, such as caps and consents, is copied:
//! who logs out again on the device gets no second offer. Both may be merged in any order.

use super::{
    Emission, HandedOver, MAX_EMISSIONS, MAX_ORDERS, MAX_SEEN, MAX_SESSIONS, Person, insert_bounded, push_bounded,
    sessions,
};
use crate::hash::stable_hash;

const MAX_ASKED: usize = 16;
const MAX_MERGED: usize = 64;
const MAX_HANDED_OVER: usize = 4;

impl Person {
    /// Whether the anonymous history of a device is to be asked for: once for each session of a customer there.
    pub(crate) fn is_new_on(&mut self, device: &str, session: &str) -> bool {
        let id = stable_hash([device, session]);
        if self.asked.contains(&id) {
            return false;
        }
        push_bounded(&mut self.asked, id, MAX_ASKED);
        true
    }

    /// A customer has logged in at a time, on the device whose anonymous person this is.
    pub(crate) fn logged_in(&mut self, customer: &str, at: i64) {
        let over = HandedOver { customer: customer.to_owned(), at };
        if !self.handed_over.contains(&over) {
            insert_bounded(&mut self.handed_over, over, MAX_HANDED_OVER, |over| over.at);
        }
    }

    /// The customer who was the next to log in after a time: an anonymous event of then is theirs, however late it comes.
    pub(crate) fn next_customer(&self, at: i64) -> Option<&str> {
        let later = self.handed_over.iter().filter(|over| over.at >= at);
        later.min_by_key(|over| (over.at, &over.customer)).map(|over| over.customer.as_str())
    }

    /// The history that a customer takes over.
    pub(crate) fn hand_over(&mut self) -> Self {
        Self {
            sessions: std::mem::take(&mut self.sessions),
            products: std::mem::take(&mut self.products),
            views: std::mem::take(&mut self.views),
            fired: std::mem::take(&mut self.fired),
            seen: self.seen.clone(),
            emissions: self.emissions.clone(),
            consents: self.consents.clone(),
            exposures: self.exposures.clone(),
            seen_at: self.seen_at,
            ..Self::default()
        }
    }

    /// Takes over a history; false when it was already.
    pub(crate) fn merge(&mut self, id: u64, history: Self, gap: i64) -> bool {
        if self.merged.contains(&id) {
            return false;
        }
        push_bounded(&mut self.merged, id, MAX_MERGED);
        self.seen_at = self.seen_at.max(history.seen_at);
        for id in history.seen {
            if !self.seen.contains(&id) {
                push_bounded(&mut self.seen, id, MAX_SEEN);
            }
        }
        for session in history.sessions {
            sessions::add(&mut self.sessions, session, gap, MAX_SESSIONS);
        }
        history.products.into_iter().for_each(|product| self.take_product(product, gap));
        history.views.into_iter().for_each(|view| self.take_view(view, gap));
        for fired in history.fired {
            match self.fired.iter_mut().find(|known| known.signal == fired.signal && known.page == fired.page) {
                Some(known) => known.settled |= fired.settled,
                None => self.fire(fired),
            }
        }
        self.merge_emissions(history.emissions);
        history.consents.into_iter().for_each(|consent| self.take_consent(consent));
        history.exposures.into_iter().for_each(|exposure| self.expose(exposure));
        for order in history.orders {
            if !self.orders.iter().any(|known| known.id == order.id) {
                insert_bounded(&mut self.orders, order, MAX_ORDERS, |order| order.at);
            }
        }
        true
    }

    fn merge_emissions(&mut self, others: impl IntoIterator<Item = Emission>) {
        for emission in others {
            if !self.emissions.contains(&emission) {
                self.emissions.push_back(emission);
            }
        }
        self.emissions.make_contiguous().sort_by_key(|emission| (emission.at, emission.cap));
        let surplus = self.emissions.len().saturating_sub(MAX_EMISSIONS);
        self.emissions.drain(..surplus);
    }
}
