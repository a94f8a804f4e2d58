//! A report for the terminal.

use std::fmt::Write as _;

use super::report::{Arm, Comparison, Report};
use super::statistics::Effect;

/// The report as text: a table of the arms, what they differ by, and what to think of it.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = write(report, &mut text);
    text
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "experiment {}", report.experiment)?;
    if let (Some(from), Some(until)) = (report.from, report.until) {
        writeln!(out, "from {} until {}", time(from), time(until))?;
    }
    let days = report.attribution_window_ms / 86_400_000;
    let hours = report.attribution_window_ms % 86_400_000 / 3_600_000;
    writeln!(out, "an order counts for {days} days and {hours} hours after a person's first exposure")?;
    let versions = report.ruleset_versions.iter().map(|(pack, version)| format!("{pack} {version}"));
    writeln!(out, "rule packs: {}\n", versions.collect::<Vec<_>>().join(", "))?;
    writeln!(
        out,
        "{:<16} {:>7} {:>9} {:>9} {:>7} {:>7} {:>8} {:>13} {:>11} {:>11}",
        "arm", "weight", "people", "exposures", "shown", "orders", "rate", "revenue each", "margin", "vouchers"
    )?;
    for arm in report.arms.iter().chain(&report.holdout) {
        write_arm(arm, out)?;
    }
    let control = report.control.as_deref().unwrap_or("nothing");
    for arm in report.arms.iter().chain(&report.holdout) {
        if let Some(comparison) = &arm.comparison {
            writeln!(out, "\n{} compared with {control}", arm.variant)?;
            write_comparison(comparison, out)?;
        }
    }
    writeln!(out)?;
    write_notes(report, out)
}

fn write_arm(arm: &Arm, out: &mut String) -> std::fmt::Result {
    let weight = arm.weight.map_or_else(|| "-".to_owned(), |weight| format!("{:.1} %", weight * 100.0));
    writeln!(
        out,
        "{:<16} {:>7} {:>9} {:>9} {:>7} {:>7} {:>6.2} % {:>13.4} {:>11.2} {:>11.2}",
        arm.variant,
        weight,
        arm.people,
        arm.exposures,
        arm.people_shown,
        arm.conversions,
        arm.rate * 100.0,
        arm.revenue_per_person,
        arm.margin,
        arm.voucher_cost,
    )
}

fn write_comparison(comparison: &Comparison, out: &mut String) -> std::fmt::Result {
    let points = |value: f64| format!("{:+.3}", value * 100.0);
    let percent = |value: f64| format!("{:+.1} %", value * 100.0);
    let amount = |value: f64| format!("{value:+.4}");
    let mut line = |name: &str, effect: Option<&Effect>, shown: &dyn Fn(f64) -> String| match effect {
        None => writeln!(out, "  {name:<28} too little varies to compare"),
        Some(effect) => {
            let ((low, high), (from, to)) = (effect.interval, effect.sequential);
            let (difference, low, high) = (shown(effect.difference), shown(low), shown(high));
            let (from, to) = (shown(from), shown(to));
            writeln!(
                out,
                "  {name:<28} {difference:>10}  95 % {low} to {high}, p {:.4}; at all times {from} to {to}",
                effect.p
            )
        }
    };
    line("rate, percentage points", comparison.rate.as_ref(), &points)?;
    line("rate, relative", comparison.rate_relative.as_ref(), &percent)?;
    line("revenue of a person", comparison.revenue.as_ref(), &amount)?;
    line("revenue, relative", comparison.revenue_relative.as_ref(), &percent)?;
    if comparison.revenue_adjusted.is_some() {
        line("revenue, by earlier orders", comparison.revenue_adjusted.as_ref(), &amount)?;
    }
    line("margin less vouchers", comparison.margin.as_ref(), &amount)
}

/// What a reader must know before believing the numbers.
fn write_notes(report: &Report, out: &mut String) -> std::fmt::Result {
    match &report.sample_ratio {
        None => writeln!(out, "division of people: not tested (too few people, or an arm without a weight)")?,
        Some(ratio) if ratio.alarm => writeln!(
            out,
            "DIVISION OF PEOPLE IS NOT AS IT SHOULD BE (p {:.2e}): do not trust the comparison before you know why",
            ratio.p
        )?,
        Some(ratio) => writeln!(out, "division of people: as the weights say (p {:.3})", ratio.p)?,
    }
    if let Some(advice) = &report.advice {
        for (uplift, people) in &advice.people_of_arm {
            writeln!(out, "to find an uplift of {:.0} %, {people} people of each arm are needed", uplift * 100.0)?;
        }
        if let Some(found) = advice.smallest_found {
            writeln!(out, "with as many people as now an uplift of {:.1} % is found", found * 100.0)?;
        }
    }
    let counts = [
        (report.people_in_window, "people may still order: their window is not over"),
        (report.people_in_several_arms, "people were exposed to several arms, and count for the first"),
        (report.people_left_out, "exposures were left out: there are more people than a report can hold"),
        (report.unreadable_records, "records of the topic could not be read"),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        writeln!(out, "{count} {what}")?;
    }
    Ok(())
}

pub(super) fn time(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at)
        .map_or_else(|_| at.to_string(), |at| at.strftime("%Y-%m-%d %H:%M").to_string())
}
