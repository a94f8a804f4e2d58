use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tributary_api::{Config, Error, Record, Result, SourceTask, SourceTaskContext, async_trait};
use uuid::Uuid;

use crate::config::{HistorySettings, Settings};
use crate::history::{HistoryTopic, read};
use crate::offset;
use crate::reader::{Batch, Reader};
use crate::signal::Channels;

/// Hands over the records of the readers, one per database. The readers do not wait for each other.
#[derive(Debug)]
pub(crate) struct SqlServerTask {
    cx: SourceTaskContext,
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
        if let Some(history) = &settings.history {
            keep_history(&cx, history, &mut readers).await?;
        }
        let mut running = JoinSet::new();
        if let Some(mut channels) = Channels::new(&cx, &settings) {
            for reader in &mut readers {
                let partition = reader.partition().clone();
                reader.received_signals = Some(channels.add(&reader.database, partition, reader.incremental.signals()));
            }
            running.spawn(channels.run(cx.clone()));
        }
        for reader in readers {
            running.spawn(reader.run());
        }
        Ok(Self { cx, batches, readers: running })
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

#[async_trait]
impl SourceTask for SqlServerTask {
    async fn poll(&mut self) -> Result<Vec<Record>> {
        let stopping = self.cx.stopping().clone();
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
