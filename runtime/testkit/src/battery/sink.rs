use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tributary_api::{Datum, Factory, Offsets, Origin, Plugin, Props, Record, SinkTask, TopicPartition};

use super::{CALL_TIMEOUT, Checked, Findings, Violation, call, items};
use crate::FakeSinkHost;

const TOPIC: &str = "battery";

/// A sink connector with a place that it writes to. A new subject has an empty place.
///
/// With its configuration every batch of 5 records must become safe without further records: a sink that collects
/// larger files needs a short time limit or a small size.
///
/// ```
/// use std::path::PathBuf;
///
/// use tributary_api::{Plugin, Props, async_trait};
/// use tributary_testkit::battery::{self, SinkSubject};
///
/// /// A sink that appends lines to a file.
/// struct Lines {
///     plugin: Plugin,
///     file: PathBuf,
/// }
///
/// #[async_trait]
/// impl SinkSubject for Lines {
///     fn plugin(&self) -> Plugin {
///         self.plugin.clone()
///     }
///
///     fn props(&self) -> Props {
///         Props::from([("file".to_owned(), self.file.display().to_string())])
///     }
///
///     async fn delivered(&mut self) -> Vec<String> {
///         std::fs::read_to_string(&self.file).unwrap_or_default().lines().map(str::to_owned).collect()
///     }
/// }
///
/// /// What a test of the sink calls, with a function that makes a new file's name.
/// async fn keeps_the_contract(plugin: Plugin, new_file: impl Fn() -> PathBuf) {
///     assert_eq!(battery::sink(|| Lines { plugin: plugin.clone(), file: new_file() }).await, []);
/// }
/// ```
#[async_trait]
pub trait SinkSubject: Send {
    /// The connector.
    fn plugin(&self) -> Plugin;

    /// A valid configuration that makes one task write to the place.
    fn props(&self) -> Props;

    /// The value of a record that carries an item. Text by default.
    fn value(&self, item: &str) -> Datum {
        Datum::schemaless(item)
    }

    /// The limit for a call and for the delivery of a record.
    fn call_timeout(&self) -> Duration {
        CALL_TIMEOUT
    }

    /// The items that are safe in the place now, in the order they are read there.
    async fn delivered(&mut self) -> Vec<String>;
}

/// Runs all checks of a sink; `make` gives each a fresh subject.
pub async fn sink<S: SinkSubject>(make: impl Fn() -> S) -> Vec<Violation> {
    let subject = make();
    let mut found = Findings::of_connector(&subject.plugin(), &subject.props(), subject.call_timeout()).await;
    drop(subject);
    found.note("task stops at any time", task_stops_at_any_time(make()).await);
    found.note("accepts an empty batch", accepts_an_empty_batch(make()).await);
    found.note("delivers in order", delivers_in_order(make()).await);
    found.note("accepts a batch again", accepts_a_batch_again(make()).await);
    found.note("continues after close and open", continues_after_close_and_open(make()).await);
    found.note("loses nothing when it is dropped", loses_nothing_when_it_is_dropped(make()).await);
    found.0
}

async fn task_stops_at_any_time(subject: impl SinkSubject) -> Checked {
    let call_timeout = subject.call_timeout();
    call(call_timeout, "stop before start", make_task(&subject.plugin())?.stop()).await?;
    for _ in 0..2 {
        let mut run = Run::start(&subject).await?;
        call(call_timeout, "stop", run.task.stop()).await?;
        call(call_timeout, "the second stop", run.task.stop()).await?;
    }
    Ok(())
}

async fn accepts_an_empty_batch(subject: impl SinkSubject) -> Checked {
    let call_timeout = subject.call_timeout();
    let mut run = Run::start(&subject).await?;
    run.put(&[]).await?;
    let safe = call(call_timeout, "pre_commit", run.task.pre_commit(&Offsets::new())).await?;
    if !safe.is_empty() {
        return Err(format!("pre_commit without offsets returns {safe:?}"));
    }
    run.put(&[]).await?;
    run.stop().await
}

async fn delivers_in_order(mut subject: impl SinkSubject) -> Checked {
    let mut run = Run::start(&subject).await?;
    for batch in 0..4 {
        let (from, to) = (batch * 5, batch * 5 + 5);
        run.put(&records(&subject, from..to)).await?;
        run.commit(&mut subject, to).await?;
    }
    let (delivered, expected) = (subject.delivered().await, items(0..20));
    if delivered != expected {
        return Err(format!("expected {expected:?} but {delivered:?} was delivered"));
    }
    run.stop().await
}

/// As after a retriable error or a lost commit.
async fn accepts_a_batch_again(mut subject: impl SinkSubject) -> Checked {
    let mut run = Run::start(&subject).await?;
    let batch = records(&subject, 0..5);
    run.put(&batch).await?;
    run.put(&batch).await?;
    run.commit(&mut subject, 5).await?;
    run.put(&records(&subject, 5..10)).await?;
    run.commit(&mut subject, 10).await?;
    run.stop().await
}

