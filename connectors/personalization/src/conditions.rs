//! Conditions of signals beyond dwelling and views: the session, the basket, purchases, segments; and signals that last.

use tributary_api::Value;

use crate::event::{Event, ORDER};
use crate::hash::stable_hash;
use crate::memory::Memory;
use crate::person::Person;
use crate::rules::{RulePack, SegmentChange, Signal};
use crate::signals::Raised;

/// Events that put a product into the basket, and that take it out again.
const INTO_BASKET: [&str; 2] = ["add_to_cart", "add_to_basket"];
const OUT_OF_BASKET: [&str; 3] = ["remove_from_cart", "remove_from_basket", ORDER];

/// Keeps the basket.
pub(crate) fn take(event: &Event<'_>, memory: &mut Memory) {
    if event.is_forged() {
        return;
    }
    let Some(product) = event.product.map(|product| stable_hash([product])) else { return };
    if INTO_BASKET.contains(&event.kind) {
        memory.put_in_basket(product, event.at);
    } else if OUT_OF_BASKET.contains(&event.kind) {
        memory.take_from_basket(product);
    }
}

/// What signals are computed from.
pub(crate) struct Situation<'a> {
    pub(crate) pack: &'a RulePack,
    pub(crate) event: &'a Event<'a>,
    pub(crate) profile: &'a Value,
}

impl Situation<'_> {
    /// Whether a signal's conditions hold. It is asked at each event, because a change of a segment is seen but once.
    pub(crate) fn holds(&self, signal: &Signal, person: &Person, memory: &mut Memory) -> bool {
        let (event, conditions) = (self.event, &signal.conditions);
        let changed = conditions.segment.as_ref().is_none_or(|segment| self.is_changed(signal, segment, memory));
        let session = person.sessions.iter().find(|session| (session.first_at..=session.last_at).contains(&event.at));
        let active =
            conditions.session_events.is_none_or(|least| session.is_some_and(|session| session.events >= least));
        let back = conditions.last_seen_before.is_none_or(|before| {
            let begin = session.map_or(event.at, |session| session.first_at);
            let last = person.sessions.iter().map(|session| session.last_at).filter(|last_at| *last_at < begin).max();
            last.is_some_and(|last| begin - last >= before)
        });
        let product = event.product.unwrap_or_default();
        let bought = conditions.bought_within.is_none_or(|within| {
            let recent = event.at - within..=event.at;
            person.orders.iter().any(|order| order.product == product && recent.contains(&order.at))
        });
        let basket = conditions.in_basket.is_none_or(|wanted| memory.is_in_basket(stable_hash([product])) == wanted);
        changed && active && back && bought && basket
    }

    /// How the signal is raised: by this event, or as long as it lasts since it was raised for the same product.
    pub(crate) fn lasting(&self, signal: &Signal, raised: Raised, memory: &mut Memory) -> Raised {
        let Some(lasts) = signal.lasts else { return raised };
        let (now, key) = (self.event.received_at, self.key(signal));
        match raised {
            Raised::Now | Raised::Elsewhere => {
                memory.let_last(key, now + lasts, now);
                raised
            }
            _ if memory.lasts(key, now) => Raised::Lasting,
            _ => raised,
        }
    }

    fn key(&self, signal: &Signal) -> u64 {
        let product = self.event.product.filter(|_| signal.is_of_product()).unwrap_or_default();
        stable_hash([self.pack.name(), signal.name.as_str(), product])
    }

    /// The first value that is seen is no change.
    fn is_changed(&self, signal: &Signal, segment: &SegmentChange, memory: &mut Memory) -> bool {
        // Without a profile nothing is known of the segment.
        if self.profile.is_null() {
            return false;
        }
        let value = self.profile.path(&segment.field).and_then(Value::as_str).unwrap_or_default();
        let (now, wanted) = (stable_hash([value]), stable_hash([segment.value.as_str()]));
        let key = stable_hash([self.pack.name(), signal.name.as_str()]);
        match memory.replace_field(key, now) {
            Some(before) if segment.entered => before != wanted && now == wanted,
            Some(before) => before == wanted && now != wanted,
            None => false,
        }
    }
}
