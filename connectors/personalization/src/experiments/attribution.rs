//! Which orders count for which arm of an experiment.

use std::collections::{BTreeMap, BTreeSet};

use tributary_api::{Config, ConfigDef, Result, Value};

use super::log::{EXPOSURE, ORDERED, SHOWN, period};
use crate::hash::stable_hash;

const DAY_MS: i64 = 86_400_000;
/// So many people of one experiment are kept, of about 120 bytes each with an order. Further ones are counted only.
const MAX_PEOPLE: usize = 1_000_000;
/// So many arms: a variant that comes after them belongs to no report.
const MAX_ARMS: usize = 32;
/// So many orders of a person count.
const MAX_ORDERS: usize = 256;
/// The arm of people in the holdout group.
pub(super) const HOLDOUT: &str = "holdout";

/// The times around a person's first exposure in which orders count, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Periods {
    /// After it: for the arm.
    pub(crate) window: i64,
    /// Before it: as what is known of the person from before.
    pub(crate) before: i64,
}

impl Periods {
    pub(super) fn define(definition: ConfigDef) -> ConfigDef {
        let after = "The attribution window: so long after their first exposure a person's orders count for the arm.";
        let before = "So long before their first exposure a person's orders count as known from before, which makes the \
                      intervals of revenue narrower (CUPED).";
        definition.with(period("experiments.attribution.window.ms", 7 * DAY_MS, after)).with(period(
            "experiments.before.ms",
            28 * DAY_MS,
            before,
        ))
    }

    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            window: config.int("experiments.attribution.window.ms")?,
            before: config.int("experiments.before.ms")?,
        })
    }
}

/// The people of an experiment. All exposures are taken first, and then all orders: they are of several partitions, and
/// only orders of people who were exposed have to be kept.
#[derive(Debug)]
pub(super) struct Attribution {
    experiment: String,
    pub(super) periods: Periods,
    /// By the hash of the customer, or of the person where no customer is known; in an order, so that sums are the same
    /// whenever the same records are read.
    people: BTreeMap<u64, Person>,
    /// By name.
    pub(super) arms: BTreeMap<String, ArmTotals>,
    /// The packs that exposures were made by, each with its version.
    pub(super) versions: BTreeSet<(String, i64)>,
    /// The rules that exposures were made by.
    pub(super) rules: BTreeSet<String>,
    pub(super) left_out: u64,
    pub(super) unreadable: u64,
    /// The time of the latest record.
    pub(super) until: i64,
}

/// What is counted for each exposure, not for each person.
#[derive(Clone, Debug, Default)]
pub(super) struct ArmTotals {
    pub(super) index: usize,
    pub(super) exposures: u64,
    /// The exposures without an offer, since there were no vouchers left.
    pub(super) without_voucher: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) arm: usize,
    pub(super) exposed_at: i64,
    /// Also exposed to another arm, later.
    pub(super) elsewhere: bool,
    pub(super) shown: bool,
    /// The first order of the window.
    pub(super) converted_at: Option<i64>,
    /// Of the window.
    pub(super) revenue: f64,
    pub(super) margin: f64,
    pub(super) voucher_cost: f64,
    pub(super) revenue_before: f64,
    /// The hashes of the orders that were counted: a record may come twice.
    orders: Vec<u64>,
}

impl Attribution {
    pub(super) fn new(experiment: &str, periods: Periods) -> Self {
        Self {
            experiment: experiment.to_owned(),
            periods,
            people: BTreeMap::new(),
            arms: BTreeMap::new(),
            versions: BTreeSet::new(),
            rules: BTreeSet::new(),
            left_out: 0,
            unreadable: 0,
            until: i64::MIN,
        }
    }

    pub(super) fn experiment(&self) -> &str {
        &self.experiment
    }

    pub(super) fn people(&self) -> impl Iterator<Item = &Person> + Clone {
        self.people.values()
    }

