use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tributary_api::{Config, Error, Record, Result, SourceTask, SourceTaskContext, async_trait};
use uuid::Uuid;

use crate::config::{HistorySettings, Settings};
use crate::failure::no_more_retries;
use crate::history::{HistoryTopic, read};
use crate::offset;
use crate::reader::{Batch, Reader};
use crate::signal::Channels;

/// Hands over the records of the readers, one per database. The readers do not wait for each other.
pub(crate) struct SqlServerTask {
    cx: SourceTaskContext,
    settings: Arc<Settings>,
    /// Until the schema history was read.
    waiting: Vec<Reader>,
    /// How often the schema history could not be read.
    failures: u32,
    batches: mpsc::Receiver<Batch>,
    /// Dropped, and so ended, with the task.
    readers: JoinSet<()>,
}

impl SqlServerTask {
    pub(crate) async fn start(cx: SourceTaskContext, config: Config) -> Result<Self> {
        let settings = Arc::new(Settings::new(&config)?);
        let (sender, batches) = mpsc::channel((settings.queue / settings.batch).max(1));
        let run = Uuid::new_v4();
        let mut readers = Vec::new();
        for database in &settings.databases {
            readers.push(Reader::new(Arc::clone(&settings), database, run, &cx, sender.clone())?);
        }
        let mut partitions: Vec<_> = readers.iter().map(|reader| reader.partition().clone()).collect();
        partitions.push(offset::old_partition(&settings.names.prefix));
        let mut stored = cx.offsets(&partitions).await?;
        // The old partition names no database, so it is used only if there is just one.
        let old = stored.pop().flatten().filter(|_| readers.len() == 1);
        for (reader, stored) in readers.iter_mut().zip(stored) {
            reader.resume_from(stored.as_ref().or(old.as_ref()))?;
        }
        let (waiting, readers) = (readers, JoinSet::new());
        let mut task = Self { cx, settings, waiting, failures: 0, batches, readers };
        task.run_readers().await?;
        Ok(task)
    }

    /// Reads the schema history, if one is kept, and lets the readers run. While the history's brokers are unreachable the
    /// readers wait, and this is tried again like any reading: they would not know what the tables were at their positions.
    async fn run_readers(&mut self) -> Result<()> {
        if let Some(history) = &self.settings.history
            && let Err(error) = keep_history(&self.cx, history, &mut self.waiting).await
        {
            self.failures = self.failures.saturating_add(1);
            if !error.is_retriable() {
                return Err(error);
            }
            if self.settings.retries.is_some_and(|most| self.failures > most) {
                return Err(no_more_retries(self.failures, &error));
            }
            tracing::warn!(%error, wait_ms = self.settings.retry_wait.as_millis(), failures = self.failures,
                "the schema history cannot be used: nothing is read before it can, and it is tried again after a wait");
            return Ok(());
        }
        let mut readers = std::mem::take(&mut self.waiting);
        if let Some(mut channels) = Channels::new(&self.cx, &self.settings) {
            for reader in &mut readers {
                let partition = reader.partition().clone();
                reader.received_signals = Some(channels.add(&reader.database, partition, reader.incremental.signals()));
            }
            for database in &self.settings.other_databases {
                channels.add_other(database, offset::partition(&self.settings.names.prefix, database));
            }
            self.readers.spawn(channels.run(self.cx.clone()));
        }
        for reader in readers {
            self.readers.spawn(reader.run());
        }
        Ok(())
    }
}

/// Reads the schema history for the readers that continue from a position, and makes all readers write to it.
async fn keep_history(cx: &SourceTaskContext, settings: &HistorySettings, readers: &mut [Reader]) -> Result<()> {
    let positions: Vec<_> = readers.iter().map(Reader::position).collect();
    let wanted = readers.iter().zip(&positions);
    let wanted: Vec<_> =
        wanted.filter_map(|(reader, position)| Some((reader.partition().clone(), (*position)?))).collect();
    let known = if wanted.is_empty() { Vec::new() } else { read(cx, settings, &wanted).await? };
    let topic = Arc::new(HistoryTopic::open(cx, settings).await?);
    let mut known = known.into_iter();
    for (reader, position) in readers.iter_mut().zip(positions) {
        let known = position.and_then(|_| known.next());
        reader.keep_history(Arc::clone(&topic), known);
    }
    Ok(())
}

impl fmt::Debug for SqlServerTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlServerTask").field("readers", &self.readers).finish_non_exhaustive()
    }
}

#[async_trait]
impl SourceTask for SqlServerTask {
    async fn poll(&mut self) -> Result<Vec<Record>> {
        let stopping = self.cx.stopping().clone();
        while !self.waiting.is_empty() {
            let retry = async {
                tokio::time::sleep(self.settings.retry_wait).await;
                self.run_readers().await
            };
            tokio::select! {
                biased;
                () = stopping.cancelled() => return Ok(Vec::new()),
                retried = retry => retried?,
            }
        }
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return Ok(Vec::new()),
                Some(batch) = self.batches.recv() => return batch,
                // A reader that has finished, as with snapshot.mode=initial_only, does not end the task.
                Some(ended) = self.readers.join_next() => ended.map_err(|error| {
                    Error::fatal("the reader of a database ended by a defect of the connector").cause(&error)
                })?,
            }
        }
    }

    async fn stop(&mut self) -> Result<()> {
        self.batches.close();
        Ok(())
    }
}
