use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use jiff::{Span, SpanRelativeTo, Timestamp, Unit};
use tributary_api::{Error, Result};

use super::source::{self, Pack};
use super::{
    Budget, CONTROL, Cap, Conditions, Dwell, Experiment, Holdout, MAX_PACK_BYTES, Offer, RulePack, SeenBefore,
    SegmentChange, Signal, Template, Voucher,
};
use crate::event::{DWELL_TIMER, HEARTBEAT};
use crate::expression::{Expression, MAX_STEPS, Schema, Type};
use crate::hash::stable_hash;
use crate::signals::BUILT_IN;
use crate::targeting::Condition;

/// The maximum nesting of collections; a valid pack has six levels.
const MAX_DEPTH: usize = 32;
const MAX_SIGNALS: usize = 32;
const MAX_OFFERS: usize = 100;
const MAX_CAPS: usize = 10;
const MAX_CAP: u32 = 16;
const MAX_DAYS: f64 = 400.0;
/// The maximum length of a signal's name, because every enriched event contains all of them.
const MAX_NAME: usize = 64;

pub(super) fn compile(yaml: &str, schema: &Schema) -> Result<RulePack> {
    if yaml.len() as u64 > MAX_PACK_BYTES {
        return Err(invalid(format!("rule pack has {} bytes: at most {MAX_PACK_BYTES} are allowed", yaml.len())));
    }
    if depth(yaml) > MAX_DEPTH {
        return Err(invalid(format!("rule pack has more than {MAX_DEPTH} levels")));
    }
    let pack: Pack = serde_yaml_ng::from_str(yaml).map_err(|error| invalid(unreadable(&error)))?;
    within("signals", pack.signals.len(), MAX_SIGNALS)?;
    within("offers", pack.offers.len(), MAX_OFFERS)?;
    let signals = pack.signals.into_iter().map(|(name, signal)| {
        let context = format!("signal {name}");
        let known = event_type(&signal.on, schema);
        known.and_then(|()| compile_signal(name, signal)).map_err(|error| error.context(context))
    });
    let signals: Vec<Signal> = signals.collect::<Result<_>>()?;
    let (mut offers, mut events) = (Vec::with_capacity(pack.offers.len()), HashMap::new());
    let mut ids = HashSet::new();
    for offer in pack.offers {
        let id = offer.id.clone();
        if !ids.insert(id.clone()) {
            return Err(invalid(format!("offer {id} is defined twice: give each its own id")));
        }
        let on = offer.on.clone();
        let within = |error: Error| error.context(format!("offer {id}"));
        on.iter().flatten().try_for_each(|event| event_type(event, schema)).map_err(within)?;
        let offer = compile_offer(offer, &signals, &pack.holdouts, schema).map_err(within)?;
        let on = on.unwrap_or_else(|| default_events(&offer.when, &signals));
        if on.is_empty() {
            return Err(invalid(format!("offer {id} uses no signal: say in field on for which event types it is")));
        }
        events.insert(id, on);
        offers.push(offer);
    }
    offers.sort_by(|a, b| (Reverse(a.priority), &a.id).cmp(&(Reverse(b.priority), &b.id)));
    offers.sort_by(|a, b| b.priority.cmp(&a.priority).then(b.value.total_cmp(&a.value)));
    let mut by_event: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, offer) in offers.iter().enumerate() {
        for event in events.remove(&offer.id).unwrap_or_default() {
            by_event.entry(event).or_default().push(index);
        }
    }
    let templates = offers.iter().flat_map(|offer| offer.vouchers.values().chain(&offer.voucher));
    let uses_product = offers.iter().any(|offer| offer.when.uses_product())
        || templates.into_iter().any(|voucher| voucher.title.uses_product() || voucher.text.uses_product());
    let longest_cap = offers.iter().flat_map(|offer| &offer.caps).map(|cap| cap.per).max().unwrap_or(0);
    let name = pack.name.unwrap_or_else(|| plain_name(&pack.line_of_business));
    if name.is_empty() || name.len() > MAX_NAME || name != plain_name(&name) {
        return Err(invalid(format!("name must be 1 to {MAX_NAME} letters, digits, dots, underscores or dashes")));
    }
    let pack = RulePack {
        name,
        line_of_business: pack.line_of_business,
        effective_from: pack.effective_from.map_or(i64::MIN, Timestamp::as_millisecond),
        version: i64::try_from(pack.version).map_err(|_| invalid("version is too large"))?,
        consent: pack.consent,
        signals,
        offers,
        by_event,
        longest_cap,
        uses_product,
    };
    within_budget([&pack])?;
    Ok(pack)
}