    /// The first time: exposures.
    pub(super) fn take_exposure(&mut self, value: &Value) {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let (Some(kind), Some(at)) = (text("kind"), value.get("at").and_then(Value::as_i64)) else {
            self.unreadable += 1;
            return;
        };
        self.until = self.until.max(at);
        if kind != EXPOSURE || text("experiment") != Some(self.experiment.as_str()) {
            return;
        }
        let holdout = text("reason") == Some(HOLDOUT);
        let Some(arm) = text("variant").or_else(|| holdout.then_some(HOLDOUT)) else { return };
        let Some(unit) = unit(value).first().copied() else { return };
        let next = self.arms.len();
        if !self.arms.contains_key(arm) {
            if next >= MAX_ARMS {
                return;
            }
            self.arms.insert(arm.to_owned(), ArmTotals { index: next, ..ArmTotals::default() });
        }
        let Some(totals) = self.arms.get_mut(arm) else { return };
        totals.exposures += 1;
        totals.without_voucher += u64::from(text("reason") == Some("budget"));
        let arm = totals.index;
        if let (Some(pack), Some(version)) = (text("pack"), value.get("ruleset_version").and_then(Value::as_i64)) {
            self.versions.insert((pack.to_owned(), version));
        }
        if let Some(rule) = text("rule").filter(|rule| !self.rules.contains(*rule)) {
            self.rules.insert(rule.to_owned());
        }
        self.expose(unit, arm, at);
    }

    /// The earliest exposure decides about the arm.
    fn expose(&mut self, unit: u64, arm: usize, at: i64) {
        if let Some(person) = self.people.get_mut(&unit) {
            person.elsewhere |= person.arm != arm;
            if at < person.exposed_at {
                (person.arm, person.exposed_at) = (arm, at);
            }
        } else if self.people.len() < MAX_PEOPLE {
            self.people.insert(unit, Person::new(arm, at));
        } else {
            self.left_out += 1;
        }
    }

    /// The second time: orders, and what pages have rendered.
    pub(super) fn take_outcome(&mut self, value: &Value) {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let Some(at) = value.get("at").and_then(Value::as_i64) else { return };
        let kind = text("kind");
        // A person who was exposed before the login that made them a customer is found by the person's id.
        let units = unit(value);
        let Some(unit) = units.into_iter().find(|unit| self.people.contains_key(unit)) else { return };
        let Some(person) = self.people.get_mut(&unit) else { return };
        if kind == Some(SHOWN) && text("experiment") == Some(self.experiment.as_str()) {
            person.shown = true;
        } else if kind == Some(ORDERED) {
            person.order(text("order_id").unwrap_or_default(), at, value, self.periods);
        }
    }
}

impl Person {
    fn new(arm: usize, exposed_at: i64) -> Self {
        Self {
            arm,
            exposed_at,
            elsewhere: false,
            shown: false,
            converted_at: None,
            revenue: 0.0,
            margin: 0.0,
            voucher_cost: 0.0,
            revenue_before: 0.0,
            orders: Vec::new(),
        }
    }

    fn order(&mut self, id: &str, at: i64, value: &Value, periods: Periods) {
        let after = at.saturating_sub(self.exposed_at);
        let in_window = (0..=periods.window).contains(&after);
        if !in_window && !(-periods.before..0).contains(&after) {
            return;
        }
        let hash = stable_hash([id]);
        if self.orders.contains(&hash) || self.orders.len() >= MAX_ORDERS {
            return;
        }
        self.orders.push(hash);
        let amount = |name: &str| {
            let amount = value.get(name).and_then(Value::as_f64);
            amount.filter(|amount| amount.is_finite()).unwrap_or_default()
        };
        if in_window {
            self.converted_at = Some(self.converted_at.map_or(at, |earlier| earlier.min(at)));
            self.revenue += amount("revenue");
            self.margin += amount("margin");
            self.voucher_cost += amount("voucher_cost");
        } else {
            self.revenue_before += amount("revenue");
        }
    }
}

/// Who a record is about: the customer first.
fn unit(value: &Value) -> Vec<u64> {
    let id = |name: &str| value.get(name).and_then(Value::as_str).filter(|id| !id.is_empty());
    id("customer_id").into_iter().chain(id("person_id")).map(|id| stable_hash([id])).collect()
}
