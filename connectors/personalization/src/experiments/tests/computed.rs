//! The arithmetic, against values that GrowthBook publishes with its own statistics, and values of scipy 1.16.

use proptest::prelude::*;

use crate::assignment::{bucket_ranges, choose_variation, hash};
use crate::experiments::statistics::{
    Effect, Sample, Test, adjusted, difference, people_needed, percentile_99, relative, sample_ratio_mismatch,
    smallest_found,
};

fn near(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() < within, "{found} instead of {expected}");
}

/// As GrowthBook's tests give one.
fn of_sums(sum: f64, squares: f64, people: f64) -> Sample {
    Sample { people, mean: sum / people, variance: (squares - sum * sum / people) / (people - 1.0) }
}

#[test]
fn a_difference_of_rates_is_as_scipy_computes_it() {
    let (control, variant) = (Sample::of_rate(1800, 60_000), Sample::of_rate(2160, 60_000));
    let effect = difference(&control, &variant, Test::Normal).unwrap();
    near(effect.difference, 0.006, 1e-12);
    near(effect.interval.0, 0.003_978_859_898_491_414, 1e-9);
    near(effect.interval.1, 0.008_021_140_101_508_582, 1e-9);
    near(effect.p / 5.941_669_194_694_25e-9, 1.0, 1e-6);
    let effect = relative(&control, &variant, Test::Normal).unwrap();
    near(effect.difference, 0.2, 1e-12);
    near(effect.interval.0, 0.126_177_580_774_595_3, 1e-9);
    near(effect.interval.1, 0.273_822_419_225_404_6, 1e-9);
}

#[test]
fn a_difference_of_revenue_is_welchs() {
    let control = Sample::of([12.5, 0.0, 33.1, 8.0, 21.7, 0.0, 4.2, 18.9].into_iter());
    let variant = Sample::of([30.2, 14.1, 0.0, 41.5, 27.3, 9.9, 22.0].into_iter());
    let effect = difference(&control, &variant, Test::Welch).unwrap();
    near(effect.difference, 8.414_285_714_285_715, 1e-9);
    near(effect.p, 0.231_643_887_736_486_48, 1e-7);
    near(effect.interval.0, -6.148_828_688_251_928, 1e-6);
    near(effect.interval.1, 22.977_400_116_823_357, 1e-6);
}

#[test]
fn effects_are_growthbooks() {
    let (control, variant) = (of_sums(1396.87, 52_377.976_7, 3407.0), of_sums(2422.7, 134_698.29, 3461.0));
    let effect = difference(&control, &variant, Test::Welch).unwrap();
    near(effect.interval.0, 0.045_38, 1e-5);
    near(effect.interval.1, 0.534_62, 1e-5);
    near(effect.p, 0.020_16, 1e-5);
    let effect = relative(&control, &variant, Test::Welch).unwrap();
    near(effect.difference, 0.707_32, 1e-5);
    near(effect.interval.0, -0.035_26, 1e-5);
    near(effect.interval.1, 1.449_89, 1e-5);
    near(effect.p, 0.061_91, 1e-5);
    // Sequential, with the default tuning parameter.
    let (control, variant) = (Sample::of_rate(1396, 3000), Sample::of_rate(2422, 3461));
    let effect = relative(&control, &variant, Test::Normal).unwrap();
    near(effect.difference, 0.503_86, 1e-5);
    near(effect.sequential.0, 0.400_98, 1e-5);
    near(effect.sequential.1, 0.606_75, 1e-5);
}

#[test]
fn a_wrong_division_of_people_is_found() {
    near(sample_ratio_mismatch(&[5100, 4000, 900], &[0.5, 0.4, 0.1]).unwrap(), 0.002_478_752_176_666_357, 1e-9);
    near(sample_ratio_mismatch(&[50, 70], &[1.0, 1.0]).unwrap(), 0.067_889_154_861_829_63, 1e-9);
    assert!(sample_ratio_mismatch(&[5300, 4700], &[0.5, 0.5]).unwrap() < 0.001);
    assert_eq!(sample_ratio_mismatch(&[9, 6], &[0.5, 0.5]), None, "too few people");
    assert_eq!(sample_ratio_mismatch(&[90, 80, 1], &[0.5, 0.5, 0.0]), Some(0.0), "somebody in an arm of nobody");
}

#[test]
fn what_is_known_from_before_narrows_the_interval() {
    let before = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let now = [2.1, 3.9, 6.2, 8.3, 9.7, 12.4, 13.8, 16.1];
    let pairs: Vec<(f64, f64)> = before.into_iter().zip(now).collect();
    let arms = adjusted(&[pairs[..4].to_vec(), pairs[4..].to_vec()]).unwrap();
    near(arms[0].mean, 9.113_095_238_095_239, 1e-9);
    near(arms[0].variance, 0.031_011_432_350_718_255, 1e-9);
    near(arms[1].mean, 9.011_904_761_904_763, 1e-9);
    near(arms[1].variance, 0.101_249_527_588_813_5, 1e-9);
    assert!(adjusted(&[vec![(0.0, 1.0); 5], vec![(0.0, 2.0); 5]]).is_none(), "nothing is known from before");
}

