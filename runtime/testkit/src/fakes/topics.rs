use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use tributary_api::{Error, RawTopicReader, Result, TopicReaderOptions, TopicRecord, TopicWriter, TopicWriterOptions};

/// Topics that plugins write to and read from.
#[derive(Debug, Default)]
pub(super) struct MemoryTopics {
    options: Mutex<Vec<TopicWriterOptions>>,
    unreadable: Mutex<Option<Error>>,
    /// How many readers failed.
    refused: AtomicUsize,
    written: Arc<Written>,
}

#[derive(Debug, Default)]
struct Written {
    records: Mutex<Vec<TopicRecord>>,
    error: Mutex<Option<Error>>,
    /// By group and topic.
    committed: Mutex<HashMap<(String, String), i64>>,
}

impl MemoryTopics {
    pub(super) fn writer(&self, options: TopicWriterOptions) -> Box<dyn TopicWriter> {
        self.options.lock().push(options);
        Box::new(Writer(Arc::clone(&self.written)))
    }

    /// Reads written records; each topic has one partition.
    pub(super) fn reader(&self, options: &TopicReaderOptions) -> Result<Option<Box<dyn RawTopicReader>>> {
        if let Some(error) = self.unreadable.lock().clone() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(error);
        }
        let all = self.written.records.lock();
        let there = options.partition == 0 && all.iter().any(|record| record.topic == options.topic);
        drop(all);
        let mut reader = Reader { written: Arc::clone(&self.written), options: options.clone(), end: 0 };
        reader.find_end();
        Ok(there.then(|| Box::new(reader) as _))
    }

    /// The options of the writers, in order.
    pub(super) fn options(&self) -> Vec<TopicWriterOptions> {
        self.options.lock().clone()
    }

    /// The records written, in order.
    pub(super) fn written(&self) -> Vec<TopicRecord> {
        self.written.records.lock().clone()
    }

    /// The offset that a group has committed for a topic.
    pub(super) fn committed(&self, group: &str, topic: &str) -> Option<i64> {
        self.written.committed.lock().get(&(group.to_owned(), topic.to_owned())).copied()
    }

    /// Commits an offset for a group.
    pub(super) fn commit(&self, group: &str, topic: &str, offset: i64) {
        self.written.committed.lock().insert((group.to_owned(), topic.to_owned()), offset);
    }

    /// Makes every reader fail; `None`: succeed again.
    pub(super) fn fail_readers(&self, error: Option<Error>) {
        *self.unreadable.lock() = error;
    }

    /// How many readers have failed.
    pub(super) fn refused_readers(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Makes every write fail; `None`: succeed again.
    pub(super) fn fail(&self, error: Option<Error>) {
        *self.written.error.lock() = error;
    }
}

/// Writes to memory.
struct Writer(Arc<Written>);

#[async_trait]
impl TopicWriter for Writer {
    async fn write(&self, records: Vec<TopicRecord>) -> Result<()> {
        if let Some(error) = self.0.error.lock().clone() {
            return Err(error);
        }
        self.0.records.lock().extend(records);
        Ok(())
    }
}

/// Reads from memory.
struct Reader {
    written: Arc<Written>,
    /// `from` is the next offset.
    options: TopicReaderOptions,
    end: i64,
}

impl Reader {
    fn of_topic(&self) -> Vec<(i64, TopicRecord)> {
        let all = self.written.records.lock();
        (0..).zip(all.iter().filter(|record| record.topic == self.options.topic).cloned()).collect()
    }

    fn group(&self) -> Option<(String, String)> {
        self.options.consumer.get("group.id").map(|group| (group.clone(), self.options.topic.to_string()))
    }

    fn find_end(&mut self) {
        self.end = self.of_topic().last().map_or(0, |(last, _)| last + 1);
    }
}

#[async_trait]
impl RawTopicReader for Reader {
    fn end(&self) -> i64 {
        self.end
    }

    async fn look_for_end(&mut self) -> Result<i64> {
        self.find_end();
        Ok(self.end)
    }

    async fn read(&mut self, max_records: usize) -> Result<Vec<(i64, TopicRecord)>> {
        let readable = self.options.from..self.end;
        let all = self.of_topic().into_iter().filter(|(offset, _)| readable.contains(offset));
        let records: Vec<_> = all.take(max_records).collect();
        self.options.from = records.last().map_or(self.options.from, |(last, _)| last + 1);
        Ok(records)
    }

    async fn committed(&mut self) -> Result<Option<i64>> {
        let committed = self.written.committed.lock();
        Ok(self.group().and_then(|group| committed.get(&group).copied()))
    }

    async fn commit(&mut self, offset: i64) -> Result<()> {
        if let Some(group) = self.group() {
            self.written.committed.lock().insert(group, offset);
        }
        Ok(())
    }
}
