//! Reads changes as they are captured.
//!
//! A poll asks for the end of the captured log. If it has moved then, whatever the number of tables, one more request finds
//! out: up to where there are transactions, whether capture instances were created or removed, whether a cleanup has run,
//! and which instances have changes. Those are then read in pages, concurrently, and merged.

mod capture_lag;
mod cursor;
mod instance;
mod merge;
mod page;
mod probe;
mod sent_rows;
mod tables;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::failure::Failure;
use crate::lsn::Lsn;
use crate::offset::{Offset, Snapshot};
use crate::reader::{Flow, Reader};
use crate::record::TableSchema;
use crate::table::TableId;

use self::capture_lag::CaptureLagDetector;
use self::instance::Instance;
use self::probe::Probe;

/// The state between two polls.
#[derive(Debug)]
pub(crate) struct Streaming {
    instances: Vec<Instance>,
    /// Where the first of them has another structure from.
    migrates_at: Option<Lsn>,
    /// The change tables that existed when the instances were listed.
    begun: Option<Vec<i64>>,
    /// All changes up to this position were read.
    last: Option<Lsn>,
    /// Whether the next poll starts after `last`. After a restart it starts at `last`, because the transaction there
    /// may have been sent only in part.
    behind: bool,
    /// The end of the captured log when all changes up to it had been read.
    read_to_end: Option<Lsn>,
    /// The order of changes went backwards within the current transaction, so its positions cannot tell which rows were
    /// sent already.
    backwards: bool,
    /// Whether the warning about an empty log was given.
    warned_of_empty_log: bool,
    /// Whether the warning about a log that ends before `last` was given.
    warned_of_restore: bool,
    capture_lag: CaptureLagDetector,
    /// Whether the instances were listed again because one was missing. If one is still missing then, the task fails.
    listed_anew: bool,
    /// The schemas of tables whose structure was read again because a value did not fit. If a value does not fit the
    /// same schema again, reading the structure does not help.
    looked_at: HashMap<TableId, Arc<TableSchema>>,
}

impl Streaming {
    fn new(offset: Offset) -> Self {
        Self {
            instances: Vec::new(),
            migrates_at: None,
            begun: None,
            last: offset.commit,
            behind: offset.snapshot == Snapshot::Completed,
            read_to_end: None,
            backwards: false,
            warned_of_empty_log: false,
            warned_of_restore: false,
            capture_lag: CaptureLagDetector::new(Instant::now()),
            listed_anew: false,
            looked_at: HashMap::new(),
        }
    }

    /// Lists the instances again and continues after what was sent, as after a restart.
    fn begin_anew(&mut self, offset: Offset) {
        let looked_at = std::mem::take(&mut self.looked_at);
        let Self { warned_of_empty_log, warned_of_restore, capture_lag, listed_anew, .. } = *self;
        *self =
            Self { looked_at, warned_of_empty_log, warned_of_restore, capture_lag, listed_anew, ..Self::new(offset) };
    }

    /// Whether to read the table's structure again if a value does not fit.
    fn may_look(&self, schema: &Arc<TableSchema>) -> bool {
        !self.looked_at.get(&schema.table.id).is_some_and(|known| Arc::ptr_eq(known, schema))
    }
}