/// Whether an event's offers of all these packs can be evaluated with the budget that an event has.
pub(crate) fn within_budget<'a>(packs: impl IntoIterator<Item = &'a RulePack>) -> Result<()> {
    let mut needed: BTreeMap<&str, usize> = BTreeMap::new();
    for pack in packs {
        for event in pack.by_event.keys() {
            *needed.entry(event).or_default() += pack.steps(event);
        }
    }
    match needed.into_iter().find(|(_, steps)| *steps > MAX_STEPS / 2) {
        None => Ok(()),
        Some((event, steps)) => Err(invalid(format!(
            "the offers for event type {event} need at least {steps} steps, and at most {} are allowed: write fewer or \
             shorter conditions",
            MAX_STEPS / 2
        ))),
    }
}

/// A text as a name: everything else than letters, digits, dots, underscores and dashes becomes a dash.
fn plain_name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect()
}

/// An upper bound of the nesting of a text's collections, checked first because the parser is slow on deep ones.
/// Brackets in strings are counted too.
fn depth(yaml: &str) -> usize {
    let (mut flow, mut deepest) = (0_usize, 0);
    for line in yaml.lines() {
        let marks = line.split(' ').take_while(|word| ["", "-", "?", ":"].contains(word));
        let block = marks.filter(|word| !word.is_empty()).count();
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => flow += 1,
                b']' | b'}' => flow = flow.saturating_sub(1),
                _ => continue,
            }
            deepest = deepest.max(flow + block);
        }
        deepest = deepest.max(flow + block);
    }
    deepest
}

/// Where a pack cannot be parsed, and what is expected there. The configured file may be any that the worker can read,
/// so nothing of its content is quoted except a possible field name.
fn unreadable(error: &serde_yaml_ng::Error) -> String {
    let text = error.to_string();
    let place = error.location().map(|place| format!(" at line {} column {}", place.line(), place.column()));
    let quoted = |begin: &str| text.split_once(begin).and_then(|(_, rest)| rest.split_once('`')).map(|(name, _)| name);
    let plain = |name: &&str| name.len() <= 40 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let expected = text.rsplit_once(", expected ").map(|(_, rest)| rest.split(" at line ").next().unwrap_or_default());
    let unknown = quoted("unknown field `").or_else(|| quoted("unknown variant `")).filter(plain);
    let why = match (quoted("missing field `"), unknown, expected) {
        (Some(field), ..) => format!(": missing field {field}"),
        (None, Some(unknown), Some(expected)) => format!(": {unknown} is unknown, expected {expected}"),
        (None, None, Some(expected)) => format!(": expected {expected}"),
        (None, _, None) => String::new(),
    };
    format!("rule pack cannot be read{}{why}", place.unwrap_or_default())
}

fn compile_signal(name: String, signal: source::Signal) -> Result<Signal> {
    if BUILT_IN.contains(&name.as_str()) {
        return Err(invalid("is built in: choose another name"));
    }
    let identifier = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(identifier) {
        return Err(invalid("needs a name of letters, digits and underscores"));
    }
    within("bytes of its name", name.len(), MAX_NAME)?;
    let conditions = compile_conditions(&signal)?;
    let lasts = signal.lasts.as_deref().map(|lasts| milliseconds("lasts", lasts)).transpose()?;
    let dwell = signal.dwell.map(|dwell| {
        if dwell.heartbeat_s == 0 || dwell.at_least_s == 0 {
            return Err(invalid("dwell.heartbeat_s and dwell.at_least_s must be at least 1"));
        }
        let source::Dwell { heartbeat_s, min_visit_s, at_least_s, timer } = dwell;
        Ok(Dwell { heartbeat_s, min_visit_s, at_least_s, timer })
    });
    let seen_before = signal.seen_before.map(|seen| {
        let sessions = seen.sessions.trim().strip_prefix(">=").and_then(|count| count.trim().parse().ok());
        let sessions = sessions.filter(|count| (1..=4).contains(count));
        let sessions = sessions.ok_or_else(|| invalid("seen_before.sessions must be from \">=1\" to \">=4\""))?;
        Ok(SeenBefore { sessions, within: milliseconds("seen_before.within", &seen.within)? })
    });
    let signal = Signal {
        name,
        on: signal.on,
        dwell: dwell.transpose()?,
        seen_before: seen_before.transpose()?,
        min_views: signal.view_count.map(|count| count.at_least),
        conditions,
        lasts,
    };
    let Conditions { session_events, last_seen_before, segment, .. } = &signal.conditions;
    if !signal.is_of_product() && session_events.is_none() && last_seen_before.is_none() && segment.is_none() {
        return Err(invalid(
            "is empty: give it dwell, seen_before, view_count, session, last_seen, purchase, basket or segment",
        ));
    }
    Ok(signal)
}

