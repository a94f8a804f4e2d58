//! Reads one database: a snapshot first where one is due, then changes as they come.

mod outbox;
mod schemas;
mod start;
mod structure;

use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use tokio::sync::mpsc;
use tributary_api::{CancellationToken, Headers, Record, Result, SourceOffset, SourcePartition};
use uuid::Uuid;

use self::outbox::Outbox;
use self::schemas::Schemas;
use self::start::Step;
use crate::config::{Settings, SnapshotMode};
use crate::failure::Failure;
use crate::offset::{self, Offset};
use crate::record::{Heartbeats, Layout, RecordBuilder, SchemaChanges, SourceSchema, context_headers};
use crate::sql::Pool;

/// What a reader sends: records to hand over, or the error that it has ended with.
pub(crate) type Batch = Result<Vec<Record>>;

/// Connections of a database: one looks at the log, the others read pages of changes at the same time.
const CONNECTIONS: usize = 4;

/// Reads one database.
pub(crate) struct Reader {
    pub(crate) settings: Arc<Settings>,
    pub(crate) database: ByteString,
    pub(crate) pool: Pool,
    pub(crate) records: RecordBuilder,
    pub(crate) schemas: Schemas,
    pub(crate) schema_changes: Option<SchemaChanges>,
    pub(crate) heartbeats: Option<Heartbeats>,
    pub(crate) stopping: CancellationToken,
    pub(crate) out: Outbox,
    /// Behind the last record that was put into the outbox.
    pub(crate) offset: Option<Offset>,
    /// Whether `snapshot.mode=always` has had its snapshot.
    started: bool,
    /// Whether the tables of the first list of instances were told of by whoever read before.
    pub(crate) resumed: bool,
    /// Errors in a row that may pass.
    failures: u32,
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    /// The task is to end.
    Stop,
}

impl Reader {
    /// For a database by its real name.
    pub(crate) fn new(
        settings: Arc<Settings>,
        database: &str,
        run: Uuid,
        stopping: CancellationToken,
        batches: mpsc::Sender<Batch>,
    ) -> Result<Self> {
        let pool = Pool::new(settings.login.clone(), CONNECTIONS);
        let database = ByteString::from(database);
        let source = SourceSchema::new(&settings.names.prefix);
        let layout = Layout {
            names: settings.names.clone(),
            modes: settings.modes,
            schema_names: settings.schema_names,
            field_names: settings.field_names,
            source: source.schema().clone(),
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
            schema_changes: settings.schema_changes.then(|| changes(source.schema())),
            records: RecordBuilder { source, partition, headers, tombstones: settings.tombstones },
            schemas: Schemas::new(layout),
            heartbeats: Heartbeats::new(&settings.names, settings.schema_names, settings.heartbeat)?,
            out: Outbox::new(batches, settings.batch),
            settings,
            database,
            pool,
            stopping,
            offset: None,
            started: false,
            resumed: false,
            failures: 0,
        })
    }

    pub(crate) fn partition(&self) -> &SourcePartition {
        &self.records.partition
    }

    /// Where to go on from.
    pub(crate) fn resume_from(&mut self, stored: Option<&SourceOffset>) {
        self.offset = stored.map(Offset::load);
    }

    /// Reads until the task is to end, or an error ends it.
    pub(crate) async fn run(mut self) {
        loop {
            let Err(failure) = self.read().await else { return };
            if self.stopping.is_cancelled() {
                return;
            }
            match failure {
                Failure::Lost(what) if self.settings.snapshot_mode == SnapshotMode::WhenNeeded => {
                    tracing::warn!(database = %self.database, what, "changes were removed before they were read: the tables are read anew");
                    self.offset = None;
                }
                Failure::Error(error) if error.is_retriable() && self.may_retry() => {
                    let wait = error.retry_after().unwrap_or(self.settings.retry_wait);
                    tracing::warn!(database = %self.database, %error, wait_ms = wait.as_millis(), failures = self.failures,
                        "reading was broken off: it goes on after a wait");
                    self.pool.clear();
                    if self.out.flush().await == Flow::Stop || self.wait(wait).await == Flow::Stop {
                        return;
                    }
                }
                failure => {
                    // What was read before it is right.
                    if self.out.flush().await == Flow::Continue {
                        self.out.fail(failure.into_error()).await;
                    }
                    return;
                }
            }
        }
    }

    /// What counts as progress: the next error is the first one.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    fn may_retry(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.settings.retries.is_none_or(|most| self.failures <= most)
    }

    /// Waits, unless the task is to end.
    pub(crate) async fn wait(&self, wait: Duration) -> Flow {
        tokio::select! {
            () = self.stopping.cancelled() => Flow::Stop,
            () = tokio::time::sleep(wait) => Flow::Continue,
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        match self.first_step().await? {
            Step::Snapshot { rows } => {
                if self.wait(self.settings.snapshot_delay).await == Flow::Stop
                    || self.snapshot(rows).await? == Flow::Stop
                {
                    return Ok(());
                }
                self.started = true;
                if self.settings.snapshot_mode == SnapshotMode::InitialOnly {
                    tracing::info!(database = %self.database, "the snapshot is complete: changes are not read (snapshot.mode=initial_only)");
                    return Ok(());
                }
            }
            Step::Stream => {
                self.started = true;
                self.resumed = true;
            }
            Step::Nothing => return Ok(()),
        }
        if self.wait(self.settings.streaming_delay).await == Flow::Stop {
            return Ok(());
        }
        self.stream().await
    }
}
