use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tributary_api::{Ack, AckListener, Error, Origin, RecordMetadata, Result, Topic};
use tributary_kafka::{Delivery, DeliveryListener, Token};

use super::InFlight;
use crate::clients::TaskDeliveryListener;
use crate::supervision::panicked;
use crate::tasks::errors::{ErrorOperator, FailedRecord, Failure, Stage};
use crate::tasks::{Control, TaskMetrics, context::StatusReporter};

pub(super) const PRODUCER_CLASS: &str = "org.apache.kafka.clients.producer.KafkaProducer";

/// What the plugin's acknowledgement of a record holds: where it was written, none if it was dropped on purpose, or why
/// it was not written.
pub(super) type AckResult = std::result::Result<Option<RecordMetadata>, Error>;

/// Shared by the producer's delivery thread and the task: the records in flight and the error that ends the task. Each
/// side takes the lock once per batch.
pub(crate) struct Deliveries {
    in_flight: Mutex<InFlight>,
    /// Outputs handed to the producer and not reported yet.
    outstanding: AtomicUsize,
    /// Topics not reported as used, with the first token sent there.
    new_topics: Mutex<Vec<(Token, Topic)>>,
    changed: Notify,
    failure: OnceLock<Error>,
    failed: Notify,
    listener: OnceLock<Arc<dyn AckListener>>,
    producer: Arc<str>,
    operator: Arc<ErrorOperator>,
    metrics: Arc<TaskMetrics>,
    control: Arc<Control>,
    reporter: Arc<StatusReporter>,
}

impl Deliveries {
    pub(crate) fn new(
        operator: Arc<ErrorOperator>,
        metrics: Arc<TaskMetrics>,
        control: Arc<Control>,
        reporter: Arc<StatusReporter>,
    ) -> Self {
        Self {
            in_flight: Mutex::new(InFlight::new()),
            outstanding: AtomicUsize::new(0),
            new_topics: Mutex::default(),
            changed: Notify::new(),
            failure: OnceLock::new(),
            failed: Notify::new(),
            listener: OnceLock::new(),
            producer: PRODUCER_CLASS.into(),
            operator,
            metrics,
            control,
            reporter,
        }
    }

    /// From now on the plugin gets an acknowledgement for every record.
    pub(crate) fn set_ack_listener(&self, listener: Arc<dyn AckListener>) {
        // The loop asks the plugin once.
        let _already_set = self.listener.set(listener);
        self.operator.answers_senders();
    }

    pub(crate) fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        self.in_flight.lock()
    }

    /// The error that ends the task, if there is one.
    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failure.get()
    }

    /// Waits for the error that ends the task.
    pub(crate) async fn failed(&self) -> Error {
        loop {
            if let Some(error) = self.failure.get() {
                return error.clone();
            }
            self.failed.notified().await;
        }
    }

    /// Waits for the next deliveries.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Adds to the count of outstanding outputs, before they are handed to the producer.
    pub(crate) fn sending(&self, outputs: usize) {
        self.outstanding.fetch_add(outputs, Ordering::AcqRel);
    }

    /// Subtracts outputs that were counted and not handed to the producer.
    pub(crate) fn not_sent(&self, outputs: usize) {
        self.outstanding.fetch_sub(outputs, Ordering::AcqRel);
    }

    /// Waits until the producer has reported all outputs.
    pub(crate) async fn drained(&self) {
        while self.outstanding.load(Ordering::Acquire) > 0 {
            self.changed.notified().await;
        }
    }

    /// A topic is used for the first time; reported when its first record is acknowledged.
    pub(crate) fn first_use(&self, token: Token, topic: Topic) {
        self.new_topics.lock().push((token, topic));
    }

    /// Acknowledges records of which nothing is sent: dropped on purpose, or skipped after an error.
    pub(super) fn acknowledge_unsent(&self, done: &[(Origin, AckResult)]) {
        if !done.is_empty() {
            self.acknowledge_to_plugin(done.iter().map(|(origin, outcome)| (origin, outcome)));
        }
    }

    /// The producer refused a record.
    ///
    /// # Errors
    /// When the error is not tolerated.
    pub(crate) fn refused(&self, token: Token, error: &Error) -> Result<()> {
        self.not_sent(1);
        let mut done = Vec::new();
        let given_up = self.lost(token, error.clone(), &mut done);
        self.acknowledge_to_plugin(done.iter().map(|(origin, outcome)| (origin, outcome)));
        given_up
    }

    fn fail(&self, error: Error) {
        // The first error is the one that counts.
        let _already_set = self.failure.set(error);
        self.failed.notify_one();
    }

    fn acknowledge_to_plugin<'a>(&self, done: impl Iterator<Item = (&'a Origin, &'a AckResult)>) {
        let Some(listener) = self.listener.get() else { return };
        let acks: Vec<Ack<'_>> = done.map(|(origin, outcome)| Ack::new(origin, outcome.as_ref().copied())).collect();
        if acks.is_empty() {
            return;
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| listener.acknowledged(&acks))) {
            self.fail(panicked("the ack listener", &*panic));
        }
    }

    fn report_new_topics(&self, deliveries: &[Delivery<'_>]) {
        let mut new = self.new_topics.lock();
        new.retain(|(token, topic)| {
            let Some(first) = deliveries.iter().find(|delivery| delivery.token == *token) else { return true };
            if first.result.is_ok() {
                self.reporter.topic_used(topic);
            }
            false
        });
    }
}

