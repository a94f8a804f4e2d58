//! The Lambda sink in the worker, over real brokers: answers and errors are in their topics before an offset is committed,
//! also when the worker is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use lambda_front::{Event, Fault, Function, Functions, Invocation, LambdaFront, Reply};
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use serde_json::{Value, json};
use tributary_tests::{
    Kafka, Tier, Tributary, WorkerOptions, committed_offsets, consume_all, create_topic, produce, require, unique,
    wait_until,
};

const LIMIT: Duration = Duration::from_secs(120);
const RECORDS: u64 = 3_000;
const PARTITIONS: i32 = 3;
const KILLS: usize = 3;

/// Where a record was.
type Position = (i32, i64);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_is_reported_before_its_offset_is_committed() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let (topic, name) = (unique("clicks"), unique("to-lambda"));
    create_topic(&kafka.bootstrap(), &topic, PARTITIONS).await?;
    let value = |number: u64| json!({"number": number, "bad": number.is_multiple_of(211)}).to_string().into_bytes();
    let records = (0..RECORDS).map(move |number| (Some(number.to_string().into_bytes()), value(number)));
    produce(&kafka.bootstrap(), &topic, records).await?;
    let function = Function::inline(|event| async move { answer(&event) }).timeout(LIMIT);
    let front = LambdaFront::start(Functions::new().account_concurrency(50).with("answer", function)).await?;

    let options = WorkerOptions::on_kafka(kafka, &unique("lambda"))
        .set("offset.flush.interval.ms", "100")
        .set("consumer.session.timeout.ms", "6000");
    let mut worker = Tributary::start(options).await?;
    worker.rest().put_connector(&name, &config(&topic, &front)).await?;
    for kill in 0..KILLS {
        let share = RECORDS as usize * (kill + 1) / (KILLS + 1);
        for fault in [Fault::Unavailable, Fault::CrashAfter, Fault::CutOff, Fault::Throttle { retry_after: None }] {
            front.faults().add(fault);
        }
        wait_until(LIMIT, "the next point to kill at", || async { invoked(&front).len() >= share }).await?;
        worker.kill9()?;
        let committed = committed_offsets(&kafka.bootstrap(), &format!("connect-{name}"), &topic).await?;
        ahead(&committed, &reported(kafka, &name).await?, &front)?;
        worker.restart().await?;
    }
    wait_until(LIMIT, "reports on all records", || async {
        reported(kafka, &name).await.is_ok_and(|reported| reported.len() as u64 >= RECORDS)
    })
    .await?;

    let errors = places(kafka, &format!("{name}-error")).await?;
    ensure!(errors.len() as u64 == RECORDS.div_ceil(211), "{} records are in the error topic", errors.len());
    ensure!(invoked(&front).len() as u64 == RECORDS, "not all records were at the function");
    wait_until(LIMIT, "all offsets committed", || async {
        let committed = committed_offsets(&kafka.bootstrap(), &format!("connect-{name}"), &topic).await;
        committed.is_ok_and(|committed| committed.values().sum::<i64>() == RECORDS as i64)
    })
    .await?;
    worker.stop().await
}

/// Records that a function never takes go to the dead letters as they were, also those of earlier batches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_the_records_with_their_headers() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let (topic, name, letters) = (unique("clicks"), unique("to-lambda"), unique("dead"));
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    let producer: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create()?;
    let value = |number: u64| json!({"number": number, "bad": number.is_multiple_of(50)}).to_string();
    for number in 0..200 {
        let trace = number.to_string();
        let headers = OwnedHeaders::new()
            .insert(Header { key: "trace", value: Some(&trace) })
            .insert(Header { key: "none", value: None::<&[u8]> });
        let (key, value) = (format!("k{number}"), value(number));
        let record = BaseRecord::to(&topic).key(&key).payload(&value).headers(headers);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(LIMIT)?;
    // It takes its time: by then the batches in which its records came are gone.
    let slow = |event: Event| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        answer(&event)
    };
    let front = LambdaFront::start(Functions::new().with("answer", Function::inline(slow).timeout(LIMIT))).await?;
    let options = WorkerOptions::on_kafka(kafka, &unique("lambda")).set("offset.flush.interval.ms", "100");
    let worker = Tributary::start(options).await?;
    let mut config = config(&topic, &front);
    for (name, value) in [
        ("behavior.on.error", "fail"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", &letters),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
        ("aws.lambda.function.retries", "0"),
        ("consumer.override.max.poll.records", "20"),
    ] {
        config[name] = Value::from(value);
    }
    worker.rest().put_connector(&name, &config).await?;
    wait_until(LIMIT, "all offsets committed", || async {
        let committed = committed_offsets(&kafka.bootstrap(), &format!("connect-{name}"), &topic).await;
        committed.is_ok_and(|committed| committed.values().sum::<i64>() == 200)
    })
    .await?;
    let found = consume_all(&kafka.bootstrap(), &letters, true).await?;
    ensure!(found.len() == 4, "{} records are among the dead letters", found.len());
    for (letter, number) in found.iter().zip((0..).step_by(50)) {
        let header = |name: &str| letter.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        ensure!((letter.key_text(), letter.text()) == (format!("k{number}"), value(number)), "{letter:?}");
        ensure!(header("trace") == Some(Some(number.to_string().into_bytes())), "{letter:?}");
        ensure!(header("none") == Some(None), "{letter:?}");
        ensure!(header("__connect.errors.offset") == Some(Some(number.to_string().into_bytes())), "{letter:?}");
    }
    Ok(())
}

