//! `cargo xtask test`: the checks, one build of everything, then the tiers of tests one after the other. The programs of
//! the tests are run directly, as cargo listed them when it built them: one build serves all tiers.

mod programs;
mod report;
mod run;
mod tiers;

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use self::programs::{Build, Program};
use self::report::{Outcome, Report};
use self::run::Counts;
use self::tiers::{TIERS, Tier};
use crate::tidy;
use crate::workspace::Workspace;

const CHECKS: [&str; 4] = ["fmt", "tidy", "clippy", "docs"];
const BUILD: &str = "build";

/// Runs the named steps, or all; whether all passed.
pub(crate) fn run(workspace: &Workspace, steps: &[String], filter: Option<&str>) -> Result<bool> {
    let known: Vec<&str> = CHECKS.iter().copied().chain(TIERS.iter().map(|tier| tier.name)).collect();
    for step in steps {
        ensure!(known.contains(&step.as_str()), "there is no step {step}, the steps are: {}", known.join(", "));
    }
    let wanted = |name: &str| steps.is_empty() || steps.iter().any(|step| step == name);
    let mut report = Report::default();

    for (name, check) in
        [("fmt", &(|| workspace.is_formatted()) as &dyn Fn() -> Result<bool>), ("tidy", &|| tidy::run(workspace))]
    {
        if wanted(name) {
            timed(&mut report, name, || Ok(Outcome::of_check(check()?)))?;
        }
    }
    let tiers: Vec<&Tier> = TIERS.iter().filter(|tier| wanted(tier.name)).collect();
    if !tiers.is_empty() || wanted("docs") || wanted("clippy") {
        let with_standin = wanted("clippy") || tiers.iter().any(|tier| tier.needs_standin);
        let mut build = None;
        timed(&mut report, BUILD, || {
            build = programs::build(workspace, with_standin)?;
            Ok(Outcome::of_check(build.is_some()))
        })?;
        if let Some(Build { programs, warnings }) = build {
            if wanted("clippy") {
                timed(&mut report, "clippy", || Ok(Outcome::of_check(warnings == 0)))?;
            }
            if wanted("docs") {
                timed(&mut report, "docs", || Ok(Outcome::of_check(workspace.docs(true)?)))?;
            }
            for tier in tiers {
                timed(&mut report, tier.name, || run_tier(workspace, tier, &programs, filter))?;
            }
        }
    }
    print!("{report}");
    Ok(report.passed())
}

fn timed(report: &mut Report, name: &'static str, step: impl FnOnce() -> Result<Outcome>) -> Result<()> {
    println!("\n==> {name}");
    let begun = Instant::now();
    let outcome = step()?;
    report.add(name, outcome, begun.elapsed());
    Ok(())
}

fn run_tier(workspace: &Workspace, tier: &Tier, programs: &[Program], filter: Option<&str>) -> Result<Outcome> {
    let skips = workspace.binary(&format!("skips-{}.txt", tier.name));
    if skips.exists() {
        std::fs::remove_file(&skips)?;
    }
    let mut counts = Counts::default();
    for program in programs.iter().filter(|program| (tier.holds)(program)) {
        counts += run::run(workspace, program, tier, filter, &skips)?;
    }
    if tier.name == tiers::UNIT {
        counts += run::doc_tests(workspace)?;
    }
    let reasons = read_skips(&skips)?;
    counts.skip(reasons.len());
    Ok(Outcome::Tests { counts, reasons, may_be_empty: filter.is_some() })
}

/// The reasons of the tests that `tributary_tests::require` skipped: lines `TEST<tab>REASON`.
fn read_skips(file: &Path) -> Result<Vec<String>> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(file)?;
    Ok(text.lines().map(|line| line.split_once('\t').map_or(line, |(_, reason)| reason).to_owned()).collect())
}