impl TaskDeliveryListener for Deliveries {
    fn calls_plugin(&self) -> bool {
        self.listener.get().is_some()
    }

    /// The records are not marked as acknowledged: the task starts again from its stored offsets and sends them again.
    fn producer_lost(&self, records: usize, error: &Error) {
        self.fail(error.clone());
        self.outstanding.fetch_sub(records, Ordering::AcqRel);
        self.changed.notify_one();
    }
}

impl DeliveryListener for Deliveries {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        if self.control.is_abandoned() {
            return;
        }
        let has_listener = self.listener.get().is_some();
        let mut done: Vec<(Origin, AckResult)> = Vec::new();
        let mut failures: Vec<(Token, Error)> = Vec::new();
        {
            let mut in_flight = self.in_flight();
            for Delivery { token, result } in deliveries {
                match result {
                    Ok(metadata) if has_listener => {
                        let keep = |origin: &Origin, lost: Option<Error>| {
                            (origin.clone(), lost.map_or(Ok(Some(*metadata)), Err))
                        };
                        done.extend(in_flight.acknowledge(*token, keep));
                    }
                    Ok(_) => {
                        in_flight.acknowledge(*token, |_, _| ());
                    }
                    Err(error) => failures.push((*token, (*error).clone())),
                }
            }
        }
        self.metrics.source.written.add(deliveries.len() - failures.len());
        for (token, error) in failures {
            if let Err(fatal) = self.lost(token, error, &mut done) {
                self.fail(fatal);
            }
        }
        self.acknowledge_to_plugin(done.iter().map(|(origin, outcome)| (origin, outcome)));
        self.report_new_topics(deliveries);
        // Last, so that everything above is done when `drained` returns.
        self.outstanding.fetch_sub(deliveries.len(), Ordering::AcqRel);
        self.changed.notify_one();
    }
}

impl Deliveries {
    /// A record was not written: it is skipped and its sender gets the error, or the task fails.
    fn lost(&self, token: Token, error: Error, done: &mut Vec<(Origin, AckResult)>) -> Result<()> {
        let failure = Failure::new(Stage::KafkaProduce, &self.producer, error);
        let origin = self.in_flight().origin(token).cloned().unwrap_or_default();
        let given_up = self.operator.give_up(&failure, FailedRecord::Origin(&origin));
        let error = failure.error;
        if given_up.is_err() {
            // Not marked as acknowledged: its offset must not be stored.
            done.push((origin, Err(error)));
            return given_up;
        }
        let outcome = |origin: &Origin, lost: Option<Error>| (origin.clone(), lost.map_or(Ok(None), Err));
        done.extend(self.in_flight().give_up(token, error, outcome));
        Ok(())
    }
}
