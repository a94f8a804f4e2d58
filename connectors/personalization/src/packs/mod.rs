//! The rule packs at work: of all lines of business together, so that one event gets at most one offer.

mod folder;
mod metrics;
mod place;
mod requests;
mod sources;
mod switches;

use std::collections::HashMap;
use std::sync::Arc;

use tributary_api::Result;

use crate::rules::{Offer, RulePack, Signal};
pub(crate) use metrics::PackMetrics;
pub(crate) use requests::RulesRequests;
pub(crate) use sources::{PackSources, define};
pub(crate) use switches::Switches;

/// The maximum number of packs of one processor.
const MAX_PACKS: usize = 32;

/// The packs at work. Without any there is one that is empty.
#[derive(Debug)]
pub(crate) struct Packs {
    /// By name.
    packs: Vec<Arc<RulePack>>,
    /// For each event type, the offers of all packs in the order in which they are considered: by priority, then value,
    /// highest first, then id. Each is an index of its pack and one within it.
    by_event: HashMap<String, Vec<(usize, usize)>>,
    pub(crate) switches: Switches,
    /// The longest period of a frequency cap, in milliseconds.
    pub(crate) longest_cap: i64,
    /// Whether a condition or a text looks at the product.
    pub(crate) uses_product: bool,
    /// Whether a signal needs more of the past than a person's history.
    pub(crate) needs_memory: bool,
    /// Whether a signal needs timers.
    pub(crate) timers: bool,
}

impl Packs {
    pub(crate) fn new(mut packs: Vec<Arc<RulePack>>, switches: Switches) -> Self {
        packs.sort_by(|a, b| a.name.cmp(&b.name));
        let mut by_event: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        for (at, pack) in packs.iter().enumerate() {
            for (event, offers) in &pack.by_event {
                by_event.entry(event.clone()).or_default().extend(offers.iter().map(|offer| (at, *offer)));
            }
        }
        for offers in by_event.values_mut() {
            let offer = |(pack, offer): &(usize, usize)| packs.get(*pack).and_then(|pack| pack.offers.get(*offer));
            offers.sort_by(|a, b| match (offer(a), offer(b)) {
                (Some(a), Some(b)) => {
                    b.priority.cmp(&a.priority).then(b.value.total_cmp(&a.value)).then_with(|| a.id.cmp(&b.id))
                }
                _ => a.cmp(b),
            });
        }
        let longest_cap = packs.iter().map(|pack| pack.longest_cap).max().unwrap_or(0);
        let dwells = packs.iter().flat_map(|pack| &pack.signals).filter_map(|signal| signal.dwell);
        let timers = dwells.into_iter().any(|dwell| dwell.timer);
        if packs.is_empty() {
            packs.push(Arc::new(RulePack::empty()));
        }
        let needs_memory = packs.iter().flat_map(|pack| &pack.signals).any(Signal::needs_memory);
        let uses_product = packs.iter().any(|pack| pack.uses_product);
        Self { packs, by_event, switches, longest_cap, uses_product, needs_memory, timers }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &RulePack> {
        self.packs.iter().map(|pack| &**pack)
    }

    /// The first pack by name: it stands for all where there can be only one.
    pub(crate) fn first(&self) -> Option<&RulePack> {
        self.iter().next()
    }

    /// Whether an offer of any pack depends on events of this type.
    pub(crate) fn decides(&self, event: &str) -> bool {
        self.by_event.contains_key(event)
    }

    /// The offers for an event type, each with the index of its pack and the pack, in the order in which they are considered.
    pub(crate) fn candidates(&self, event: &str) -> impl Iterator<Item = (usize, &RulePack, &Offer)> {
        let offers = self.by_event.get(event).map_or(&[][..], Vec::as_slice);
        offers.iter().filter_map(|(pack, offer)| {
            let of = self.packs.get(*pack)?;
            Some((*pack, &**of, of.offers.get(*offer)?))
        })
    }

    /// The version of the only pack; none when there are several, or none.
    pub(crate) fn single_version(&self) -> Option<i64> {
        match self.packs.as_slice() {
            [only] if !only.name.is_empty() => Some(only.version),
            _ => None,
        }
    }
}

/// Whether a pack can be at work beside others.
///
/// # Errors
/// `Config`, naming the offer and the other pack.
fn fits(pack: &RulePack, others: &[Arc<RulePack>]) -> Result<()> {
    let refuse = |message: String| Err(tributary_api::Error::config(message));
    if others.len() >= MAX_PACKS {
        return refuse(format!("there are {MAX_PACKS} rule packs already: at most as many are allowed"));
    }
    for other in others {
        if other.name == pack.name {
            return refuse(format!("there is a rule pack {} already: give this one another name", pack.name));
        }
        // Caps, switches and reports know an offer by its id.
        if let Some(offer) = pack.offers.iter().find(|offer| other.offers.iter().any(|one| one.id == offer.id)) {
            let (id, name) = (&offer.id, &other.name);
            return refuse(format!("offer {id} is in rule pack {name} already: give it another id"));
        }
    }
    crate::rules::within_budget(others.iter().map(|other| &**other).chain([pack]))
        .map_err(|error| error.context("with the other rule packs"))
}
