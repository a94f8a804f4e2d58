use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tributary_api::{Error, Result, TopicPartition};

use super::LogRecord;
use crate::{ClientConfig, Consumer, ConsumerWaker, Polled, Position};

/// How many readers may wait for the end at once; more wait to be let in.
const READERS: usize = 64;
const BATCH: usize = 1000;
/// The thread is woken when there is something to do, so that this wait may be long.
const WAIT: Duration = Duration::from_secs(60);
/// How soon a question that the broker could not answer is asked again.
const RETRY: Duration = Duration::from_millis(20);

/// The thread that follows the topic.
pub(super) struct Tail {
    requests: mpsc::Sender<Request>,
    waker: ConsumerWaker,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Tells when everything has been read that is there now.
type Request = oneshot::Sender<Result<()>>;

impl Tail {
    pub(super) fn start(
        config: &ClientConfig,
        topic: &str,
        partitions: i32,
        on_record: Box<dyn FnMut(LogRecord) + Send>,
    ) -> Result<Self> {
        let partitions: Vec<_> = (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
        let from_start: Vec<_> = partitions.iter().map(|tp| (tp.clone(), Position::Earliest)).collect();
        // Reaching an end is an event: where transactions or compaction left gaps, no record tells of it.
        let consumer = Consumer::assign(&config.clone().set_native("enable.partition.eof", true), &from_start)?;
        let waker = consumer.waker();
        let stop = Arc::new(AtomicBool::new(false));
        let (requests, incoming) = mpsc::channel(READERS);
        let follower = Follower {
            consumer,
            on_record,
            partitions,
            committed_only: config
                .get("isolation.level")
                .is_some_and(|level| level.eq_ignore_ascii_case("read_committed")),
            timeout: config.api_timeout()?,
            positions: HashMap::new(),
            incoming,
            readers: Vec::new(),
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new()
            .name("kafka-log".to_owned())
            .spawn(move || follower.run())
            .map_err(|error| Error::fatal("cannot start the thread of a log").cause(&error))?;
        Ok(Self { requests, waker, stop, thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn read_to_end(&self) -> Result<()> {
        let ended = || Error::fatal("the log is closed");
        let (done, end) = oneshot::channel();
        self.requests.send(done).await.map_err(|_| ended())?;
        self.waker.wake();
        end.await.unwrap_or_else(|_| Err(ended()))
    }

    pub(super) async fn close(&self) {
        self.end();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the thread of a log panicked");
            }
        }
    }

    fn end(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.waker.wake();
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.end();
    }
}

struct Follower {
    consumer: Consumer,
    on_record: Box<dyn FnMut(LogRecord) + Send>,
    partitions: Vec<TopicPartition>,
    committed_only: bool,
    timeout: Duration,
    /// The next offset of each partition.
    positions: HashMap<i32, i64>,
    incoming: mpsc::Receiver<Request>,
    readers: Vec<Reader>,
    stop: Arc<AtomicBool>,
}

struct Reader {
    /// Partitions not read far enough yet, with the offset to be reached; none while it is not known.
    missing: Option<Vec<(i32, i64)>>,
    deadline: Instant,
    done: Request,
}

impl Follower {
    fn run(mut self) {
        while !self.stop.load(Ordering::SeqCst) {
            while let Ok(done) = self.incoming.try_recv() {
                self.readers.push(Reader { missing: None, deadline: Instant::now() + self.timeout, done });
            }
            self.aim();
            self.settle();
            self.step(self.wait());
        }
        self.consumer.close();
    }

    fn wait(&self) -> Duration {
        if self.readers.iter().any(|reader| reader.missing.is_none()) {
            return RETRY;
        }
        let next = self.readers.iter().map(|reader| reader.deadline).min();
        next.map_or(WAIT, |next| next.saturating_duration_since(Instant::now()).min(WAIT))
    }

    /// Finds out how far the new readers have to read.
    fn aim(&mut self) {
        if self.readers.iter().all(|reader| reader.missing.is_some()) {
            return;
        }
        match self.consumer.end_offsets(&self.partitions, self.committed_only, self.timeout) {
            Ok(ends) => {
                let written = ends.into_iter().filter(|(_, end)| *end > 0).map(|(tp, end)| (tp.partition, end));
                let missing: Vec<_> = written.collect();
                for reader in self.readers.iter_mut().filter(|reader| reader.missing.is_none()) {
                    reader.missing = Some(missing.clone());
                }
            }
            // Most often a partition that has no leader yet.
            Err(error) if error.is_retriable() => tracing::debug!(%error, "asking for the end of a log again"),
            Err(error) => self.fail(&error),
        }
    }

    /// Answers the readers that have waited long enough, one way or the other.
    fn settle(&mut self) {
        let now = Instant::now();
        for mut reader in std::mem::take(&mut self.readers) {
            if let Some(missing) = &mut reader.missing {
                missing.retain(|(partition, end)| self.positions.get(partition).is_none_or(|at| at < end));
            }
            // Nobody may be left to hear the answer.
            if reader.missing.as_ref().is_some_and(Vec::is_empty) {
                let _ = reader.done.send(Ok(()));
            } else if reader.deadline <= now {
                let _ = reader.done.send(Err(Error::retriable("the end was not reached in time: check the brokers")));
            } else {
                self.readers.push(reader);
            }
        }
    }

    fn fail(&mut self, error: &Error) {
        for reader in self.readers.drain(..) {
            let _ = reader.done.send(Err(error.clone()));
        }
    }

    fn step(&mut self, wait: Duration) {
        match self.consumer.poll(BATCH, wait) {
            Ok(Polled::Records(records)) => {
                for record in records {
                    self.positions.insert(record.partition, record.offset + 1);
                    (self.on_record)(LogRecord {
                        partition: record.partition,
                        offset: record.offset,
                        timestamp: record.timestamp,
                        key: record.key,
                        value: record.value,
                    });
                }
            }
            Ok(_) => {}
            Err(error) if error.is_retriable() => tracing::warn!(%error, "reading a log, trying again"),
            Err(error) => {
                tracing::error!(%error, "cannot read a log");
                self.fail(&error);
            }
        }
        for (partition, end) in self.consumer.take_ends() {
            let position = self.positions.entry(partition.partition).or_default();
            *position = end.max(*position);
        }
    }
}
