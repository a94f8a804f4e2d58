use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tributary_api::{Error, Offsets, Result};
use tributary_kafka::{
    Consumer, Delivery, DeliveryListener, Producer, ProducerOptions, ProducerRecord, Token, TransactionError,
};

use super::{Guarantee, ProcessorConfig};
use crate::tasks::{Encoded, TaskContext};

/// Outputs share it; changelog records have tokens of their own.
const OUTPUT: Token = 0;

/// How long taking over a transactional id may last: the broker first ends what another producer left open.
const TAKE_OVER: Duration = Duration::from_secs(60);

/// Writes outputs and changelogs, and commits them with the input offsets.
pub(super) struct Outbox {
    producer: Arc<Producer>,
    reports: Arc<Reports>,
    guarantee: Guarantee,
    timeout: Duration,
    /// A transaction is open.
    open: bool,
}

/// Why a batch was not committed.
#[derive(Debug)]
pub(super) enum CommitError {
    /// Nothing of it counts: do it again.
    Again(Error),
    /// The task cannot go on.
    Stop(Error),
}

/// What the broker said about records since the last commit.
#[derive(Default)]
struct Reports(Mutex<Said>);

#[derive(Default)]
struct Said {
    /// By token, behind the last record.
    ends: HashMap<Token, i64>,
    failed: Option<Error>,
}

impl Reports {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeliveryListener for Reports {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        let mut said = self.said();
        for delivery in deliveries {
            match delivery.result {
                Ok(_) if delivery.token == OUTPUT => {}
                Ok(place) => {
                    let end = said.ends.entry(delivery.token).or_default();
                    *end = (place.offset + 1).max(*end);
                }
                Err(error) => drop(said.failed.get_or_insert_with(|| error.clone())),
            }
        }
    }
}

impl Outbox {
    /// Makes the producer; with transactions, fences off whoever had the task before.
    ///
    /// # Errors
    /// When the broker does not let it.
    pub(super) fn open(cx: &TaskContext, config: &ProcessorConfig) -> Result<Self> {
        let (id, worker) = (&cx.spec.id, &cx.spec.worker);
        let mut client = worker.producer(&id.connector, id.task, &cx.spec.connector).set_default("linger.ms", 0);
        if config.guarantee == Guarantee::ExactlyOnce {
            client = client
                .set("transactional.id", format!("{}-{}-{}", worker.group_id, id.connector, id.task))
                .set("transaction.timeout.ms", config.transaction_timeout.as_millis());
        }
        let reports = Arc::new(Reports::default());
        let options = ProducerOptions { stop: cx.control.stopping().clone(), ..ProducerOptions::default() };
        let producer = Arc::new(Producer::with_options(&client, Arc::clone(&reports) as _, options)?);
        cx.control.on_abandon(&producer, Producer::purge);
        let outbox =
            Self { producer, reports, guarantee: config.guarantee, timeout: config.transaction_timeout, open: false };
        if outbox.guarantee == Guarantee::ExactlyOnce {
            outbox.take_over(cx)?;
        }
        Ok(outbox)
    }

    fn take_over(&self, cx: &TaskContext) -> Result<()> {
        let deadline = Instant::now() + TAKE_OVER;
        loop {
            match self.producer.init_transactions(self.timeout) {
                Ok(()) => return Ok(()),
                Err(TransactionError::Retriable(error)) if Instant::now() < deadline && !cx.control.is_stopping() => {
                    tracing::warn!(%error, "could not take over the transactional id, trying again");
                }
                Err(error) => return Err(fatal(error)),
            }
        }
    }

    /// Begins a batch.
    pub(super) fn begin(&mut self) -> Result<(), CommitError> {
        *self.reports.said() = Said::default();
        if self.guarantee == Guarantee::ExactlyOnce {
            self.producer.begin_transaction().map_err(sorted)?;
        }
        self.open = true;
        Ok(())
    }

