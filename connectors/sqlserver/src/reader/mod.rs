//! Reads one database: first a snapshot if one is due, then changes.

mod record_batcher;
mod schemas;
mod start;
mod structure;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use tokio::sync::mpsc;
use tributary_api::{CancellationToken, Headers, Record, Result, SourceOffset, SourcePartition, SourceTaskContext};
use uuid::Uuid;

use self::record_batcher::RecordBatcher;
use self::schemas::Schemas;
pub(crate) use self::structure::Structure;
use crate::config::{Settings, Step};
use crate::failure::{Failure, no_more_retries};
use crate::history::{HistoryTopic, Known};
use crate::incremental::{Progress, Request};
use crate::lsn::Lsn;
use crate::metrics::Metrics;
use crate::notification::Notifications;
use crate::offset::{self, Offset};
use crate::record::{
    Heartbeats, Last, Layout, RecordBuilder, SchemaChanges, SourceSchema, TransactionRecords, context_headers,
    transaction_block,
};
use crate::signal::ReceivedSignal;
use crate::sql::Pool;
use crate::transaction::Transaction;

/// What a reader sends to the task: records, or the error that ended the reader.
pub(crate) type Batch = Result<Vec<Record>>;

/// Connections per database: one looks for changes, the others read pages of changes concurrently.
const CONNECTIONS: usize = 4;

/// Reads one database.
pub(crate) struct Reader {
    pub(crate) settings: Arc<Settings>,
    pub(crate) database: ByteString,
    pub(crate) pool: Pool,
    pub(crate) records: RecordBuilder,
    pub(crate) schemas: Schemas,
    pub(crate) schema_changes: Option<SchemaChanges>,
    /// The schema history, if one is kept.
    pub(crate) history: Option<Arc<HistoryTopic>>,
    /// The schema history's state at the stored position; `None` without a history or without a position.
    pub(crate) known: Option<Known>,
    pub(crate) heartbeats: Option<Heartbeats>,
    pub(crate) metrics: Metrics,
    pub(crate) stopping: CancellationToken,
    pub(crate) out: RecordBatcher,
    /// The position after the last record that was put into a batch.
    pub(crate) offset: Option<Offset>,
    /// The log was found to have no captured change after `offset` up to here. The log also grows while no captured
    /// table changes, and a cleanup may then go beyond `offset` without removing a change.
    pub(crate) empty_to: Option<Lsn>,
    /// The state of the transaction that `offset` is in, for transaction metadata.
    pub(crate) transaction: Transaction,
    /// How far an incremental snapshot is.
    pub(crate) incremental: Progress,
    pub(crate) notifications: Notifications,
    /// Signals that come by other ways than the signal table; none without such a way.
    pub(crate) received_signals: Option<mpsc::Receiver<ReceivedSignal>>,
    /// Blocking snapshots that are still to be taken.
    pub(crate) blocking: VecDeque<Request>,
    /// Whether this run has taken its snapshot or begun to read changes.
    started: bool,
    /// Whether the structure of the tables in the first list of instances was already sent by an earlier run. Only set
    /// without a schema history, which would say so itself.
    pub(crate) resumed: bool,
    /// Whether changes were removed while they were read.
    lost: bool,
    /// How many retriable errors occurred since the last success.
    failures: u32,
}

/// Whether to continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    /// The task is stopping.
    Stop,
}

impl Reader {
    /// `database` is the name as the server writes it.
    pub(crate) fn new(
        settings: Arc<Settings>,
        database: &str,
        run: Uuid,
        cx: &SourceTaskContext,
        batches: mpsc::Sender<Batch>,
    ) -> Result<Self> {
        let pool = Pool::new(settings.login.clone(), CONNECTIONS);
        let metrics = Metrics::new(cx.metrics(), &settings.names.prefix, database)?;
        let database = ByteString::from(database);
        let source = SourceSchema::new(&settings.names.prefix);
        let transaction = transaction_block();
        let layout = Layout {
            names: settings.names.clone(),
            modes: settings.modes,
            schema_names: settings.schema_names,
            field_names: settings.field_names,
            source: source.schema().clone(),
            transaction: transaction.clone(),
            columns: Arc::clone(&settings.columns),
            placeholder: settings.placeholder.clone(),
        };
        let headers = if settings.context_headers {
            context_headers(&settings.names.prefix, &settings.task, &run.to_string())
        } else {
            Headers::new()
        };
        let partition = offset::partition(&settings.names.prefix, &database);
        let changes = |source| SchemaChanges::new(&settings.names, settings.schema_names, source);
        Ok(Self {
            history: None,
            known: None,
            schema_changes: settings.schema_changes.then(|| changes(source.schema())),
            records: RecordBuilder {
                source,
                partition,
                headers,
                tombstones: settings.tombstones,
                skip_unchanged: settings.skip_unchanged,
                transactions: settings
                    .transaction_metadata
                    .then(|| TransactionRecords::new(&settings.names, settings.schema_names, transaction)),
                last: Last::default(),
            },
            schemas: Schemas::new(layout),
            heartbeats: Heartbeats::new(&settings.names, settings.schema_names, settings.heartbeat)?,
            out: RecordBatcher::new(batches, settings.batch),
            notifications: Notifications::new(&settings.notifications, &settings.names.prefix),
            settings,
            database,
            pool,
            metrics,
            stopping: cx.stopping().clone(),
            offset: None,
            empty_to: None,
            transaction: Transaction::default(),
            incremental: Progress::default(),
            received_signals: None,
            blocking: VecDeque::new(),
            started: false,
            resumed: false,
            lost: false,
            failures: 0,
        })
    }

