use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tributary_api::{
    Ack, AckListener, Backoff, Error, Origin, RecordMetadata, Result, SourceOffset, SourcePartition, Topic,
};
use tributary_kafka::{Producer, ProducerOptions, ProducerRecord, Token, TransactionError, Unconfirmed, is_denied};

use super::reports::{Reports, UNREPORTED};
use super::{CALL_TIMEOUT, ExitReason};
use crate::supervision::panicked;
use crate::tasks::source::in_flight::Key;
use crate::tasks::{TaskContext, without_delivery_timeout};

/// Java's default of `transaction.timeout.ms`.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// The shortest interval between two tries of a call, in case the first returns at once.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// The wait before sending again when the producer's queue is full.
const QUEUE_FULL: Duration = Duration::from_millis(2);

/// The transactions of one source task, one after the other.
pub(super) struct Transactions {
    cx: Arc<TaskContext>,
    producer: Arc<Producer>,
    reports: Arc<Reports>,
    /// `transaction.timeout.ms`: the broker aborts a transaction that is open for longer.
    timeout: Duration,
    /// When the open one began.
    open: Option<Instant>,
    /// Whether records were sent that are not noted yet: without their offsets they must not be committed.
    has_unnoted: bool,
    /// The latest offset of each source partition.
    offsets: Vec<(SourcePartition, SourceOffset)>,
    places: HashMap<Key, usize>,
    last: usize,
    records: usize,
    listener: Option<Arc<dyn AckListener>>,
    /// What the listener gets after the commit.
    done: Vec<Done>,
    /// Topics not reported as used.
    topics: Vec<Topic>,
    commit_due: bool,
}

/// A record that is done when the transaction is committed.
struct Done {
    origin: Origin,
    /// The token of its outputs.
    token: Token,
    /// Why it was not written.
    lost: Option<Error>,
}

impl Transactions {
    /// Creates the producer and takes the transactional id over: an earlier producer is fenced off and its open transaction
    /// aborted. Waits for the broker without limit; `None` when the task is asked to stop meanwhile.
    ///
    /// # Errors
    /// When a setting is invalid or the brokers deny the access.
    pub(super) async fn open(cx: &Arc<TaskContext>) -> Result<Option<Self>, ExitReason> {
        let (id, worker) = (&cx.spec.id, &cx.spec.worker);
        let props = &cx.spec.connector.props;
        worker.log_ignored_overrides(&id.connector, id.task, props);
        let client = without_delivery_timeout(worker.transactional_producer(&id.connector, id.task, props));
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
            has_unnoted: false,
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

    /// The plugin's listener gets every record that is committed from now on.
    pub(super) fn set_listener(&mut self, listener: Arc<dyn AckListener>) {
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

    /// Whether the plugin's `commit` is to be called now; true once for each transaction.
    pub(super) fn take_commit_due(&mut self) -> bool {
        std::mem::take(&mut self.commit_due)
    }

    /// The token for the outputs of a record that will be noted after this many others.
    pub(super) fn token(&self, others: usize) -> Token {
        if self.listener.is_some() { (self.done.len() + others) as Token } else { UNREPORTED }
    }

    /// A topic is used for the first time; it is reported after the commit.
    pub(super) fn first_use(&mut self, topic: Topic) {
        self.topics.push(topic);
    }

    /// Passes a record to the producer. `false` when its queue is full.
    ///
    /// # Errors
    /// `Data` for a record that can never be written.
    pub(super) fn send(&mut self, record: &ProducerRecord<'_>, token: Token) -> Result<bool> {
        self.has_unnoted = true;
        self.producer.try_send(record, token)
    }

    /// Begins a transaction if none is open.
    pub(super) fn begin(&mut self) -> Result<(), ExitReason> {
        if self.open.is_none() {
            self.reports.clear();
            self.producer.begin_transaction().map_err(exit_reason)?;
            self.open = Some(Instant::now());
        }
        Ok(())
    }

    /// All outputs of this record were sent, or it has none: its offset is committed with them.
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
            // Without outputs there is no position to report: a transform dropped the record, or it failed.
            self.done.push(Done { origin, token: if outputs == 0 { UNREPORTED } else { token }, lost });
        }
    }

