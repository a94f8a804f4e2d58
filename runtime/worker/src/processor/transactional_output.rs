use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tributary_api::{Backoff, Error, ErrorKind, Offsets, Result, Topic};
use tributary_kafka::{
    ClientConfig, Consumer, Producer, ProducerOptions, ProducerRecord, Token, TransactionError, Unconfirmed, is_denied,
};

use super::delivery_reports::{DeliveryReports, Refusal, output_token};
use super::transact::changelog;
use super::uncertain_transaction::UncertainTransaction;
use super::{Guarantee, ProcessorConfig};
use crate::tasks::{Control, Encoded, TaskContext};

/// How long one call waits for the broker, so that a request to stop is noticed within this time. Calls that time out
/// are repeated.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// The minimum time between two calls, in case one returns at once.
const CALL_PAUSE: Duration = Duration::from_millis(20);

/// Writes outputs and changelogs, and commits them with the input offsets.
pub(super) struct TransactionalOutput {
    /// None while a producer is being replaced.
    producer: Option<Arc<Producer>>,
    /// The producer to purge when the task is abandoned.
    purged: Arc<Mutex<Weak<Producer>>>,
    client: ClientConfig,
    reports: Arc<DeliveryReports>,
    guarantee: Guarantee,
    timeout: Duration,
    stop: CancellationToken,
    /// A transaction is open.
    open: bool,
    /// The topics of outputs; tokens hold their indexes.
    topics: Vec<Topic>,
    changelogs: Vec<String>,
    /// All changelog partitions written to so far, as tokens.
    states: HashSet<Token>,
    group: String,
    /// The offsets of the last transaction.
    offsets: Offsets,
    uncertain: UncertainTransaction,
}

/// Why a batch was not committed.
#[derive(Debug)]
pub(super) enum CommitError {
    /// Nothing was committed: process the batch again.
    Retry(Error),
    /// The producer has failed for good, or the outcome is unknown: continue with a new one, from the group's offsets.
    Renew(Renewal),
    /// The task fails.
    Fail(Error),
}

/// Why a new producer is needed.
#[derive(Debug)]
pub(super) struct Renewal {
    pub(super) error: Error,
    /// Another producer has taken over the transactional id, or the broker has aborted the transaction on timeout.
    pub(super) fenced: bool,
}

impl From<Error> for CommitError {
    fn from(error: Error) -> Self {
        if error.is_retriable() { Self::Retry(error) } else { Self::Fail(error) }
    }
}

impl TransactionalOutput {
    /// Creates the producer; with transactions, this fences off the task's previous owner and ends its open
    /// transaction.
    ///
    /// # Errors
    /// `Retriable` when the task is asked to stop meanwhile; others when the broker refuses.
    pub(super) async fn open(
        cx: &TaskContext,
        config: &ProcessorConfig,
        group: &ClientConfig,
        changelogs: &[String],
    ) -> Result<Self> {
        let (id, worker) = (&cx.spec.id, &cx.spec.worker);
        let client = config.producer(&cx.spec.connector.props, worker, id);
        let purged = Arc::new(Mutex::new(Weak::<Producer>::new()));
        cx.control.on_abandon(&purged, |latest| {
            let producer = latest.lock().upgrade();
            if let Some(producer) = producer {
                producer.purge();
            }
        });
        let mut output = Self {
            producer: None,
            purged,
            client,
            reports: Arc::default(),
            guarantee: config.guarantee,
            timeout: config.transaction_timeout,
            stop: cx.control.stopping().clone(),
            open: false,
            topics: Vec::new(),
            changelogs: changelogs.to_vec(),
            states: HashSet::new(),
            group: group.get("group.id").unwrap_or_default().to_owned(),
            offsets: Offsets::new(),
            uncertain: UncertainTransaction::default(),
        };
        output.renew(&cx.control).await?;
        Ok(output)
    }

    /// Drops the producer and everything that is not committed.
    pub(super) fn close(&mut self) {
        self.producer = None;
        if std::mem::take(&mut self.open) && self.guarantee == Guarantee::ExactlyOnce {
            let reported = self.reports.state();
            let output = |(topic, partition): &(usize, i32)| Some((self.topics.get(*topic)?.to_string(), *partition));
            let state = |token: &Token| {
                let (partition, slot) = changelog(*token)?;
                Some((self.changelogs.get(slot)?.clone(), partition))
            };
            let partitions = reported.outputs.iter().filter_map(output).chain(self.states.iter().filter_map(state));
            self.uncertain = UncertainTransaction::new(partitions.collect(), std::mem::take(&mut self.offsets));
        }
    }