    pub(crate) fn partition(&self) -> &SourcePartition {
        &self.records.partition
    }

    /// Sets the stored position to continue from.
    pub(crate) fn resume_from(&mut self, stored: Option<&SourceOffset>) -> Result<()> {
        self.offset = stored.map(Offset::load);
        self.transaction = stored.map(Transaction::load).unwrap_or_default();
        self.incremental = stored.map(Progress::load).transpose()?.unwrap_or_default();
        Ok(())
    }

    /// The position to continue from; `None` if the reader starts with a snapshot.
    pub(crate) fn position(&self) -> Option<Offset> {
        self.offset.filter(|_| self.settings.snapshot_mode.first_step(self.offset, false) == Step::Stream)
    }

    /// Uses a schema history. `known` is its state at [`position`](Self::position).
    pub(crate) fn keep_history(&mut self, history: Arc<HistoryTopic>, known: Option<Known>) {
        self.history = Some(history);
        self.known = known;
    }

    /// Reads until the task stops or an error ends the reader.
    pub(crate) async fn run(mut self) {
        loop {
            let Err(failure) = self.read().await else { return };
            if self.stopping.is_cancelled() {
                return;
            }
            match failure {
                Failure::Lost(what) if self.settings.snapshot_mode.when_lost().is_some() => {
                    tracing::warn!(database = %self.database, what, "changes were removed before they were read: a snapshot is taken");
                    self.lost = true;
                }
                Failure::Error(error) if error.is_retriable() && self.may_retry() => {
                    let wait = error.retry_after().unwrap_or(self.settings.retry_wait);
                    tracing::warn!(database = %self.database, %error, wait_ms = wait.as_millis(), failures = self.failures,
                        "reading failed: it is tried again after a wait");
                    self.pool.clear();
                    if self.out.flush().await == Flow::Stop || self.wait(wait).await == Flow::Stop {
                        return;
                    }
                }
                failure => {
                    let error = failure.into_error();
                    let error = if error.is_retriable() { no_more_retries(self.failures, &error) } else { error };
                    // The records that were read before the error are valid.
                    if self.out.flush().await == Flow::Continue {
                        self.out.fail(error).await;
                    }
                    return;
                }
            }
        }
    }

    /// Resets the number of consecutive errors.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.metrics.connected(true);
    }

    fn may_retry(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.metrics.connected(false);
        self.settings.retries.is_none_or(|most| self.failures <= most)
    }

    /// Waits, unless the task is stopping.
    pub(crate) async fn wait(&self, wait: Duration) -> Flow {
        tokio::select! {
            () = self.stopping.cancelled() => Flow::Stop,
            () = tokio::time::sleep(wait) => Flow::Continue,
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let step = match self.settings.snapshot_mode.when_lost().filter(|_| self.lost) {
            Some(step) => step,
            None => self.first_step().await?,
        };
        match step {
            Step::Snapshot { rows } => {
                if self.wait(self.settings.snapshot_delay).await == Flow::Stop
                    || self.snapshot(rows).await? == Flow::Stop
                {
                    return Ok(());
                }
                self.started = true;
                self.lost = false;
                // A cleanup may have removed changes while the rows were read.
                if self.settings.snapshot_mode.streams()
                    && let Some(what) = self.removed().await?
                {
                    return Err(Failure::Lost(what));
                }
                if !self.settings.snapshot_mode.streams() {
                    tracing::info!(database = %self.database, "the snapshot is complete: changes are not read (snapshot.mode)");
                    return Ok(());
                }
            }
            Step::Structure => {
                self.read_structure().await?;
                self.started = true;
            }
            Step::Stream => {
                self.recover().await?;
                if !self.started {
                    self.metrics.snapshot.skipped();
                    self.notify_snapshot("SKIPPED", Vec::new(), self.offset.unwrap_or(Offset::NONE))?;
                }
                self.started = true;
                self.resumed = self.history.is_none();
            }
            Step::Nothing => return Ok(()),
        }
        if self.wait(self.settings.streaming_delay).await == Flow::Stop {
            return Ok(());
        }
        self.stream().await
    }
}
