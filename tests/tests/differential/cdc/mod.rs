//! Debezium 3.6.3 in the Java worker and Tributary's connector read the same server while statements of seeded workloads
//! change it: the records in every topic must be the same, in the same order, but for what times and names differ in and for
//! the [listed](masks) defects of Debezium.
//!
//! Eight seeds, each a database, share the two connectors of a group; the groups have different settings.

mod compare;
mod incremental;
mod masks;
mod reading;
mod sides;
mod signal_topic;
mod snapshots;
mod structures;
mod takeover;
mod takeover_of_a_snapshot;
mod workload;

use std::ops::Range;
use std::time::Instant;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tributary_tests::{
    Connect, ConnectOptions, Kafka, SqlClient, SqlServer, Tier, Tributary, WorkerOptions, require, unique,
};

use self::compare::Differences;
use self::sides::Sides;
use self::workload::{DISABLE_FIRST, FENCE, Step, TABLES, TYPES, Workload};

/// How many seeds are run.
const SEEDS: &str = "TRIBUTARY_TEST_SEEDS";
const DEFAULT_SEEDS: u64 = 40;
const SEEDS_IN_A_GROUP: u64 = 8;
/// The steps of each seed before the connectors start, and afterwards.
const BEFORE: usize = 20;
const AFTER: usize = 60;
/// When columns of a table change and a second instance captures it; after them the first one ends.
const EVOLVING: Range<usize> = 10..30;

