//! Deterministic assignment to experiments, as GrowthBook's SDKs do it, so that GrowthBook's reports and Tributary's
//! agree.
//!
//! The algorithm is published with its test vectors in GrowthBook's guide to building an SDK.

use tributary_api::stable_hash::fnv1a_32;

/// Half-open range of hash values, `start <= n < end`.
pub type Range = (f64, f64);

/// A number from 0 up to, and without, 1 for a value under a seed. `None` for a version other than 1 and 2.
pub fn hash(seed: &str, value: &str, version: u32) -> Option<f64> {
    let hashed = |text: &str| fnv1a_32(text.as_bytes());
    match version {
        1 => Some(f64::from(hashed(&format!("{value}{seed}")) % 1000) / 1000.0),
        2 => Some(f64::from(hashed(&hashed(&format!("{seed}{value}")).to_string()) % 10_000) / 10_000.0),
        _ => None,
    }
}

/// The ranges of an experiment's variations: each starts at the sum of the weights before it, and its width is its
/// weight times the coverage. Raising the coverage therefore changes no existing assignment. Invalid weights count as
/// equal ones.
pub fn bucket_ranges(variations: usize, coverage: f64, weights: Option<&[f64]>) -> Vec<Range> {
    let coverage = coverage.clamp(0.0, 1.0);
    let usable = weights.filter(|weights| {
        let sum: f64 = weights.iter().sum();
        weights.len() == variations && (0.99..=1.01).contains(&sum)
    });
    #[allow(clippy::cast_precision_loss)]
    let equal = vec![1.0 / variations.max(1) as f64; variations];
    let mut start = 0.0;
    usable
        .unwrap_or(&equal)
        .iter()
        .map(|weight| {
            let range = (start, start + coverage * weight);
            start += weight;
            range
        })
        .collect()
}

/// The first range that holds the number.
pub fn choose_variation(n: f64, ranges: &[Range]) -> Option<usize> {
    ranges.iter().position(|(start, end)| *start <= n && n < *end)
}