async fn continues_after_close_and_open(mut subject: impl SinkSubject) -> Checked {
    let call_timeout = subject.call_timeout();
    let mut run = Run::start(&subject).await?;
    run.put(&records(&subject, 0..5)).await?;
    run.commit(&mut subject, 5).await?;
    call(call_timeout, "close", run.task.close(&[partition()])).await?;
    run.host.assign(&[]);
    run.put(&[]).await?;
    run.host.assign(&[partition()]);
    call(call_timeout, "open", run.task.open(&[partition()])).await?;
    run.put(&records(&subject, 5..10)).await?;
    run.commit(&mut subject, 10).await?;
    run.stop().await
}

/// A crash after a batch that was not committed: the next task gets all records since the last commit.
async fn loses_nothing_when_it_is_dropped(mut subject: impl SinkSubject) -> Checked {
    let mut run = Run::start(&subject).await?;
    run.put(&records(&subject, 0..5)).await?;
    run.commit(&mut subject, 5).await?;
    run.put(&records(&subject, 5..10)).await?;
    // Dropped without `stop`, as in a crash.
    drop(run);
    let mut run = Run::start(&subject).await?;
    run.put(&records(&subject, 5..10)).await?;
    run.put(&records(&subject, 10..15)).await?;
    run.commit(&mut subject, 15).await?;
    run.stop().await
}

/// A task that was started and has one partition.
struct Run {
    task: Box<dyn SinkTask>,
    host: Arc<FakeSinkHost>,
    stopping: CancellationToken,
    call_timeout: Duration,
}

impl Run {
    async fn start(subject: &impl SinkSubject) -> Result<Self, String> {
        let (mut task, call_timeout) = (make_task(&subject.plugin())?, subject.call_timeout());
        let (host, stopping) = (FakeSinkHost::new(), CancellationToken::new());
        host.assign(&[partition()]);
        call(call_timeout, "start", task.start(host.context(&stopping), &subject.props())).await?;
        call(call_timeout, "open", task.open(&[partition()])).await?;
        Ok(Self { task, host, stopping, call_timeout })
    }

    async fn put(&mut self, batch: &[Record]) -> Checked {
        batch.iter().for_each(|record| self.host.append(record));
        call(self.call_timeout, "put", self.task.put(batch)).await
    }

    /// Calls `pre_commit` until everything up to `end` is safe. What is reported as safe must be in the place.
    async fn commit(&mut self, subject: &mut impl SinkSubject, end: usize) -> Checked {
        let call_timeout = self.call_timeout;
        let deadline = Instant::now() + call_timeout;
        let consumed: Offsets = [(partition(), as_offset(end))].into();
        loop {
            let safe = call(call_timeout, "pre_commit", self.task.pre_commit(&consumed)).await?;
            if let Some((other, _)) = safe.iter().find(|(partition, _)| !consumed.contains_key(*partition)) {
                return Err(format!("pre_commit returns {other}, which was not among the given offsets"));
            }
            let safe = safe.get(&partition()).copied().unwrap_or(0);
            if safe > as_offset(end) {
                return Err(format!("pre_commit returns {safe}, but only {end} records were put"));
            }
            let delivered = subject.delivered().await;
            let below = items(0..usize::try_from(safe).unwrap_or(0));
            if let Some(missing) = below.iter().find(|item| !delivered.contains(item)) {
                return Err(format!("pre_commit returns {safe}, but {missing} was not delivered: {delivered:?}"));
            }
            if safe == as_offset(end) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!("{end} records were put, but after {call_timeout:?} only {safe} are safe"));
            }
            let wait = self.host.timeout().unwrap_or(Duration::from_millis(50)).min(Duration::from_millis(50));
            tokio::time::sleep(wait).await;
            self.put(&[]).await?;
        }
    }

    async fn stop(mut self) -> Checked {
        let call_timeout = self.call_timeout;
        self.stopping.cancel();
        call(call_timeout, "close", self.task.close(&[partition()])).await?;
        call(call_timeout, "stop", self.task.stop()).await
    }
}

fn records(subject: &impl SinkSubject, numbers: std::ops::Range<usize>) -> Vec<Record> {
    let partition = partition();
    let record = |(number, item): (usize, String)| {
        let mut record = Record::new(partition.topic.clone(), subject.value(&item)).at(1_700_000_000_000);
        let (topic, offset) = (partition.topic.clone(), as_offset(number));
        record.partition = Some(partition.partition);
        record.origin = Origin::Kafka { topic, partition: partition.partition, offset };
        record
    };
    numbers.clone().zip(items(numbers)).map(record).collect()
}

fn partition() -> TopicPartition {
    TopicPartition::new(TOPIC, 0)
}

fn as_offset(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn make_task(plugin: &Plugin) -> Result<Box<dyn SinkTask>, String> {
    match &plugin.factory {
        Factory::Sink(factory) => Ok((factory.task)()),
        _ => Err(format!("{} is not a sink", plugin.description.class)),
    }
}
