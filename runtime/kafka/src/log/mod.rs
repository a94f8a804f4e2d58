//! A table of small values stored in a compacted topic, as Kafka Connect stores configurations, offsets and statuses
//! (`org.apache.kafka.connect.util.KafkaBasedLog`).

mod reader;
mod topic;
mod write;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tributary_api::{Error, RecordMetadata, Result};

use self::reader::LogReader;
use self::write::Writer;
use crate::{Admin, ClientConfig, NewTopic};

/// A record of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; none removes the key.
    pub value: Option<Bytes>,
}

/// How to open a log.
#[derive(Debug)]
pub struct LogOptions {
    /// The topic, and how to create it.
    pub topic: NewTopic,
    /// Whether to create it if it does not exist.
    pub create: bool,
    /// Settings of the writing client.
    pub producer: ClientConfig,
    /// Settings of the reading client.
    pub consumer: ClientConfig,
    /// Settings of the client that creates and describes the topic.
    pub admin: ClientConfig,
    /// Whether to refuse a topic that would lose records by age or size.
    pub require_compacted: bool,
}

/// A compacted topic, read from its beginning and then followed. A cheap handle: clones share it, and dropping the last
/// one closes it.
#[derive(Clone)]
pub struct CompactedLog(Arc<Log>);

struct Log {
    name: String,
    writer: Writer,
    reader: LogReader,
}

impl CompactedLog {
    /// Creates the topic if it is absent, reads it to its end, and follows it on a separate thread. The function is
    /// called on that thread for every record, in order within each partition.
    ///
    /// # Errors
    /// `Config` when the topic is not compacted or a setting cannot be used, `Retriable` when no broker answered
    /// in time.
    pub async fn open(options: LogOptions, on_record: Box<dyn FnMut(LogRecord) + Send>) -> Result<Self> {
        let admin = Admin::new(&options.admin)?;
        let partitions = topic::prepare(&admin, &options).await?;
        // Freeing a client waits for its threads.
        tokio::task::spawn_blocking(move || drop(admin));
        let name = options.topic.name;
        let writer = Writer::new(&options.producer)?;
        let reader = LogReader::start(&options.consumer, &name, partitions, writer.client(), on_record)?;
        let log = Self(Arc::new(Log { name, writer, reader }));
        log.read_to_end().await?;
        Ok(log)
    }

    /// Returns when everything has been read that was in the topic at the time of the call.
    ///
    /// # Errors
    /// `Retriable` when no broker answered in time, `Fatal` when the reading thread has ended.
    pub async fn read_to_end(&self) -> Result<()> {
        self.0.reader.read_to_end().await.map_err(|error| self.context(error, "read"))
    }

    /// As [`CompactedLog::read_to_end`], but waits until open transactions are committed or aborted: records that were
    /// committed after their start cannot be read before.
    ///
    /// # Errors
    /// As for [`CompactedLog::read_to_end`]; `Retriable` also when a transaction has not ended in time.
    pub async fn read_past_transactions(&self) -> Result<()> {
        self.0.reader.read_past_transactions().await.map_err(|error| self.context(error, "read"))
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.0.name
    }

    /// Writes one record and waits for the acknowledgement.
    ///
    /// # Errors
    /// `Retriable` when it was not acknowledged in time: it may or may not have been written.
    pub async fn write(&self, key: impl Into<Bytes>, value: Option<Bytes>) -> Result<RecordMetadata> {
        self.0.writer.write(&self.0.name, &key.into(), value.as_deref()).await.map_err(|e| self.context(e, "write"))
    }

    /// Writes records in order, and returns when they are acknowledged and have been read here.
    ///
    /// # Errors
    /// As for [`CompactedLog::write`], of the first record that failed; `Retriable` when they were not read in time.
    pub async fn write_and_read(&self, records: Vec<(Bytes, Option<Bytes>)>) -> Result<()> {
        let written = self.0.writer.write_all(&self.0.name, &records).await;
        let written = written.map_err(|error| self.context(error, "write"))?;
        self.0.reader.read_to(written).await.map_err(|error| self.context(error, "read"))
    }

    /// Writes records in order, in as few requests as possible, and waits for all acknowledgements.
    ///
    /// # Errors
    /// As for [`CompactedLog::write`], of the first record that failed.
    pub async fn write_all(&self, records: Vec<(Bytes, Option<Bytes>)>) -> Result<()> {
        self.0.writer.write_all(&self.0.name, &records).await.map(drop).map_err(|error| self.context(error, "write"))
    }

    /// Closes the log for all its handles: delivers what was written, and waits until the function given to
    /// [`CompactedLog::open`] is no longer called.
    pub async fn close(self) {
        self.0.writer.close().await;
        self.0.reader.close().await;
    }

    fn context(&self, error: Error, what: &str) -> Error {
        error.context(format!("cannot {what} topic {}", self.0.name))
    }
}

impl fmt::Debug for CompactedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompactedLog").field("topic", &self.0.name).finish_non_exhaustive()
    }
}
