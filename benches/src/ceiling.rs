//! What the Kafka client itself can do on this machine, with nothing around it.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tributary_tests::{Kafka, Usage, create_topic, unique};

use crate::lines::Lines;
use crate::report::Report;

/// Produces and consumes the lines without a worker.
pub(crate) async fn run(kafka: &Kafka, lines: &Lines, report: &mut Report) -> Result<()> {
    let topic = unique("ceiling");
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    let before = Own::now()?;
    fill(&kafka.bootstrap(), &topic, lines).await?;
    before.report("raw producer", lines.count, report)?;
    let (bootstrap, count) = (kafka.bootstrap(), lines.count);
    let before = Own::now()?;
    tokio::task::spawn_blocking(move || drain(&bootstrap, &topic, count)).await??;
    before.report("raw consumer", lines.count, report)
}

/// Writes the lines to a topic, as fast as the client can.
pub(crate) async fn fill(bootstrap: &str, topic: &str, lines: &Lines) -> Result<()> {
    let (bootstrap, topic, file) = (bootstrap.to_owned(), topic.to_owned(), lines.file.clone());
    tokio::task::spawn_blocking(move || {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "500000")
            .create()?;
        for line in fs::read(file)?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let mut record = BaseRecord::<[u8], [u8]>::to(&topic).payload(line);
            while let Err((error, rejected)) = producer.send(record) {
                ensure!(error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull), "produce: {error}");
                std::thread::sleep(Duration::from_millis(1));
                record = rejected;
            }
        }
        producer.flush(Duration::from_secs(60)).context("flush")
    })
    .await?
}

fn drain(bootstrap: &str, topic: &str, count: usize) -> Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", unique("ceiling"))
        .set("enable.auto.commit", "false")
        .set("fetch.queue.backoff.ms", "10")
        .create()?;
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&partitions)?;
    for _ in 0..count {
        consumer.poll(Duration::from_secs(30)).context("the topic ended early")??;
    }
    Ok(())
}

/// Time and processor time of this very process.
struct Own {
    begun: Instant,
    usage: Usage,
}

impl Own {
    fn now() -> Result<Self> {
        Ok(Self { begun: Instant::now(), usage: Usage::of(std::process::id())? })
    }

    fn report(&self, what: &str, count: usize, report: &mut Report) -> Result<()> {
        let (wall, cpu) = (self.begun.elapsed(), Usage::of(std::process::id())?.cpu - self.usage.cpu);
        let thousands = count as f64 / 1e3;
        report.add(&format!("{what}, a second"), "librdkafka", "k records", 0, thousands / wall.as_secs_f64());
        report.add(&format!("{what}, a CPU second"), "librdkafka", "k records", 0, thousands / cpu.as_secs_f64());
        Ok(())
    }
}