#[test]
fn the_number_of_people_is_told() {
    assert_eq!(people_needed(0.03, 0.1), Some(51_734), "16 p (1 - p) / d^2");
    near(smallest_found(0.03, 51_734).unwrap(), 0.1, 1e-4);
    assert_eq!(people_needed(0.0, 0.1), None);
    assert_eq!(percentile_99((1..=200).map(f64::from).collect()), Some(198.0));
    assert_eq!(percentile_99(Vec::new()), None);
}

#[test]
fn nothing_is_claimed_where_nothing_varies() {
    let none = Sample::of_rate(0, 0);
    let some = Sample::of_rate(5, 100);
    assert!(difference(&none, &some, Test::Normal).is_none());
    assert!(relative(&Sample::of_rate(0, 100), &some, Test::Normal).is_none(), "in parts of nothing");
    assert!(difference(&Sample::of_rate(0, 9), &Sample::of_rate(0, 9), Test::Normal).is_none());
    assert!(difference(&Sample::of([1.0; 9].into_iter()), &Sample::of([1.0; 9].into_iter()), Test::Welch).is_none());
}

/// The effect on the rate when people are divided by a seed and order by themselves.
fn divided(seed: &str, people: u32, orders: impl Fn(u32, bool) -> bool) -> Effect {
    let ranges = bucket_ranges(2, 1.0, None);
    let mut arms = [(0, 0); 2];
    for person in 0..people {
        let arm = choose_variation(hash(seed, &format!("person-{person}"), 2).unwrap(), &ranges).unwrap();
        arms[arm].0 += 1;
        arms[arm].1 += u64::from(orders(person, arm == 1));
    }
    let [control, variant] = arms.map(|(people, orders)| Sample::of_rate(orders, people));
    difference(&control, &variant, Test::Normal).unwrap()
}

/// Whether a person orders, by a hash of its own: the same for every division.
fn chance(person: u32) -> f64 {
    hash("orders", &format!("{person}-order"), 2).unwrap()
}

#[test]
fn an_uplift_that_is_there_is_found() {
    let effect =
        divided("come-back-v3", 120_000, |person, treated| chance(person) < if treated { 0.036 } else { 0.03 });
    let (low, high) = effect.interval;
    assert!(low > 0.0 && low < 0.006 && high > 0.006, "{effect:?}");
    assert!(effect.sequential.0 > 0.0 && effect.sequential.0 < low, "{effect:?}");
}

#[test]
fn without_an_uplift_one_experiment_in_twenty_shows_one() {
    let ordered: Vec<bool> = (0..2000).map(|person| chance(person) < 0.1).collect();
    let effects: Vec<Effect> =
        (0..1000).map(|seed| divided(&format!("seed-{seed}"), 2000, |person, _| ordered[person as usize])).collect();
    let rejected = effects.iter().filter(|effect| effect.p < 0.05).count();
    assert!((35..=65).contains(&rejected), "{rejected} of 1000");
    let outside = effects.iter().filter(|effect| effect.interval.0 > 0.0 || effect.interval.1 < 0.0).count();
    assert_eq!(outside, rejected, "the interval and the p-value say the same");
    let outside = effects.iter().filter(|effect| effect.sequential.0 > 0.0 || effect.sequential.1 < 0.0).count();
    assert!(outside <= 25, "{outside} of 1000 at a single look, and at most 50 at all looks");
}

proptest! {
    #[test]
    fn an_effect_is_within_its_intervals_and_turns_round_with_the_arms(
        control in (2_u64..5000).prop_flat_map(|people| (0..=people, Just(people))),
        variant in (2_u64..5000).prop_flat_map(|people| (0..=people, Just(people))),
    ) {
        let (control, variant) = (Sample::of_rate(control.0, control.1), Sample::of_rate(variant.0, variant.1));
        let there = difference(&control, &variant, Test::Normal);
        let back = difference(&variant, &control, Test::Normal);
        prop_assert_eq!(there.is_some(), back.is_some());
        if let (Some(there), Some(back)) = (there, back) {
            prop_assert!(there.interval.0 <= there.difference && there.difference <= there.interval.1);
            prop_assert!(there.sequential.0 <= there.interval.0 && there.interval.1 <= there.sequential.1);
            prop_assert!((0.0..=1.0).contains(&there.p));
            prop_assert!((there.difference + back.difference).abs() < 1e-12 && (there.p - back.p).abs() < 1e-12);
        }
    }
}
