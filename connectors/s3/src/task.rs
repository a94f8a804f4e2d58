use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures::stream::{FuturesUnordered, TryStreamExt as _};
use tributary_api::{Error, Offsets, Props, Record, Result, SinkTask, SinkTaskContext, TopicPartition};

use crate::client::connect;
use crate::config::{Settings, definition};
use crate::schedule::until;
use crate::upload::Uploader;
use crate::writer::Writer;

/// Bytes of full objects and parts that a batch may gather before they are sent.
const GATHERED: usize = 64 * 1024 * 1024;

/// Writes the records of its partitions to the bucket.
#[derive(Debug, Default)]
pub(crate) struct S3Task {
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    cx: SinkTaskContext,
    uploader: Uploader,
    writers: BTreeMap<TopicPartition, Writer>,
    /// When to complete objects by the schedule, in milliseconds since the epoch.
    rotate_at: Option<i64>,
    report_nulls: bool,
}

#[async_trait]
impl SinkTask for S3Task {
    async fn start(&mut self, cx: SinkTaskContext, props: &Props) -> Result<()> {
        let config = definition().parse(props)?;
        let settings = Arc::new(Settings::new(&config)?);
        let report_nulls = config.boolean("report.null.values.to.dlq")?;
        let uploader = Uploader { client: connect(&config).await?, settings };
        self.running = Some(Running { cx, uploader, writers: BTreeMap::new(), rotate_at: None, report_nulls });
        Ok(())
    }

    async fn put(&mut self, records: &[Record]) -> Result<()> {
        let running = self.running()?;
        let backoff = running.uploader.settings.retry_backoff;
        let done = running.put(records).await;
        done.map_err(|error| match error.retry_after() {
            None if error.is_retriable() => error.with_retry_after(backoff),
            _ => error,
        })
    }

    async fn pre_commit(&mut self, offsets: &Offsets) -> Result<Offsets> {
        let writers = &self.running()?.writers;
        let safe = |partition: &TopicPartition| writers.get(partition)?.safe();
        Ok(offsets.keys().filter_map(|partition| Some((partition.clone(), safe(partition)?))).collect())
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let running = self.running()?;
        for partition in partitions {
            if let Some(writer) = running.writers.remove(partition) {
                writer.abandon(&running.uploader).await;
            }
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        for writer in running.writers.into_values() {
            writer.abandon(&running.uploader).await;
        }
        Ok(())
    }
}

impl S3Task {
    fn running(&mut self) -> Result<&mut Running> {
        self.running.as_mut().ok_or_else(|| Error::fatal("the task is not started"))
    }
}

impl Running {
    async fn put(&mut self, records: &[Record]) -> Result<()> {
        self.rotate_by_schedule()?;
        let mut last: Option<TopicPartition> = None;
        let mut gathered: usize = 0;
        for record in records {
            let Some((topic, partition, offset)) = record.consumed_from() else { continue };
            if last.as_ref().is_none_or(|last| last.partition != partition || last.topic != *topic) {
                last = Some(TopicPartition::new(Arc::clone(topic), partition));
            }
            let Some(place) = &last else { continue };
            if !self.writers.contains_key(place) {
                self.writers.insert(place.clone(), Writer::new(place.clone()));
            }
            let Some(writer) = self.writers.get_mut(place) else { continue };
            let before = writer.buffered();
            if record.value.value.is_null() {
                handle_null(record, offset, writer, &self.cx, &self.uploader.settings, self.report_nulls)?;
            } else if let Err(error) = writer.append(offset, record, &self.uploader.settings) {
                self.cx.report(record, &error)?;
                writer.skip(offset);
            }
            gathered += writer.buffered().saturating_sub(before);
            if gathered >= GATHERED {
                self.send().await?;
                gathered = 0;
            }
        }
        self.send().await
    }

    /// All partitions at once; each in its own order.
    async fn send(&mut self) -> Result<()> {
        let (uploader, cx) = (&self.uploader, &self.cx);
        let wanting = self.writers.iter_mut().filter(|(_, writer)| writer.wants(uploader.settings.part_size));
        let sends: FuturesUnordered<_> = wanting
            .map(|(partition, writer)| async move {
                if let Some(offset) = writer.send(uploader).await? {
                    cx.seek(partition, offset);
                }
                Ok::<(), Error>(())
            })
            .collect();
        if !sends.is_empty() {
            sends.try_collect::<Vec<()>>().await?;
            cx.request_commit();
        }
        Ok(())
    }

    fn rotate_by_schedule(&mut self) -> Result<()> {
        let Some(schedule) = &self.uploader.settings.schedule else { return Ok(()) };
        let now = now();
        if self.rotate_at.is_some_and(|at| now >= at) {
            self.writers.values_mut().try_for_each(Writer::seal)?;
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

fn handle_null(
    record: &Record,
    offset: i64,
    writer: &mut Writer,
    cx: &SinkTaskContext,
    settings: &Settings,
    report: bool,
) -> Result<()> {
    if !settings.skip_nulls {
        let error = Error::data(
            "the record has no value: set behavior.on.null.values to ignore, or configure a dead letter queue",
        );
        if !report {
            return Err(error);
        }
        cx.report(record, &error)?;
    }
    writer.skip(offset);
    Ok(())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