impl Reader {
    /// Reads changes until the task stops.
    pub(crate) async fn stream(&mut self) -> Result<(), Failure> {
        let offset = self.offset.unwrap_or(Offset::NONE);
        self.offset = Some(offset);
        let mut streaming = Streaming::new(offset);
        tracing::info!(database = %self.database, commit = ?offset.commit, change = ?offset.change, serial = offset.serial,
            "changes are read from here on");
        self.incremental.revert();
        self.list_known().await?;
        // Signals and changes come first, so that a chunk that cannot be read neither holds them up nor cannot be stopped.
        let mut resumes = self.incremental.is_running();
        while !self.stopping.is_cancelled() {
            if self.follow_received().await? == Flow::Stop || self.take_blocking_snapshots().await? == Flow::Stop {
                return Ok(());
            }
            let mut polled = false;
            let busy = match self.poll_once(&mut streaming).await {
                Err(Failure::Altered(schema, error)) => {
                    tracing::info!(table = %schema.table.id, %error, "a value does not fit the known structure of its table: the structure is read again");
                    streaming.looked_at.insert(schema.table.id.clone(), schema);
                    streaming.begin_anew(self.offset.unwrap_or(offset));
                    true
                }
                Err(Failure::Missing(error)) if !streaming.listed_anew => {
                    tracing::info!(database = %self.database, %error, "a capture instance is missing: the instances are listed again");
                    streaming.listed_anew = true;
                    streaming.begin_anew(self.offset.unwrap_or(offset));
                    true
                }
                other => {
                    let busy = other?;
                    polled = true;
                    streaming.listed_anew = false;
                    busy
                }
            };
            self.succeeded();
            if self.out.flush().await == Flow::Stop {
                return Ok(());
            }
            if polled && std::mem::take(&mut resumes) {
                self.continue_incremental_after_restart().await?;
            }
            if !busy && self.wait(self.settings.poll_interval).await == Flow::Stop {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Returns whether there were changes.
    async fn poll_once(&mut self, streaming: &mut Streaming) -> Result<bool, Failure> {
        let mut client = self.pool.take().await?;
        let low = match (streaming.last, streaming.behind) {
            (Some(last), true) => last.incremented(),
            (Some(last), false) => last,
            (None, _) => Lsn::ZERO,
        };
        let low = match self.empty_to {
            Some(empty) if self.empty_to >= streaming.last => empty.incremented(),
            _ => low,
        };
        let probe = Probe { database: &self.database, last: streaming.last, low, most: self.settings.transactions };
        // Nothing can be lost, either, while nothing new is captured.
        if let Some(end) = streaming.read_to_end
            && probe.newest(&mut client).await? == Some(end)
        {
            client.give_back();
            self.warn_of_capture_lag(streaming, Some(end));
            self.send_heartbeat().await?;
            return Ok(false);
        }
        streaming.read_to_end = None;
        let mut probed = probe.run(&mut client, &streaming.instances).await?;
        if let Some(instance) = streaming.instances.iter().find(|instance| probed.lost(instance, low)) {
            return Err(gone(low, instance));
        }
        self.warn_of_restore(streaming, probed.ends_before(streaming.last));
        self.warn_of_capture_lag(streaming, probed.newest);
        let Some(to) = probed.to else {
            client.give_back();
            if low == Lsn::ZERO {
                self.warn_of_empty_log(streaming);
            }
            if streaming.behind || streaming.last.is_none() {
                self.empty_to = self.empty_to.max(probed.newest);
            }
            streaming.read_to_end = probed.newest.filter(|_| streaming.behind);
            self.send_heartbeat().await?;
            return Ok(false);
        };
        streaming.warned_of_empty_log = false;
        let fresh = streaming.last.is_none_or(|last| to > last) || !streaming.behind;
        if !fresh {
            client.give_back();
            self.empty_to = self.empty_to.max(probed.newest);
            streaming.read_to_end = probed.newest;
            self.send_heartbeat().await?;
            return Ok(false);
        }
        let begun = probed.begun(to);
        if probed.missing || streaming.begun.as_ref() != Some(&begun) {
            streaming.instances = self.load_instances(&mut client, to, &streaming.looked_at).await?;
            streaming.migrates_at = tables::next_migration(&streaming.instances);
            streaming.begun = Some(begun);
            self.resumed = false;
            if let Some(instance) = streaming.instances.iter().find(|instance| probed.lost_since(instance, low)) {
                return Err(gone(low, instance));
            }
            probed.changed = (0..streaming.instances.len()).collect();
        }
        client.give_back();
        let sent = self.merge(streaming, &probed.changed, low, to).await?;
        streaming.last = Some(to);
        streaming.behind = true;
        // More transactions, or an entry of an idle log, are looked at by the next poll.
        streaming.read_to_end = probed.newest.filter(|newest| *newest == to);
        // An equal position must stay as it is: it says how much of the commit was sent.
        if !sent && self.offset.is_none_or(|offset| offset.commit < Some(to)) {
            self.offset = Some(Offset { commit: Some(to), ..Offset::NONE });
        }
        // All changes of a transaction are captured at once, so the last transaction is complete, too.
        if let Some(at) = self.offset.filter(|_| !self.stopping.is_cancelled()) {
            self.records.leave(self.out.pending(), at, &mut self.transaction, self.incremental.members())?;
        }
        self.send_heartbeat().await?;
        Ok(true)
    }

    /// Sends a heartbeat if one is due.
    async fn send_heartbeat(&mut self) -> Result<Flow, Failure> {
        let (Some(heartbeats), Some(offset)) = (&mut self.heartbeats, self.offset) else { return Ok(Flow::Continue) };
        // While the database is idle, a cleanup passes the last change. The next start must know that nothing was lost.
        let offset = match self.empty_to {
            Some(empty) if offset.commit < Some(empty) && offset.snapshot != Snapshot::Running => {
                Offset { commit: Some(empty), ..Offset::NONE }
            }
            _ => offset,
        };
        let transaction = self.records.transactions.as_ref().map(|_| &self.transaction);
        let heartbeat = heartbeats
            .next_if_due(&self.records.partition, || offset.store_in(transaction, self.incremental.members()))?;
        let due = heartbeat.is_some();
        self.out.pending().extend(heartbeat);
        if due {
            // What follows is not before what may be stored now: a structure is in the history from here on, too.
            self.offset = Some(offset);
            self.run_heartbeat_action().await?;
        }
        Ok(self.out.offer().await)
    }

    /// Runs the configured statement that goes with a heartbeat.
    async fn run_heartbeat_action(&self) -> Result<(), Failure> {
        let Some(statement) = &self.settings.heartbeat_action else { return Ok(()) };
        let mut client = self.pool.take().await?;
        let ran = client.results(statement, Vec::new()).await;
        // The connection is not given back to the pool: the statement may have changed settings of its session.
        ran.map_err(|error| error.context("could not execute heartbeat.action.query"))?;
        Ok(())
    }

    /// Warns once of a log whose end, `end`, is before what was read.
    fn warn_of_restore(&self, streaming: &mut Streaming, end: Option<Lsn>) {
        let warned = std::mem::replace(&mut streaming.warned_of_restore, end.is_some());
        if let Some(end) = end.filter(|_| !warned) {
            tracing::warn!(database = %self.database, %end, read_to = ?streaming.last, "the log ends before the position that was read, as after \
                the restore of a backup: no change is read until the log has passed this position; delete the connector's offsets to start again");
        }
    }

    fn warn_of_capture_lag(&self, streaming: &mut Streaming, newest: Option<Lsn>) {
        if newest.is_some() && streaming.capture_lag.is_warning_due(newest, Instant::now()) {
            tracing::warn!(database = %self.database, ?newest, "nothing was captured for a quarter of an hour, not even the entry of an \
                idle log: check that SQL Server Agent and its capture job run; no change is lost meanwhile");
        }
    }

    fn warn_of_empty_log(&self, streaming: &mut Streaming) {
        if !std::mem::replace(&mut streaming.warned_of_empty_log, true) {
            tracing::warn!(database = %self.database, "the log has no captured transaction: if changes were made, check that \
                SQL Server Agent runs and change data capture is enabled");
        }
    }
}

fn gone(low: Lsn, instance: &Instance) -> Failure {
    Failure::Lost(format!(
        "a cleanup has removed changes after {low} in the capture instance {}",
        instance.table.instance
    ))
}
