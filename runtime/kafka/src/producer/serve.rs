use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tributary_api::{Error, RecordMetadata, Result};

use super::room::Room;
use super::{Delivery, DeliveryListener};
use crate::native::{Client, Event, Failure, Queue, Report, code};

/// The thread that serves delivery reports.
pub(super) struct Deliveries {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    client: Arc<Client>,
    queue: Queue,
    room: Room,
    closing: AtomicBool,
}

impl Deliveries {
    pub(super) fn start(client: &Arc<Client>, listener: Arc<dyn DeliveryListener>) -> Result<Self> {
        let queue = Queue::main(client).ok_or_else(|| Error::fatal("the kafka client has no event queue"))?;
        let shared = Arc::new(Shared {
            client: Arc::clone(client),
            queue,
            room: Room::default(),
            closing: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("kafka-deliveries".to_owned())
            .spawn(move || Server { shared: serving, listener, reports: Vec::new(), errors: HashMap::new() }.run())
            .map_err(|error| Error::fatal("cannot start the delivery thread").cause(&error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn room(&self) -> &Room {
        &self.shared.room
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
    reports: Vec<Report>,
    /// One error for each number seen in a batch.
    errors: HashMap<i32, Error>,
}

impl Server {
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
                    shared.room.made();
                }
                None if closing => return,
                None => {}
            }
        }
    }

    fn serve(&mut self, event: &Event<'_>) {
        while event.reports(&mut self.reports) > 0 {}
        for report in self.reports.iter().filter(|report| report.code != code::NONE) {
            self.errors.entry(report.code).or_insert_with(|| undelivered(&self.shared.client, report.code));
        }
        let unknown = Error::fatal("the record was not delivered");
        let delivery = |report: &Report| Delivery {
            token: report.token,
            result: if report.code == code::NONE {
                Ok(RecordMetadata { partition: report.partition, offset: report.offset })
            } else {
                Err(self.errors.get(&report.code).unwrap_or(&unknown))
            },
        };
        let deliveries: Vec<Delivery<'_>> = self.reports.iter().map(delivery).collect();
        let tell = || self.listener.delivered(&deliveries);
        if catch_unwind(AssertUnwindSafe(tell)).is_err() {
            tracing::error!(records = deliveries.len(), "the delivery listener panicked");
        }
        self.reports.clear();
        self.errors.clear();
    }
}

#[cold]
fn undelivered(client: &Client, code: i32) -> Error {
    let error = Error::from(client.reason(Failure::of(code)));
    match code {
        code::PURGE_QUEUE | code::PURGE_INFLIGHT => error.context("the record was given up"),
        _ => error.context("the record was not delivered"),
    }
}
