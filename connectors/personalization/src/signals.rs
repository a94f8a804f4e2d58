//! Signals computed from a person's history and the current view of a product.

use std::collections::BTreeMap;
use std::iter;

use jiff::Timestamp;
use tributary_api::Value;

use crate::conditions::Situation;
use crate::event::{DWELL_TIMER, Event, HEARTBEAT};
use crate::hash::stable_hash;
use crate::memory::Memory;
use crate::packs::Packs;
use crate::person::{Fired, Person, Product, View, view_key};
use crate::rules::{Conditions, Dwell, RulePack, SeenBefore, Signal};

/// Numbers that every rule can use: views of the product so far, Snowplow's engaged seconds of this view, earlier
/// sessions with the product in the last 30 days, orders of the product among the latest ones.
pub(crate) const BUILT_IN: [&str; 4] = ["view_count", "engaged_s", "sessions_before", "orders"];

const DAYS_30: i64 = 30 * 86_400_000;
const MAX_HISTORY: usize = 256;

/// Snowplow's own settings.
const DEFAULT_DWELL: Dwell = Dwell { heartbeat_s: 10, min_visit_s: 5, at_least_s: 20, timer: false };

/// Whether an event raises a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Raised {
    #[default]
    No,
    /// For a view that this event is not of: it came late, and what it tells of the past raises the signal of a view that has
    /// crossed its threshold before. No rule applies to it, unless that view goes on.
    Elsewhere,
    /// It was raised before by this view, or by another one of the session, and what was decided then did not stand: rules see
    /// it again.
    Held,
    /// An earlier event has raised it, and it lasts.
    Lasting,
    Now,
}

impl Raised {
    /// Whether rules see it.
    pub(crate) fn applies(self) -> bool {
        self >= Self::Held
    }

    fn now_if(holds: bool) -> Self {
        if holds { Self::Now } else { Self::No }
    }
}

/// The signals of one event.
#[derive(Clone, Debug)]
pub(crate) struct Signals<'p> {
    /// In the order of [`BUILT_IN`].
    pub(crate) numbers: [i64; BUILT_IN.len()],
    pub(crate) raised: Vec<(&'p str, Raised)>,
}

/// A view that lingers, as it is known by now: late events may add some, or take some away by making two sessions one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lingering<'a> {
    pub(crate) session_began_at: i64,
    pub(crate) pack: &'a str,
    pub(crate) signal: &'a str,
    pub(crate) product: &'a str,
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
        let product = event.product.and_then(|id| person.product(id));
        let view_count = product.map_or(0, |product| product.views.into());
        let engaged_s = person.view(event).map_or(0, |view| view.engaged_s(dwell.heartbeat_s, dwell.min_visit_s));
        let sessions_before = event.product.map_or(0, |id| sessions_before(id, event.at, person, profile, DAYS_30));
        let orders = event.product.map_or(0, |id| person.orders_of(id));
        let situation = Situation { pack, event, profile };
        let mut raise = |signal: &'p Signal| {
            let holds = !event.is_forged() && situation.holds(signal, person, memory);
            let raised = if holds { raise(pack, signal, event, person, profile) } else { Raised::No };
            (signal.name.as_str(), situation.lasting(signal, raised, memory))
        };
        let raised = pack.signals.iter().map(&mut raise).collect();
        Self { numbers: [view_count, engaged_s, sessions_before, orders as i64], raised }
    }

    /// Marks what this event has raised as decided.
    pub(crate) fn settle(&self, pack: &RulePack, event: &Event<'_>, person: &mut Person) {
        let Some((page, _)) = view_key(event) else { return };
        for (name, _) in self.raised.iter().filter(|(_, raised)| raised.applies()) {
            person.settle(signal_hash(pack, name, event.product.unwrap_or_default()), page);
        }
    }

    /// A built-in number (`Ok`) or whether a signal is raised (`Err`).
    pub(crate) fn number(&self, name: &str) -> Option<Result<i64, bool>> {
        let built_in = BUILT_IN.iter().zip(self.numbers).find(|(known, _)| **known == name);
        let raised = || self.raised.iter().find(|(known, _)| *known == name).map(|(_, raised)| Err(raised.applies()));
        built_in.map(|(_, number)| Ok(number)).or_else(raised)
    }

    /// The signals of all packs as in an enriched event: one with `dwell` is true once for each product and session, and as
    /// long as it lasts. One of the same name in several packs is raised if it is in any of them.
    pub(crate) fn to_value(packs: &[Self]) -> Value {
        Self::value(packs, |raised| [Raised::Now, Raised::Lasting, Raised::Elsewhere].contains(&raised))
    }

    /// As in a decision: what the rules saw.
    pub(crate) fn seen_by_rules(packs: &[Self]) -> Value {
        Self::value(packs, Raised::applies)
    }

    fn value(packs: &[Self], is_raised: impl Fn(Raised) -> bool) -> Value {
        let numbers = packs.first().map_or([0; BUILT_IN.len()], |first| first.numbers);
        let numbers = BUILT_IN.into_iter().zip(numbers).map(|(name, number)| (name, Value::Int64(number)));
        let mut by_name: BTreeMap<&str, bool> = BTreeMap::new();
        for (name, raised) in packs.iter().flat_map(|signals| &signals.raised) {
            *by_name.entry(name).or_default() |= is_raised(*raised);
        }
        Value::map(numbers.chain(by_name.into_iter().map(|(name, raised)| (name, Value::Boolean(raised)))))
    }
}

