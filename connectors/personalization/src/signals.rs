//! Signals computed from a person's history and the current page.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tributary_api::Value;

use crate::conditions::Situation;
use crate::event::{DWELL_TIMER, Event, HEARTBEAT};
use crate::hash::stable_hash;
use crate::memory::Memory;
use crate::person::{Person, session_hash};
use crate::rules::{Dwell, RulePack, Signal};

/// Numbers that every rule can use: views of the product so far, Snowplow's engaged seconds on this page, earlier
/// sessions with the product in the last 30 days, orders of the product among the latest ones.
pub(crate) const BUILT_IN: [&str; 4] = ["view_count", "engaged_s", "sessions_before", "orders"];

const DAYS_30: i64 = 30 * 86_400_000;
const MAX_HISTORY: usize = 256;

/// Snowplow's own settings.
const DEFAULT_DWELL: Dwell = Dwell { heartbeat_s: 10, min_visit_s: 5, at_least_s: 20, timer: false };

/// The signals of one event.
#[derive(Clone, Debug)]
pub(crate) struct Signals<'p> {
    /// In the order of [`BUILT_IN`].
    pub(crate) numbers: [i64; BUILT_IN.len()],
    pub(crate) raised: Vec<(&'p str, bool)>,
}

impl<'p> Signals<'p> {
    /// Computes the signals after the event was added to the person's state. A signal with `dwell` is raised once for
    /// each product and session, when it first becomes true; this is recorded in the person's state.
    pub(crate) fn compute(
        pack: &'p RulePack,
        event: &Event<'_>,
        person: &mut Person,
        memory: &mut Memory,
        profile: &Value,
    ) -> Self {
        let dwell = pack.signals.iter().find_map(|signal| signal.dwell).unwrap_or(DEFAULT_DWELL);
        let page = person.page(event);
        let view_count = event.product.and_then(|id| person.product(id)).map_or(0, |product| product.views.into());
        let engaged_s = page.map_or(0, |page| page.engaged_s(dwell.heartbeat_s, dwell.min_visit_s));
        let sessions_before = sessions_before(event, person, profile, DAYS_30);
        let orders = event.product.map_or(0, |id| person.orders_of(id));
        let situation = Situation { pack, event, profile };
        let mut raise = |signal: &'p Signal| {
            let holds = situation.holds(signal, person, memory);
            let raised = holds && raise(pack, signal, event, person, profile);
            (signal.name.as_str(), situation.lasting(signal, raised, memory))
        };
        let raised = pack.signals.iter().map(&mut raise).collect();
        Self { numbers: [view_count, engaged_s, sessions_before, orders as i64], raised }
    }

    /// A built-in number (`Ok`) or whether a signal is raised (`Err`).
    pub(crate) fn number(&self, name: &str) -> Option<Result<i64, bool>> {
        let built_in = BUILT_IN.iter().zip(self.numbers).find(|(known, _)| **known == name);
        let raised = || self.raised.iter().find(|(known, _)| *known == name).map(|(_, raised)| Err(*raised));
        built_in.map(|(_, number)| Ok(number)).or_else(raised)
    }

    /// The signals of all packs. One of the same name in several is raised if it is in any of them.
    pub(crate) fn to_value(packs: &[Self]) -> Value {
        let numbers = packs.first().map_or([0; BUILT_IN.len()], |first| first.numbers);
        let numbers = BUILT_IN.into_iter().zip(numbers).map(|(name, number)| (name, Value::Int64(number)));
        let mut raised: BTreeMap<&str, bool> = BTreeMap::new();
        for (name, is_raised) in packs.iter().flat_map(|signals| &signals.raised) {
            *raised.entry(name).or_default() |= is_raised;
        }
        Value::map(numbers.chain(raised.into_iter().map(|(name, raised)| (name, Value::Boolean(raised)))))
    }
}

fn raise(pack: &RulePack, signal: &Signal, event: &Event<'_>, person: &mut Person, profile: &Value) -> bool {
    let continued = signal.dwell.is_some() && [HEARTBEAT, DWELL_TIMER].contains(&event.kind);
    if event.kind != signal.on && !continued {
        return false;
    }
    let Some(product) = event.product else { return !signal.is_of_product() };
    if let Some(min) = signal.min_views
        && person.product(product).is_none_or(|product| product.views < min)
    {
        return false;
    }
    if let Some(dwell) = &signal.dwell
        && !lingers(dwell, event, person)
    {
        return false;
    }
    if let Some(seen) = &signal.seen_before
        && sessions_before(event, person, profile, seen.within) < seen.sessions
    {
        return false;
    }
    signal.dwell.is_none()
        || person.raise_once(stable_hash([pack.name.as_str(), signal.name.as_str(), product, event.session]))
}

fn lingers(dwell: &Dwell, event: &Event<'_>, person: &Person) -> bool {
    let Some(page) = person.page(event) else { return false };
    if page.beats.is_empty() {
        // The timer only replaces heartbeats of pages that send none: when a page stops sending them, it is no longer
        // in view.
        return event.kind == DWELL_TIMER;
    }
    page.engaged_s(dwell.heartbeat_s, dwell.min_visit_s) >= dwell.at_least_s.into()
}

/// In how many sessions before this one the product was seen, by the person's state and the profile's `history`.
fn sessions_before(event: &Event<'_>, person: &Person, profile: &Value, within: i64) -> i64 {
    let Some(id) = event.product else { return 0 };
    let from = event.at - within;
    let session = session_hash(event);
    let own = person.product(id).map_or(0, |product| {
        product.sessions.iter().filter(|(other, last_at)| *other != session && *last_at >= from).count()
    });
    let history = profile.get("history").and_then(Value::as_array).unwrap_or_default();
    let reported: i64 = history
        .iter()
        .take(MAX_HISTORY)
        .filter(|entry| entry.get("product_id").and_then(Value::as_str) == Some(id))
        .filter(|entry| entry.get("last_viewed_at").and_then(milliseconds).is_some_and(|at| at >= from))
        .map(|entry| entry.get("sessions").and_then(Value::as_i64).unwrap_or(1).clamp(0, 1_000))
        .sum();
    i64::try_from(own).unwrap_or(i64::MAX).saturating_add(reported)
}

/// Milliseconds since the epoch, or a timestamp as text.
fn milliseconds(value: &Value) -> Option<i64> {
    match value.as_str() {
        Some(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
        None => value.as_i64(),
    }
}
