//! Runs Tributary and the Java Connect worker in turn against one broker, and prints what each takes.
//!
//! Only ratios within one run mean anything: machines and their neighbours differ. Every figure is given as minimum,
//! median and maximum over the rounds.
#![allow(clippy::print_stdout, reason = "a report is what this program is for")]

mod build;
mod cdc;
mod ceiling;
mod click;
mod collector;
mod density;
mod lambda;
mod lines;
mod measure;
mod mongodb;
mod peer;
mod report;
mod streams;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use tributary_tests::Kafka;

use crate::lines::Lines;
use crate::peer::Kind;
use crate::report::Report;

/// What to measure.
#[derive(Parser)]
struct Options {
    /// Rounds of each.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Records of the file benches.
    #[arg(long, default_value_t = 2_000_000)]
    records: usize,
    /// Records of the MongoDB bench.
    #[arg(long, default_value_t = 500_000)]
    upserts: usize,
    /// Records of the Lambda bench.
    #[arg(long, default_value_t = 200_000)]
    events: usize,
    /// Clicks a second of the click bench.
    #[arg(long, default_value_t = 500)]
    clicks_per_second: u64,
    /// Seconds of each round of the collector bench.
    #[arg(long, default_value_t = 10)]
    collector_seconds: u64,
    /// Seconds of the click bench.
    #[arg(long, default_value_t = 30)]
    click_seconds: u64,
    /// Only these: start, source, sink, ceiling, mongodb, lambda, click, collector, and click-beside-source, density, cdc and build, which take long and are not among the
    /// default ones.
    #[arg(long, value_delimiter = ',', default_value = "start,source,sink,ceiling,mongodb,lambda,click,collector")]
    only: Vec<String>,
    /// Idle sources of the density bench.
    #[arg(long, default_value_t = 1000)]
    idle_sources: usize,
    /// Idle sinks of the density bench.
    #[arg(long, default_value_t = 200)]
    idle_sinks: usize,
    /// Whether the density and the CDC bench also measure the Java worker.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    beside_java: bool,
    /// The share of the CDC bench's sizes, which are a million changes, a transaction of a million and two million rows: 0.1 takes minutes.
    #[arg(long, default_value_t = 1.0)]
    cdc_scale: f64,
    /// Only these of the CDC bench's parts: changes, transaction, snapshot, idle.
    #[arg(long, value_delimiter = ',')]
    cdc_parts: Vec<String>,
    /// Runs the loop that the Lambda bench compares with: broker, topic, endpoint.
    #[arg(long, hide = true, num_args = 3)]
    lambda_loop: Option<Vec<String>>,
    /// Runs the loop that the collector bench compares with: broker, topic, address.
    #[arg(long, hide = true, num_args = 3)]
    collector_loop: Option<Vec<String>>,
    /// Also write the report here, as Markdown.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(arguments) = &options.lambda_loop {
        return lambda::run_loop(arguments).await;
    }
    if let Some(arguments) = &options.collector_loop {
        return collector::run_loop(arguments).await;
    }
    let wants = |name: &str| options.only.iter().any(|one| one == name);
    let mut report = Report::default();
    if wants("build") {
        build::run(&mut report)?;
    }
    let kafka = Kafka::start().await?;
    if wants("source") || wants("sink") || wants("ceiling") {
        let lines = Lines::write(options.records)?;
        for round in 0..options.rounds {
            println!("round {} of {}", round + 1, options.rounds);
            if wants("ceiling") {
                ceiling::run(&kafka, &lines, &mut report).await?;
            }
            for kind in Kind::ALL {
                if wants("source") {
                    streams::source(&kafka, kind, &lines, &mut report).await?;
                }
                if wants("sink") {
                    streams::sink(&kafka, kind, &lines, &mut report).await?;
                }
            }
        }
    }
    if wants("mongodb") {
        mongodb::run(&kafka, options.rounds, options.upserts, &mut report).await?;
    }
    if wants("lambda") {
        lambda::run(&kafka, options.rounds, options.events, &mut report).await?;
    }
    if wants("start") {
        for _ in 0..options.rounds {
            for kind in [Kind::Tributary, Kind::ConnectTuned, Kind::ConnectDefault] {
                streams::start(&kafka, kind, &mut report).await?;
            }
        }
    }
    if wants("density") {
        let kinds: &[Kind] =
            if options.beside_java { &[Kind::Tributary, Kind::ConnectTuned] } else { &[Kind::Tributary] };
        for kind in kinds {
            density::run(&kafka, *kind, options.idle_sources, options.idle_sinks, &mut report).await?;
        }
    }
    if wants("cdc") {
        let kinds = if options.beside_java { &Kind::ALL[..] } else { &[Kind::Tributary] };
        let sizes = cdc::Sizes::scaled(options.cdc_scale);
        cdc::run(&kafka, kinds, options.rounds, sizes, &options.cdc_parts, &mut report).await?;
    }
    if wants("collector") {
        collector::run(&kafka, options.rounds, options.collector_seconds, &mut report).await?;
    }
    if wants("click") {
        click::run(&kafka, options.clicks_per_second, options.click_seconds, &mut report).await?;
    }
    if wants("click-beside-source") {
        for _ in 0..options.rounds {
            click::run_beside_source(&kafka, options.clicks_per_second, options.click_seconds, &mut report).await?;
        }
    }
    print!("{report}");
    if let Some(out) = options.out {
        std::fs::write(out, report.to_string())?;
    }
    Ok(())
}
