use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    Error, PluginMetrics, RawTopicReader, Record, Result, SourceOffset, SourcePartition, TopicPartition, TopicReader,
    TopicReaderOptions, TopicWriter, TopicWriterOptions, TransactionContext,
};

/// What the runtime does for a connector.
///
/// ```
/// use std::sync::Arc;
/// use tributary_api::{ConnectorContext, ConnectorHost, Error};
///
/// /// Prints what is asked for.
/// struct Printer;
///
/// impl ConnectorHost for Printer {
///     fn request_task_reconfiguration(&self) {
///         println!("the tasks need new configurations");
///     }
///
///     fn raise_error(&self, error: Error) {
///         println!("{error}");
///     }
/// }
///
/// let cx = ConnectorContext::new("orders", Arc::new(Printer));
/// cx.request_task_reconfiguration();
/// ```
pub trait ConnectorHost: Send + Sync {
    /// Asks for `task_configs` to be called again.
    fn request_task_reconfiguration(&self);
    /// Fails the connector from outside a call.
    fn raise_error(&self, error: Error);
}

/// Given to a connector at start.
#[derive(Clone)]
pub struct ConnectorContext {
    /// The connector's name.
    pub name: String,
    metrics: PluginMetrics,
    host: Arc<dyn ConnectorHost>,
}

impl ConnectorContext {
    /// A context over a host.
    pub fn new(name: impl Into<String>, host: Arc<dyn ConnectorHost>) -> Self {
        Self { name: name.into(), metrics: PluginMetrics::default(), host }
    }

