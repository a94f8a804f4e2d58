use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tributary_api::{
    ByteString, Bytes, Error, Props, RawTopicReader, Result, TopicPartition, TopicReaderOptions, TopicRecord,
};
use tributary_control::TaskId;
use tributary_kafka::{ClientConfig, Consumer, Polled, Position, RawRecord, Role};

use super::{BlockingPart, blocking};
use crate::settings::WorkerSettings;

/// How long one step may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// The longest wait for records before the deadline is checked again.
const WAIT: Duration = Duration::from_secs(1);

/// A reader as a task asks for it, or a plugin that answers a request; none where there is no such partition.
///
/// # Errors
/// `Config` when a setting cannot be used; `Retriable` when the broker does not answer.
pub(crate) async fn open(
    id: &TaskId,
    worker: &WorkerSettings,
    connector: &Props,
    options: TopicReaderOptions,
) -> Result<Option<Box<dyn RawTopicReader>>> {
    let client = reader_client(id, worker, connector, &options.consumer);
    let partition = TopicPartition::new(options.topic, options.partition);
    let in_group = options.consumer.contains_key("group.id");
    let log = blocking(move || Log::open(&client, partition, options.from, in_group)).await??;
    Ok(log.map(|log| Box::new(Reader { end: log.end, log: BlockingPart::new(log) }) as _))
}

/// The settings of a reader's consumer.
pub(crate) fn reader_client(id: &TaskId, worker: &WorkerSettings, connector: &Props, settings: &Props) -> ClientConfig {
    let own = match settings.contains_key("bootstrap.servers") {
        true => ClientConfig::new(Role::Consumer, &Props::new()),
        false => worker.consumer(&id.connector, id.task, connector),
    };
    let isolation = if worker.embedded_broker { "read_uncommitted" } else { "read_committed" };
    let own = own.set("client.id", format!("connector-topic-reader-{id}")).set("isolation.level", isolation);
    let own = settings.iter().fold(own, |client, (name, value)| client.set(name, value));
    // The end of the partition is an event of its own: if its last entry is a transaction's marker, no record shows it.
    own.set_native("enable.partition.eof", true)
}

/// One reader.
struct Reader {
    end: i64,
    log: BlockingPart<Log>,
}

#[async_trait]
impl RawTopicReader for Reader {
    fn end(&self) -> i64 {
        self.end
    }

    async fn look_for_end(&mut self) -> Result<i64> {
        self.step(Log::look_for_end).await?;
        Ok(self.end)
    }

    async fn read(&mut self, max_records: usize) -> Result<Vec<(i64, TopicRecord)>> {
        self.step(move |log| log.read(max_records)).await
    }

    async fn committed(&mut self) -> Result<Option<i64>> {
        self.step(|log| log.committed()).await
    }

    async fn commit(&mut self, offset: i64) -> Result<()> {
        self.step(move |log| log.commit(offset)).await
    }
}

impl Reader {
    async fn step<T: Send + 'static>(
        &mut self,
        step: impl FnOnce(&mut Log) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (end, outcome) = self
            .log
            .call(move |log| {
                let outcome = step(log);
                (log.end, outcome)
            })
            .await?;
        self.end = end;
        outcome
    }
}

/// A partition that is read.
struct Log {
    partition: TopicPartition,
    consumer: Consumer,
    /// Whether the settings have a group, whose offsets are asked for and committed.
    in_group: bool,
    next: i64,
    end: i64,
    /// Fetched records after the end.
    ahead: VecDeque<RawRecord>,
}

impl Log {
    fn open(client: &ClientConfig, partition: TopicPartition, from: i64, in_group: bool) -> Result<Option<Self>> {
        let mut consumer = Consumer::assign(client, &[])?;
        let partitions = consumer.partitions(&partition.topic, DEADLINE)?;
        if !(0..partitions.unwrap_or(0)).contains(&partition.partition) {
            return Ok(None);
        }
        let (low, _) = consumer.watermarks(&partition, DEADLINE)?;
        let next = from.max(low);
        consumer.accept_at(&[(partition.clone(), Position::At(next))])?;
        let mut log = Self { partition, consumer, in_group, next, end: next, ahead: VecDeque::new() };
        log.look_for_end()?;
        Ok(Some(log))
    }

    fn look_for_end(&mut self) -> Result<()> {
        let ends = self.consumer.readable_ends(std::slice::from_ref(&self.partition), DEADLINE)?;
        self.end = ends.get(&self.partition).copied().unwrap_or(self.end).max(self.end);
        Ok(())
    }

    fn committed(&self) -> Result<Option<i64>> {
        if !self.in_group {
            return Ok(None);
        }
        let committed = self.consumer.committed(std::slice::from_ref(&self.partition), DEADLINE)?;
        Ok(committed.get(&self.partition).copied())
    }

    fn commit(&self, offset: i64) -> Result<()> {
        if !self.in_group {
            return Ok(());
        }
        self.consumer.commit(&[(self.partition.clone(), offset)].into_iter().collect())
    }

    fn read(&mut self, max_records: usize) -> Result<Vec<(i64, TopicRecord)>> {
        let deadline = Instant::now() + DEADLINE;
        while self.next < self.end {
            let readable = self.ahead.partition_point(|raw| raw.offset < self.end).min(max_records);
            if readable > 0 {
                let records: Vec<_> = self.ahead.drain(..readable).map(record).collect();
                self.next = records.last().map_or(self.next, |(last, _)| last + 1);
                return Ok(records);
            }
            if !self.ahead.is_empty() {
                // There is nothing between here and the end but the markers of transactions.
                self.next = self.end;
                break;
            }
            if Instant::now() >= deadline {
                let place = format!("reading {} from {} on took too long", self.partition, self.next);
                return Err(Error::retriable(place));
            }
            if let Polled::Records(raw) = self.consumer.poll(max_records, WAIT)? {
                self.ahead.extend(raw);
            }
            for (_, end) in self.consumer.take_ends() {
                if self.ahead.is_empty() {
                    self.next = self.next.max(end);
                }
            }
        }
        Ok(Vec::new())
    }
}

fn record(raw: RawRecord) -> (i64, TopicRecord) {
    let copied = |bytes: Option<Bytes>| bytes.map(|bytes| Bytes::copy_from_slice(&bytes));
    let mut record = TopicRecord::new(raw.topic);
    // Histories are kept: one record must not keep all those alive that were fetched with it.
    record.key = copied(raw.key);
    record.value = copied(raw.value);
    record.headers =
        raw.headers.into_iter().map(|(name, value)| (ByteString::from(name.to_string()), copied(value))).collect();
    record.timestamp = raw.timestamp;
    (raw.offset, record)
}
