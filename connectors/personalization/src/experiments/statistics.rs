//! The arithmetic of experiments: differences between two arms with their intervals, and whether people were divided as
//! they should have been. Distributions and their inverses are those of the statrs crate.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

/// The share of experiments without an effect that show one.
const ALPHA: f64 = 0.05;
/// With about so many people sequential bounds are narrowest: GrowthBook's default.
const SEQUENTIAL_TUNING: f64 = 5000.0;
/// Below so many people for each arm, on average, their division is not tested: GrowthBook's default.
const MIN_PEOPLE_OF_ARM: f64 = 8.0;

/// A value of each person of an arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) people: f64,
    pub(crate) mean: f64,
    /// Between people.
    pub(crate) variance: f64,
}

/// How an arm differs from the control.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The variant's value less the control's, or for a relative effect that divided by the control's.
    pub difference: f64,
    /// The 95 % confidence interval for one look at a number of people that was fixed before.
    pub interval: (f64, f64),
    /// The two-sided p-value of the same.
    pub p: f64,
    /// The 95 % interval that holds for all looks together: for whoever stops as soon as there is a result.
    pub sequential: (f64, f64),
}

/// The distribution of a difference divided by its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// Of rates.
    Normal,
    /// Of values with any variances: Welch's.
    Welch,
}

impl Sample {
    /// Of a value that each person has or has not.
    pub(crate) fn of_rate(with: u64, people: u64) -> Self {
        let (with, people) = (number(with), number(people));
        let mean = if people > 0.0 { with / people } else { 0.0 };
        Self { people, mean, variance: mean * (1.0 - mean) }
    }

    /// Of any values.
    pub(crate) fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let (count, sum) = values.clone().fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
        let mean = if count > 0.0 { sum / count } else { 0.0 };
        // In a second pass: the difference of two large sums would lose digits.
        let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
        Self { people: count, mean, variance: if count > 1.0 { squares / (count - 1.0) } else { 0.0 } }
    }

    /// The variance of the mean.
    fn of_mean(&self) -> f64 {
        self.variance / self.people
    }
}

/// The absolute difference between two arms, by their own variances. None where nothing varies.
pub(crate) fn difference(control: &Sample, variant: &Sample, test: Test) -> Option<Effect> {
    effect(variant.mean - control.mean, control.of_mean() + variant.of_mean(), (control, variant), test)
}

/// The difference in parts of the control's value; its variance is that of a quotient, by the delta method.
pub(crate) fn relative(control: &Sample, variant: &Sample, test: Test) -> Option<Effect> {
    if control.mean <= 0.0 {
        return None;
    }
    let quotient = variant.mean / control.mean;
    // That is quotient^2 (Var1 / mean1^2 + Var0 / mean0^2), without a division by a variant's mean of 0.
    let variance = (variant.of_mean() + quotient.powi(2) * control.of_mean()) / control.mean.powi(2);
    effect(quotient - 1.0, variance, (control, variant), test)
}

fn effect(difference: f64, variance: f64, (control, variant): (&Sample, &Sample), test: Test) -> Option<Effect> {
    if control.people < 2.0 || variant.people < 2.0 || !(variance > 0.0 && variance.is_finite()) {
        return None;
    }
    let error = variance.sqrt();
    let (quantile, p) = match test {
        Test::Normal => two_sided(&Normal::new(0.0, 1.0).ok()?, difference / error),
        Test::Welch => two_sided(&StudentsT::new(0.0, 1.0, freedom(control, variant)?).ok()?, difference / error),
    };
    let around = |half: f64| (difference - half, difference + half);
    let sequential = around(sequential_half_width(variance, control.people + variant.people));
    Some(Effect { difference, interval: around(quantile * error), p, sequential })
}

fn two_sided(distribution: &impl ContinuousCDF<f64, f64>, value: f64) -> (f64, f64) {
    (distribution.inverse_cdf(1.0 - ALPHA / 2.0), 2.0 * distribution.sf(value.abs()))
}