/// Whether a user is in a part of a namespace: experiments in disjoint parts have no users in common.
pub fn in_namespace(user: &str, namespace: &str, (start, end): Range) -> bool {
    hash(&format!("__{namespace}"), user, 1).is_some_and(|n| start <= n && n < end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// GrowthBook's published cases: seed, value, version, result.
    const HASHES: [(&str, &str, u32, Option<f64>); 15] = [
        ("", "a", 1, Some(0.22)),
        ("", "b", 1, Some(0.077)),
        ("b", "a", 1, Some(0.946)),
        ("ef", "d", 1, Some(0.652)),
        ("asdf", "8952klfjas09ujk", 1, Some(0.549)),
        ("", "123", 1, Some(0.011)),
        ("", "___)((*\":&", 1, Some(0.563)),
        ("seed", "a", 2, Some(0.0505)),
        ("seed", "b", 2, Some(0.2696)),
        ("foo", "ab", 2, Some(0.2575)),
        ("foo", "def", 2, Some(0.2019)),
        ("89123klj", "8952klfjas09ujkasdf", 2, Some(0.124)),
        ("90850943850283058242805", "123", 2, Some(0.7516)),
        ("()**(%$##$%#$#", "___)((*\":&", 2, Some(0.0128)),
        ("abc", "def", 99, None),
    ];

    #[test]
    fn hashes_are_growthbooks() {
        for (seed, value, version, expected) in HASHES {
            assert_eq!(hash(seed, value, version), expected, "{seed} {value} {version}");
        }
    }

    #[test]
    fn bucket_ranges_are_growthbooks() {
        type Case = (usize, f64, Option<&'static [f64]>, &'static [Range]);
        let cases: [Case; 13] = [
            (2, 1.0, None, &[(0.0, 0.5), (0.5, 1.0)]),
            (2, 0.5, None, &[(0.0, 0.25), (0.5, 0.75)]),
            (2, 0.0, None, &[(0.0, 0.0), (0.5, 0.5)]),
            (4, 1.0, None, &[(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]),
            (2, 1.0, Some(&[0.4, 0.6]), &[(0.0, 0.4), (0.4, 1.0)]),
            (3, 1.0, Some(&[0.2, 0.3, 0.5]), &[(0.0, 0.2), (0.2, 0.5), (0.5, 1.0)]),
            (3, 0.2, Some(&[0.2, 0.3, 0.5]), &[(0.0, 0.04), (0.2, 0.26), (0.5, 0.6)]),
            (2, -0.2, None, &[(0.0, 0.0), (0.5, 0.5)]),
            (2, 1.5, None, &[(0.0, 0.5), (0.5, 1.0)]),
            (2, 1.0, Some(&[0.4, 0.1]), &[(0.0, 0.5), (0.5, 1.0)]),
            (2, 1.0, Some(&[0.7, 0.6]), &[(0.0, 0.5), (0.5, 1.0)]),
            (4, 1.0, Some(&[0.4, 0.4, 0.2]), &[(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]),
            (2, 1.0, Some(&[0.4, 0.5999]), &[(0.0, 0.4), (0.4, 0.9999)]),
        ];
        for (variations, coverage, weights, expected) in cases {
            let ranges = bucket_ranges(variations, coverage, weights);
            assert_eq!(ranges.len(), expected.len());
            for (range, expected) in ranges.iter().zip(expected) {
                let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
                assert!(near(range.0, expected.0) && near(range.1, expected.1), "{range:?} {expected:?}");
            }
        }
    }

    #[test]
    fn variations_are_growthbooks() {
        let (even, reduced) = ([(0.0, 0.5), (0.5, 1.0)], [(0.0, 0.25), (0.5, 0.75)]);
        let cases = [(0.2, 0), (0.4, 0), (0.6, 1), (0.8, 1), (0.0, 0), (0.5, 1)];
        for (n, expected) in cases {
            assert_eq!(choose_variation(n, &even), Some(expected));
        }
        let cases = [(0.2, Some(0)), (0.4, None), (0.6, Some(1)), (0.8, None), (0.25, None), (0.5, Some(1))];
        for (n, expected) in cases {
            assert_eq!(choose_variation(n, &reduced), expected);
        }
        assert_eq!(choose_variation(0.5, &[(0.0, 0.5), (0.5, 0.5), (0.5, 1.0)]), Some(2));
    }

    #[test]
    fn namespaces_are_growthbooks() {
        // For each user: whether it is in the first 40 % of namespace1 and of namespace2.
        for (user, first, second) in [("1", false, false), ("2", false, false), ("3", false, true), ("4", false, true)]
        {
            for (namespace, low) in [("namespace1", first), ("namespace2", second)] {
                assert_eq!(in_namespace(user, namespace, (0.0, 0.4)), low, "{user} {namespace}");
                assert_eq!(in_namespace(user, namespace, (0.4, 1.0)), !low, "{user} {namespace}");
            }
        }
    }

    #[test]
    fn more_coverage_changes_no_existing_assignment() {
        let (half, most) =
            (bucket_ranges(3, 0.5, Some(&[0.5, 0.4, 0.1])), bucket_ranges(3, 0.8, Some(&[0.5, 0.4, 0.1])));
        let mut covered = 0;
        for id in 0..20_000 {
            let n = hash("come-back-v3", &format!("customer-{id}"), 2).unwrap();
            if let Some(before) = choose_variation(n, &half) {
                assert_eq!(choose_variation(n, &most), Some(before));
                covered += 1;
            }
        }
        assert!((9_500..10_500).contains(&covered), "{covered}");
    }

    /// A user's variation in one experiment must be independent of that in another.
    #[test]
    fn seeds_are_independent() {
        let ranges = bucket_ranges(2, 1.0, None);
        let mut cells = [[0_f64; 2]; 2];
        for id in 0..40_000 {
            let arm = |seed| choose_variation(hash(seed, &format!("p{id}"), 2).unwrap(), &ranges).unwrap();
            cells[arm("first")][arm("second")] += 1.0;
        }
        let chi: f64 = cells.iter().flatten().map(|n| (n - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(chi < 16.3, "chi-squared with 3 degrees of freedom: {chi}"); // p = 0.001
    }
}
