use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tributary_api::{
    Ack, AckListener, Backoff, Error, Origin, RecordMetadata, Result, SourceOffset, SourcePartition, Topic,
};
use tributary_kafka::{Producer, ProducerOptions, ProducerRecord, Token, TransactionError, Unconfirmed, is_denied};

use super::reports::{Reports, UNTOLD};
use super::{Ending, SLICE};
use crate::supervision::panicked;
use crate::tasks::source::in_flight::Key;
use crate::tasks::{TaskContext, without_delivery_timeout};

/// Java's default of `transaction.timeout.ms`.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two calls, the first of which came back at once.
const BREATH: Duration = Duration::from_millis(20);
/// How soon room in a full queue is looked for again.
const ROOM: Duration = Duration::from_millis(2);

/// The transactions of one source task, one after the other.
pub(super) struct Transactions {
    cx: Arc<TaskContext>,
    producer: Arc<Producer>,
    reports: Arc<Reports>,
    /// The broker ends a transaction by itself that lasts longer.
    timeout: Duration,
    /// When the open one began.
    open: Option<Instant>,
    /// Whether something of a record was sent that is not accounted for: it must not be committed.
    torn: bool,
    /// The latest offset of each source partition.
    offsets: Vec<(SourcePartition, SourceOffset)>,
    places: HashMap<Key, usize>,
    last: usize,
    records: usize,
    listener: Option<Arc<dyn AckListener>>,
    /// What the listener is told once it is committed.
    done: Vec<Done>,
    /// Topics not reported as used.
    topics: Vec<Topic>,
    commit_due: bool,
}

/// A record that is done when the transaction is committed.
struct Done {
    origin: Origin,
    /// What its outputs were sent with.
    token: Token,
    /// Why it was not written.
    lost: Option<Error>,
}

impl Transactions {
    /// Makes the producer and takes the transactional id over: what an earlier producer left open is aborted, and it is fenced
    /// off. The broker is waited for as long as it takes. None when the task is asked to stop meanwhile.
    ///
    /// # Errors
    /// When a setting cannot be used, or the brokers do not let it write.
    pub(super) async fn open(cx: &Arc<TaskContext>) -> Result<Option<Self>, Ending> {
        let (id, worker) = (&cx.spec.id, &cx.spec.worker);
        let client =
            without_delivery_timeout(worker.transactional_producer(&id.connector, id.task, &cx.spec.connector.props));
        let timeout = client.get("transaction.timeout.ms").and_then(|ms| ms.parse().ok());
        let timeout = timeout.map_or(TRANSACTION_TIMEOUT, Duration::from_millis);
        let reports = Arc::<Reports>::default();
        // A transaction is repeated as a whole: of two records of a key, the older one must not come last.
        let (stop, unconfirmed) = (cx.control.stopping().clone(), Unconfirmed::Fail);
        let options = ProducerOptions { stop, unconfirmed, ..ProducerOptions::default() };
        let producer = Arc::new(Producer::with_options(&client, Arc::clone(&reports) as _, options)?);
        cx.control.on_abandon(&producer, Producer::purge);
        if !take_over(cx, &producer).await? {
            return Ok(None);
        }
        Ok(Some(Self {
            cx: Arc::clone(cx),
            producer,
            reports,
            timeout,
            open: None,
            torn: false,
            offsets: Vec::new(),
            places: HashMap::new(),
            last: usize::MAX,
            records: 0,
            listener: None,
            done: Vec::new(),
            topics: Vec::new(),
            commit_due: false,
        }))
    }

    /// From now on the plugin hears of every record that is committed.
    pub(super) fn tell(&mut self, listener: Arc<dyn AckListener>) {
        self.listener = Some(listener);
    }

    /// When the open transaction began.
    pub(super) fn opened(&self) -> Option<Instant> {
        self.open
    }

    /// How long a transaction may stay open.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether the plugin should hear `commit` now; true once for each transaction.
    pub(super) fn take_commit_due(&mut self) -> bool {
        std::mem::take(&mut self.commit_due)
    }

    /// The token for the outputs of the record that is noted after so many others.
    pub(super) fn token(&self, others: usize) -> Token {
        if self.listener.is_some() { (self.done.len() + others) as Token } else { UNTOLD }
    }

    /// A topic is used for the first time; told when it is committed.
    pub(super) fn first_use(&mut self, topic: Topic) {
        self.topics.push(topic);
    }

    /// Hands a record over. `false` when there is no room for now.
    ///
    /// # Errors
    /// `Data` for a record that can never be written.
    pub(super) fn send(&mut self, record: &ProducerRecord<'_>, token: Token) -> Result<bool> {
        self.torn = true;
        self.producer.try_send(record, token)
    }