    /// Replaces a failed producer. Waits for the broker for as long as it takes; afterwards every transaction of
    /// earlier producers is committed or aborted.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub(super) async fn renew(&mut self, control: &Control) -> Result<()> {
        self.close();
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
        loop {
            let producer = match self.producer.take() {
                Some(producer) => producer,
                None => self.make()?,
            };
            if self.guarantee == Guarantee::AtLeastOnce {
                self.producer = Some(producer);
                return Ok(());
            }
            let error = match producer.init_transactions(CALL_TIMEOUT) {
                Ok(()) => match self.uncertain.end_everywhere(&producer, &self.group, self.timeout) {
                    Ok(()) => {
                        self.producer = Some(producer);
                        return Ok(());
                    }
                    Err(error) => error,
                },
                // Repeating the call on the same producer continues it.
                Err(TransactionError::Retriable(error)) => {
                    self.producer = Some(producer);
                    error
                }
                Err(error) if is_denied(error.error()) => return Err(denied(error.into_error())),
                Err(error) => error.into_error(),
            };
            if self.stop.is_cancelled() {
                self.close();
                return Err(Error::retriable("the task is stopping").cause(&error));
            }
            let wait = backoff.next_wait();
            if backoff.should_log() {
                tracing::warn!(%error, tries = backoff.tries(), "could not take over the transactional id, trying again");
            }
            control.sleep(wait).await;
        }
    }

    fn make(&self) -> Result<Arc<Producer>> {
        // An unconfirmed record fails the batch instead of being sent again on its own: otherwise an older record of a
        // key could be written after a newer one.
        let (stop, unconfirmed) = (self.stop.clone(), Unconfirmed::Fail);
        let options = ProducerOptions { stop, unconfirmed, ..ProducerOptions::default() };
        let producer = Arc::new(Producer::with_options(&self.client, Arc::clone(&self.reports) as _, options)?);
        *self.purged.lock() = Arc::downgrade(&producer);
        Ok(producer)
    }

    fn producer(&self) -> Result<&Producer, CommitError> {
        self.producer.as_deref().ok_or_else(no_producer)
    }

    /// The maximum length of a record.
    pub(super) fn max_record_bytes(&self) -> usize {
        self.producer.as_ref().map_or(usize::MAX, |producer| producer.max_record_bytes())
    }

    /// Begins a batch.
    pub(super) fn begin(&mut self) -> Result<(), CommitError> {
        self.reports.begin();
        if self.guarantee == Guarantee::ExactlyOnce {
            self.producer()?.begin_transaction().map_err(commit_error)?;
        }
        self.offsets.clear();
        self.open = true;
        Ok(())
    }

    /// Sends one output; `origin` is the index in the batch of the record or timer it comes from.
    pub(super) fn send(&mut self, output: &Encoded, origin: usize) -> Result<(), CommitError> {
        let known = self.topics.iter().position(|topic| *topic == output.topic);
        let topic = known.unwrap_or(self.topics.len());
        if known.is_none() {
            self.topics.push(Arc::clone(&output.topic));
        }
        let (producer, token) = (self.producer()?, output_token(topic, origin));
        output.send_with(|record| producer.send(record, token)).map_err(|error| self.send_error(error, token))
    }

    /// Commits a batch with its changelog records (with their tokens, none of them 0) and the input offsets.
    pub(super) fn commit<'a>(
        &mut self,
        changes: impl Iterator<Item = (Token, ProducerRecord<'a>)>,
        offsets: &Offsets,
        input: &Consumer,
    ) -> Result<(), CommitError> {
        match self.guarantee {
            Guarantee::ExactlyOnce => {
                self.offsets.clone_from(offsets);
                self.send_changes(changes)?;
                let (producer, group) = (self.producer()?, input.group_metadata()?);
                let again = |error| CommitError::Retry(error);
                self.call_until_answered(
                    |timeout| producer.send_offsets_to_transaction(offsets, &group, timeout),
                    again,
                )?;
                // Checks all delivery reports first: the commit itself waits for all records, but does not check
                // whether each was written.
                self.flush()?;
                // The outcome of an unanswered commit is unknown until the next producer's `init_transactions` has
                // resolved it.
                let unknown = |error: Error| renewal(error.context("the broker does not answer to a commit"));
                self.call_until_answered(|timeout| producer.commit_transaction(timeout), unknown)?;
            }
            Guarantee::AtLeastOnce => {
                // Outputs are written before the state that records their event: otherwise a crash in between would
                // lose them.
                self.flush()?;
                self.send_changes(changes)?;
                self.flush()?;
                input.commit(offsets).map_err(CommitError::Retry)?;
            }
        }
        self.open = false;
        Ok(())
    }

    /// Aborts the current batch.
    pub(super) fn abort(&mut self) -> Result<(), CommitError> {
        if !self.open {
            return Ok(());
        }
        let producer = self.producer()?;
        match self.guarantee {
            Guarantee::ExactlyOnce => {
                self.call_until_answered(|timeout| producer.abort_transaction(timeout), renewal)?
            }
            Guarantee::AtLeastOnce => {
                producer.purge();
                producer.flush(CALL_TIMEOUT).map_err(renewal)?;
            }
        }
        self.open = false;
        Ok(())
    }

    /// The offset after the last changelog record of a token in the batch just committed.
    pub(super) fn end_of(&self, token: Token) -> Option<i64> {
        self.reports.state().ends.get(&token).copied()
    }

    /// The records that the broker refused since the last `begin`.
    pub(super) fn take_refusal(&self) -> Option<Refusal> {
        self.reports.state().refusal.take()
    }

    /// The error of a record that the broker denied for lack of authorisation: repeating the batch does not help.
    pub(super) fn denial(&self) -> Option<Error> {
        self.reports.state().failed.as_ref().filter(|error| is_denied(error)).cloned().map(denied)
    }

    fn send_changes<'a>(
        &mut self,
        changes: impl Iterator<Item = (Token, ProducerRecord<'a>)>,
    ) -> Result<(), CommitError> {
        let producer = self.producer.clone().ok_or_else(no_producer)?;
        for (token, record) in changes {
            self.states.insert(token);
            producer.send(&record, token).map_err(|error| self.send_error(error, token))?;
        }
        Ok(())
    }

    #[cold]
    fn send_error(&self, error: Error, token: Token) -> CommitError {
        match error.kind() {
            ErrorKind::Data => {
                self.reports.state().refuse(token, &error);
                CommitError::Retry(error)
            }
            ErrorKind::Retriable => CommitError::Retry(error),
            _ if is_denied(&error) => CommitError::Fail(denied(error)),
            _ => renewal(error),
        }
    }

    /// Waits until all records are acknowledged.
    fn flush(&self) -> Result<(), CommitError> {
        let (producer, deadline) = (self.producer()?, Instant::now() + self.timeout);
        loop {
            match producer.flush(CALL_TIMEOUT.min(self.timeout)) {
                Ok(()) => break,
                Err(_) if Instant::now() < deadline && !self.stop.is_cancelled() => {}
                Err(error) => return Err(CommitError::Retry(error)),
            }
        }
        let reported = self.reports.state();
        let refused = reported.refusal.as_ref().map(|refusal| &refusal.error);
        match reported.failed.as_ref().or(refused) {
            None => Ok(()),
            Some(error) => Err(CommitError::Retry(error.clone())),
        }
    }

    /// Repeats a call while its error is retriable, until the deadline or until the task is asked to stop.
    fn call_until_answered(
        &self,
        mut call: impl FnMut(Duration) -> Result<(), TransactionError>,
        too_late: impl FnOnce(Error) -> CommitError,
    ) -> Result<(), CommitError> {
        let deadline = Instant::now() + self.timeout * 2;
        loop {
            let called = Instant::now();
            match call(CALL_TIMEOUT.min(self.timeout)) {
                Ok(()) => return Ok(()),
                Err(TransactionError::Retriable(error)) if Instant::now() < deadline && !self.stop.is_cancelled() => {
                    tracing::debug!(%error, "repeating the call");
                    std::thread::sleep(CALL_PAUSE.saturating_sub(called.elapsed()));
                }
                Err(TransactionError::Retriable(error)) => return Err(too_late(error)),
                Err(error) => return Err(commit_error(error)),
            }
        }
    }
}

#[cold]
fn no_producer() -> CommitError {
    CommitError::Retry(Error::retriable("there is no producer"))
}

fn commit_error(error: TransactionError) -> CommitError {
    if is_denied(error.error()) {
        return CommitError::Fail(denied(error.into_error()));
    }
    match error {
        TransactionError::Retriable(error) | TransactionError::Abort(error) => CommitError::Retry(error),
        TransactionError::Fenced(error) => CommitError::Renew(Renewal { error, fenced: true }),
        TransactionError::Fatal(error) => renewal(error),
    }
}

fn renewal(error: Error) -> CommitError {
    CommitError::Renew(Renewal { error, fenced: false })
}

fn denied(error: Error) -> Error {
    Error::fatal("the brokers deny the processor access: correct its credentials or its permissions").cause(&error)
}
