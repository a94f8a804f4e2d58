//! The node that coordinates all groups and transactions goes away for good, while clicks flow through a processor, lines
//! through a file source and sink, and an operator asks for something: its replica takes over, and so does everything else.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tributary_tests::{
    Kafka, Pipeline, Tier, Traffic, WorkerOptions, consume_all, create_topic_on, leader, require, visit, wait_until,
};

use crate::outage::{LIMIT, Run, TOPIC};
use crate::pipeline::{all_enriched, each_once};

const RATE: u32 = 1_500;
const TRAFFIC: Traffic = Traffic { people: 600, visits: 4, events: 25 };
const GROUP: &str = "coordinator";
/// The node that stays, and the one that goes.
const STAYS: i32 = 1;
const GOES: i32 = 2;
/// The leader of these is the coordinator.
const COORDINATION: [&str; 2] = ["__consumer_offsets", "__transaction_state"];
/// How long the node may take to be missed, and all else to find that out: the broker's session of 9 s, and a few tries.
const MOVED: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_is_stopped_in_order_is_survived() -> Result<()> {
    survives(false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_is_killed_is_survived() -> Result<()> {
    survives(true).await
}

async fn survives(kill: bool) -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let [stays, mut goes] = Kafka::pair().await?;
    create_topics(&stays.bootstrap()).await?;
    let pipeline = Arc::new(Pipeline::new(TRAFFIC.people + 1)?);
    for connector in ["raw-to-s3", "enriched-to-s3"] {
        pipeline.without(connector)?;
    }
    let both = format!("{},{}", goes.bootstrap(), stays.bootstrap());
    let run = Run::of(stays, pipeline.options(WorkerOptions::on(&both, GROUP))).await?;
    pipeline.running(&run.worker.rest(), LIMIT).await?;
    let promise = run.worker.rest().get("/connectors/personalize/processing").await?.success()?;
    ensure!(promise["guarantee"] == "exactly_once", "{promise}");

    let bootstrap = run.kafka.bootstrap();
    // A member that joins and leaves: from then on the processor is running.
    let first = visit(TRAFFIC.people, 0, "armchair", 1);
    pipeline.send(&reqwest::Client::new(), &pipeline.token(TRAFFIC.people)?, &first, LIMIT).await?;
    wait_until(LIMIT, "an output of the processor", || async {
        consume_all(&bootstrap, "clicks.enriched", true).await.is_ok_and(|enriched| !enriched.is_empty())
    })
    .await?;
    for topic in COORDINATION {
        let led = leader(&bootstrap, topic).await?;
        ensure!(led == (GOES, 2), "{topic} is led by node {} with {} replicas in sync", led.0, led.1);
    }
    let flow = TRAFFIC.start_at(RATE, &pipeline, LIMIT);
    flow.reached(TRAFFIC.clicks() / 6, LIMIT).await?;
    if kill {
        goes.kill9().await?
    } else {
        goes.stop().await?
    }
    let before = flow.acknowledged();
    ensure!(before < TRAFFIC.clicks(), "all clicks came before: the test has shown nothing");
    let asked = run.ask_for_something();
    for topic in COORDINATION {
        let what = format!("another leader of {topic}");
        wait_until(MOVED, &what, || async { leader(&bootstrap, topic).await.is_ok_and(|(leader, _)| leader == STAYS) })
            .await?;
    }
    flow.reached(before + 1, MOVED).await.context("the collector after the move")?;
    flow.finish().await?;
    let clicks = TRAFFIC.clicks() + first.len();
    all_enriched(&run.kafka, clicks).await?;
    each_once(&run.kafka, clicks, TRAFFIC.people).await?;
    run.survived(asked.await?).await
}

/// All that is written to is led by the node that will go, but for the processor's output.
async fn create_topics(bootstrap: &str) -> Result<()> {
    let compacted: &[(&str, &str)] = &[("cleanup.policy", "compact")];
    for topic in COORDINATION {
        create_topic_on(bootstrap, topic, &[GOES, STAYS], compacted).await?;
    }
    for store in ["configs", "offsets", "status"] {
        create_topic_on(bootstrap, &format!("{GROUP}-{store}"), &[GOES, STAYS], compacted).await?;
    }
    for topic in [TOPIC, "clicks.raw"] {
        create_topic_on(bootstrap, topic, &[GOES, STAYS], &[]).await?;
    }
    create_topic_on(bootstrap, "clicks.enriched", &[STAYS, GOES], &[]).await
}
