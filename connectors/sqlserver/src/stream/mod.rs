//! Changes as they are captured.
//!
//! One statement a poll asks for everything that there is to know, whatever the number of tables: how far the log was
//! read, whether capture instances came or went, whether a cleanup went by, and which of them have changes. Pages of
//! those are read at the same time, each from behind the last one, and merged.

mod cursor;
mod instance;
mod merge;
mod page;
mod probe;
mod tables;

use std::collections::HashMap;
use std::sync::Arc;

use crate::failure::Failure;
use crate::lsn::Lsn;
use crate::offset::{Offset, Snapshot};
use crate::reader::{Flow, Reader};
use crate::record::TableSchema;
use crate::table::TableId;

use self::instance::Instance;
use self::probe::Probe;

/// What streaming keeps between two polls.
#[derive(Debug)]
pub(crate) struct Streaming {
    instances: Vec<Instance>,
    /// The change tables that there were when the instances were listed.
    begun: Option<Vec<i64>>,
    /// Up to where all is read.
    last: Option<Lsn>,
    /// Whether the next poll begins behind `last`. After a restart it begins at it: of that transaction not all may have
    /// been sent.
    behind: bool,
    /// The order of changes went backwards within the transaction: none of it is taken for one that was sent already.
    backwards: bool,
    /// Whether an empty log was told of.
    told: bool,
    /// Whether a log that ends before `last` was told of.
    told_of_restore: bool,
    /// Whether the instances were listed anew because one was missing. One that is on that list, too, stays missing.
    listed_anew: bool,
    /// For which a table was looked at anew because a value did not fit. What does not fit the same again never will.
    looked_at: HashMap<TableId, Arc<TableSchema>>,
}

impl Streaming {
    fn new(offset: Offset) -> Self {
        Self {
            instances: Vec::new(),
            begun: None,
            last: offset.commit,
            behind: offset.snapshot == Snapshot::Completed,
            backwards: false,
            told: false,
            told_of_restore: false,
            listed_anew: false,
            looked_at: HashMap::new(),
        }
    }

    /// Lists the instances anew, and goes on behind what was sent, as after a restart.
    fn begin_anew(&mut self, offset: Offset) {
        let looked_at = std::mem::take(&mut self.looked_at);
        let Self { told, told_of_restore, listed_anew, .. } = *self;
        *self = Self { looked_at, told, told_of_restore, listed_anew, ..Self::new(offset) };
    }

    /// Whether a value that does not fit is a reason to look at the table.
    fn may_look(&self, schema: &Arc<TableSchema>) -> bool {
        !self.looked_at.get(&schema.table.id).is_some_and(|known| Arc::ptr_eq(known, schema))
    }
}

