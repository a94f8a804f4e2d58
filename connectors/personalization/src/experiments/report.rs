//! What an experiment brought, for each arm.

use serde::{Deserialize, Serialize};

use super::attribution::{Attribution, HOLDOUT, Person};
use super::statistics::{
    Effect, Sample, Test, adjusted, difference, number, people_needed, percentile_99, relative, sample_ratio_mismatch,
    smallest_found,
};
use crate::rules::{CONTROL, Experiment};

const DAY_MS: i64 = 86_400_000;
/// The most points of the effect over time: beyond, a point is for several days.
const MAX_POINTS: i64 = 120;
/// A division of people that is less probable than this has a cause other than chance: GrowthBook's default.
const MISMATCH_ALARM: f64 = 0.001;
/// The relative differences for which the number of people is told.
const ADVISED: [f64; 3] = [0.05, 0.1, 0.2];

/// What a pack at work says of an experiment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Design {
    /// Each variant with its weight.
    pub(crate) variants: Vec<(String, f64)>,
}

impl Design {
    pub(crate) fn new(experiment: &Experiment) -> Self {
        let weights = experiment.ranges.iter().map(|(start, end)| end - start);
        Self { variants: experiment.variants.iter().cloned().zip(weights).collect() }
    }
}

/// The report of an experiment. Times are milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The experiment's key.
    pub experiment: String,
    /// The arm that others are compared with.
    pub control: Option<String>,
    /// The first exposure.
    pub from: Option<i64>,
    /// The latest record.
    pub until: Option<i64>,
    /// So long after their first exposure a person's orders count.
    pub attribution_window_ms: i64,
    /// The rule packs that exposures were made by, each with its version.
    pub ruleset_versions: Vec<(String, i64)>,
    /// The offers that exposures were made by.
    pub rules: Vec<String>,
    /// The control first.
    pub arms: Vec<Arm>,
    /// People who get no offers at all, at the same point.
    pub holdout: Option<Arm>,
    /// Whether people were divided by the weights.
    pub sample_ratio: Option<SampleRatio>,
    /// People exposed to several arms: each counts for the first one.
    pub people_in_several_arms: u64,
    /// People whose attribution window is not over: they may still order.
    pub people_in_window: u64,
    /// People beyond the number that a report can hold.
    pub people_left_out: u64,
    /// Records that are not of the transform.
    pub unreadable_records: u64,
    /// An order value above this counts as this.
    pub revenue_limit: Option<f64>,
    /// How many people it takes.
    pub advice: Option<Advice>,
    /// Cumulated, by day or several days.
    pub over_time: Vec<Point>,
}

/// One arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Its name.
    pub variant: String,
    /// Its share of people by the pack at work.
    pub weight: Option<f64>,
    /// People exposed to it first.
    pub people: u64,
    /// Exposures, several of a person too.
    pub exposures: u64,
    /// People whose page has rendered the offer.
    pub people_shown: u64,
    /// Exposures without an offer, since no voucher was left.
    pub without_voucher: u64,
    /// People with an order in the window.
    pub conversions: u64,
    /// Conversions by people.
    pub rate: f64,
    /// As it was paid, not limited.
    pub revenue: f64,
    /// As it was paid, not limited.
    pub revenue_per_person: f64,
    /// Before vouchers.
    pub margin: f64,
    /// What vouchers cost.
    pub voucher_cost: f64,
    /// None for the control itself.
    pub comparison: Option<Comparison>,
}

/// An arm compared with the control. An effect is none where nothing varies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Of the conversion rate.
    pub rate: Option<Effect>,
    /// Of the conversion rate, in parts of the control's.
    pub rate_relative: Option<Effect>,
    /// Of the revenue of a person.
    pub revenue: Option<Effect>,
    /// Of the revenue of a person, in parts of the control's.
    pub revenue_relative: Option<Effect>,
    /// Of the revenue of a person, with what was known from before (CUPED).
    pub revenue_adjusted: Option<Effect>,
    /// Of the margin of a person after vouchers: what the offer brought.
    pub margin: Option<Effect>,
}

/// Whether people were divided by the weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleRatio {
    /// The probability of such a division by chance.
    pub p: f64,
    /// Too improbable: the comparison must not be trusted.
    pub alarm: bool,
}

/// How many people an experiment with the control's rate needs, for 80 % power at 5 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// Relative uplifts, each with the people of an arm that find it.
    pub people_of_arm: Vec<(f64, u64)>,
    /// The smallest relative uplift that as many people as there are now find.
    pub smallest_found: Option<f64>,
}

/// The relative uplift of a variant's rate by all that was known at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The variant.
    pub variant: String,
    /// The end of the day, or of several.
    pub at: i64,
    /// People of the variant.
    pub people: u64,
    /// None where there was nothing to compare.
    pub uplift: Option<Effect>,
}