fn compile_conditions(signal: &source::Signal) -> Result<Conditions> {
    let segment = signal.segment.as_ref().map(|segment| {
        let (value, entered) = match (&segment.entered, &segment.left) {
            (Some(value), None) => (value, true),
            (None, Some(value)) => (value, false),
            _ => return Err(invalid("segment must have one of entered and left")),
        };
        Ok(SegmentChange { field: segment.field.clone(), value: value.clone(), entered })
    });
    let before = signal.last_seen.as_ref().map(|seen| milliseconds("last_seen.before", &seen.before));
    let within = signal.purchase.as_ref().map(|purchase| milliseconds("purchase.within", &purchase.within));
    Ok(Conditions {
        session_events: signal.session.as_ref().map(|session| session.at_least),
        last_seen_before: before.transpose()?,
        bought_within: within.transpose()?,
        in_basket: signal.basket,
        segment: segment.transpose()?,
    })
}

fn compile_offer(
    offer: source::Offer,
    signals: &[Signal],
    holdouts: &BTreeMap<String, source::Holdout>,
    schema: &Schema,
) -> Result<Offer> {
    let known: Vec<&str> = BUILT_IN.into_iter().chain(signals.iter().map(|signal| signal.name.as_str())).collect();
    let when = Expression::compile(&offer.when, &known).map_err(|error| error.context("when"))?;
    let numbers = BUILT_IN.into_iter().map(|name| (name, Type::Number));
    let types = signals.iter().map(|signal| (signal.name.as_str(), Type::Boolean)).chain(numbers).collect();
    when.check_types(schema, &types).map_err(|error| error.context("when"))?;
    within("caps", offer.cap.len(), MAX_CAPS)?;
    let caps = offer.cap.iter().map(|cap| compile_cap(cap, &offer.id)).collect::<Result<_>>()?;
    let holdout = offer.experiment.as_ref().and_then(|experiment| experiment.holdout.as_deref());
    let holdout = holdout.map(|name| compile_holdout(name, holdouts)).transpose()?;
    let experiment = offer.experiment.map(compile_experiment).transpose().map_err(|e| e.context("experiment"))?;
    let budget_value = offer.budget.as_ref().and_then(|budget| budget.value_gbp).unwrap_or_default();
    let budget = offer.budget.map(compile_budget).transpose().map_err(|error| error.context("budget"))?;
    let offer = Offer {
        when,
        schedule: compile_schedule(offer.schedule)?,
        on_error: offer.on_error,
        holdout,
        experiment,
        caps,
        priority: offer.priority,
        value: if offer.value == 0.0 { budget_value } else { offer.value },
        budget,
        expires_in: milliseconds("expires_in", &offer.expires_in)?,
        voucher: offer
            .voucher
            .map(|voucher| compile_voucher(voucher, schema))
            .transpose()
            .map_err(|error| error.context("voucher"))?,
        vouchers: offer.vouchers.into_iter().map(|variant| compile_variant(variant, schema)).collect::<Result<_>>()?,
        id: offer.id,
    };
    // Without any voucher the page decides by the variant what to show.
    let has_content = offer.voucher.is_some() || !offer.vouchers.is_empty();
    let variants = offer.experiment.iter().filter(|_| has_content).flat_map(|experiment| &experiment.variants);
    for variant in variants.filter(|variant| *variant != CONTROL) {
        if offer.voucher(Some(variant)).is_none() {
            return Err(invalid(format!("variant {variant} has no voucher: add vouchers.{variant}")));
        }
    }
    if offer.experiment.is_none() && offer.voucher.is_none() {
        return Err(invalid("has no voucher: add one"));
    }
    let variants: Vec<&str> = offer.experiment.iter().flat_map(|e| &e.variants).map(String::as_str).collect();
    if let Some(unknown) = offer.vouchers.keys().find(|name| !variants.contains(&name.as_str())) {
        return Err(invalid(format!("vouchers.{unknown} is of no variant")));
    }
    Ok(offer)
}