    /// Hands over one output.
    pub(super) fn send(&self, output: &Encoded) -> Result<()> {
        output.send_with(|record| self.producer.send(record, OUTPUT))
    }

    /// Ends a batch: its changelog records (with their tokens, none of them 0) and the input offsets.
    pub(super) fn commit<'a>(
        &mut self,
        changes: impl Iterator<Item = (Token, ProducerRecord<'a>)>,
        offsets: &Offsets,
        input: &Consumer,
    ) -> Result<(), CommitError> {
        match self.guarantee {
            Guarantee::ExactlyOnce => {
                self.send_changes(changes)?;
                let group = input.group_metadata().map_err(CommitError::Again)?;
                let again = |error| CommitError::Again(error);
                self.insist(|timeout| self.producer.send_offsets_to_transaction(offsets, &group, timeout), again)?;
                // Nobody knows whether a commit that was not answered holds.
                let unknown = |error: Error| CommitError::Stop(error.context("the broker does not answer to a commit"));
                self.insist(|timeout| self.producer.commit_transaction(timeout), unknown)?;
            }
            Guarantee::AtLeastOnce => {
                // An event that is known in state must have left its outputs behind.
                self.flush()?;
                self.send_changes(changes)?;
                self.flush()?;
                input.commit(offsets).map_err(CommitError::Again)?;
            }
        }
        self.open = false;
        Ok(())
    }

    /// Gives up the batch at hand.
    pub(super) fn abort(&mut self) -> Result<(), CommitError> {
        if !std::mem::take(&mut self.open) {
            return Ok(());
        }
        match self.guarantee {
            Guarantee::ExactlyOnce => {
                self.insist(|timeout| self.producer.abort_transaction(timeout), CommitError::Stop)
            }
            Guarantee::AtLeastOnce => {
                self.producer.purge();
                self.producer.flush(self.timeout).map_err(CommitError::Stop)
            }
        }
    }

    /// Behind the last changelog record of a token in the batch just committed.
    pub(super) fn end_of(&self, token: Token) -> Option<i64> {
        self.reports.said().ends.get(&token).copied()
    }

    fn send_changes<'a>(&self, changes: impl Iterator<Item = (Token, ProducerRecord<'a>)>) -> Result<(), CommitError> {
        for (token, record) in changes {
            self.producer.send(&record, token).map_err(|error| {
                if error.is_retriable() { CommitError::Again(error) } else { CommitError::Stop(error) }
            })?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), CommitError> {
        self.producer.flush(self.timeout).map_err(CommitError::Again)?;
        match self.reports.said().failed.take() {
            None => Ok(()),
            Some(error) => Err(CommitError::Again(error)),
        }
    }

    /// Makes a call again as long as that helps and time lasts.
    fn insist(
        &self,
        mut call: impl FnMut(Duration) -> Result<(), TransactionError>,
        too_late: impl FnOnce(Error) -> CommitError,
    ) -> Result<(), CommitError> {
        let deadline = Instant::now() + self.timeout * 2;
        loop {
            match call(self.timeout) {
                Ok(()) => return Ok(()),
                Err(TransactionError::Retriable(error)) if Instant::now() < deadline => {
                    tracing::debug!(%error, "making the call again");
                }
                Err(TransactionError::Retriable(error)) => return Err(too_late(error)),
                Err(error) => return Err(sorted(error)),
            }
        }
    }
}

fn sorted(error: TransactionError) -> CommitError {
    match error {
        TransactionError::Retriable(error) | TransactionError::Abort(error) => CommitError::Again(error),
        error => CommitError::Stop(fatal(error)),
    }
}

fn fatal(error: TransactionError) -> Error {
    let fenced = matches!(error, TransactionError::Fenced(_));
    let reason = if fenced {
        "another task has taken over, or a transaction lasted longer than transaction.timeout.ms"
    } else {
        "transactions cannot go on"
    };
    Error::fatal(reason).cause(error.error())
}
