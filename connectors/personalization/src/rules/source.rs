//! A rule pack as it is written in YAML. An unknown field is an error that names it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pack {
    pub(super) name: Option<String>,
    pub(super) line_of_business: String,
    pub(super) version: u64,
    pub(super) effective_from: Option<Timestamp>,
    #[serde(default = "marketing")]
    pub(super) consent: String,
    #[serde(default)]
    pub(super) holdouts: BTreeMap<String, Holdout>,
    #[serde(default)]
    pub(super) signals: BTreeMap<String, Signal>,
    pub(super) offers: Vec<Offer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Holdout {
    pub(super) share: f64,
    pub(super) seed: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signal {
    #[serde(default = "product_view")]
    pub(super) on: String,
    pub(super) dwell: Option<Dwell>,
    pub(super) seen_before: Option<SeenBefore>,
    pub(super) view_count: Option<AtLeast>,
    pub(super) session: Option<AtLeast>,
    pub(super) last_seen: Option<Before>,
    pub(super) purchase: Option<Within>,
    pub(super) basket: Option<bool>,
    pub(super) segment: Option<Segment>,
    pub(super) lasts: Option<String>,
}

/// The session before this one ended at least so long ago.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Before {
    pub(super) before: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Within {
    pub(super) within: String,
}

/// A field of the profile begins to have a value, or has it no longer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Segment {
    #[serde(default = "segment")]
    pub(super) field: String,
    pub(super) entered: Option<String>,
    pub(super) left: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dwell {
    #[serde(default = "heartbeat_s")]
    pub(super) heartbeat_s: u32,
    #[serde(default = "min_visit_s")]
    pub(super) min_visit_s: u32,
    pub(super) at_least_s: u32,
    #[serde(default)]
    pub(super) timer: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeenBefore {
    #[serde(default = "one_or_more")]
    pub(super) sessions: String,
    pub(super) within: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AtLeast {
    pub(super) at_least: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Offer {
    pub(super) id: String,
    pub(super) when: String,
    pub(super) on: Option<Vec<String>>,
    pub(super) experiment: Option<Experiment>,
    #[serde(default)]
    pub(super) cap: Vec<Cap>,
    #[serde(default)]
    pub(super) priority: i64,
    #[serde(default)]
    pub(super) value: f64,
    #[serde(default)]
    pub(super) on_error: OnError,
    #[serde(default = "one_day")]
    pub(super) expires_in: String,
    pub(super) schedule: Option<Schedule>,
    pub(super) budget: Option<Budget>,
    pub(super) voucher: Option<Voucher>,
    #[serde(default)]
    pub(super) vouchers: BTreeMap<String, Voucher>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Experiment {
    pub(super) key: String,
    pub(super) seed: Option<String>,
    #[serde(default = "hash_version")]
    pub(super) hash_version: u32,
    pub(super) variants: Vec<String>,
    pub(super) weights: Option<Vec<f64>>,
    #[serde(default = "whole")]
    pub(super) coverage: f64,
    pub(super) holdout: Option<String>,
    #[serde(default)]
    pub(super) assignment: Assignment,
    pub(super) namespace: Option<Namespace>,
    pub(super) condition: Option<serde_json::Value>,
    /// What `$inGroup` of the condition names.
    #[serde(default)]
    pub(super) groups: BTreeMap<String, serde_json::Value>,
}

/// Whose algorithm divides people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Assignment {
    #[default]
    GrowthBook,
    Unleash,
}

/// A part of a namespace: experiments in parts that do not overlap have nobody in common.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Namespace {
    pub(super) id: String,
    pub(super) from: f64,
    pub(super) until: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cap {
    pub(super) scope: Scope,
    pub(super) group: Option<String>,
    pub(super) max: u32,
    pub(super) per: String,
}

/// When an offer may be made: from the first time on, and before the second.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schedule {
    pub(super) from: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
}

/// The scope of a cap.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scope {
    Person,
}

/// What happens to an event when a rule cannot be evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnError {
    /// The rule does not apply.
    #[default]
    Skip,
    /// The event fails: `errors.tolerance` and the dead letter queue decide.
    Dlq,
}

/// The voucher shown to a shopper.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Voucher {
    pub(super) code: String,
    pub(super) title: String,
    #[serde(default)]
    pub(super) text: String,
}

/// How many vouchers there are in each period, and what one is worth.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    pub(super) vouchers: u32,
    pub(super) per: String,
    pub(super) value_gbp: Option<f64>,
}

fn marketing() -> String {
    "marketing".to_owned()
}

fn product_view() -> String {
    crate::event::PRODUCT_VIEW.to_owned()
}

fn segment() -> String {
    "segment".to_owned()
}

fn one_or_more() -> String {
    ">=1".to_owned()
}

fn one_day() -> String {
    "PT24H".to_owned()
}

fn heartbeat_s() -> u32 {
    10
}

fn min_visit_s() -> u32 {
    5
}

fn hash_version() -> u32 {
    2
}

fn whole() -> f64 {
    1.0
}