/// The latest views that linger, at most so many, oldest session first. They follow from what is known of the person alone,
/// and not from the order in which it became known; so only signals without further conditions are among them.
pub(crate) fn lingering<'a>(packs: &'a Packs, person: &'a Person, profile: &Value, max: usize) -> Vec<Lingering<'a>> {
    let mut found = Vec::new();
    for (pack, signal) in packs.iter().flat_map(|pack| pack.signals.iter().map(move |signal| (pack, signal))) {
        let Some(dwell) = signal.dwell.as_ref().filter(|_| signal.conditions == Conditions::default()) else {
            continue;
        };
        for view in person.views.iter().filter(|view| is_engaged(dwell, view)) {
            let is_of = |product: &&Product| stable_hash([product.id.as_str()]) == view.product;
            if let Some(product) = person.products.iter().find(is_of)
                && has_views(signal, Some(product))
                && is_seen_before(signal.seen_before, &product.id, view.first_at, person, profile)
            {
                let session_began_at = person.session_begin(view.first_at);
                found.push(Lingering {
                    session_began_at,
                    pack: pack.name(),
                    signal: &signal.name,
                    product: &product.id,
                });
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found.drain(..found.len().saturating_sub(max));
    found
}

fn raise(pack: &RulePack, signal: &Signal, event: &Event<'_>, person: &mut Person, profile: &Value) -> Raised {
    let continued = signal.dwell.is_some() && [HEARTBEAT, DWELL_TIMER].contains(&event.kind);
    if event.kind != signal.on && !continued {
        return Raised::No;
    }
    let Some(id) = event.product else { return Raised::now_if(!signal.is_of_product()) };
    if !has_views(signal, person.product(id)) {
        return Raised::No;
    }
    let Some(dwell) = &signal.dwell else {
        return Raised::now_if(is_seen_before(signal.seen_before, id, event.at, person, profile));
    };
    let (own, of_product) = (person.view(event).map(|view| (view.page, view.first_at)), stable_hash([id]));
    let mut raised = Raised::No;
    for index in 0..person.views.len() {
        let Some(view) = person.views.get(index).filter(|view| view.product == of_product) else { continue };
        let (page, at, is_own) = (view.page, view.first_at, own == Some((view.page, view.first_at)));
        let lingers = is_engaged(dwell, view) || (is_own && is_silent(dwell, view, event));
        if lingers && is_seen_before(signal.seen_before, id, at, person, profile) {
            let in_token = || {
                let of_signal = [signal.name.as_str(), id, event.session];
                [stable_hash(of_signal), stable_hash(iter::once(pack.name()).chain(of_signal))]
            };
            if !person.fired_in_token(in_token) {
                raised = raised.max(fire(person, signal_hash(pack, &signal.name, id), (page, at), is_own));
            }
        }
    }
    raised
}

/// Whether a timer finds that a view sends no heartbeats. It only replaces those of pages that send none: when a page stops
/// sending them, it is no longer in view. Timers of other signals may come earlier than this one's.
fn is_silent(dwell: &Dwell, view: &View, event: &Event<'_>) -> bool {
    let open_ms = event.received_at.saturating_sub(view.first_received_at);
    dwell.timer && event.by_timer && view.beats.is_empty() && open_ms >= i64::from(dwell.at_least_s) * 1000
}

/// Records that a view has crossed the threshold of a signal.
fn fire(person: &mut Person, signal: u64, (page, at): (u64, i64), is_own: bool) -> Raised {
    match person.fired(signal, at) {
        None => {
            person.fire(Fired { signal, page, at, settled: false });
            if is_own { Raised::Now } else { Raised::Elsewhere }
        }
        Some(fired) if is_own && !fired.settled => {
            fired.page = page;
            Raised::Held
        }
        Some(_) => Raised::No,
    }
}

fn signal_hash(pack: &RulePack, signal: &str, product: &str) -> u64 {
    stable_hash([pack.name(), signal, product])
}

fn has_views(signal: &Signal, product: Option<&Product>) -> bool {
    signal.min_views.is_none_or(|min| product.is_some_and(|product| product.views >= min))
}

fn is_engaged(dwell: &Dwell, view: &View) -> bool {
    view.engaged_s(dwell.heartbeat_s, dwell.min_visit_s) >= dwell.at_least_s.into()
}

fn is_seen_before(seen: Option<SeenBefore>, product: &str, at: i64, person: &Person, profile: &Value) -> bool {
    seen.is_none_or(|seen| sessions_before(product, at, person, profile, seen.within) >= seen.sessions)
}

/// In how many sessions that ended before the one of a time the product was seen, by the person's state and the profile's
/// `history`.
fn sessions_before(product: &str, at: i64, person: &Person, profile: &Value, within: i64) -> i64 {
    let from = at - within;
    let own = i64::try_from(person.sessions_before(product, at, from)).unwrap_or(i64::MAX);
    let begin = person.session_begin(at);
    let known_since = person.product(product).map_or(i64::MAX, |product| product.first_at);
    let history = profile.get("history").and_then(Value::as_array).unwrap_or_default();
    let entries = history.iter().take(MAX_HISTORY);
    let (mut before, mut since) = (0_i64, 0_i64);
    for entry in entries.filter(|entry| entry.get("product_id").and_then(Value::as_str) == Some(product)) {
        let Some(last_at) = entry.get("last_viewed_at").and_then(milliseconds) else { continue };
        let sessions = entry.get("sessions").and_then(Value::as_i64).unwrap_or(1).clamp(0, 1_000);
        match last_at {
            // Of this session or of a later one: how many were before is not known.
            _ if last_at < from || last_at >= begin => {}
            _ if last_at < known_since => before += sessions,
            _ => since += sessions,
        }
    }
    // What the profile says of the time since the state knows the product may be the same sessions.
    before.saturating_add(own.max(since))
}

/// Milliseconds since the epoch, or a timestamp as text.
fn milliseconds(value: &Value) -> Option<i64> {
    match value.as_str() {
        Some(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
        None => value.as_i64(),
    }
}
