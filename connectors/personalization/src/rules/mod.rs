//! Rule packs: they define signals and the offers that depend on them.

mod compile;
mod source;
mod template;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use tributary_api::{Result, Value};

use crate::assignment;
use crate::expression::{Expression, Schema};
use crate::targeting::Condition;
use crate::unleash;
pub(crate) use compile::within_budget;
pub(crate) use source::{Assignment, OnError};
pub(crate) use template::{Template, TemplateValues};

/// The variant that gets no offer, for comparison.
pub(crate) const CONTROL: &str = "control";

/// The maximum size of a rule pack.
pub(crate) const MAX_PACK_BYTES: u64 = 256 * 1024;

/// A rule pack that was checked and compiled.
#[derive(Debug)]
pub struct RulePack {
    /// What it is known by: a pack of the same name replaces it.
    pub(crate) name: String,
    pub(crate) line_of_business: String,
    pub(crate) version: i64,
    /// When it replaces the version before it, in milliseconds since the epoch.
    pub(crate) effective_from: i64,
    /// The purpose that a profile must consent to: `profile.consent.<purpose>`.
    pub(crate) consent: String,
    pub(crate) signals: Vec<Signal>,
    /// By priority, then value, highest first, then id.
    pub(crate) offers: Vec<Offer>,
    /// For each event type, the offers to consider, in their order.
    pub(crate) by_event: HashMap<String, Vec<usize>>,
    /// The longest period of a frequency cap, in milliseconds.
    pub(crate) longest_cap: i64,
    /// Whether a condition or a text looks at the product.
    pub(crate) uses_product: bool,
}

#[derive(Debug)]
pub(crate) struct Signal {
    pub(crate) name: String,
    pub(crate) on: String,
    pub(crate) dwell: Option<Dwell>,
    pub(crate) seen_before: Option<SeenBefore>,
    pub(crate) min_views: Option<u32>,
    pub(crate) conditions: Conditions,
    /// How long it stays raised for the person and the product, in milliseconds.
    pub(crate) lasts: Option<i64>,
}

/// What else must hold for a signal; what is none need not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    /// So many events in this session.
    pub(crate) session_events: Option<u32>,
    /// The session before ended so long ago, in milliseconds.
    pub(crate) last_seen_before: Option<i64>,
    /// The product was bought within so many milliseconds.
    pub(crate) bought_within: Option<i64>,
    /// Whether the product is in the basket.
    pub(crate) in_basket: Option<bool>,
    pub(crate) segment: Option<SegmentChange>,
}

/// A field of the profile gets a value, or loses it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SegmentChange {
    pub(crate) field: String,
    pub(crate) value: String,
    pub(crate) entered: bool,
}

impl Signal {
    /// Whether it is about a product, so that an event without one cannot raise it.
    pub(crate) fn is_of_product(&self) -> bool {
        let Conditions { bought_within, in_basket, .. } = &self.conditions;
        let by_history = self.dwell.is_some() || self.seen_before.is_some() || self.min_views.is_some();
        by_history || bought_within.is_some() || in_basket.is_some()
    }

    /// Whether it needs more of the past than the person's history.
    pub(crate) fn needs_memory(&self) -> bool {
        self.lasts.is_some() || self.conditions.in_basket.is_some() || self.conditions.segment.is_some()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Dwell {
    pub(crate) heartbeat_s: u32,
    pub(crate) min_visit_s: u32,
    pub(crate) at_least_s: u32,
    pub(crate) timer: bool,
}

/// What a shopper is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Voucher {
    pub(crate) code: String,
    pub(crate) title: Template,
    pub(crate) text: Template,
}

/// At most so many vouchers in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) vouchers: i64,
    /// In milliseconds, counted from the epoch: a day begins at midnight UTC.
    pub(crate) per: i64,
}

/// Seen in at least so many earlier sessions within so many milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenBefore {
    pub(crate) sessions: i64,
    pub(crate) within: i64,
}

#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) id: String,
    pub(crate) when: Expression,
    pub(crate) on_error: OnError,
    pub(crate) holdout: Option<Holdout>,
    pub(crate) experiment: Option<Experiment>,
    pub(crate) caps: Vec<Cap>,
    pub(crate) priority: i64,
    pub(crate) value: f64,
    /// In milliseconds.
    pub(crate) expires_in: i64,
    /// The times at which it may be made, in milliseconds since the epoch.
    pub(crate) schedule: Range<i64>,
    pub(crate) budget: Option<Budget>,
    pub(crate) voucher: Option<Voucher>,
    pub(crate) vouchers: BTreeMap<String, Voucher>,
}

