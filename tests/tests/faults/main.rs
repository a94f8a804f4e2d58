//! Faults: what is killed, and what must have survived.
#![allow(clippy::unwrap_used)]

mod change_data;
mod collector;
mod coordinator;
mod disk;
mod exactly_once;
mod file;
mod logins;
mod mongodb;
mod outage;
mod pipeline;
mod schema_history;
mod writer;

use anyhow::Result;
use tributary_tests::process::is_alive;
use tributary_tests::{Kafka, Tier, consume_all, create_topic, end_offsets, produce, require};

#[tokio::test]
async fn acknowledged_records_survive_a_killed_broker() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let mut kafka = Kafka::start().await?;
    create_topic(&kafka.bootstrap(), "survives", 1).await?;
    let mut written = 0_u32;
    for _ in 0..2 {
        let batch: Vec<_> = (written..written + 5_000).map(|number| (None, number.to_string().into_bytes())).collect();
        written += 5_000;
        produce(&kafka.bootstrap(), "survives", batch).await?;
        let killed = kafka.pid();
        kafka.kill9().await?;
        assert!(!is_alive(killed));
        kafka.restart().await?;
        assert_ne!(kafka.pid(), killed);
    }
    let read: Vec<u32> = consume_all(&kafka.bootstrap(), "survives", true)
        .await?
        .iter()
        .map(|one| one.text().parse().unwrap())
        .collect();
    assert_eq!(read, (0..written).collect::<Vec<_>>());
    Ok(())
}

/// How many records a topic has got, those of aborted transactions too; 0 while it cannot be asked.
async fn arrived(kafka: &Kafka, topic: &str) -> i64 {
    end_offsets(&kafka.bootstrap(), topic).await.map(|ends| ends.values().sum()).unwrap_or_default()
}