fn config(topic: &str, front: &LambdaFront) -> Value {
    json!({
        "connector.class": "io.confluent.connect.aws.lambda.AwsLambdaSinkConnector", "tasks.max": "2", "topics": topic,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "aws.lambda.function.name": "answer", "aws.lambda.region": "us-east-1",
        "aws.lambda.endpoint.url": front.url(), "aws.access.key.id": "key", "aws.secret.access.key": "secret",
        "aws.lambda.batch.size": "20", "aws.lambda.bisect.on.function.error": "true", "behavior.on.error": "log",
        "aws.lambda.function.retries": "2", "aws.lambda.retry.backoff.ms": "10",
        "reporter.result.topic.name": "${connector}-success", "reporter.result.topic.replication.factor": "1",
        "reporter.error.topic.replication.factor": "1",
    })
}

/// A payload for each record, unless one of them is bad.
fn answer(event: &Event) -> Reply {
    let json = event.json();
    let records = json.as_array().cloned().unwrap_or_default();
    if records.iter().any(|record| record["payload"]["value"]["bad"] == true) {
        return Reply::error("Bad", "a bad record");
    }
    Reply::json(&records.iter().map(|record| json!({"payload": record["payload"]["value"]["number"]})).collect())
}

/// What was in an event.
fn invoked(front: &LambdaFront) -> BTreeSet<Position> {
    front.invocations().iter().flat_map(places_of).collect()
}

fn places_of(invocation: &Invocation) -> BTreeSet<Position> {
    let event: Value = serde_json::from_slice(&invocation.payload).unwrap_or_default();
    let number = |record: &Value, name: &str| record["payload"][name].as_i64().unwrap_or(-1);
    let place = |record| (i32::try_from(number(record, "partition")).unwrap_or(-1), number(record, "offset"));
    event.as_array().into_iter().flatten().map(place).collect()
}

async fn reported(kafka: &Kafka, name: &str) -> Result<BTreeSet<Position>> {
    let mut all = places(kafka, &format!("{name}-success")).await?;
    all.extend(places(kafka, &format!("{name}-error")).await?);
    Ok(all)
}

async fn places(kafka: &Kafka, topic: &str) -> Result<BTreeSet<Position>> {
    let mut places = BTreeSet::new();
    for message in consume_all(&kafka.bootstrap(), topic, true).await? {
        let number = |name: &str| -> Option<i64> {
            let (_, value) = message.headers.iter().find(|(key, _)| key == name)?;
            String::from_utf8(value.clone()?).ok()?.parse().ok()
        };
        if let (Some(partition), Some(offset)) = (number("input_record_partition"), number("input_record_offset")) {
            places.insert((i32::try_from(partition)?, offset));
        }
    }
    Ok(places)
}

fn ahead(committed: &BTreeMap<i32, i64>, reported: &BTreeSet<Position>, front: &LambdaFront) -> Result<()> {
    for (partition, offset) in committed {
        let missing: Vec<i64> = (0..*offset).filter(|offset| !reported.contains(&(*partition, *offset))).collect();
        let Some(first) = missing.first() else { continue };
        let mut attempts = String::new();
        for attempt in front.invocations() {
            let places = places_of(&attempt);
            if places.contains(&(*partition, *first)) {
                let (begin, end) = (places.first().map(|place| place.1), places.last().map(|place| place.1));
                writeln!(attempts, "  {begin:?} to {end:?}: {:?}", attempt.outcome)?;
            }
        }
        bail!(
            "partition {partition} is committed to {offset}, but not reported are {missing:?}; of the first:\n{attempts}"
        );
    }
    Ok(())
}