fn compile_schedule(schedule: Option<source::Schedule>) -> Result<Range<i64>> {
    let source::Schedule { from, until } = schedule.unwrap_or(source::Schedule { from: None, until: None });
    let at = |time: Option<Timestamp>, without| time.map_or(without, Timestamp::as_millisecond);
    let times = at(from, i64::MIN)..at(until, i64::MAX);
    if times.is_empty() {
        return Err(invalid("schedule.until must be after schedule.from"));
    }
    Ok(times)
}

/// Whether events of this type are declared.
fn event_type(name: &str, schema: &Schema) -> Result<()> {
    let own = [HEARTBEAT, DWELL_TIMER].contains(&name) || schema.event_types.is_empty();
    if own || schema.event_types.iter().any(|known| known == name) {
        return Ok(());
    }
    Err(invalid(format!("event type {name} is unknown: there are {}", schema.event_types.join(", "))))
}

fn compile_budget(budget: source::Budget) -> Result<Budget> {
    if budget.vouchers == 0 {
        return Err(invalid("vouchers must be at least 1"));
    }
    if budget.value_gbp.is_some_and(|value| value.is_nan() || value < 0.0) {
        return Err(invalid("value_gbp must not be negative"));
    }
    Ok(Budget { vouchers: budget.vouchers.into(), per: milliseconds("per", &budget.per)? })
}

fn compile_variant((variant, voucher): (String, source::Voucher), schema: &Schema) -> Result<(String, Voucher)> {
    match compile_voucher(voucher, schema) {
        Ok(voucher) => Ok((variant, voucher)),
        Err(error) => Err(error.context(format!("vouchers.{variant}"))),
    }
}

/// The code is text: it must not depend on what a browser sends.
fn compile_voucher(voucher: source::Voucher, schema: &Schema) -> Result<Voucher> {
    let template = |name: &str, text: &str| {
        let template = Template::parse(text).and_then(|template| template.check(schema).map(|()| template));
        template.map_err(|error| error.context(name))
    };
    let (title, text) = (template("title", &voucher.title)?, template("text", &voucher.text)?);
    Ok(Voucher { code: voucher.code, title, text })
}

fn compile_cap(cap: &source::Cap, offer: &str) -> Result<Cap> {
    let source::Scope::Person = cap.scope;
    if !(1..=MAX_CAP).contains(&cap.max) {
        return Err(invalid(format!("cap.max is {}: it must be from 1 to {MAX_CAP}", cap.max)));
    }
    let key = match &cap.group {
        Some(group) => stable_hash(["group", group]),
        None => stable_hash(["offer", offer]),
    };
    Ok(Cap { key, max: cap.max as usize, per: milliseconds("cap.per", &cap.per)? })
}

fn compile_holdout(name: &str, holdouts: &BTreeMap<String, source::Holdout>) -> Result<Holdout> {
    // The share may be in the name of the group that holds out everywhere: global-5.
    let share = name.strip_prefix("global-").and_then(|percent| percent.parse().ok()).filter(|_| holdouts.is_empty());
    let named = share.map(|percent: u8| source::Holdout { share: f64::from(percent) / 100.0, seed: None });
    let holdout = holdouts.get(name).or(named.as_ref());
    let holdout = holdout.ok_or_else(|| invalid(format!("holdout {name} is not defined: add it to holdouts")))?;
    if !(0.0..=1.0).contains(&holdout.share) {
        return Err(invalid(format!("holdouts.{name}.share must be from 0 to 1")));
    }
    let seed = holdout.seed.clone().unwrap_or_else(|| name.to_owned());
    Ok(Holdout { seed, share: holdout.share })
}