    /// The same context, whose metrics are shown.
    #[must_use]
    pub fn with_metrics(mut self, metrics: PluginMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Metrics of the connector's own: shown with its name until it stops.
    pub fn metrics(&self) -> &PluginMetrics {
        &self.metrics
    }

    /// The division of work has changed: requests another call of `task_configs`.
    pub fn request_task_reconfiguration(&self) {
        self.host.request_task_reconfiguration();
    }

    /// Fails the connector; for work outside its methods.
    pub fn raise_error(&self, error: Error) {
        self.host.raise_error(error);
    }
}

/// What the runtime does for a source task.
///
/// ```
/// use tributary_api::{
///     Error, RawTopicReader, Result, SourceHost, SourceOffset, SourcePartition, TopicReaderOptions, TopicWriter,
///     TopicWriterOptions, async_trait,
/// };
///
/// /// Remembers nothing.
/// struct Forgetful;
///
/// #[async_trait]
/// impl SourceHost for Forgetful {
///     async fn offsets(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
///         Ok(vec![None; partitions.len()])
///     }
///
///     async fn topic_writer(&self, _options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>> {
///         Err(Error::fatal("there are no topics here"))
///     }
///
///     async fn topic_reader(&self, _options: TopicReaderOptions) -> Result<Option<Box<dyn RawTopicReader>>> {
///         Ok(None)
///     }
/// }
/// ```
#[async_trait]
pub trait SourceHost: Send + Sync {
    /// The stored offsets of partitions, in the order of these.
    async fn offsets(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>>;
    /// Makes a writer of topics of the task's own.
    async fn topic_writer(&self, options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>>;
    /// Makes a reader of a partition of any topic; none where there is no such partition.
    async fn topic_reader(&self, options: TopicReaderOptions) -> Result<Option<Box<dyn RawTopicReader>>>;
}

/// Given to a source task at start.
#[derive(Clone)]
pub struct SourceTaskContext {
    /// The connector's name.
    pub connector: String,
    /// The task's number, from 0.
    pub task: u32,
    stopping: CancellationToken,
    metrics: PluginMetrics,
    host: Arc<dyn SourceHost>,
    transaction: Option<TransactionContext>,
}

impl SourceTaskContext {
    /// A context over a host.
    pub fn new(connector: &str, task: u32, stopping: CancellationToken, host: Arc<dyn SourceHost>) -> Self {
        let metrics = PluginMetrics::default();
        Self { connector: connector.to_owned(), task, stopping, metrics, host, transaction: None }
    }

    /// The same context, of a task that says where its transactions end.
    #[must_use]
    pub fn with_transaction(mut self, transaction: TransactionContext) -> Self {
        self.transaction = Some(transaction);
        self
    }

    /// To say where transactions end. None unless the worker writes the task's records in transactions
    /// (`exactly.once.source.support=enabled`) and the connector defines their ends (`transaction.boundary=connector`).
    pub fn transaction(&self) -> Option<&TransactionContext> {
        self.transaction.as_ref()
    }

    /// The same context, whose metrics are shown.
    #[must_use]
    pub fn with_metrics(mut self, metrics: PluginMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Metrics of the task's own: shown with the connector's name and the task's number until it ends.
    pub fn metrics(&self) -> &PluginMetrics {
        &self.metrics
    }

    /// Cancelled when the task should end.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Where to go on from: the last durable offset of a source partition. Each call reads the store to its end: for
    /// several partitions use [`offsets`](Self::offsets).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn offset(&self, partition: &SourcePartition) -> Result<Option<SourceOffset>> {
        Ok(self.offsets(std::slice::from_ref(partition)).await?.pop().flatten())
    }

    /// The last durable offset of each of these source partitions, in their order; one read for all of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn offsets(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        self.host.offsets(partitions).await
    }

    /// Makes a writer of topics of the task's own, such as a history of schemas, heartbeats or signals; the topics are created
    /// unless they are there. What it writes is written when the call returns, whatever becomes of the records that the
    /// task returns from `poll`: it is in no transaction with them.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used; when a topic cannot be created.
    pub async fn topic_writer(&self, options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>> {
        self.host.topic_writer(options).await
    }

    /// Makes a reader of a partition of any topic, such as a history of schemas or a topic of signals, from an offset on to
    /// its end as it is now. None where there is no such topic or partition. Each reader is a client of its own: one that is
    /// not needed any more should be dropped.
    ///
    /// ```
    /// use tributary_api::{Result, SourceTaskContext, TopicReaderOptions, TopicRecord};
    ///
    /// /// All that is in a topic of one partition.
    /// async fn history(cx: &SourceTaskContext) -> Result<Vec<TopicRecord>> {
    ///     let Some(mut reader) = cx.topic_reader(TopicReaderOptions::new("history", 0)).await? else {
    ///         return Ok(Vec::new());
    ///     };
    ///     let mut records = Vec::new();
    ///     loop {
    ///         let some = reader.read(500).await?;
    ///         if some.is_empty() {
    ///             return Ok(records);
    ///         }
    ///         records.extend(some.into_iter().map(|(_, record)| record));
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// `Config` when a setting cannot be used; `Retriable` when the broker does not answer.
    pub async fn topic_reader(&self, options: TopicReaderOptions) -> Result<Option<Box<dyn RawTopicReader>>> {
        self.host.topic_reader(options).await
    }
}

/// What the runtime does for a sink task.
///
/// ```
/// use std::time::Duration;
/// use tributary_api::{
///     Error, Record, Result, SinkHost, TopicPartition, TopicReader, TopicWriter, TopicWriterOptions, async_trait,
/// };
///
/// /// Has no topics, and takes no bad record.
/// struct Strict;
///
/// #[async_trait]
/// impl SinkHost for Strict {
///     fn assignment(&self) -> Vec<TopicPartition> {
///         Vec::new()
///     }
///
///     fn pause(&self, _partitions: &[TopicPartition]) {}
///
///     fn resume(&self, _partitions: &[TopicPartition]) {}
///
///     fn seek(&self, _partition: &TopicPartition, _offset: i64) {}
///
///     fn set_timeout(&self, _timeout: Duration) {}
///
///     fn request_commit(&self) {}
///
///     fn can_report(&self) -> bool {
///         false
///     }
///
///     fn report(&self, _record: &Record, error: &Error) -> Result<()> {
///         Err(Error::fatal(error.to_string()))
///     }
///
///     async fn reader(&self, _partition: &TopicPartition, _from: i64, _most: usize) -> Result<Box<dyn TopicReader>> {
///         Err(Error::fatal("there are no topics here"))
///     }
///
///     async fn topic_writer(&self, _options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>> {
///         Err(Error::fatal("there are no topics here"))
///     }
/// }
/// ```
#[async_trait]
pub trait SinkHost: Send + Sync {
    /// The partitions assigned now.
    fn assignment(&self) -> Vec<TopicPartition>;
    /// Stops reading partitions until resumed.
    fn pause(&self, partitions: &[TopicPartition]);
    /// Reads them again.
    fn resume(&self, partitions: &[TopicPartition]);
    /// Reads a partition from another offset on, before the next batch.
    fn seek(&self, partition: &TopicPartition, offset: i64);
    /// Bounds the wait until the next `put`.
    fn set_timeout(&self, timeout: Duration);
    /// Asks for a commit before the next batch.
    fn request_commit(&self);
    /// Whether reported records go anywhere (a dead letter queue or the log).
    fn can_report(&self) -> bool;
    /// Hands over a bad record.
    fn report(&self, record: &Record, error: &Error) -> Result<()>;
    /// Makes a reader of a partition.
    async fn reader(&self, partition: &TopicPartition, from: i64, most: usize) -> Result<Box<dyn TopicReader>>;
    /// Makes a writer of topics of the task's own.
    async fn topic_writer(&self, options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>>;
}

/// Given to a sink task at start.
#[derive(Clone)]
pub struct SinkTaskContext {
    /// The connector's name.
    pub connector: String,
    /// The task's number, from 0.
    pub task: u32,
    stopping: CancellationToken,
    metrics: PluginMetrics,
    host: Arc<dyn SinkHost>,
}

impl SinkTaskContext {
    /// A context over a host.
    pub fn new(connector: &str, task: u32, stopping: CancellationToken, host: Arc<dyn SinkHost>) -> Self {
        Self { connector: connector.to_owned(), task, stopping, metrics: PluginMetrics::default(), host }
    }

    /// The same context, whose metrics are shown.
    #[must_use]
    pub fn with_metrics(mut self, metrics: PluginMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Metrics of the task's own: shown with the connector's name and the task's number until it ends.
    pub fn metrics(&self) -> &PluginMetrics {
        &self.metrics
    }

    /// Cancelled when the task should end.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// The partitions assigned now.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.host.assignment()
    }

    /// Stops reading partitions until [`resume`](Self::resume); what was read already may still come.
    pub fn pause(&self, partitions: &[TopicPartition]) {
        self.host.pause(partitions);
    }

    /// Reads paused partitions again.
    pub fn resume(&self, partitions: &[TopicPartition]) {
        self.host.resume(partitions);
    }

    /// Reads a partition from another offset on, before the next batch.
    pub fn seek(&self, partition: &TopicPartition, offset: i64) {
        self.host.seek(partition, offset);
    }

    /// The next `put` comes after this long at the latest, with an empty batch if need be.
    pub fn set_timeout(&self, timeout: Duration) {
        self.host.set_timeout(timeout);
    }

    /// Asks for `pre_commit` and a commit before the next batch.
    pub fn request_commit(&self) {
        self.host.request_commit();
    }

    /// Whether [`report`](Self::report) will take a record; otherwise a bad record must fail the task.
    pub fn can_report(&self) -> bool {
        self.host.can_report()
    }

    /// Reports a bad record: it is counted, logged and sent to the dead letter queue as configured, and the offset
    /// after it is committed only when that is done.
    ///
    /// # Errors
    /// The given error back, as fatal, when the configuration does not tolerate it.
    pub fn report(&self, record: &Record, error: &Error) -> Result<()> {
        self.host.report(record, error)
    }

    /// Makes a reader of a partition from an offset on, limited to the last `most` records of the log, as far as they
    /// still exist. It is independent of the task: the task's own position does not move. Each is a client of its own,
    /// and only few can be open at a time: drop those that are no longer needed.
    ///
    /// # Errors
    /// `Retriable` when the broker does not answer.
    pub async fn reader(&self, partition: &TopicPartition, from: i64, most: usize) -> Result<Box<dyn TopicReader>> {
        self.host.reader(partition, from, most).await
    }

    /// A writer for topics of the task's own, such as reports on the outcome of its records; missing topics are created.
    /// What must be written before an offset is committed has to be awaited before `pre_commit` calls the offset safe.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used; when a topic cannot be created.
    pub async fn topic_writer(&self, options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>> {
        self.host.topic_writer(options).await
    }
}

impl fmt::Debug for ConnectorContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorContext").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for SourceTaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceTaskContext({}-{})", self.connector, self.task)
    }
}

impl fmt::Debug for SinkTaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SinkTaskContext({}-{})", self.connector, self.task)
    }
}
