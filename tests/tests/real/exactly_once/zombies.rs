use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use tributary_tests::process::signal;
use tributary_tests::produce;

use super::*;

/// A worker is frozen in the middle of its work, and another one of its group started. When the first one goes on, it writes
/// nothing more, and leaves the task to the other.
#[tokio::test]
async fn a_frozen_worker_that_wakes_up_is_fenced_off() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    const LINES: u32 = 100_000;
    let lines = Lines::new("zombie").await?;
    lines.append(0..LINES)?;
    let mut frozen = Tributary::start(lines.options("enabled")).await?;
    frozen.rest().put_connector("lines", &lines.config(json!({"batch.size": "100"}))).await?;
    wait_until(LIMIT, "the first lines", || async { lines.end().await.is_ok_and(|end| end > 500) }).await?;
    signal(frozen.pid(), "STOP")?;
    let arrived = lines.end().await?;
    assert!(arrived < i64::from(LINES), "it was to be frozen in the middle");

    let mut other = Tributary::start(lines.options("enabled")).await?;
    wait_until(LIMIT, "the other worker to go on", || async { lines.end().await.is_ok_and(|end| end > arrived + 500) })
        .await?;
    signal(frozen.pid(), "CONT")?;
    wait_until(LIMIT, "the frozen one to hear of it", || async {
        frozen.log().contains("another worker runs this task and has fenced this one off")
    })
    .await?;
    lines.wait_for(LINES, true).await?;
    lines.append(LINES..LINES + 100)?;
    lines.wait_for(LINES + 100, true).await?;
    other.rest().wait_running("lines", 1, LIMIT).await?;
    lines.assert_exact(LINES + 100).await;
    other.stop().await?;
    frozen.kill9()
}

/// Tasks that are no more are fenced off before those that come after them, as the topic says how many there were. A connector
/// that was written again has a new generation of tasks.
#[tokio::test]
async fn the_count_of_tasks_is_recorded_as_java_does() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let lines = Lines::new("fencing").await?;
    lines.append(0..10)?;
    let mut worker = Tributary::start(lines.options("enabled")).await?;
    worker.rest().put_connector("lines", &lines.config(json!({}))).await?;
    lines.wait_for(10, true).await?;
    let records = |kind: &'static str| {
        let (bootstrap, topic) = (lines.kafka.bootstrap(), format!("{}-configs", lines.group));
        async move {
            let all = consume_all(&bootstrap, &topic, true).await.unwrap_or_default();
            let places = all.iter().filter(|record| record.key_text() == kind);
            places.map(|record| (record.offset, record.text())).collect::<Vec<_>>()
        }
    };
    let (commits, counts) = (records("commit-lines").await, records("tasks-fencing-lines").await);
    let ([commit], [count]) = (&commits[..], &counts[..]) else { panic!("{commits:?} {counts:?}") };
    assert_eq!(count.1, r#"{"task-count":1}"#);
    assert!(count.0 > commit.0);

    // A restart of the worker is no new generation.
    worker.restart().await?;
    lines.append(10..20)?;
    lines.wait_for(20, true).await?;
    assert_eq!(records("tasks-fencing-lines").await.len(), 1);
    worker.rest().put("/connectors/lines/stop", &Value::Null).await?.success()?;
    worker.rest().put("/connectors/lines/resume", &Value::Null).await?.success()?;
    lines.append(20..30)?;
    lines.wait_for(30, true).await?;
    let counts = records("tasks-fencing-lines").await;
    assert_eq!(counts.last().map(|(_, text)| &**text), Some(r#"{"task-count":1}"#), "{counts:?}");
    assert!(counts.len() > 1, "{counts:?}");
    lines.assert_exact(30).await;
    worker.stop().await
}

/// A worker that is frozen for longer than its transaction may last finds it ended by the broker. It goes on by itself, from the
/// stored offsets.
#[tokio::test]
async fn own_pause_longer_than_a_sources_transaction_is_survived() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let lines = Lines::new("paused").await?;
    let mut worker = Tributary::start(lines.options("enabled")).await?;
    let config = json!({
        "transaction.boundary": "interval", "transaction.boundary.interval.ms": "60000",
        "producer.override.transaction.timeout.ms": "24000", "producer.override.linger.ms": "0",
    });
    worker.rest().put_connector("lines", &lines.config(config)).await?;
    lines.append(0..100)?;
    lines.wait_for(100, false).await?;
    signal(worker.pid(), "STOP")?;
    let end = lines.end().await?;
    wait_until(LIMIT, "the broker to end the transaction", || async { lines.end().await.is_ok_and(|now| now > end) })
        .await?;
    assert_eq!(lines.read(true).await, Vec::<u32>::new(), "it was to be aborted");
    signal(worker.pid(), "CONT")?;
    lines.append(100..200)?;
    lines.wait_for(200, true).await?;
    worker.rest().wait_running("lines", 1, LIMIT).await?;
    lines.assert_exact(200).await;
    assert!(worker.log().contains("starts again from its stored offsets"), "{}", worker.log());
    worker.stop().await
}

/// As the configuration topic has it, there were three tasks. What one of them has open is aborted before the only task that there
/// is now starts, although that task does not have its transactional id.
#[tokio::test]
async fn producers_of_former_tasks_are_fenced_off_before_new_tasks_start() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let lines = Lines::new("former").await?;
    let mut worker = Tributary::start(lines.options("enabled")).await?;
    let count = (Some(b"tasks-fencing-lines".to_vec()), br#"{"task-count":3}"#.to_vec());
    produce(&lines.kafka.bootstrap(), &format!("{}-configs", lines.group), [count]).await?;
    let zombie = Zombie::start(&lines, 2).await?;
    lines.append(0..50)?;
    worker.rest().put_connector("lines", &lines.config(json!({}))).await?;
    lines.wait_for(50, true).await?;
    let error = zombie.commit().await.unwrap_err().to_string();
    assert!(error.to_lowercase().contains("fenced") || error.contains("epoch"), "{error}");
    lines.assert_exact(50).await;
    worker.stop().await
}

/// A producer with the transactional id of a task, and a transaction open.
struct Zombie(Arc<ThreadedProducer<DefaultProducerContext>>);

impl Zombie {
    async fn start(lines: &Lines, task: u32) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", lines.kafka.bootstrap()).set("broker.address.family", "v4");
        config.set("transactional.id", format!("{}-lines-{task}", lines.group));
        let topic = lines.topic.clone();
        tokio::task::spawn_blocking(move || {
            let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
            producer.init_transactions(LIMIT)?;
            producer.begin_transaction()?;
            let record = BaseRecord::<(), str>::to(&topic).payload("line 4711");
            producer.send(record).map_err(|(error, _)| error)?;
            producer.flush(LIMIT)?;
            Ok(Self(Arc::new(producer)))
        })
        .await?
    }

    async fn commit(&self) -> Result<()> {
        let producer = Arc::clone(&self.0);
        Ok(tokio::task::spawn_blocking(move || producer.commit_transaction(LIMIT)).await??)
    }
}