    /// Begins a transaction if none is open.
    pub(super) fn begin(&mut self) -> Result<(), Ending> {
        if self.open.is_none() {
            self.reports.clear();
            self.producer.begin_transaction().map_err(sorted)?;
            self.open = Some(Instant::now());
        }
        Ok(())
    }

    /// All outputs of this record were handed over, or it has none: its offset is committed with them.
    pub(super) fn note(&mut self, origin: Origin, outputs: u32, lost: Option<Error>) {
        if let Origin::Source { partition: Some(partition), offset: Some(offset), .. } = &origin {
            let last = self.offsets.get_mut(self.last).filter(|(known, _)| known.ptr_eq(partition));
            match last {
                Some((_, known)) => known.clone_from(offset),
                None => self.note_offset(partition, offset),
            }
        }
        self.records += outputs as usize;
        if self.listener.is_some() {
            let token = self.done.len() as Token;
            // Nothing of it was sent, and nothing was lost: a transform dropped it.
            self.done.push(Done { origin, token: if outputs == 0 { UNTOLD } else { token }, lost });
        }
    }

    /// Everything that was sent is noted.
    pub(super) fn all_noted(&mut self) {
        self.torn = false;
    }

    #[cold]
    fn note_offset(&mut self, partition: &SourcePartition, offset: &SourceOffset) {
        let next = self.offsets.len();
        self.last = *self.places.entry(Key(partition.clone())).or_insert(next);
        match self.offsets.get_mut(self.last) {
            Some(known) => *known = (partition.clone(), offset.clone()),
            None => self.offsets.push((partition.clone(), offset.clone())),
        }
    }

    /// Commits what was sent since the last end, with the offsets behind it. Nothing is done where there is neither.
    ///
    /// # Errors
    /// When it is not known to be committed.
    pub(super) fn commit(&mut self) -> Result<(), Ending> {
        if self.open.is_none() && self.offsets.is_empty() {
            return if self.done.is_empty() { Ok(()) } else { self.ended() };
        }
        let started = Instant::now();
        let committed = self.try_commit();
        self.cx.metrics.offsets_committed(started.elapsed(), committed.is_ok());
        committed?;
        self.open = None;
        self.ended()
    }

    fn try_commit(&mut self) -> Result<(), Ending> {
        self.begin()?;
        let cx = Arc::clone(&self.cx);
        let (store, connector) = (&cx.spec.offsets, &cx.spec.id.connector);
        for (key, value) in store.encode(connector, &self.offsets)? {
            let record = ProducerRecord {
                topic: store.topic(),
                key: Some(&key),
                value: value.as_deref(),
                ..ProducerRecord::default()
            };
            self.send_offset(&record)?;
        }
        // The commit waits for all records too, and then asks no more what became of them.
        self.flush()?;
        self.insist(|producer, timeout| producer.commit_transaction(timeout))
    }