/// Welch's and Satterthwaite's degrees of freedom.
fn freedom(control: &Sample, variant: &Sample) -> Option<f64> {
    let part = |sample: &Sample| sample.of_mean().powi(2) / (sample.people - 1.0);
    let freedom = (control.of_mean() + variant.of_mean()).powi(2) / (part(control) + part(variant));
    freedom.is_finite().then_some(freedom)
}

/// Half the width of an asymptotic confidence sequence, with the tuning parameter as GrowthBook defines it.
fn sequential_half_width(variance: f64, people: f64) -> f64 {
    let log = -2.0 * ALPHA.ln();
    let rho = ((log + (log + 1.0).ln()) / SEQUENTIAL_TUNING).sqrt();
    let scaled = people * rho.powi(2) + 1.0;
    let of_one = variance * people;
    (of_one * 2.0 * scaled * (scaled.sqrt() / ALPHA).ln() / (people * rho).powi(2)).sqrt()
}

/// The probability of a division at least as far from the weights as this one, by chance alone. None for too few people.
pub(crate) fn sample_ratio_mismatch(people: &[u64], weights: &[f64]) -> Option<f64> {
    let total: f64 = people.iter().copied().map(number).sum();
    let sum: f64 = weights.iter().sum();
    let arms = weights.iter().filter(|weight| **weight > 0.0).count();
    if arms < 2 || people.len() != weights.len() || total < MIN_PEOPLE_OF_ARM * number(arms as u64) {
        return None;
    }
    let mut statistic = 0.0;
    for (people, weight) in people.iter().zip(weights) {
        let expected = total * weight / sum;
        if expected > 0.0 {
            statistic += (number(*people) - expected).powi(2) / expected;
        } else if *people > 0 {
            return Some(0.0);
        }
    }
    Some(ChiSquared::new(number(arms as u64) - 1.0).ok()?.sf(statistic))
}

/// Reduces the variance by what is known of each person from before: CUPED. `arms` holds pairs of the value before and the
/// value now. The slope is that of all arms together, so that it cannot make a difference between them.
pub(crate) fn adjusted(arms: &[Vec<(f64, f64)>]) -> Option<Vec<Sample>> {
    let all = || arms.iter().flatten();
    let before = Sample::of(all().map(|(before, _)| *before));
    let now = Sample::of(all().map(|(_, now)| *now));
    if before.people < 3.0 || before.variance <= 0.0 {
        return None;
    }
    let products: f64 = all().map(|(x, y)| (x - before.mean) * (y - now.mean)).sum();
    let slope = products / (before.people - 1.0) / before.variance;
    let of_arm = |arm: &Vec<(f64, f64)>| Sample::of(arm.iter().map(|(x, y)| y - slope * (x - before.mean)));
    Some(arms.iter().map(of_arm).collect())
}

/// The value that 99 % of the values do not exceed: larger ones count as this, so that one large order decides nothing.
pub(crate) fn percentile_99(mut values: Vec<f64>) -> Option<f64> {
    let rank = (values.len() * 99).div_ceil(100).checked_sub(1)?;
    let (_, value, _) = values.select_nth_unstable_by(rank, f64::total_cmp);
    Some(*value)
}

/// How many people each arm needs so that a relative difference of a rate is found in 80 % of experiments, at 5 %.
pub(crate) fn people_needed(rate: f64, relative: f64) -> Option<u64> {
    let needed = 16.0 * rate * (1.0 - rate) / (rate * relative).powi(2);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and far below 2^63")]
    (needed.is_finite() && needed < 1e15).then(|| needed.ceil() as u64)
}

/// The smallest relative difference of a rate that so many people of each arm find, by the same rule.
pub(crate) fn smallest_found(rate: f64, people: u64) -> Option<f64> {
    let found = (16.0 * rate * (1.0 - rate) / number(people)).sqrt() / rate;
    found.is_finite().then_some(found)
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of people")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
