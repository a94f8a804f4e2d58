use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tributary_api::{Error, Offsets, RecordMetadata, Result, TopicPartition};
use tributary_librdkafka::Client;

use super::LogRecord;
use crate::consumer::all_listed;
use crate::{ClientConfig, Consumer, ConsumerWaker, Polled, Position};

/// How many readers may wait for the end at a time; more wait for a place in the channel.
const MAX_PENDING_READS: usize = 64;
const BATCH: usize = 1000;
/// The thread is woken for every request, so this wait may be long.
const WAIT: Duration = Duration::from_secs(60);
/// How long a fetch waits for records. A partition added meanwhile is read only after it, so this is short.
const FETCH_WAIT_MS: u32 = 100;
/// The first timeout of a request for offsets; doubled each time it expires.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_millis(100);
/// The wait before a request that the broker could not answer is repeated.
const RETRY: Duration = Duration::from_millis(20);

/// The thread that reads the topic.
pub(super) struct LogReader {
    requests: mpsc::Sender<Request>,
    waker: ConsumerWaker,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A request to be answered when everything up to an offset was read.
struct Request {
    target: ReadTarget,
    done: oneshot::Sender<Result<()>>,
}

/// How far is to be read.
enum ReadTarget {
    /// To the offset of each partition.
    Offsets(Vec<(i32, i64)>),
    /// As far as there is something to read now.
    Readable,
    /// To the end of what is there now: transactions that are open are waited for.
    Written,
}

impl LogReader {
    /// Follows all partitions of a topic. Offsets are requested with another client than the reading one, because a
    /// waiting fetch delays every later request on its connection.
    pub(super) fn start(
        config: &ClientConfig,
        topic: &str,
        partitions: i32,
        offsets: Arc<Client>,
        on_record: Box<dyn FnMut(LogRecord) + Send>,
    ) -> Result<Self> {
        // Reaching an end is an event, because after gaps from transactions or compaction no record shows it.
        let eof = config.clone().set_native("enable.partition.eof", true);
        let config = eof.set_default("fetch.max.wait.ms", FETCH_WAIT_MS).set("auto.offset.reset", "earliest");
        let consumer = Consumer::assign(&config, &[])?;
        let waker = consumer.waker();
        let stop = Arc::new(AtomicBool::new(false));
        let (requests, incoming) = mpsc::channel(MAX_PENDING_READS);
        let isolation = config.get("isolation.level").unwrap_or_default();
        let read_loop = ReadLoop {
            consumer,
            on_record,
            partitions: (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect(),
            offsets,
            committed_only: isolation.eq_ignore_ascii_case("read_committed"),
            timeout: config.api_timeout()?,
            request_timeout: FIRST_REQUEST_TIMEOUT,
            begun: false,
            catching_up: Vec::new(),
            empty: Vec::new(),
            positions: HashMap::new(),
            incoming,
            pending_reads: Vec::new(),
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new()
            .name("kafka-log".to_owned())
            .spawn(move || read_loop.run())
            .map_err(|error| Error::fatal("cannot start the thread of a log").cause(&error))?;
        Ok(Self { requests, waker, stop, thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn read_to_end(&self) -> Result<()> {
        self.read(ReadTarget::Readable).await
    }

    /// Returns when all has been read that is there now, what open transactions hold included, once they have ended.
    pub(super) async fn read_past_transactions(&self) -> Result<()> {
        self.read(ReadTarget::Written).await
    }

    /// Returns when these records have been read.
    pub(super) async fn read_to(&self, records: Vec<RecordMetadata>) -> Result<()> {
        let mut target: Vec<(i32, i64)> = Vec::new();
        for RecordMetadata { partition, offset, .. } in records {
            match target.iter_mut().find(|(known, _)| *known == partition) {
                Some((_, end)) => *end = offset.saturating_add(1).max(*end),
                None => target.push((partition, offset.saturating_add(1))),
            }
        }
        self.read(ReadTarget::Offsets(target)).await
    }

    async fn read(&self, target: ReadTarget) -> Result<()> {
        let ended = || Error::fatal("the log is closed");
        let (done, end) = oneshot::channel();
        self.requests.send(Request { target, done }).await.map_err(|_| ended())?;
        self.waker.wake();
        end.await.unwrap_or_else(|_| Err(ended()))
    }

    pub(super) async fn close(&self) {
        self.end();
        let thread = self.thread.lock().take();
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

impl Drop for LogReader {
    fn drop(&mut self) {
        self.end();
    }
}

struct ReadLoop {
    consumer: Consumer,
    on_record: Box<dyn FnMut(LogRecord) + Send>,
    partitions: Vec<TopicPartition>,
    offsets: Arc<Client>,
    committed_only: bool,
    timeout: Duration,
    /// How long to wait for offsets before asking again.
    request_timeout: Duration,
    begun: bool,
    /// Partitions being read for the first time, with their ends.
    catching_up: Vec<(i32, i64)>,
    /// Partitions to be read only after these: a first fetch with empty ones would wait before the others are read.
    empty: Vec<(TopicPartition, Position)>,
    /// The next offset of each partition.
    positions: HashMap<i32, i64>,
    incoming: mpsc::Receiver<Request>,
    pending_reads: Vec<PendingRead>,
    stop: Arc<AtomicBool>,
}

struct PendingRead {
    /// Partitions not read far enough yet, with the offset to be reached; none while it is not known.
    missing: Option<Vec<(i32, i64)>>,
    /// What open transactions hold is to be read as well.
    with_open: bool,
    deadline: Instant,
    done: oneshot::Sender<Result<()>>,
}

impl ReadLoop {
    fn run(mut self) {
        while !self.stop.load(Ordering::SeqCst) {
            while let Ok(Request { target, done }) = self.incoming.try_recv() {
                let (missing, with_open) = match target {
                    ReadTarget::Offsets(offsets) => (Some(offsets), false),
                    ReadTarget::Readable => (None, false),
                    ReadTarget::Written => (None, true),
                };
                self.pending_reads.push(PendingRead {
                    missing,
                    with_open,
                    deadline: Instant::now() + self.timeout,
                    done,
                });
            }
            self.begin();
            self.find_targets();
            self.answer_pending_reads();
            self.step(self.wait());
        }
        self.consumer.close();
    }

    fn wait(&self) -> Duration {
        if !self.begun || self.pending_reads.iter().any(|pending| pending.missing.is_none()) {
            return RETRY;
        }
        let next = self.pending_reads.iter().map(|pending| pending.deadline).min();
        next.map_or(WAIT, |next| next.saturating_duration_since(Instant::now()).min(WAIT))
    }

    /// Starts reading: first the partitions with records, the rest when these are read to their ends.
    fn begin(&mut self) {
        if !self.begun {
            match self.first_and_end() {
                Ok(bounds) => self.read_from(bounds),
                Err(error) => self.unanswered(&error),
            }
        }
        let positions = &self.positions;
        self.catching_up.retain(|(partition, end)| positions.get(partition).is_none_or(|at| at < end));
        if self.begun && self.catching_up.is_empty() && !self.empty.is_empty() {
            let empty = std::mem::take(&mut self.empty);
            if let Err(error) = self.consumer.add(&empty) {
                self.fail(&error);
            }
        }
    }

    fn read_from(&mut self, bounds: Vec<(TopicPartition, i64, i64)>) {
        let mut full = Vec::new();
        for (partition, first, end) in bounds {
            let number = partition.partition;
            let from = (partition, Position::At(first));
            if first < end {
                self.catching_up.push((number, end));
                full.push(from);
            } else {
                self.positions.insert(number, end);
                self.empty.push(from);
            }
        }
        self.begun = true;
        if let Err(error) = self.consumer.add(&full) {
            self.fail(&error);
        }
    }

    fn first_and_end(&self) -> Result<Vec<(TopicPartition, i64, i64)>> {
        self.consumer.connect(self.request_timeout)?;
        let wanted = self.partitions.iter().map(|tp| (&*tp.topic, tp.partition));
        let first = all_listed(self.offsets.first_offsets(wanted, self.request_timeout)?)?;
        let mut ends = self.ends(self.committed_only)?;
        let both = |(tp, first): (TopicPartition, i64)| {
            let end = ends.remove(&tp).unwrap_or_default();
            (tp, first, end)
        };
        Ok(first.into_iter().map(both).collect())
    }

    fn ends(&self, committed_only: bool) -> Result<Offsets> {
        let wanted = self.partitions.iter().map(|tp| (&*tp.topic, tp.partition));
        Ok(all_listed(self.offsets.end_offsets(wanted, committed_only, self.request_timeout)?)?)
    }

    /// Determines the target offsets of new readers.
    fn find_targets(&mut self) {
        for with_open in [false, true] {
            let is_new = |pending: &PendingRead| pending.missing.is_none() && pending.with_open == with_open;
            if !self.pending_reads.iter().any(is_new) {
                continue;
            }
            match self.ends(self.committed_only && !with_open) {
                Ok(ends) => {
                    let written = ends.into_iter().filter(|(_, end)| *end > 0).map(|(tp, end)| (tp.partition, end));
                    let missing: Vec<_> = written.collect();
                    for pending in self.pending_reads.iter_mut().filter(|pending| is_new(pending)) {
                        pending.missing = Some(missing.clone());
                    }
                }
                Err(error) => self.unanswered(&error),
            }
        }
    }

    /// Answers the readers that have reached their offsets or timed out.
    fn answer_pending_reads(&mut self) {
        let now = Instant::now();
        for mut pending in std::mem::take(&mut self.pending_reads) {
            if let Some(missing) = &mut pending.missing {
                missing.retain(|(partition, end)| self.positions.get(partition).is_none_or(|at| at < end));
            }
            // The receiver may be gone.
            if pending.missing.as_ref().is_some_and(Vec::is_empty) {
                let _ = pending.done.send(Ok(()));
            } else if pending.deadline <= now {
                let _ = pending.done.send(Err(Error::retriable("the end was not reached in time: check the brokers")));
            } else {
                self.pending_reads.push(pending);
            }
        }
    }

    /// Usually a partition has no leader yet. librdkafka looks it up only every 3 s, but at once for a new request.
    fn unanswered(&mut self, error: &Error) {
        if error.is_retriable() {
            self.request_timeout = (self.request_timeout * 2).min(self.timeout);
            tracing::debug!(%error, "asking for the offsets of a log again");
        } else {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: &Error) {
        for pending in self.pending_reads.drain(..) {
            let _ = pending.done.send(Err(error.clone()));
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