fn compile_experiment(experiment: source::Experiment) -> Result<Experiment> {
    let condition = experiment.condition.as_ref().map(|condition| targeting(condition, &experiment.groups)).transpose();
    let condition = condition.map_err(|error| error.context("condition"))?;
    let source::Experiment { key, seed, hash_version, variants, weights, coverage, assignment, namespace, .. } =
        experiment;
    if variants.is_empty() || variants.iter().collect::<HashSet<_>>().len() != variants.len() {
        return Err(invalid("variants must be there and differ"));
    }
    if !(0.0..=1.0).contains(&coverage) {
        return Err(invalid("coverage must be from 0 to 1"));
    }
    if let Some(weights) = &weights {
        let sum: f64 = weights.iter().sum();
        if weights.len() != variants.len() || !(0.99..=1.01).contains(&sum) || weights.iter().any(|w| *w < 0.0) {
            return Err(invalid("weights must be one for each variant, not negative, and add up to 1"));
        }
    }
    if crate::assignment::hash("", "", hash_version).is_none() {
        return Err(invalid(format!("hash_version is {hash_version}: it must be 1 or 2")));
    }
    if namespace
        .as_ref()
        .is_some_and(|one| one.id.is_empty() || !(0.0 <= one.from && one.from < one.until && one.until <= 1.0))
    {
        return Err(invalid("namespace must have an id, and a part from 0 to 1 that is not empty: from, until"));
    }
    let ranges = crate::assignment::bucket_ranges(variants.len(), coverage, weights.as_deref());
    let whole = crate::assignment::bucket_ranges(variants.len(), 1.0, weights.as_deref());
    let seed = seed.unwrap_or_else(|| key.clone());
    Ok(Experiment {
        hash: stable_hash([key.as_str(), &seed]),
        seed,
        key,
        hash_version,
        variants,
        ranges,
        assignment,
        namespace: namespace.map(|one| (one.id, (one.from, one.until))),
        weights: whole.into_iter().map(|(start, end)| end - start).collect(),
        coverage,
        condition,
    })
}

/// A condition of GrowthBook's, which is JSON.
fn targeting(condition: &serde_json::Value, groups: &BTreeMap<String, serde_json::Value>) -> Result<Condition> {
    let value = |json: &serde_json::Value| tributary_api::json::from_slice(json.to_string().as_bytes());
    let group = |name: &str| {
        let group = groups.get(name).and_then(|group| value(group).ok());
        group.and_then(|group| group.as_array().map(<[_]>::to_vec)).unwrap_or_default()
    };
    Condition::parse(&value(condition)?, &group)
}

/// The event types at which the signals of an expression can change.
fn default_events(when: &Expression, signals: &[Signal]) -> Vec<String> {
    let mut events: Vec<String> = Vec::new();
    for signal in signals.iter().filter(|signal| when.uses_signal(&signal.name)) {
        let dwell: &[&str] = if signal.dwell.is_some() { &[HEARTBEAT, DWELL_TIMER] } else { &[] };
        for event in std::iter::once(signal.on.as_str()).chain(dwell.iter().copied()) {
            if !events.iter().any(|known| known == event) {
                events.push(event.to_owned());
            }
        }
    }
    events
}

/// An ISO 8601 duration; a day has 24 hours.
fn milliseconds(field: &str, text: &str) -> Result<i64> {
    let span: Span = text.parse().map_err(|error: jiff::Error| {
        invalid(format!("{field} is {text}: write a duration as P30D or PT20M")).cause(&error)
    })?;
    let whole_days = SpanRelativeTo::days_are_24_hours();
    let days =
        span.total((Unit::Day, whole_days)).map_err(|error| invalid(format!("{field} is {text}")).cause(&error))?;
    if days <= 0.0 || days > MAX_DAYS {
        return Err(invalid(format!("{field} is {text}: it must be positive and at most {MAX_DAYS} days")));
    }
    #[allow(clippy::cast_possible_truncation)]
    Ok((days * 86_400_000.0).round() as i64)
}

fn within(what: &str, count: usize, max: usize) -> Result<()> {
    if count <= max { Ok(()) } else { Err(invalid(format!("there are {count} {what}: at most {max} are allowed"))) }
}

#[cold]
fn invalid(message: impl Into<String>) -> Error {
    Error::config(message)
}
