use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, StreamExt as _};
use tributary_api::time::now_ms;
use tributary_api::{Config, Error, ErrorKind, Offsets, Record, Result, SinkTask, SinkTaskContext, TopicPartition};

use crate::client::connect;
use crate::config::Settings;
use crate::retry;
use crate::schedule::until;
use crate::upload::Uploader;
use crate::writer::PartitionWriter;

/// The bytes that a task may buffer before it sends smaller parts than configured.
const MAX_BUFFERED_BYTES: usize = 64 * 1024 * 1024;
/// S3's minimum size of a part, except for the last one of an object.
const MIN_PART_BYTES: usize = 5 * 1024 * 1024;
/// If several topics were renamed to the same name, their objects would have the same names and replace each other.
const RENAMED: &str = "a transform renames the topic, but object names contain the consumed topic and offsets; use \
                       topics.dir for another folder";
/// How many partitions send concurrently.
const CONCURRENT_PARTITIONS: usize = 16;

/// Writes the records of its partitions to the bucket.
#[derive(Debug)]
pub(crate) struct S3Task {
    cx: SinkTaskContext,
    uploader: Uploader,
    writers: BTreeMap<TopicPartition, PartitionWriter>,
    /// When to complete objects by the schedule, in milliseconds since the epoch.
    rotate_at: Option<i64>,
    /// Whether it was logged that objects are named after the original topics.
    rename_warned: bool,
}

#[async_trait]
impl SinkTask for S3Task {
    async fn put(&mut self, records: &[Record]) -> Result<()> {
        let done = self.write(records).await;
        retry::of_batches(done, self.uploader.settings.retry_backoff)
    }

    async fn pre_commit(&mut self, offsets: &Offsets) -> Result<Offsets> {
        let writers = &self.writers;
        // An object that existed already may end after the last consumed offset.
        let safe = |(partition, consumed): (&TopicPartition, &i64)| {
            Some((partition.clone(), writers.get(partition)?.safe()?.min(*consumed)))
        };
        Ok(offsets.iter().filter_map(safe).collect())
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let closed = partitions.iter().filter_map(|partition| self.writers.remove(partition)).collect();
        discard(closed, &self.uploader).await;
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        discard(std::mem::take(&mut self.writers).into_values().collect(), &self.uploader).await;
        Ok(())
    }
}

impl S3Task {
    pub(crate) async fn start(cx: SinkTaskContext, config: Config) -> Result<Self> {
        let settings = Arc::new(Settings::new(&config)?);
        let uploader = Uploader { client: connect(&config).await?, settings };
        Ok(Self { cx, uploader, writers: BTreeMap::new(), rotate_at: None, rename_warned: false })
    }

    async fn write(&mut self, records: &[Record]) -> Result<()> {
        self.rotate_by_schedule()?;
        let mut gathered = 0;
        for run in records.chunk_by(is_same_partition) {
            gathered += self.take(run)?;
            if gathered >= MAX_BUFFERED_BYTES {
                self.send().await?;
                gathered = 0;
            }
        }
        self.send().await?;
        // Only after the whole batch was accepted: until then it may be put again.
        for (partition, writer) in &mut self.writers {
            if let Some(offset) = writer.take_read_from() {
                self.cx.seek(partition, offset);
            }
        }
        Ok(())
    }

    /// Adds records of one partition; returns how many bytes they added.
    fn take(&mut self, run: &[Record]) -> Result<usize> {
        let Some((topic, partition, _)) = run.first().and_then(Record::consumed_from) else { return Ok(0) };
        let place = TopicPartition::new(Arc::clone(topic), partition);
        if !self.writers.contains_key(&place) {
            self.uploader.settings.names.fit(&place)?;
        }
        let writer = self.writers.entry(place.clone()).or_insert_with(|| PartitionWriter::new(place));
        if !self.rename_warned
            && let Some(renamed) =
                run.iter().find(|record| !Arc::ptr_eq(&record.topic, topic) && record.topic != *topic)
        {
            self.rename_warned = true;
            tracing::warn!(%topic, renamed = %renamed.topic, "{RENAMED}");
        }
        let settings = &self.uploader.settings;
        let mut added = 0;
        for record in run {
            let Some((_, _, offset)) = record.consumed_from().filter(|(_, _, offset)| writer.expects(*offset)) else {
                continue;
            };
            if record.value.value.is_null() {
                refuse_null(record, &self.cx, settings)?;
                writer.skip(offset);
                continue;
            }
            match writer.append(offset, record, settings) {
                Ok(bytes) => added += bytes,
                Err(error) if error.kind() == ErrorKind::Data => {
                    self.cx.report(record, &error)?;
                    writer.skip(offset);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(added)
    }

    /// Sends all partitions concurrently, each in its order. A failure of one does not stop the others.
    async fn send(&mut self) -> Result<()> {
        let uploader = &self.uploader;
        let held: usize = self.writers.values().map(PartitionWriter::buffered).sum();
        let part_size = if held >= MAX_BUFFERED_BYTES { MIN_PART_BYTES } else { uploader.settings.part_size };
        let to_send = self.writers.values_mut().filter(|writer| writer.has_work(part_size));
        let sends: Vec<_> = to_send.map(|writer| writer.send(uploader, part_size)).collect();
        let outcomes: Vec<Result<bool>> = stream::iter(sends).buffer_unordered(CONCURRENT_PARTITIONS).collect().await;
        if outcomes.iter().any(|outcome| matches!(outcome, Ok(true))) {
            self.cx.request_commit();
        }
        outcomes.into_iter().try_for_each(|outcome| outcome.map(|_| ()))
    }

    fn rotate_by_schedule(&mut self) -> Result<()> {
        let Some(schedule) = &self.uploader.settings.schedule else { return Ok(()) };
        let now = now_ms();
        if self.rotate_at.is_some_and(|at| now >= at) {
            self.writers.values_mut().try_for_each(PartitionWriter::seal)?;
            self.rotate_at = None;
        }
        let at = match self.rotate_at {
            Some(at) => at,
            None => schedule.next(now)?,
        };
        self.rotate_at = Some(at);
        self.cx.set_timeout(until(at, now));
        Ok(())
    }
}

fn is_same_partition(one: &Record, other: &Record) -> bool {
    let place = |record: &Record| record.consumed_from().map(|(topic, partition, _)| (Arc::as_ptr(topic), partition));
    place(one) == place(other)
}

/// Handles a record without a value as configured; it is written to no object.
fn refuse_null(record: &Record, cx: &SinkTaskContext, settings: &Settings) -> Result<()> {
    if settings.skip_nulls {
        return Ok(());
    }
    let advice = "set behavior.on.null.values to ignore, or configure a dead letter queue";
    let error = Error::data(format!("the record has no value: {advice}"));
    if settings.report_nulls { cx.report(record, &error) } else { Err(error) }
}

async fn discard(mut writers: Vec<PartitionWriter>, uploader: &Uploader) {
    let discarded: Vec<_> = writers.iter_mut().map(|writer| writer.discard(uploader)).collect();
    stream::iter(discarded).buffer_unordered(CONCURRENT_PARTITIONS).collect::<()>().await;
}