/// What the groups are run with, one after the other and again from the start.
const GROUPS: [&[(&str, &str)]; 5] = [
    &[],
    // Keys of the same bytes on both sides: their partitions are the same, too.
    &[("key.converter.schemas.enable", "false"), ("topic.creation.default.partitions", "3"), ("tasks.max", "2")],
    &[
        ("data.query.mode", "function"),
        ("decimal.handling.mode", "string"),
        ("time.precision.mode", "connect"),
        ("binary.handling.mode", "hex"),
        ("snapshot.isolation.mode", "read_uncommitted"),
        ("tombstones.on.delete", "false"),
        ("extended.headers.enabled", "false"),
        ("schema.name.adjustment.mode", "avro"),
        ("skipped.operations", "d"),
    ],
    &[
        ("decimal.handling.mode", "double"),
        ("time.precision.mode", "adaptive_time_microseconds"),
        ("binary.handling.mode", "base64"),
        ("snapshot.isolation.mode", "read_committed"),
        ("max.batch.size", "7"),
        ("max.queue.size", "20"),
        ("max.iteration.transactions", "5"),
    ],
    &[
        ("time.precision.mode", "isostring"),
        ("binary.handling.mode", "base64-url-safe"),
        ("snapshot.isolation.mode", "exclusive"),
        ("snapshot.mode", "no_data"),
        ("include.schema.changes", "true"),
    ],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_of_seeded_workloads_is_that_of_debezium() -> Result<()> {
    if !require(Tier::Debezium)? {
        return Ok(());
    }
    let seeds = std::env::var(SEEDS).ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(DEFAULT_SEEDS);
    let kafka = Kafka::shared().await?;
    let (flush, often) = ("offset.flush.interval.ms", "200");
    let options = ConnectOptions::default().debezium().set(flush, often).jvm("-Xms64m -Xmx768m");
    let java = Connect::start(kafka, options).await?;
    let ours = Tributary::start(WorkerOptions::on_kafka(kafka, &unique("ours")).set(flush, often)).await?;

    let mut differences = Differences::default();
    let first_seeds = (1..=seeds).step_by(SEEDS_IN_A_GROUP as usize);
    for (group, first) in first_seeds.enumerate() {
        let seeds: Vec<u64> = (first..=seeds).take(SEEDS_IN_A_GROUP as usize).collect();
        let begun = Instant::now();
        let settings = GROUPS[group % GROUPS.len()];
        let server = SqlServer::start(&["--stepped", "--seed", &first.to_string()]).await?;
        let mut databases = Vec::new();
        for seed in &seeds {
            databases.push(Database::create(&server, *seed).await?);
        }
        let names: Vec<String> = databases.iter().map(|database| database.name.clone()).collect();
        let sides = Sides::start(kafka, [&java.rest(), &ours.rest()], server.port(), &names, settings).await?;
        let started = begun.elapsed();
        run(&mut databases, &sides, first).await?;
        let ran = begun.elapsed();
        sides.compare(&names, &mut differences).await?;
        sides.delete().await?;
        eprintln!(
            "seeds {seeds:?}: {} records, started after {started:?}, ran until {ran:?}, compared after {:?}",
            differences.compared(),
            begun.elapsed()
        );
    }
    differences.conclude()
}

/// The statements after the start, of all databases in turn. Both connectors are restarted when they have written all that is
/// captured, and in the midst: each before columns of a table change, meanwhile, or afterwards.
async fn run(databases: &mut [Database], sides: &Sides, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let settled = [random.random_range(1..EVOLVING.start), random.random_range(EVOLVING)];
    let amidst = [random.random_range(EVOLVING), random.random_range(EVOLVING.end + 1..AFTER)];
    for number in 0..AFTER {
        if settled.contains(&number) || number == EVOLVING.end {
            settle(databases, sides).await?;
        }
        for database in &mut *databases {
            if number == EVOLVING.end {
                database.client.run(DISABLE_FIRST).await?;
            }
            database.step().await?;
        }
        if amidst.contains(&number) {
            for database in &mut *databases {
                database.step().await?;
                database.client.scan().await?;
            }
        }
        if settled.contains(&number) || amidst.contains(&number) {
            sides.restart().await?;
        }
    }
    settle(databases, sides).await
}

/// Waits until both have written all changes up to now, and know that they are written: they have stored a position of a
/// change that comes after them.
async fn settle(databases: &mut [Database], sides: &Sides) -> Result<()> {
    let mut positions = Vec::new();
    for database in databases {
        database.client.run("INSERT INTO dbo.fence (at) VALUES (0)").await?;
        database.client.scan().await?;
        let position = database.client.bytes("SELECT MAX(__$start_lsn) FROM cdc.dbo_fence_CT").await?;
        positions.push((database.name.as_str(), lsn(&position)));
    }
    for (name, position) in positions {
        sides.reach(name, &position).await?;
    }
    Ok(())
}

/// One seed.
struct Database {
    name: String,
    client: SqlClient,
    workload: Workload,
}

impl Database {
    /// With its tables, rows in them, and changes of the time before the connectors start.
    async fn create(server: &SqlServer, seed: u64) -> Result<Self> {
        let name = format!("seed_{seed}");
        let mut client = server.create_captured(&name).await?;
        for sql in TYPES {
            client.run(sql).await?;
        }
        for (table, columns) in TABLES.iter().chain([&FENCE]) {
            client.run(&format!("CREATE TABLE dbo.{table} ({columns})")).await?;
            client.capture(table, &format!("dbo_{table}")).await?;
        }
        // A first position in the log: without one Debezium takes later changes of tables for those that it began with.
        client.run("INSERT INTO dbo.fence (at) VALUES (0)").await?;
        let mut workload = Workload::new(seed, &EVOLVING);
        for _ in 0..BEFORE {
            client.run(&workload.transaction()).await?;
        }
        client.scan().await?;
        Ok(Self { name, client, workload })
    }

    async fn step(&mut self) -> Result<()> {
        for step in self.workload.next() {
            match step {
                Step::Sql(sql) => self.client.run(&sql).await?,
                Step::Capture => self.client.scan().await?,
            }
        }
        Ok(())
    }
}

/// As Debezium prints it.
fn lsn(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}:{}:{}", &hex[..8], &hex[8..16], &hex[16..])
}
