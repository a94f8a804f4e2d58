use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tributary_api::PluginMetrics;
use tributary_control::TaskId;

/// What a metric belongs to: the `type` of Kafka Connect's JMX names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MetricGroup {
    /// `connector-task-metrics`.
    Task,
    /// `source-task-metrics`.
    Source,
    /// `sink-task-metrics`.
    Sink,
    /// `task-error-metrics`.
    Error,
}

impl MetricGroup {
    /// The `type` in JMX.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Task => "connector-task-metrics",
            Self::Source => "source-task-metrics",
            Self::Sink => "sink-task-metrics",
            Self::Error => "task-error-metrics",
        }
    }
}

/// A counter, or a gauge that is set.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The maximum and the mean of a value since the task's start.
#[derive(Debug, Default)]
pub(crate) struct MaxAndMean {
    count: Counter,
    sum: Counter,
    max: AtomicU64,
}

impl MaxAndMean {
    pub(crate) fn record(&self, value: u64) {
        self.count.add(1);
        self.sum.0.fetch_add(value, Ordering::Relaxed);
        self.max.fetch_max(value, Ordering::Relaxed);
    }

    pub(crate) fn record_time(&self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    #[allow(clippy::cast_precision_loss)]
    fn mean(&self) -> f64 {
        let count = self.count.get();
        if count == 0 { 0.0 } else { self.sum.get() as f64 / count as f64 }
    }

    #[allow(clippy::cast_precision_loss)]
    fn max(&self) -> f64 {
        self.max.load(Ordering::Relaxed) as f64
    }
}

/// The metrics of a task, updated once per batch. Names and units are those of Kafka Connect's JMX metrics; times are
/// kept in microseconds and shown in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct TaskMetrics {
    pub(crate) batch_size: MaxAndMean,
    pub(crate) offset_commit_time: MaxAndMean,
    pub(crate) offset_commit_success: Counter,
    pub(crate) offset_commit_failure: Counter,
    pub(crate) source: SourceMetrics,
    pub(crate) sink: SinkMetrics,
    pub(crate) errors: ErrorMetrics,
    /// Those of the connector's task itself, of its transforms and converters.
    pub(crate) plugins: PluginMetrics,
}

/// Of source tasks.
#[derive(Debug, Default)]
pub(crate) struct SourceMetrics {
    pub(crate) polled: Counter,
    pub(crate) written: Counter,
    pub(crate) active: Counter,
    pub(crate) poll_time: MaxAndMean,
    /// Records in each transaction.
    pub(crate) transaction_size: MaxAndMean,
}

/// Of sink tasks.
#[derive(Debug, Default)]
pub(crate) struct SinkMetrics {
    pub(crate) read: Counter,
    pub(crate) sent: Counter,
    pub(crate) active: Counter,
    pub(crate) partitions: Counter,
    pub(crate) commit_seq_no: Counter,
    pub(crate) commits_completed: Counter,
    pub(crate) commits_skipped: Counter,
    pub(crate) put_time: MaxAndMean,
}

/// Of the error operator.
#[derive(Debug, Default)]
pub(crate) struct ErrorMetrics {
    pub(crate) failures: Counter,
    pub(crate) errors: Counter,
    pub(crate) skipped: Counter,
    pub(crate) retries: Counter,
    pub(crate) logged: Counter,
    pub(crate) dlq_requests: Counter,
    pub(crate) dlq_failures: Counter,
    /// Milliseconds since the epoch.
    pub(crate) last_error: Counter,
}

impl TaskMetrics {
    pub(crate) fn of(task: &TaskId) -> Self {
        let plugins = PluginMetrics::new([("connector", task.connector.clone()), ("task", task.task.to_string())]);
        Self { plugins, ..Self::default() }
    }

    /// A source task has polled a batch.
    pub(crate) fn polled(&self, records: usize) {
        self.source.polled.add(records);
        self.batch(records);
    }

    /// A sink task has put a batch.
    pub(crate) fn put(&self, records: usize) {
        self.sink.sent.add(records);
        self.batch(records);
    }

    fn batch(&self, records: usize) {
        if records > 0 {
            self.batch_size.record(records as u64);
        }
    }

    /// A commit of offsets has ended.
    pub(crate) fn offsets_committed(&self, took: Duration, success: bool) {
        self.offset_commit_time.record_time(took);
        if success { self.offset_commit_success.add(1) } else { self.offset_commit_failure.add(1) }
    }

    /// All metrics with their JMX names; of source and sink metrics only those of the task's kind.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn snapshot(&self, source: bool) -> Vec<(MetricGroup, &'static str, f64)> {
        let number = |number: &Counter| number.get() as f64;
        let ms = |micros: f64| micros / 1_000.0;
        let (ok, bad) = (number(&self.offset_commit_success), number(&self.offset_commit_failure));
        let share = |part: f64| if ok + bad == 0.0 { 0.0 } else { part / (ok + bad) };
        let task = [
            ("batch-size-max", self.batch_size.max()),
            ("batch-size-avg", self.batch_size.mean()),
            ("offset-commit-max-time-ms", ms(self.offset_commit_time.max())),
            ("offset-commit-avg-time-ms", ms(self.offset_commit_time.mean())),
            ("offset-commit-success-percentage", share(ok)),
            ("offset-commit-failure-percentage", share(bad)),
        ];
        let own: Vec<(&'static str, f64)> = if source { self.source.values() } else { self.sink.values() };
        let errors = &self.errors;
        let errors = [
            ("total-record-failures", number(&errors.failures)),
            ("total-record-errors", number(&errors.errors)),
            ("total-records-skipped", number(&errors.skipped)),
            ("total-retries", number(&errors.retries)),
            ("total-errors-logged", number(&errors.logged)),
            ("deadletterqueue-produce-requests", number(&errors.dlq_requests)),
            ("deadletterqueue-produce-failures", number(&errors.dlq_failures)),
            ("last-error-timestamp", number(&errors.last_error)),
        ];
        let own_group = if source { MetricGroup::Source } else { MetricGroup::Sink };
        let named = |group: MetricGroup| move |(name, value): (&'static str, f64)| (group, name, value);
        task.into_iter()
            .map(named(MetricGroup::Task))
            .chain(own.into_iter().map(named(own_group)))
            .chain(errors.into_iter().map(named(MetricGroup::Error)))
            .collect()
    }
}

#[allow(clippy::cast_precision_loss)]
impl SourceMetrics {
    fn values(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("source-record-poll-total", self.polled.get() as f64),
            ("source-record-write-total", self.written.get() as f64),
            ("source-record-active-count", self.active.get() as f64),
            ("poll-batch-max-time-ms", self.poll_time.max() / 1_000.0),
            ("poll-batch-avg-time-ms", self.poll_time.mean() / 1_000.0),
            ("transaction-size-max", self.transaction_size.max()),
            ("transaction-size-avg", self.transaction_size.mean()),
        ]
    }
}

#[allow(clippy::cast_precision_loss)]
impl SinkMetrics {
    fn values(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("sink-record-read-total", self.read.get() as f64),
            ("sink-record-send-total", self.sent.get() as f64),
            ("sink-record-active-count", self.active.get() as f64),
            ("partition-count", self.partitions.get() as f64),
            ("offset-commit-seq-no", self.commit_seq_no.get() as f64),
            ("offset-commit-completion-total", self.commits_completed.get() as f64),
            ("offset-commit-skip-total", self.commits_skipped.get() as f64),
            ("put-batch-max-time-ms", self.put_time.max() / 1_000.0),
            ("put-batch-avg-time-ms", self.put_time.mean() / 1_000.0),
        ]
    }
}
