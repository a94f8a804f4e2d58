//! Tasks: each runs on the executor, moves records between a plugin and Kafka, and reports its state.
//!
//! [`start`] makes one from a [`TaskSpec`]; the [`TaskHandle`] pauses, resumes, stops and, if the plugin never
//! returns, abandons it: an abandoned task writes no status, stores no offset and sends nothing more.

mod blocking_part;
mod context;
mod control;
mod converters;
mod encoding;
mod errors;
mod handle;
mod metrics;
mod plugin_call;
mod producer;
pub(crate) mod raw_topic_reader;
mod sink;
mod source;
mod spawn;
mod topic_writers;
mod transformation_chain;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tributary_api::{Plugin, PluginRegistry, Props, Result, SourceOffset, SourcePartition};
use tributary_control::{InstanceState, TaskId};

pub(crate) use self::{
    blocking_part::{BlockingPart, blocking},
    context::TaskContext,
    control::Control,
    converters::Converters,
    encoding::{Decoder, Encoded, Encoder},
    errors::{DeadLetters, ErrorConfig, ErrorOperator, FailedRecord, Failure, Recovery, Stage},
    plugin_call::PluginCalls,
    producer::{own_producer, without_delivery_timeout},
    raw_topic_reader::reader_client,
    topic_writers::{TopicWriters, writer_clients},
    transformation_chain::{ChainHost, StatelessHost, TransformationChain},
};
pub(crate) use self::{handle::TaskHandle, metrics::TaskMetrics, spawn::start};

use crate::connector_config::ConnectorConfig;
use crate::settings::WorkerSettings;

/// Everything a task needs to run.
pub(crate) struct TaskSpec {
    /// Which task of which connector.
    pub(crate) id: TaskId,
    /// The connector's configuration.
    pub(crate) connector: ConnectorConfig,
    /// The task's own configuration, variables resolved.
    pub(crate) task: Props,
    /// The connector's plugin.
    pub(crate) plugin: Plugin,
    /// Where converters, transforms and predicates are found.
    pub(crate) plugins: PluginRegistry,
    /// The worker's settings.
    pub(crate) worker: Arc<WorkerSettings>,
    /// Whether it starts paused.
    pub(crate) paused: bool,
    /// Where a source's offsets are kept.
    pub(crate) offsets: Arc<dyn OffsetStore>,
    /// Reported with every state, so that a late report of an earlier incarnation is recognised and ignored.
    pub(crate) incarnation: u64,
}

/// Receives the states of tasks. Called by the task itself: it must not block.
#[async_trait]
pub(crate) trait TaskListener: Send + Sync {
    /// The task's state has changed; `Failed` comes with a trace.
    fn state_changed(&self, task: &TaskId, incarnation: u64, state: InstanceState, trace: Option<String>);
    /// The task read from or wrote to a topic for the first time.
    fn topic_used(&self, task: &TaskId, topic: &str);
    /// Whether a worker that was started later runs the task by now.
    async fn is_taken_over(&self, _task: &TaskId) -> bool {
        false
    }
}

/// Where the offsets of source connectors are kept.
#[async_trait]
pub(crate) trait OffsetStore: Send + Sync {
    /// The stored offsets of source partitions, in the order of these; one read for all of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn get(&self, connector: &str, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>>;

    /// All partitions of a connector with their offsets, as of now.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn all(&self, connector: &str) -> Result<Vec<(SourcePartition, SourceOffset)>>;

    /// Stores offsets; `None` removes a partition's. Durable when it returns.
    ///
    /// # Errors
    /// When not all of them are known to be durable.
    async fn put(&self, connector: &str, offsets: Vec<(SourcePartition, Option<SourceOffset>)>) -> Result<()>;

    /// As [`get`](Self::get), but waits for open transactions to end: a committed offset cannot be read yet while another
    /// task's transaction before it is open.
    ///
    /// # Errors
    /// As for [`get`](Self::get); `Retriable` when a transaction has not ended in time.
    async fn get_settled(&self, connector: &str, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        self.get(connector, partitions).await
    }

    /// The topic to which a task writes offsets in its transactions.
    fn topic(&self) -> &str;

    /// The records that store offsets there.
    ///
    /// # Errors
    /// When an offset cannot be written as JSON.
    fn encode(&self, connector: &str, offsets: &[(SourcePartition, SourceOffset)]) -> Result<Vec<OffsetRecord>>;

    /// Offsets that a task has committed in a transaction.
    fn committed(&self, _connector: &str, _offsets: Vec<(SourcePartition, SourceOffset)>) {}
}

/// Key and value; a tombstone without one.
pub(crate) type OffsetRecord = (Bytes, Option<Bytes>);
