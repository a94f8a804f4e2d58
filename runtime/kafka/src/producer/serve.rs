use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tributary_api::{Error, RecordMetadata, Result};
use tributary_librdkafka::{Client, Event, Failure, Queue, Report, code};

use super::queue_space::QueueSpace;
use super::{Delivery, DeliveryListener, Token};

/// How a record without an offset in its delivery report is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MissingOffset {
    /// As written: without acknowledgements there are no offsets.
    NotAsked,
    /// As not written: it is sent again.
    SendAgain,
    /// As not written: it is reported as failed.
    Fail,
}

/// How often a record is sent again.
const MAX_RESENDS: u8 = 3;
/// Java's offset in place of an unknown one.
const NO_OFFSET: i64 = -1;

/// The thread that serves delivery reports.
pub(super) struct Deliveries {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    client: Arc<Client>,
    queue: Queue,
    space: QueueSpace,
    /// Set on a purge: nothing is sent again.
    given_up: AtomicBool,
    closing: AtomicBool,
}

impl Deliveries {
    pub(super) fn start(
        client: &Arc<Client>,
        listener: Arc<dyn DeliveryListener>,
        missing_offset: MissingOffset,
    ) -> Result<Self> {
        let queue = Queue::main(client).ok_or_else(|| Error::fatal("the kafka client has no event queue"))?;
        let shared = Arc::new(Shared {
            client: Arc::clone(client),
            queue,
            space: QueueSpace::default(),
            given_up: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("kafka-deliveries".to_owned())
            .spawn(move || Server::new(serving, listener, missing_offset).run())
            .map_err(|error| Error::fatal("cannot start the delivery thread").cause(&error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn space(&self) -> &QueueSpace {
        &self.shared.space
    }

    /// From now on nothing is sent again.
    pub(super) fn give_up(&self) {
        self.shared.given_up.store(true, Ordering::SeqCst);
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        self.shared.queue.wake();
        if let Some(thread) = self.thread.take() {
            // The last owner may be the listener itself.
            if thread.thread().id() != thread::current().id() && thread.join().is_err() {
                tracing::error!("the delivery thread panicked");
            }
        }
    }
}

struct Server {
    shared: Arc<Shared>,
    listener: Arc<dyn DeliveryListener>,
    missing_offset: MissingOffset,
    /// How often each record that is in flight again was sent again. Bounded by the producer's queue.
    again: HashMap<Token, u8>,
    /// One error for each number seen in a batch.
    errors: HashMap<i32, Error>,
}

impl Server {
    fn new(shared: Arc<Shared>, listener: Arc<dyn DeliveryListener>, missing_offset: MissingOffset) -> Self {
        Self { shared, listener, missing_offset, again: HashMap::new(), errors: HashMap::new() }
    }

    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            let closing = shared.closing.load(Ordering::SeqCst);
            // Woken when closing, so that the wait need not be short.
            let wait = if closing { Duration::ZERO } else { Duration::from_secs(60) };
            match shared.queue.poll(wait) {
                Some(event) => {
                    self.serve(&event);
                    // The records leave the queue only now.
                    drop(event);
                    shared.space.made();
                }
                None if closing => return,
                None => {}
            }
        }
    }

    fn serve(&mut self, event: &Event<'_>) {
        let mut reports = event.reports();
        let asked = self.missing_offset != MissingOffset::NotAsked;
        if asked && reports.first().is_some_and(|first| first.code == code::NONE && first.offset < 0) {
            self.handle_unconfirmed(&mut reports);
        }
        if !self.again.is_empty() {
            for report in &reports {
                self.again.remove(&report.token);
            }
        }
        for report in reports.iter().filter(|report| report.code != code::NONE) {
            self.errors.entry(report.code).or_insert_with(|| undelivered(&self.shared.client, report.code));
        }
        let unknown = Error::fatal("the record was not delivered");
        let delivery = |report: &Report<'_>| Delivery {
            token: report.token,
            result: if report.code == code::NONE {
                let offset = if asked { report.offset } else { NO_OFFSET };
                Ok(RecordMetadata::new(report.partition, offset))
            } else {
                Err(self.errors.get(&report.code).unwrap_or(&unknown))
            },
        };
        let deliveries: Vec<Delivery<'_>> = reports.iter().map(delivery).collect();
        let tell = || self.listener.delivered(&deliveries);
        if !deliveries.is_empty() && catch_unwind(AssertUnwindSafe(tell)).is_err() {
            tracing::error!(records = deliveries.len(), "the delivery listener panicked");
        }
        self.errors.clear();
    }

    /// Handles records of one batch without an offset: those that are sent again are removed from the reports, the rest
    /// has failed.
    #[cold]
    fn handle_unconfirmed(&mut self, reports: &mut Vec<Report<'_>>) {
        let records = reports.len();
        reports.retain_mut(|report| {
            report.code = code::DUPLICATE_SEQUENCE;
            let tries = self.again.get(&report.token).copied().unwrap_or(0);
            if self.missing_offset == MissingOffset::Fail
                || tries == MAX_RESENDS
                || self.shared.given_up.load(Ordering::SeqCst)
            {
                return true;
            }
            // The record counts as in flight twice until its event is freed, so that `flush` waits for this delivery
            // too.
            match report.send_again(&self.shared.client) {
                Ok(()) => {
                    self.again.insert(report.token, tries + 1);
                    false
                }
                Err(failure) => {
                    report.code = failure.code;
                    true
                }
            }
        });
        let sent_again = records - reports.len();
        tracing::warn!(
            records,
            sent_again,
            "no broker confirmed the offsets of records that the client reported as written"
        );
    }
}

#[cold]
fn undelivered(client: &Client, code: i32) -> Error {
    let error = Error::from(client.reason(Failure::of(code)));
    match code {
        code::PURGE_QUEUE | code::PURGE_INFLIGHT => error.context("the record was abandoned"),
        code::DUPLICATE_SEQUENCE => error.context(
            "no broker confirmed the record's offset, it may not have been \
                                                   written",
        ),
        _ => error.context("the record was not delivered"),
    }
}