impl Reader {
    /// Reads changes until the task is to end.
    pub(crate) async fn stream(&mut self) -> Result<(), Failure> {
        let offset = self.offset.unwrap_or(Offset::NONE);
        self.offset = Some(offset);
        let mut streaming = Streaming::new(offset);
        tracing::info!(database = %self.database, commit = ?offset.commit, change = ?offset.change, serial = offset.serial,
            "changes are read from here on");
        while !self.stopping.is_cancelled() {
            let busy = match self.poll_once(&mut streaming).await {
                Err(Failure::Altered(schema, error)) => {
                    tracing::info!(table = %schema.table.id, %error, "the structure of a table is read anew");
                    streaming.looked_at.insert(schema.table.id.clone(), schema);
                    streaming.begin_anew(self.offset.unwrap_or(offset));
                    true
                }
                Err(Failure::Missing(error)) if !streaming.listed_anew => {
                    tracing::info!(database = %self.database, %error, "the capture instances are listed anew");
                    streaming.listed_anew = true;
                    streaming.begin_anew(self.offset.unwrap_or(offset));
                    true
                }
                polled => {
                    let busy = polled?;
                    streaming.listed_anew = false;
                    busy
                }
            };
            self.succeeded();
            if self.out.flush().await == Flow::Stop {
                return Ok(());
            }
            if !busy && self.wait(self.settings.poll_interval).await == Flow::Stop {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether there was anything.
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
        let mut seen = probe.run(&mut client, &streaming.instances).await?;
        if let Some(instance) = streaming.instances.iter().find(|instance| seen.lost(instance, low)) {
            return Err(gone(low, instance));
        }
        self.tell_of_restore(streaming, seen.ends_before(streaming.last));
        let Some(to) = seen.to else {
            client.give_back();
            if low == Lsn::ZERO {
                self.tell_of_empty_log(streaming);
            }
            if streaming.behind || streaming.last.is_none() {
                self.empty_to = self.empty_to.max(seen.newest);
            }
            self.beat().await?;
            return Ok(false);
        };
        streaming.told = false;
        let fresh = streaming.last.is_none_or(|last| to > last) || !streaming.behind;
        if !fresh {
            client.give_back();
            self.empty_to = self.empty_to.max(seen.newest);
            self.beat().await?;
            return Ok(false);
        }
        let begun = seen.begun(to);
        if seen.missing || streaming.begun.as_ref() != Some(&begun) {
            streaming.instances = self.load_instances(&mut client, to).await?;
            streaming.begun = Some(begun);
            self.resumed = false;
            if let Some(instance) = streaming.instances.iter().find(|instance| seen.lost_since(instance, low)) {
                return Err(gone(low, instance));
            }
            seen.changed = (0..streaming.instances.len()).collect();
        }
        client.give_back();
        let sent = self.merge(streaming, &seen.changed, low, to).await?;
        streaming.last = Some(to);
        streaming.behind = true;
        // At the position itself: what was sent of it stays known.
        if !sent && self.offset.is_none_or(|offset| offset.commit < Some(to)) {
            self.offset = Some(Offset { commit: Some(to), ..Offset::NONE });
        }
        // All changes of a transaction are captured at once: of the last one, too, nothing more comes.
        if let Some(at) = self.offset.filter(|_| !self.stopping.is_cancelled()) {
            self.records.leave(self.out.pending(), at, &mut self.transaction)?;
        }
        self.beat().await?;
        Ok(true)
    }

    /// A heartbeat, if it is time.
    async fn beat(&mut self) -> Result<Flow, Failure> {
        let (Some(heartbeats), Some(offset)) = (&mut self.heartbeats, self.offset) else { return Ok(Flow::Continue) };
        let told = self.records.transactions.as_ref().map(|_| &self.transaction);
        let beat = heartbeats.beat(&self.records.partition, || offset.store_in(told))?;
        let due = beat.is_some();
        self.out.pending().extend(beat);
        if due {
            self.act().await?;
        }
        Ok(self.out.offer().await)
    }

    /// Runs the statement that goes with a heartbeat.
    async fn act(&self) -> Result<(), Failure> {
        let Some(statement) = &self.settings.heartbeat_action else { return Ok(()) };
        let mut client = self.pool.take().await?;
        let ran = client.results(statement, Vec::new()).await;
        // The connection is not given back: nobody knows what the statement has set in its session.
        ran.map_err(|error| error.context("could not execute heartbeat.action.query"))?;
        Ok(())
    }

    /// `end` is that of a log that ends before what was read.
    fn tell_of_restore(&self, streaming: &mut Streaming, end: Option<Lsn>) {
        let told = std::mem::replace(&mut streaming.told_of_restore, end.is_some());
        if let Some(end) = end.filter(|_| !told) {
            tracing::warn!(database = %self.database, %end, read_to = ?streaming.last, "the log ends before what was read of it, as after \
                the restore of a backup: no change is read until it is beyond; delete the connector's offsets to begin anew");
        }
    }

    fn tell_of_empty_log(&self, streaming: &mut Streaming) {
        if !std::mem::replace(&mut streaming.told, true) {
            tracing::warn!(database = %self.database, "no captured transaction is in the log: if changes were made, look whether \
                SQL Server Agent runs and change data capture is enabled");
        }
    }
}

fn gone(low: Lsn, instance: &Instance) -> Failure {
    Failure::Lost(format!("a cleanup went beyond {low} in the capture instance {}", instance.table.instance))
}