/// A report of what was attributed.
pub(super) fn report(attribution: &Attribution, design: Option<&Design>) -> Report {
    let people: Vec<&Person> = attribution.people().collect();
    let names = arms(attribution, design);
    let control =
        names.iter().find(|(name, _)| name == CONTROL).or_else(|| names.first()).map(|(name, _)| name.clone());
    let limit = percentile_99(people.iter().map(|person| person.revenue).filter(|revenue| *revenue > 0.0).collect());
    let groups: Vec<Group<'_>> = names
        .iter()
        .map(|(name, weight)| {
            let index = attribution.arms.get(name).map(|totals| totals.index);
            let members = people.iter().copied().filter(|person| Some(person.arm) == index).collect();
            Group { name, weight: *weight, people: members, limit: limit.unwrap_or(f64::MAX) }
        })
        .collect();
    let holdout = attribution.arms.get(HOLDOUT).map(|totals| {
        let members = people.iter().copied().filter(|person| person.arm == totals.index).collect();
        Group { name: HOLDOUT, weight: None, people: members, limit: limit.unwrap_or(f64::MAX) }
    });
    let of_adjusted = adjusted(&groups.iter().map(Group::before_and_now).collect::<Vec<_>>());
    let baseline = groups.first();
    let arms = groups.iter().enumerate().map(|(index, group)| {
        let adjusted = of_adjusted.as_ref().and_then(|all| Some((all.first()?, all.get(index)?)));
        let comparison = baseline.filter(|_| index > 0).map(|control| control.compared(group, adjusted));
        group.arm(attribution, comparison)
    });
    let until = attribution.until;
    Report {
        control,
        from: people.iter().map(|person| person.exposed_at).min(),
        until: (until > i64::MIN).then_some(until),
        attribution_window_ms: attribution.periods.window,
        ruleset_versions: attribution.versions.iter().cloned().collect(),
        rules: attribution.rules.iter().cloned().collect(),
        arms: arms.collect(),
        holdout: holdout.as_ref().map(|group| {
            let comparison = baseline.map(|control| control.compared(group, None));
            group.arm(attribution, comparison)
        }),
        sample_ratio: sample_ratio(&groups),
        people_in_several_arms: count(&people, |person| person.elsewhere),
        people_in_window: count(&people, |person| until < person.exposed_at.saturating_add(attribution.periods.window)),
        people_left_out: attribution.left_out,
        unreadable_records: attribution.unreadable,
        revenue_limit: limit,
        advice: baseline.and_then(|control| advice(control, &groups)),
        over_time: over_time(&groups, until),
        experiment: attribution.experiment().to_owned(),
    }
}

/// The variants with their weights: the control first, then as in the pack, then what only exposures know.
fn arms(attribution: &Attribution, design: Option<&Design>) -> Vec<(String, Option<f64>)> {
    let designed = design.into_iter().flat_map(|design| &design.variants);
    let mut names: Vec<(String, Option<f64>)> = designed.map(|(name, weight)| (name.clone(), Some(*weight))).collect();
    for name in attribution.arms.keys().filter(|name| *name != HOLDOUT) {
        if !names.iter().any(|(known, _)| known == name) {
            names.push((name.clone(), None));
        }
    }
    names.sort_by_key(|(name, _)| name != CONTROL);
    names
}

/// The people of an arm.
struct Group<'a> {
    name: &'a str,
    weight: Option<f64>,
    people: Vec<&'a Person>,
    limit: f64,
}

