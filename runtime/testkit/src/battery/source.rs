use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tributary_api::{Factory, Origin, Plugin, Props, Record, SourceTask};

use super::{CALL_TIMEOUT, Checked, Findings, Violation, call, items};
use crate::FakeSourceHost;

/// How soon `poll` must return once the task should stop.
const STOPPING: Duration = Duration::from_secs(2);
/// How often that is tried, and how often it may take longer: a busy machine delays one call, a source that does not heed the
/// request delays most of them.
const STOPS: usize = 3;
const LATE_STOPS: usize = 1;

/// A source connector with a place that it reads from. A new subject has an empty place.
///
/// ```
/// use std::io::Write;
/// use std::path::PathBuf;
///
/// use tributary_api::{Plugin, Props, async_trait};
/// use tributary_testkit::battery::{self, SourceSubject};
///
/// /// A source that reads the lines of a file.
/// struct Lines {
///     plugin: Plugin,
///     file: PathBuf,
/// }
///
/// #[async_trait]
/// impl SourceSubject for Lines {
///     fn plugin(&self) -> Plugin {
///         self.plugin.clone()
///     }
///
///     fn props(&self) -> Props {
///         let file = self.file.display().to_string();
///         Props::from([("file".to_owned(), file), ("topic".to_owned(), "lines".to_owned())])
///     }
///
///     async fn feed(&mut self, items: &[String]) {
///         let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.file).unwrap();
///         items.iter().for_each(|item| writeln!(file, "{item}").unwrap());
///     }
/// }
///
/// /// What a test of the source calls, with a function that makes a new file's name.
/// async fn keeps_the_contract(plugin: Plugin, new_file: impl Fn() -> PathBuf) {
///     assert_eq!(battery::source(|| Lines { plugin: plugin.clone(), file: new_file() }).await, []);
/// }
/// ```
#[async_trait]
pub trait SourceSubject: Send {
    /// The connector.
    fn plugin(&self) -> Plugin;

    /// A valid configuration that makes one task read the place.
    fn props(&self) -> Props;

    /// Adds items to the place, in order.
    async fn feed(&mut self, items: &[String]);

    /// The item that a record carries, by default the value's text; `None` for a record without an item.
    fn item(&self, record: &Record) -> Option<String> {
        record.value.value.as_str().map(str::to_owned)
    }

    /// The limit for a call and for the delivery of a record.
    fn call_timeout(&self) -> Duration {
        CALL_TIMEOUT
    }

    /// Whether the place can be read again from a stored offset. If not (a socket), those checks are skipped.
    fn replays(&self) -> bool {
        true
    }
}

/// Runs all checks of a source; `make` gives each a fresh subject.
pub async fn source<S: SourceSubject>(make: impl Fn() -> S) -> Vec<Violation> {
    let subject = make();
    let mut found = Findings::of_connector(&subject.plugin(), &subject.props(), subject.call_timeout()).await;
    drop(subject);
    found.note("task stops at any time", task_stops_at_any_time(make()).await);
    found.note("poll ends when stopping", poll_ends_when_stopping(make()).await);
    found.note("delivers in order", delivers_in_order(make()).await);
    found.note("allows commit at any time", allows_commit_at_any_time(make()).await);
    if make().replays() {
        found.note("gives records offsets", gives_records_offsets(make()).await);
        found.note("starts from the beginning", starts_from_the_beginning(make()).await);
        found.note("resumes after the stored offset", resumes_after_the_stored_offset(&make).await);
    }
    found.0
}

async fn task_stops_at_any_time(subject: impl SourceSubject) -> Checked {
    let call_timeout = subject.call_timeout();
    call(call_timeout, "stop before start", make_task(&subject.plugin())?.stop()).await?;
    for _ in 0..2 {
        let mut run = Run::start(&subject, FakeSourceHost::new()).await?;
        call(call_timeout, "stop", run.task.stop()).await?;
        call(call_timeout, "the second stop", run.task.stop()).await?;
    }
    Ok(())
}

async fn poll_ends_when_stopping(subject: impl SourceSubject) -> Checked {
    let mut late = Vec::new();
    for _ in 0..STOPS {
        let took = time_to_stop(&subject).await?;
        late.extend((took > STOPPING).then_some(took));
    }
    if late.len() > LATE_STOPS { Err(format!("poll took {late:?} to return")) } else { Ok(()) }
}

/// How long a task that is polled takes to end once it should.
async fn time_to_stop(subject: &impl SourceSubject) -> Result<Duration, String> {
    let call_timeout = subject.call_timeout();
    let mut run = Run::start(subject, FakeSourceHost::new()).await?;
    let stopping = run.stopping.clone();
    let (polled, stopped_at) = tokio::join!(
        async {
            while !stopping.is_cancelled() {
                call(call_timeout, "poll", run.task.poll()).await?;
            }
            Ok::<_, String>(Instant::now())
        },
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stopping.cancel();
            Instant::now()
        }
    );
    let took = polled?.saturating_duration_since(stopped_at);
    run.stop().await.map(|()| took)
}