    /// Every record that was sent is noted.
    pub(super) fn all_noted(&mut self) {
        self.has_unnoted = false;
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

    /// Commits the records sent since the last transaction, with their offsets. Does nothing if there is neither.
    ///
    /// # Errors
    /// When the commit is refused, or its outcome is not known.
    pub(super) fn commit(&mut self) -> Result<(), ExitReason> {
        if self.open.is_none() && self.offsets.is_empty() {
            return if self.done.is_empty() { Ok(()) } else { self.report_committed() };
        }
        let started = Instant::now();
        let committed = self.try_commit();
        self.cx.metrics.offsets_committed(started.elapsed(), committed.is_ok());
        committed?;
        self.open = None;
        self.report_committed()
    }

    fn try_commit(&mut self) -> Result<(), ExitReason> {
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
        // The commit waits for all records too, but does not say which of them failed: so they are waited for here.
        self.flush()?;
        self.retry_until_answered(|producer, timeout| producer.commit_transaction(timeout))
    }

    fn send_offset(&mut self, record: &ProducerRecord<'_>) -> Result<(), ExitReason> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.producer.try_send(record, UNREPORTED) {
                Ok(true) => return Ok(()),
                Ok(false) if Instant::now() < deadline && !self.cx.control.is_stopping() => {
                    std::thread::sleep(QUEUE_FULL)
                }
                Ok(false) => {
                    return Err(ExitReason::Renew(Error::retriable(
                        "the producer's queue stayed full: offsets could not be sent in time",
                    )));
                }
                Err(error) => return Err(self.send_failed(error)),
            }
        }
    }

    /// Aborts the records sent since the last transaction at the plugin's request. Their offsets are committed with the next
    /// transaction, as in Kafka Connect.
    ///
    /// # Errors
    /// When the abort fails.
    pub(super) fn abort_records(&mut self) -> Result<(), ExitReason> {
        self.end_open()?;
        self.records = 0;
        for done in &mut self.done {
            done.token = UNREPORTED;
        }
        Ok(())
    }

    /// Aborts the open transaction and discards its offsets.
    pub(super) fn abort(&mut self) {
        self.offsets.clear();
        self.places.clear();
        self.done.clear();
        self.records = 0;
        if let Err(ExitReason::Renew(error) | ExitReason::Fail(error)) = self.end_open() {
            tracing::warn!(%error, "could not abort the transaction: the broker aborts it after transaction.timeout.ms");
        }
    }

    fn end_open(&mut self) -> Result<(), ExitReason> {
        if self.open.take().is_some() {
            self.retry_until_answered(|producer, timeout| producer.abort_transaction(timeout))?;
        }
        self.has_unnoted = false;
        Ok(())
    }

    /// Whether the open transaction may be committed: it has no record without its offset.
    pub(super) fn is_complete(&self) -> bool {
        !self.has_unnoted
    }

    /// What follows from an error of the producer while a record was sent.
    #[cold]
    pub(super) fn send_failed(&self, error: Error) -> ExitReason {
        if is_denied(&error) {
            return ExitReason::Fail(denied(error));
        }
        if let Some(failure) = self.reports.state().failure.take() {
            return unwritten(failure);
        }
        ExitReason::Renew(error)
    }

    /// Waits until all records are acknowledged.
    fn flush(&self) -> Result<(), ExitReason> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.producer.flush(CALL_TIMEOUT.min(self.timeout)) {
                Ok(()) => break,
                Err(_) if Instant::now() < deadline && !self.cx.control.is_stopping() => {}
                Err(error) => return Err(ExitReason::Renew(error)),
            }
        }
        match self.reports.state().failure.take() {
            None => Ok(()),
            Some(error) => Err(unwritten(error)),
        }
    }

    /// Repeats a call while its error is retriable, until twice the transaction's timeout or a request to stop. Whether an
    /// unanswered commit took effect is settled by `init_transactions` of the next producer.
    fn retry_until_answered(
        &self,
        call: impl Fn(&Producer, Duration) -> Result<(), TransactionError>,
    ) -> Result<(), ExitReason> {
        let deadline = Instant::now() + self.timeout * 2;
        loop {
            let called = Instant::now();
            match call(&self.producer, CALL_TIMEOUT.min(self.timeout)) {
                Ok(()) => return Ok(()),
                Err(TransactionError::Retriable(error))
                    if Instant::now() < deadline && !self.cx.control.is_stopping() =>
                {
                    tracing::debug!(%error, "repeating a call");
                    std::thread::sleep(RETRY_INTERVAL.saturating_sub(called.elapsed()));
                }
                Err(error) => return Err(exit_reason(error)),
            }
        }
    }

    /// Reports a transaction that is committed.
    fn report_committed(&mut self) -> Result<(), ExitReason> {
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
            done.iter().map(|(origin, outcome)| Ack::new(origin, outcome.as_ref().copied())).collect();
        if acks.is_empty() {
            return Ok(());
        }
        catch_unwind(AssertUnwindSafe(|| listener.acknowledged(&acks)))
            .map_err(|panic| ExitReason::Fail(panicked("the ack listener", &*panic)))
    }
}

/// `false` when the task is asked to stop meanwhile.
async fn take_over(cx: &TaskContext, producer: &Producer) -> Result<bool, ExitReason> {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
    loop {
        if cx.control.is_stopping() {
            return Ok(false);
        }
        let error = match producer.init_transactions(CALL_TIMEOUT) {
            Ok(()) => return Ok(true),
            // librdkafka continues the same operation when the call is repeated.
            Err(TransactionError::Retriable(error)) => error,
            Err(error) => return Err(exit_reason(error)),
        };
        let wait = backoff.next_wait();
        if backoff.should_log() {
            tracing::warn!(%error, tries = backoff.tries(), "could not take over the transactional id, trying again");
        }
        cx.control.sleep(wait).await;
    }
}

fn exit_reason(error: TransactionError) -> ExitReason {
    if is_denied(error.error()) {
        return ExitReason::Fail(denied(error.into_error()));
    }
    ExitReason::Renew(error.into_error())
}

/// What follows from a record that was not written. One that the broker refuses would be refused again.
#[cold]
fn unwritten(error: Error) -> ExitReason {
    if is_denied(&error) {
        return ExitReason::Fail(denied(error));
    }
    match error.kind() {
        tributary_api::ErrorKind::Data => ExitReason::Fail(
            Error::fatal(
                "the broker refuses a record, and a transaction is committed as a whole: let its topic take the record, or \
                 lower producer.override.max.request.size, so that errors.tolerance=all can skip it",
            )
            .cause(&error),
        ),
        _ => ExitReason::Renew(error),
    }
}

fn denied(error: Error) -> Error {
    let message =
        "the brokers deny the task access: correct its login, or its rights to the topics and to the transactional id";
    Error::fatal(message).cause(&error)
}