#[derive(Clone, Debug)]
pub(crate) struct Holdout {
    pub(crate) seed: String,
    pub(crate) share: f64,
}

#[derive(Debug)]
pub(crate) struct Experiment {
    pub(crate) key: String,
    /// Of the key and the seed.
    pub(crate) hash: u64,
    pub(crate) seed: String,
    pub(crate) hash_version: u32,
    pub(crate) variants: Vec<String>,
    pub(crate) ranges: Vec<assignment::Range>,
    pub(crate) assignment: Assignment,
    /// As GrowthBook has them: its name, and the part of it that takes part.
    pub(crate) namespace: Option<(String, assignment::Range)>,
    pub(crate) weights: Vec<f64>,
    pub(crate) coverage: f64,
    /// Who takes part, by their attributes.
    pub(crate) condition: Option<Condition>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cap {
    /// What is counted: the offer itself or a group of offers.
    pub(crate) key: u64,
    pub(crate) max: usize,
    /// In milliseconds.
    pub(crate) per: i64,
}

impl RulePack {
    /// Reads and checks a pack.
    ///
    /// # Errors
    /// `Config`, naming the offer or field, when anything is unknown, out of bounds or does not compile.
    pub fn parse(yaml: &str) -> Result<Self> {
        Self::parse_for(yaml, &Schema::default())
    }

    /// The same, with the fields and types that its rules may use.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse).
    pub(crate) fn parse_for(yaml: &str, schema: &Schema) -> Result<Self> {
        compile::compile(yaml, schema)
    }

    /// A pack without signals and offers.
    pub(crate) fn empty() -> Self {
        Self {
            name: String::new(),
            line_of_business: String::new(),
            version: 0,
            effective_from: i64::MIN,
            consent: "marketing".to_owned(),
            signals: Vec::new(),
            offers: Vec::new(),
            by_event: HashMap::new(),
            longest_cap: 0,
            uses_product: false,
        }
    }

    /// The name: letters, digits, `.`, `_` and `-`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of steps that its offers for an event type need at least.
    pub(crate) fn steps(&self, event: &str) -> usize {
        let offers = self.by_event.get(event).map_or(&[][..], Vec::as_slice);
        offers.iter().filter_map(|index| self.offers.get(*index)).map(|offer| offer.when.steps()).sum()
    }

    /// The version, which every decision contains.
    pub fn version(&self) -> i64 {
        self.version
    }
}

impl Holdout {
    /// Whether a person is in the holdout group.
    pub(crate) fn is_held_out(&self, person: &str) -> bool {
        assignment::hash(&self.seed, person, 2).is_some_and(|n| n < self.share)
    }
}

impl Experiment {
    /// Whether a person takes part: by the fields of the profile, and `id`.
    pub(crate) fn targets(&self, person: &str, profile: &Value) -> bool {
        let Some(condition) = &self.condition else { return true };
        let fields = match profile {
            Value::Map(_) => profile.clone(),
            _ => Value::map([] as [(&str, Value); 0]),
        };
        let mut attributes = fields;
        attributes.insert("id", person).is_ok() && condition.holds(&attributes)
    }

    /// The variant of a person; none outside the experiment's coverage or its part of the namespace.
    pub(crate) fn variant(&self, person: &str) -> Option<&str> {
        let in_namespace = |(id, part): &(String, assignment::Range)| assignment::in_namespace(person, id, *part);
        if !self.namespace.as_ref().is_none_or(in_namespace) {
            return None;
        }
        let index = match self.assignment {
            Assignment::GrowthBook => {
                let n = assignment::hash(&self.seed, person, self.hash_version)?;
                assignment::choose_variation(n, &self.ranges)
            }
            Assignment::Unleash => unleash::variant(&self.seed, person, &self.weights, self.coverage),
        };
        index.and_then(|index| self.variants.get(index)).map(String::as_str)
    }
}

impl Offer {
    /// The voucher of a variant.
    pub(crate) fn voucher(&self, variant: Option<&str>) -> Option<&Voucher> {
        variant.and_then(|variant| self.vouchers.get(variant)).or(self.voucher.as_ref())
    }
}