async fn delivers_in_order(mut subject: impl SourceSubject) -> Checked {
    let first = items(0..25);
    subject.feed(&first).await;
    let mut run = Run::start(&subject, FakeSourceHost::new()).await?;
    run.expect(&subject, &first).await?;
    let second = items(25..40);
    subject.feed(&second).await;
    run.expect(&subject, &second).await?;
    run.stop().await
}

async fn allows_commit_at_any_time(mut subject: impl SourceSubject) -> Checked {
    let call_timeout = subject.call_timeout();
    let mut run = Run::start(&subject, FakeSourceHost::new()).await?;
    call(call_timeout, "commit before the first record", run.task.commit()).await?;
    let fed = items(0..5);
    subject.feed(&fed).await;
    for record in run.expect(&subject, &fed).await? {
        run.host.acknowledge(&record);
    }
    call(call_timeout, "commit", run.task.commit()).await?;
    call(call_timeout, "the second commit", run.task.commit()).await?;
    let more = items(5..10);
    subject.feed(&more).await;
    run.expect(&subject, &more).await?;
    run.stop().await
}

async fn gives_records_offsets(mut subject: impl SourceSubject) -> Checked {
    let fed = items(0..5);
    subject.feed(&fed).await;
    let mut run = Run::start(&subject, FakeSourceHost::new()).await?;
    for record in run.expect(&subject, &fed).await? {
        if !matches!(record.origin, Origin::Source { partition: Some(_), offset: Some(_), .. }) {
            return Err(format!("a record has no source partition or offset: {:?}", record.origin));
        }
    }
    run.stop().await
}

async fn starts_from_the_beginning(mut subject: impl SourceSubject) -> Checked {
    let fed = items(0..10);
    subject.feed(&fed).await;
    for _ in 0..2 {
        let mut run = Run::start(&subject, FakeSourceHost::new()).await?;
        run.expect(&subject, &fed).await?;
        run.stop().await?;
    }
    Ok(())
}

/// Whichever record was acknowledged last before a crash, the next task starts with the record after it.
async fn resumes_after_the_stored_offset<S: SourceSubject>(make: impl Fn() -> S) -> Checked {
    let fed = items(0..20);
    for last in [0, 1, 10, 18, 19] {
        let mut subject = make();
        subject.feed(&fed).await;
        let host = FakeSourceHost::new();
        let mut run = Run::start(&subject, host.clone()).await?;
        for record in &run.expect(&subject, &fed).await?[..=last] {
            host.acknowledge(record);
        }
        // Dropped without `stop`, as in a crash.
        drop(run);
        let mut run = Run::start(&subject, host).await?;
        let more = items(20..25);
        subject.feed(&more).await;
        let rest = [&fed[last + 1..], &more].concat();
        run.expect(&subject, &rest).await.map_err(|what| format!("after record {last}: {what}"))?;
        run.stop().await?;
    }
    Ok(())
}

/// A task that was started.
struct Run {
    task: Box<dyn SourceTask>,
    host: std::sync::Arc<FakeSourceHost>,
    stopping: CancellationToken,
    call_timeout: Duration,
}

impl Run {
    async fn start(subject: &impl SourceSubject, host: std::sync::Arc<FakeSourceHost>) -> Result<Self, String> {
        let (mut task, call_timeout) = (make_task(&subject.plugin())?, subject.call_timeout());
        let stopping = CancellationToken::new();
        call(call_timeout, "start", task.start(host.context(&stopping), &subject.props())).await?;
        Ok(Self { task, host, stopping, call_timeout })
    }

    /// Polls until the expected number of items has come, and compares them.
    async fn expect(&mut self, subject: &impl SourceSubject, expected: &[String]) -> Result<Vec<Record>, String> {
        let call_timeout = self.call_timeout;
        let deadline = Instant::now() + call_timeout;
        let (mut records, mut found) = (Vec::new(), Vec::new());
        while found.len() < expected.len() && Instant::now() < deadline {
            for record in call(call_timeout, "poll", self.task.poll()).await? {
                if let Some(item) = subject.item(&record) {
                    found.push(item);
                    records.push(record);
                }
            }
        }
        if found == expected { Ok(records) } else { Err(format!("expected {expected:?} but got {found:?}")) }
    }

    async fn stop(mut self) -> Checked {
        let call_timeout = self.call_timeout;
        self.stopping.cancel();
        call(call_timeout, "stop", self.task.stop()).await
    }
}

fn make_task(plugin: &Plugin) -> Result<Box<dyn SourceTask>, String> {
    match &plugin.factory {
        Factory::Source(factory) => Ok((factory.task)()),
        _ => Err(format!("{} is not a source", plugin.description.class)),
    }
}
