use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::run::Counts;

/// The result of a step.
#[derive(Debug)]
pub(super) enum Outcome {
    Passed,
    Failed,
    Tests {
        counts: Counts,
        /// Why tests were skipped, once for each.
        reasons: Vec<String>,
        /// Whether it may have no tests at all.
        may_be_empty: bool,
    },
}

impl Outcome {
    pub(super) fn of_check(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed }
    }

    fn passed(&self) -> bool {
        match self {
            Self::Passed => true,
            Self::Failed => false,
            Self::Tests { counts, may_be_empty, .. } => {
                counts.failed == 0 && (*may_be_empty || *counts != Counts::default())
            }
        }
    }
}

/// One line for each step, a line for each reason why tests were skipped, and a line with the sum of all tests.
#[derive(Debug, Default)]
pub(super) struct Report {
    steps: Vec<(&'static str, Outcome, Duration)>,
}

impl Report {
    pub(super) fn add(&mut self, name: &'static str, outcome: Outcome, took: Duration) {
        self.steps.push((name, outcome, took));
    }

    pub(super) fn passed(&self) -> bool {
        self.steps.iter().all(|(_, outcome, _)| outcome.passed())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n==> summary")?;
        let mut sum = Counts::default();
        for (name, outcome, took) in &self.steps {
            let verdict = if outcome.passed() { "ok" } else { "FAILED" };
            write!(f, "{name:<13} {verdict:<7} {:>7.1} s", took.as_secs_f64())?;
            if let Outcome::Tests { counts, .. } = outcome {
                let Counts { passed, failed, skipped } = *counts;
                let ran = passed + failed;
                write!(f, "   ran {ran:>4}, passed {passed:>4}, failed {failed:>3}, skipped {skipped:>3}")?;
                sum += *counts;
            }
            writeln!(f)?;
        }
        for (name, outcome, _) in &self.steps {
            if let Outcome::Tests { reasons, .. } = outcome {
                let mut by_reason = BTreeMap::<&str, usize>::new();
                reasons.iter().for_each(|reason| *by_reason.entry(reason).or_default() += 1);
                for (reason, count) in by_reason {
                    writeln!(f, "skipped in {name}: {count} tests, {reason}")?;
                }
            }
        }
        writeln!(f, "{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests(passed: usize, failed: usize, reasons: &[&str]) -> Outcome {
        let counts = Counts { passed, failed, skipped: reasons.len() };
        let reasons = reasons.iter().map(ToString::to_string).collect();
        Outcome::Tests { counts, reasons, may_be_empty: false }
    }

    fn report(outcomes: Vec<Outcome>) -> Report {
        Report { steps: outcomes.into_iter().map(|outcome| ("step", outcome, Duration::ZERO)).collect() }
    }

    #[test]
    fn one_failure_fails_all() {
        assert!(report(vec![Outcome::Passed, tests(3, 0, &[])]).passed());
        assert!(!report(vec![Outcome::Failed, tests(3, 0, &[])]).passed());
        assert!(!report(vec![Outcome::Passed, tests(3, 1, &[])]).passed());
    }

    #[test]
    fn a_tier_without_tests_fails() {
        assert!(!report(vec![tests(0, 0, &[])]).passed());
    }

    #[test]
    fn lists_skipped_tests_and_ends_with_the_total() {
        let text = report(vec![tests(3, 0, &[]), tests(1, 2, &["no java", "no java"])]).to_string();
        assert!(text.contains("skipped in step: 2 tests, no java\n"), "{text}");
        assert_eq!(text.lines().last(), Some("4 passed, 2 failed, 2 skipped"));
    }
}