    fn send_offset(&mut self, record: &ProducerRecord<'_>) -> Result<(), Ending> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.producer.try_send(record, UNTOLD) {
                Ok(true) => return Ok(()),
                Ok(false) if Instant::now() < deadline && !self.cx.control.is_stopping() => std::thread::sleep(ROOM),
                Ok(false) => return Err(Ending::Renew(Error::retriable("there was no room for offsets in time"))),
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    /// Gives up the records since the last end. Their offsets are committed with the next transaction: the task has asked
    /// for it.
    ///
    /// # Errors
    /// When nobody knows what became of them.
    pub(super) fn abort_records(&mut self) -> Result<(), Ending> {
        self.end_open()?;
        self.records = 0;
        for done in &mut self.done {
            done.token = UNTOLD;
        }
        Ok(())
    }

    /// Gives up everything since the last end.
    pub(super) fn abort(&mut self) {
        self.offsets.clear();
        self.places.clear();
        self.done.clear();
        self.records = 0;
        if let Err(Ending::Renew(error) | Ending::Fail(error)) = self.end_open() {
            tracing::warn!(%error, "could not abort the transaction, the broker does so by itself");
        }
    }

    fn end_open(&mut self) -> Result<(), Ending> {
        if self.open.take().is_some() {
            self.insist(|producer, timeout| producer.abort_transaction(timeout))?;
        }
        self.torn = false;
        Ok(())
    }

    /// Whether what was sent may be committed as it is.
    pub(super) fn is_whole(&self) -> bool {
        !self.torn
    }

    /// What a record could not be sent for, which is not its own fault.
    #[cold]
    pub(super) fn broken(&self, error: Error) -> Ending {
        if is_denied(&error) {
            return Ending::Fail(denied(error));
        }
        if let Some(failure) = self.reports.state().failure.take() {
            return unwritten(failure);
        }
        Ending::Renew(error)
    }

    /// Waits until all records are acknowledged.
    fn flush(&self) -> Result<(), Ending> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.producer.flush(SLICE.min(self.timeout)) {
                Ok(()) => break,
                Err(_) if Instant::now() < deadline && !self.cx.control.is_stopping() => {}
                Err(error) => return Err(Ending::Renew(error)),
            }
        }
        match self.reports.state().failure.take() {
            None => Ok(()),
            Some(error) => Err(unwritten(error)),
        }
    }

    /// Makes a call again as long as that helps, time lasts and nobody asks the task to stop. What became of a commit that
    /// was not answered is decided by the next producer's first call.
    fn insist(&self, call: impl Fn(&Producer, Duration) -> Result<(), TransactionError>) -> Result<(), Ending> {
        let deadline = Instant::now() + self.timeout * 2;
        loop {
            let called = Instant::now();
            match call(&self.producer, SLICE.min(self.timeout)) {
                Ok(()) => return Ok(()),
                Err(TransactionError::Retriable(error))
                    if Instant::now() < deadline && !self.cx.control.is_stopping() =>
                {
                    tracing::debug!(%error, "making the call again");
                    std::thread::sleep(BREATH.saturating_sub(called.elapsed()));
                }
                Err(error) => return Err(sorted(error)),
            }
        }
    }

    /// Tells of a transaction that is committed.
    fn ended(&mut self) -> Result<(), Ending> {
        let (spec, metrics) = (&self.cx.spec, &self.cx.metrics);
        metrics.source.written.add(self.records);
        metrics.source.transaction_size.record(self.records as u64);
        self.records = 0;
        spec.offsets.committed(&spec.id.connector, std::mem::take(&mut self.offsets));
        self.places.clear();
        for topic in self.topics.drain(..) {
            self.cx.reporter.topic_used(&topic);
        }
        self.commit_due = true;
        let Some(listener) = &self.listener else { return Ok(()) };
        let written = std::mem::take(&mut self.reports.state().written);
        let done: Vec<(Origin, Result<Option<RecordMetadata>>)> = self
            .done
            .drain(..)
            .map(|Done { origin, token, lost }| (origin, lost.map_or_else(|| Ok(written.get(&token).copied()), Err)))
            .collect();
        let acks: Vec<Ack<'_>> =
            done.iter().map(|(origin, outcome)| Ack { origin, result: outcome.as_ref().copied() }).collect();
        if acks.is_empty() {
            return Ok(());
        }
        catch_unwind(AssertUnwindSafe(|| listener.acknowledged(&acks)))
            .map_err(|panic| Ending::Fail(panicked("the ack listener", &*panic)))
    }
}

/// `false` when the task is asked to stop meanwhile.
async fn take_over(cx: &TaskContext, producer: &Producer) -> Result<bool, Ending> {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
    loop {
        if cx.control.is_stopping() {
            return Ok(false);
        }
        let error = match producer.init_transactions(SLICE) {
            Ok(()) => return Ok(true),
            // The same call goes on where it was.
            Err(TransactionError::Retriable(error)) => error,
            Err(error) => return Err(sorted(error)),
        };
        let wait = backoff.next_wait();
        if backoff.should_log() {
            tracing::warn!(%error, tries = backoff.tries(), "could not take over the transactional id, trying again");
        }
        cx.control.sleep(wait).await;
    }
}

fn sorted(error: TransactionError) -> Ending {
    if is_denied(error.error()) {
        return Ending::Fail(denied(error.into_error()));
    }
    Ending::Renew(error.into_error())
}

/// A record was not written. One that the broker refuses would be refused again.
#[cold]
fn unwritten(error: Error) -> Ending {
    if is_denied(&error) {
        return Ending::Fail(denied(error));
    }
    match error.kind() {
        tributary_api::ErrorKind::Data => Ending::Fail(
            Error::fatal(
                "the broker refuses a record, and a transaction is committed as a whole: let its topic take the record, or \
                 producer.override.max.request.size refuse it before, where errors.tolerance=all skips it",
            )
            .cause(&error),
        ),
        _ => Ending::Renew(error),
    }
}

fn denied(error: Error) -> Error {
    let message = "the brokers do not let the task write in transactions: correct its login or its rights to the topics and \
                   to the transactional id";
    Error::fatal(message).cause(&error)
}
