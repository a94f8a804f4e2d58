use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tributary_api::{ByteString, Record, Result, SinkTaskContext, TopicPartition};

use super::address::Address;
use super::message::{Message, PartitionId};
use crate::session::Session;

const READ_RECORDS: usize = 1_000;
/// A reader rests for so many times as long as it has read: whoever resumes all the time keeps no processor busy.
const REST: u32 = 2;
const LEAST_REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// How often to look for partitions that are not assigned yet, in case no notification comes.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Reads from Kafka what pages have missed. A partition has one reader at a time, which serves all pages that wait when
/// it begins, and a session waits once, however many pages it has: neither a restart nor a visitor makes many readers.
#[derive(Debug)]
pub(super) struct CatchUp {
    cx: SinkTaskContext,
    bounds: Bounds,
    partitions: Mutex<HashMap<PartitionId, Waiting>>,
    assigned: Notify,
    readers: TaskTracker,
    closed: CancellationToken,
}

/// What one reader may read and hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Records of the log, counted from its end.
    pub(super) records: usize,
    /// Messages of one session.
    pub(super) messages: usize,
    /// Bytes of all messages.
    pub(super) bytes: usize,
}

/// What a page has missed.
#[derive(Debug)]
pub(super) struct CaughtUp {
    pub(super) messages: Vec<Arc<Message>>,
    /// The last offset that was read; none where nothing is read.
    pub(super) read_to: Option<i64>,
    /// Whether the log has more after it.
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

/// One way through a partition.
struct Pass {
    sessions: Waiting,
    by_address: HashMap<Address, Vec<ByteString>>,
    bytes: usize,
    read_to: i64,
    goes_on: bool,
}

impl CatchUp {
    /// Ends when `closed` is cancelled.
    pub(super) fn new(cx: SinkTaskContext, bounds: Bounds, closed: CancellationToken) -> Self {
        Self { cx, bounds, partitions: Mutex::default(), assigned: Notify::new(), readers: TaskTracker::new(), closed }
    }

    /// Asks for what a session has missed of a partition after an offset. The answer comes when that was read, and
    /// never if the sink ends before. Must be called within a tokio runtime.
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

    /// The task has got partitions.
    pub(super) fn assigned(&self) {
        self.assigned.notify_waiters();
    }

    /// Sessions and pages that wait for a reader.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> (usize, usize) {
        let partitions = self.lock();
        let sessions = partitions.values().flat_map(HashMap::values);
        (sessions.clone().count(), sessions.map(|resume| resume.pages.len()).sum())
    }

    /// Reads a partition until nobody waits for it.
    async fn serve(&self, partition_id: PartitionId) {
        let mut retry = FIRST_RETRY;
        while let Some(waiting) = self.next(partition_id) {
            let Some(partition) = self.partition(partition_id).await else {
                waiting.into_values().for_each(Resume::nothing);
                continue;
            };
            let begun = Instant::now();
            let mut pass = Pass::new(waiting);
            match self.read(&partition, &mut pass).await {
                Ok(()) => {
                    tracing::debug!(%partition, sessions = pass.sessions.len(), "read what pages have missed");
                    pass.answer();
                    retry = FIRST_RETRY;
                    tokio::time::sleep((begun.elapsed() * REST).clamp(LEAST_REST, LONGEST_REST)).await;
                }
                Err(error) => {
                    tracing::warn!(%error, %partition, "cannot read what pages have missed: trying again");
                    self.put_back(partition_id, pass.sessions);
                    tokio::time::sleep(retry).await;
                    retry = (retry * 2).min(LONGEST_RETRY);
                }
            }
        }
    }

    /// Those who wait now. The partition has no reader any more when there is nobody.
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

    /// The partition of a partition, once the task has its partitions; none when this is not among them.
    async fn partition(&self, partition_id: PartitionId) -> Option<TopicPartition> {
        loop {
            let told = self.assigned.notified();
            let assignment = self.cx.assignment();
            if !assignment.is_empty() {
                return assignment.into_iter().find(|partition| PartitionId::of(partition) == partition_id);
            }
            // Both are an occasion to look.
            let _ = tokio::time::timeout(LOOK_AGAIN, told).await;
        }
    }

    async fn read(&self, partition: &TopicPartition, pass: &mut Pass) -> Result<()> {
        let after = pass.sessions.values().filter_map(Resume::after).min().unwrap_or(i64::MAX - 1);
        let mut reader = self.cx.reader(partition, after + 1, self.bounds.records).await?;
        pass.read_to = reader.end() - 1;
        loop {
            let records = reader.read(READ_RECORDS).await?;
            let Some(last) = records.iter().filter_map(Record::consumed_from).map(|(_, _, offset)| offset).max() else {
                return Ok(());
            };
            records.iter().for_each(|record| pass.take(record, &self.bounds));
            if pass.bytes > self.bounds.bytes && last < pass.read_to {
                (pass.read_to, pass.goes_on) = (last, true);
                return Ok(());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PartitionId, Waiting>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resume {
    fn is_awaited(&mut self) -> bool {
        self.pages.retain(|page| !page.answer.is_closed());
        !self.pages.is_empty()
    }

    /// The first offset that one of its pages has.
    fn after(&self) -> Option<i64> {
        self.pages.iter().map(|page| page.after).min()
    }

    fn nothing(self) {
        for page in self.pages {
            // Whoever is gone needs no answer.
            let _ = page.answer.send(CaughtUp { messages: Vec::new(), read_to: None, goes_on: false });
        }
    }
}

impl Pass {
    fn new(sessions: Waiting) -> Self {
        let mut by_address: HashMap<Address, Vec<ByteString>> = HashMap::new();
        for (session, resume) in &sessions {
            for address in &resume.addresses {
                by_address.entry(address.clone()).or_default().push(session.clone());
            }
        }
        Self { sessions, by_address, bytes: 0, read_to: -1, goes_on: false }
    }

    /// Keeps a record for the sessions that it is for.
    fn take(&mut self, record: &Record, bounds: &Bounds) {
        // A tombstone says nothing to a page, and bad records were reported when they came the first time.
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
                // Whoever is gone needs no answer.
                let _ = page.answer.send(CaughtUp { messages, read_to, goes_on: self.goes_on });
            }
        }
    }
}

/// What a page is waiting for, and what it has got meanwhile.
#[derive(Debug)]
pub(super) struct Missed {
    pub(super) partition_id: PartitionId,
    /// All up to this offset has been sent.
    pub(super) after: i64,
    pub(super) answer: oneshot::Receiver<CaughtUp>,
    /// Offsets of the partition that were sent before what is missed.
    pub(super) ahead: HashSet<i64>,
}

impl Missed {
    /// Ends when what was missed is there; never, where nothing is missed.
    pub(super) async fn found(missed: &mut Option<Self>) -> Option<CaughtUp> {
        match missed {
            Some(missed) => (&mut missed.answer).await.ok(),
            None => std::future::pending().await,
        }
    }
}