impl Group<'_> {
    fn size(&self) -> u64 {
        self.people.len() as u64
    }

    fn rate(&self) -> Sample {
        Sample::of_rate(count(&self.people, |person| person.converted_at.is_some()), self.size())
    }

    fn revenue(&self) -> Sample {
        Sample::of(self.people.iter().map(|person| person.revenue.min(self.limit)))
    }

    fn margin(&self) -> Sample {
        Sample::of(self.people.iter().map(|person| person.margin - person.voucher_cost))
    }

    fn before_and_now(&self) -> Vec<(f64, f64)> {
        self.people.iter().map(|person| (person.revenue_before, person.revenue.min(self.limit))).collect()
    }

    /// Another group compared with this one.
    fn compared(&self, other: &Self, adjusted: Option<(&Sample, &Sample)>) -> Comparison {
        Comparison {
            rate: difference(&self.rate(), &other.rate(), Test::Normal),
            rate_relative: relative(&self.rate(), &other.rate(), Test::Normal),
            revenue: difference(&self.revenue(), &other.revenue(), Test::Welch),
            revenue_relative: relative(&self.revenue(), &other.revenue(), Test::Welch),
            revenue_adjusted: adjusted.and_then(|(control, variant)| difference(control, variant, Test::Welch)),
            margin: difference(&self.margin(), &other.margin(), Test::Welch),
        }
    }

    fn arm(&self, attribution: &Attribution, comparison: Option<Comparison>) -> Arm {
        let totals = attribution.arms.get(self.name).cloned().unwrap_or_default();
        let sum = |value: fn(&Person) -> f64| self.people.iter().map(|person| value(person)).sum::<f64>();
        let revenue = sum(|person| person.revenue);
        let rate = self.rate();
        Arm {
            variant: self.name.to_owned(),
            weight: self.weight,
            people: self.size(),
            exposures: totals.exposures,
            people_shown: count(&self.people, |person| person.shown),
            without_voucher: totals.without_voucher,
            conversions: count(&self.people, |person| person.converted_at.is_some()),
            rate: rate.mean,
            revenue,
            revenue_per_person: if self.people.is_empty() { 0.0 } else { revenue / number(self.size()) },
            margin: sum(|person| person.margin),
            voucher_cost: sum(|person| person.voucher_cost),
            comparison,
        }
    }

    /// People and conversions by the end of each point.
    fn cumulated(&self, points: Points) -> Vec<(u64, u64)> {
        let mut counts = vec![(0, 0); points.count];
        for person in &self.people {
            if let Some(count) = counts.get_mut(points.index(person.exposed_at)) {
                count.0 += 1;
            }
            if let Some(count) = person.converted_at.and_then(|at| counts.get_mut(points.index(at))) {
                count.1 += 1;
            }
        }
        let sum = |total: &mut (u64, u64), new: (u64, u64)| {
            *total = (total.0 + new.0, total.1 + new.1);
            Some(*total)
        };
        counts.into_iter().scan((0, 0), sum).collect()
    }
}

/// The days, or groups of days, of an experiment.
#[derive(Clone, Copy)]
struct Points {
    first_day: i64,
    days_of_point: i64,
    count: usize,
}

impl Points {
    fn new(from: i64, until: i64) -> Self {
        let first_day = from.div_euclid(DAY_MS);
        let days = until.div_euclid(DAY_MS).saturating_sub(first_day).max(0) + 1;
        let days_of_point = (days + MAX_POINTS - 1) / MAX_POINTS;
        let count = (days + days_of_point - 1) / days_of_point;
        Self { first_day, days_of_point, count: usize::try_from(count).unwrap_or_default() }
    }

    fn index(&self, at: i64) -> usize {
        let index = (at.div_euclid(DAY_MS) - self.first_day) / self.days_of_point;
        usize::try_from(index).unwrap_or(usize::MAX)
    }

    /// When a point ends.
    fn end(&self, index: usize) -> i64 {
        let after = i64::try_from(index).unwrap_or(i64::MAX).saturating_add(1).saturating_mul(self.days_of_point);
        self.first_day.saturating_add(after).saturating_mul(DAY_MS)
    }
}

fn count(people: &[&Person], holds: impl Fn(&Person) -> bool) -> u64 {
    people.iter().filter(|person| holds(person)).count() as u64
}

/// None without the weights of all arms.
fn sample_ratio(groups: &[Group<'_>]) -> Option<SampleRatio> {
    let weights: Vec<f64> = groups.iter().map(|group| group.weight).collect::<Option<_>>()?;
    let people: Vec<u64> = groups.iter().map(Group::size).collect();
    let p = sample_ratio_mismatch(&people, &weights)?;
    Some(SampleRatio { p, alarm: p < MISMATCH_ALARM })
}

fn advice(control: &Group<'_>, groups: &[Group<'_>]) -> Option<Advice> {
    let rate = control.rate().mean;
    let people_of_arm: Vec<_> =
        ADVISED.into_iter().filter_map(|uplift| Some((uplift, people_needed(rate, uplift)?))).collect();
    let smallest = groups.iter().map(Group::size).min().unwrap_or_default();
    (!people_of_arm.is_empty()).then(|| Advice { people_of_arm, smallest_found: smallest_found(rate, smallest) })
}

fn over_time(groups: &[Group<'_>], until: i64) -> Vec<Point> {
    let Some((control, variants)) = groups.split_first() else { return Vec::new() };
    let exposures = groups.iter().flat_map(|group| &group.people).map(|person| person.exposed_at);
    let Some(from) = exposures.min() else { return Vec::new() };
    let points = Points::new(from, until);
    let baseline = control.cumulated(points);
    let of_variant = |variant: &Group<'_>| {
        let mut found = Vec::with_capacity(points.count);
        for (index, (variant_then, control_then)) in variant.cumulated(points).into_iter().zip(&baseline).enumerate() {
            let rate = |(people, with): (u64, u64)| Sample::of_rate(with, people);
            let uplift = relative(&rate(*control_then), &rate(variant_then), Test::Normal);
            let (variant, people) = (variant.name.to_owned(), variant_then.0);
            found.push(Point { variant, at: points.end(index), people, uplift });
        }
        found
    };
    variants.iter().flat_map(of_variant).collect()
}
