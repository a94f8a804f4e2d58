use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tributary_api::{Backoff, ByteString, Record, Result, SinkTaskContext, TopicPartition};

use super::address::Address;
use super::message::{Message, PartitionId};
use crate::session::Session;

const READ_RECORDS: usize = 1_000;
/// After reading, a reader waits for this many times as long as it has read, so that pages that resume all the time
/// cannot keep a processor busy.
const REST_FACTOR: u32 = 2;
const MIN_REST: Duration = Duration::from_millis(50);
const MAX_REST: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);
/// How often the assignment is checked, in case no notification comes.
const ASSIGNMENT_CHECK: Duration = Duration::from_secs(1);

/// Reads from Kafka what pages have missed. A partition has one reader at a time, which serves all pages that are
/// waiting when it starts; a session waits once, however many pages it has. So neither a restart nor a single visitor
/// can cause many readers.
#[derive(Debug)]
pub(super) struct CatchUp {
    cx: SinkTaskContext,
    bounds: Bounds,
    partitions: Mutex<HashMap<PartitionId, Waiting>>,
    assigned: Notify,
    readers: TaskTracker,
    closed: CancellationToken,
}

/// The limits of one reader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The maximum number of records, counted from the end of the log.
    pub(super) records: usize,
    /// Messages of one session.
    pub(super) messages: usize,
    /// Bytes of all messages.
    pub(super) bytes: usize,
}

/// The messages that a page has missed.
#[derive(Debug)]
pub(super) struct CaughtUp {
    pub(super) messages: Vec<Arc<Message>>,
    /// The last offset that was read; none if nothing was read.
    pub(super) read_to: Option<i64>,
    /// Whether the log continues after it.
    pub(super) goes_on: bool,
}

/// The sessions that wait for a partition.
type Waiting = HashMap<ByteString, Resume>;

#[derive(Debug)]
struct Resume {
    addresses: [Address; 2],
    pages: Vec<Page>,
    messages: VecDeque<Arc<Message>>,
}

#[derive(Debug)]
struct Page {
    after: i64,
    answer: oneshot::Sender<CaughtUp>,
}

/// One read of a partition's log, for all sessions that wait for it.
struct LogScan {
    sessions: Waiting,
    by_address: HashMap<Address, Vec<ByteString>>,
    bytes: usize,
    read_to: i64,
    goes_on: bool,
}

impl CatchUp {
    /// Stops when `closed` is cancelled.
    pub(super) fn new(cx: SinkTaskContext, bounds: Bounds, closed: CancellationToken) -> Self {
        Self { cx, bounds, partitions: Mutex::default(), assigned: Notify::new(), readers: TaskTracker::new(), closed }
    }

    /// Requests what a session has missed of a partition after an offset. The receiver gets it when it was read, or is
    /// closed if the sink stops before. Must be called within a tokio runtime.
    pub(super) fn ask(
        self: &Arc<Self>,
        session: &Session,
        partition_id: PartitionId,
        after: i64,
    ) -> oneshot::Receiver<CaughtUp> {
        let (answer, answered) = oneshot::channel();
        let mut partitions = self.lock();
        let is_first = !partitions.contains_key(&partition_id);
        let resume = partitions.entry(partition_id).or_default().entry(session.id().clone()).or_insert_with(|| {
            Resume { addresses: Address::of_session(session), pages: Vec::new(), messages: VecDeque::new() }
        });
        resume.pages.retain(|page| !page.answer.is_closed());
        resume.pages.push(Page { after, answer });
        drop(partitions);
        if is_first {
            let (catch_up, closed) = (Arc::clone(self), self.closed.clone());
            self.readers.spawn(async move {
                tokio::select! {
                    () = closed.cancelled() => {}
                    () = catch_up.serve(partition_id) => {}
                }
            });
        }
        answered
    }

    /// Partitions were assigned to the task.
    pub(super) fn assigned(&self) {
        self.assigned.notify_waiters();
    }

