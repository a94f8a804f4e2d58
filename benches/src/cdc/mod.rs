//! Change data capture: Tributary's connector for SQL Server and Debezium's in the Java worker, on the same stand-in.
//!
//! The stand-in shares the machine and is often what a reader waits for: the records of a CPU second are those of the
//! worker's process alone, and do not depend on it.

mod changes;
mod connector;
mod data;
mod idle;
mod snapshot;

use std::time::Duration;

use anyhow::{Result, bail};
use tributary_tests::{Kafka, Tier, require};

use crate::measure::Measurement;
use crate::peer::Kind;
use crate::report::Report;

const LIMIT: Duration = Duration::from_secs(1200);

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Changes of one table, in transactions of a hundred.
    pub(crate) changes: usize,
    /// Rows of the one large transaction.
    pub(crate) transaction: usize,
    /// Rows of the table whose snapshot is taken.
    pub(crate) rows: usize,
    /// Tables that are captured, of which one changes.
    pub(crate) tables: usize,
    /// How long that one changes.
    pub(crate) seconds: u64,
}

impl Sizes {
    /// This share of the sizes that figures are given for; of time and tables nothing is left out.
    pub(crate) fn scaled(share: f64) -> Self {
        let thousands = |count: usize| ((count as f64 * share / 1e3).round() as usize).max(1) * 1000;
        Self {
            changes: thousands(1_000_000),
            transaction: thousands(1_000_000),
            rows: thousands(2_000_000),
            tables: 300,
            seconds: 20,
        }
    }
}

/// Only some of the parts: changes, transaction, snapshot, idle; all, if none is named.
pub(crate) async fn run(
    kafka: &Kafka,
    kinds: &[Kind],
    rounds: usize,
    sizes: Sizes,
    parts: &[String],
    report: &mut Report,
) -> Result<()> {
    if kinds.len() > 1 && !require(Tier::Debezium)? {
        bail!("Debezium in the Java worker needs Java, Maven and Python with pip");
    }
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|one| one == part);
    if wants("changes") {
        changes::run(kafka, kinds, rounds, changes::Of::Small(sizes.changes), report).await?;
    }
    if wants("transaction") {
        changes::run(kafka, kinds, rounds, changes::Of::One(sizes.transaction), report).await?;
    }
    if wants("snapshot") {
        snapshot::run(kafka, kinds, rounds, sizes.rows, report).await?;
    }
    if wants("idle") {
        idle::run(kafka, kinds, sizes.tables, sizes.seconds, report).await?;
    }
    Ok(())
}

/// What the Java worker's figures are called.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::ConnectDefault => "Debezium",
        Kind::ConnectTuned => "Debezium, tuned",
        other => other.name(),
    }
}

fn add(report: &mut Report, what: &str, kind: Kind, count: usize, took: &Measurement) {
    let (who, thousands) = (name(kind), count as f64 / 1e3);
    report.add(&format!("{what}, a second"), who, "k", 1, thousands / took.wall.as_secs_f64());
    report.add(&format!("{what}, a CPU second"), who, "k", 1, thousands / took.cpu.as_secs_f64());
    report.add(&format!("{what}, peak memory"), who, "MB", 0, took.peak_rss_bytes as f64 / 1e6);
}
