use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tributary_api::{
    Error, NewTopic, Offsets, Record, Result, SinkHost, SinkTaskContext, TopicPartition, TopicReader, TopicRecord,
    TopicWriter, TopicWriterOptions,
};

use super::topics::MemoryTopics;

/// In memory: a consumer, a dead letter queue, and a log that the task may read again.
#[derive(Debug, Default)]
pub struct FakeSinkHost {
    state: Mutex<State>,
    topics: MemoryTopics,
}

#[derive(Debug, Default)]
struct State {
    assignment: Vec<TopicPartition>,
    paused: BTreeSet<TopicPartition>,
    seeks: Offsets,
    timeout: Option<Duration>,
    commit_requested: bool,
    tolerant: bool,
    reported: Vec<(Record, Error)>,
    log: BTreeMap<TopicPartition, Vec<Record>>,
    readers: usize,
}

impl FakeSinkHost {
    /// A host that tolerates no errors.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A host with a dead letter queue.
    pub fn tolerant() -> Arc<Self> {
        let host = Self::default();
        host.state.lock().tolerant = true;
        Arc::new(host)
    }

    /// A context over this host for task 0 of connector `test`; the token stops the task.
    pub fn context(self: &Arc<Self>, stopping: &CancellationToken) -> SinkTaskContext {
        SinkTaskContext::new("test", 0, stopping.clone(), self.clone())
    }

    /// Sets the partitions that are assigned to the task.
    pub fn assign(&self, partitions: &[TopicPartition]) {
        self.state.lock().assignment = partitions.to_vec();
    }

    /// Appends a consumed record to the log that the task may read again.
    pub fn append(&self, record: &Record) {
        if let Some((topic, partition, _)) = record.consumed_from() {
            let partition = TopicPartition::new(topic.clone(), partition);
            self.state.lock().log.entry(partition).or_default().push(record.clone());
        }
    }

    /// How many readers of the log were opened.
    pub fn readers(&self) -> usize {
        self.state.lock().readers
    }

    /// The partitions paused now.
    pub fn paused(&self) -> Vec<TopicPartition> {
        self.state.lock().paused.iter().cloned().collect()
    }

    /// Takes the offsets that the task has sought.
    pub fn take_seeks(&self) -> Offsets {
        std::mem::take(&mut self.state.lock().seeks)
    }

    /// The timeout that the task has set.
    pub fn timeout(&self) -> Option<Duration> {
        self.state.lock().timeout
    }

    /// Takes the task's request for a commit: whether there was one.
    pub fn take_commit_request(&self) -> bool {
        std::mem::take(&mut self.state.lock().commit_requested)
    }

    /// The options of the topic writers that the task has opened, in order.
    pub fn topic_writers(&self) -> Vec<TopicWriterOptions> {
        self.topics.options()
    }

    /// The topics that the writers' options ask to create.
    pub fn new_topics(&self) -> Vec<NewTopic> {
        self.topic_writers().into_iter().flat_map(|options| options.topics).collect()
    }

    /// The records written to topics, in order.
    pub fn written(&self) -> Vec<TopicRecord> {
        self.topics.written()
    }

    /// Makes every write fail with this error; `None`: succeed again.
    pub fn fail_writes(&self, error: Option<Error>) {
        self.topics.fail(error);
    }

    /// The bad records that were reported, in order.
    pub fn reported(&self) -> Vec<(Record, Error)> {
        self.state.lock().reported.clone()
    }
}

#[async_trait]
impl SinkHost for FakeSinkHost {
    fn assignment(&self) -> Vec<TopicPartition> {
        self.state.lock().assignment.clone()
    }

    fn pause(&self, partitions: &[TopicPartition]) {
        self.state.lock().paused.extend(partitions.iter().cloned());
    }

    fn resume(&self, partitions: &[TopicPartition]) {
        self.state.lock().paused.retain(|partition| !partitions.contains(partition));
    }

    fn seek(&self, partition: &TopicPartition, offset: i64) {
        self.state.lock().seeks.insert(partition.clone(), offset);
    }

    fn set_timeout(&self, timeout: Duration) {
        self.state.lock().timeout = Some(timeout);
    }

    fn request_commit(&self) {
        self.state.lock().commit_requested = true;
    }

    fn can_report(&self) -> bool {
        self.state.lock().tolerant
    }

    fn report(&self, record: &Record, error: &Error) -> Result<()> {
        let mut state = self.state.lock();
        if !state.tolerant {
            return Err(Error::fatal("errors are not tolerated").cause(error));
        }
        state.reported.push((record.clone(), error.clone()));
        Ok(())
    }

    async fn reader(&self, partition: &TopicPartition, from: i64, most: usize) -> Result<Box<dyn TopicReader>> {
        let mut state = self.state.lock();
        state.readers += 1;
        let offset = |record: &Record| record.consumed_from().map_or(-1, |(_, _, offset)| offset);
        let log = state.log.get(partition).cloned().unwrap_or_default();
        let end = log.iter().map(offset).max().map_or(0, |last| last + 1);
        let from = from.max(end - i64::try_from(most).unwrap_or(end));
        let records = log.into_iter().filter(|record| offset(record) >= from).collect();
        Ok(Box::new(Reader { end, records }))
    }

    async fn topic_writer(&self, options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>> {
        Ok(self.topics.writer(options))
    }
}

/// Reads from memory.
struct Reader {
    end: i64,
    records: VecDeque<Record>,
}

#[async_trait]
impl TopicReader for Reader {
    fn end(&self) -> i64 {
        self.end
    }

    async fn read(&mut self, max_records: usize) -> Result<Vec<Record>> {
        let count = max_records.min(self.records.len());
        Ok(self.records.drain(..count).collect())
    }
}