    /// The number of sessions and of pages that wait for a reader.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> (usize, usize) {
        let partitions = self.lock();
        let sessions = partitions.values().flat_map(HashMap::values);
        (sessions.clone().count(), sessions.map(|resume| resume.pages.len()).sum())
    }

    /// Reads a partition until no session waits for it.
    async fn serve(&self, partition_id: PartitionId) {
        let mut retry = Backoff::new(FIRST_RETRY, MAX_RETRY_DELAY);
        while let Some(waiting) = self.next(partition_id) {
            let Some(partition) = self.partition(partition_id).await else {
                waiting.into_values().for_each(Resume::nothing);
                continue;
            };
            let begun = Instant::now();
            let mut scan = LogScan::new(waiting);
            match self.read(&partition, &mut scan).await {
                Ok(()) => {
                    tracing::debug!(%partition, sessions = scan.sessions.len(), "read missed messages");
                    scan.answer();
                    retry.reset();
                    tokio::time::sleep((begun.elapsed() * REST_FACTOR).clamp(MIN_REST, MAX_REST)).await;
                }
                Err(error) => {
                    tracing::warn!(%error, %partition, "cannot read missed messages: trying again");
                    self.put_back(partition_id, scan.sessions);
                    tokio::time::sleep(retry.next_wait()).await;
                }
            }
        }
    }

    /// The sessions that wait now. If there are none, the partition has no reader any more.
    fn next(&self, partition_id: PartitionId) -> Option<Waiting> {
        let mut partitions = self.lock();
        let waiting = partitions.get_mut(&partition_id)?;
        waiting.retain(|_, resume| resume.is_awaited());
        if waiting.is_empty() {
            partitions.remove(&partition_id);
            return None;
        }
        Some(std::mem::take(waiting))
    }

    fn put_back(&self, partition_id: PartitionId, sessions: Waiting) {
        let mut partitions = self.lock();
        let waiting = partitions.entry(partition_id).or_default();
        for (session, mut resume) in sessions {
            resume.messages.clear();
            match waiting.get_mut(&session) {
                Some(later) => later.pages.append(&mut resume.pages),
                None => drop(waiting.insert(session, resume)),
            }
        }
    }

    /// The topic partition of an id, once partitions are assigned to the task; none when it is not among them.
    async fn partition(&self, partition_id: PartitionId) -> Option<TopicPartition> {
        loop {
            let notified = self.assigned.notified();
            let assignment = self.cx.assignment();
            if !assignment.is_empty() {
                return assignment.into_iter().find(|partition| PartitionId::of(partition) == partition_id);
            }
            // Checks the assignment after a notification and after the timeout.
            let _ = tokio::time::timeout(ASSIGNMENT_CHECK, notified).await;
        }
    }

    async fn read(&self, partition: &TopicPartition, scan: &mut LogScan) -> Result<()> {
        let after = scan.sessions.values().filter_map(Resume::after).min().unwrap_or(i64::MAX - 1);
        let mut reader = self.cx.reader(partition, after + 1, self.bounds.records).await?;
        scan.read_to = reader.end() - 1;
        loop {
            let records = reader.read(READ_RECORDS).await?;
            let Some(last) = records.iter().filter_map(Record::consumed_from).map(|(_, _, offset)| offset).max() else {
                return Ok(());
            };
            records.iter().for_each(|record| scan.take(record, &self.bounds));
            if scan.bytes > self.bounds.bytes && last < scan.read_to {
                (scan.read_to, scan.goes_on) = (last, true);
                return Ok(());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PartitionId, Waiting>> {
        self.partitions.lock()
    }
}

impl Resume {
    fn is_awaited(&mut self) -> bool {
        self.pages.retain(|page| !page.answer.is_closed());
        !self.pages.is_empty()
    }

    /// The lowest offset that one of its pages has received.
    fn after(&self) -> Option<i64> {
        self.pages.iter().map(|page| page.after).min()
    }

    fn nothing(self) {
        for page in self.pages {
            // The receiver is gone if the page was closed.
            let _ = page.answer.send(CaughtUp { messages: Vec::new(), read_to: None, goes_on: false });
        }
    }
}

impl LogScan {
    fn new(sessions: Waiting) -> Self {
        let mut by_address: HashMap<Address, Vec<ByteString>> = HashMap::new();
        for (session, resume) in &sessions {
            for address in &resume.addresses {
                by_address.entry(address.clone()).or_default().push(session.clone());
            }
        }
        Self { sessions, by_address, bytes: 0, read_to: -1, goes_on: false }
    }

    /// Adds a record to the sessions it is addressed to.
    fn take(&mut self, record: &Record, bounds: &Bounds) {
        // Tombstones are not delivered, and invalid records were reported when they were consumed.
        if record.value.value.is_null() {
            return;
        }
        let Ok(address) = Address::of(record) else { return };
        let Some(sessions) = self.by_address.get(&address) else { return };
        let Ok(message) = Message::of(record) else { return };
        self.bytes += message.json.len();
        let message = Arc::new(message);
        for session in sessions {
            let Some(resume) = self.sessions.get_mut(session) else { continue };
            resume.messages.push_back(Arc::clone(&message));
            if resume.messages.len() > bounds.messages {
                resume.messages.pop_front();
            }
        }
    }

    fn answer(self) {
        for resume in self.sessions.into_values() {
            for page in resume.pages {
                let is_missed = |message: &&Arc<Message>| message.cursor.offset > page.after;
                let messages = resume.messages.iter().filter(is_missed).cloned().collect();
                let read_to = Some(self.read_to.max(page.after));
                // The receiver is gone when the subscriber has left.
                let _ = page.answer.send(CaughtUp { messages, read_to, goes_on: self.goes_on });
            }
        }
    }
}

/// What a page is waiting for, and what it has received meanwhile.
#[derive(Debug)]
pub(super) struct MissedMessages {
    pub(super) partition_id: PartitionId,
    /// Everything up to this offset has been sent.
    pub(super) after: i64,
    pub(super) answer: oneshot::Receiver<CaughtUp>,
    /// Offsets of the partition that were sent before the missed ones.
    pub(super) ahead: HashSet<i64>,
}

impl MissedMessages {
    /// Returns when the missed messages were read; never returns if nothing is missed.
    pub(super) async fn found(missed: &mut Option<Self>) -> Option<CaughtUp> {
        match missed {
            Some(missed) => (&mut missed.answer).await.ok(),
            None => std::future::pending().await,
        }
    }
}
