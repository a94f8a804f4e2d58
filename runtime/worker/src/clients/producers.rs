use std::fmt;
use std::sync::{Arc, Weak};

use tributary_api::{Error, Result};
use tributary_kafka::{ClientConfig, DeliveryListener, Producer, ProducerRecord, Token};

use super::Clients;
use super::routes::{Route, Routes};
use crate::executor::Executor;

/// Receives the delivery reports of one task.
pub(crate) trait TaskDeliveryListener: DeliveryListener {
    /// Whether `delivered` calls the plugin, whose code must not run on the thread that delivers to all tasks.
    fn calls_plugin(&self) -> bool;

    /// The producer has failed for good. It is not known whether this many records were written.
    fn producer_lost(&self, records: usize, error: &Error);
}

/// A producer and the tasks that send through it.
pub(super) struct SharedProducer {
    producer: Producer,
    routes: Arc<Routes>,
    clients: Weak<Clients>,
}

impl SharedProducer {
    pub(super) fn start(config: ClientConfig, executor: &Executor, clients: Weak<Clients>) -> Result<Arc<Self>> {
        let routes = Arc::new(Routes::new(executor.clone()));
        // No limit here: each task keeps to `buffer.memory` itself, so together they may use what separate producers
        // would.
        let config =
            config.set_native("queue.buffering.max.kbytes", i32::MAX).set_native("queue.buffering.max.messages", 0);
        let producer = Producer::new(&config, Arc::clone(&routes) as _)?;
        let shared = Arc::new(Self { producer, routes, clients });
        shared.routes.set_producer(&shared);
        Ok(shared)
    }

    /// Adds a task; none when all route numbers are taken.
    pub(super) fn join(self: &Arc<Self>, listener: &Arc<dyn TaskDeliveryListener>) -> Option<TaskProducer> {
        let route = self.routes.add(Arc::clone(listener))?;
        Some(TaskProducer { shared: Arc::clone(self), route })
    }

    pub(super) fn is_lost(&self) -> bool {
        self.producer.is_lost()
    }

    pub(super) fn full() -> Error {
        Error::fatal("the producer has no room for one more task")
    }
}

/// One task's access to a shared producer. After it is dropped, later deliveries are not reported to the task.
pub(crate) struct TaskProducer {
    shared: Arc<SharedProducer>,
    route: Arc<Route>,
}

impl TaskProducer {
    /// As [`Producer::send`]. The token's upper bits must be zero: they hold the number of the task's route.
    ///
    /// # Errors
    /// As for [`Producer::send`].
    pub(crate) fn send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()> {
        self.route.sending();
        let sent = self.shared.producer.send(record, self.route.tag(token));
        if sent.is_err() {
            self.route.done(1);
        }
        sent
    }

    /// Whether the producer has failed for good: the next request for one gets a new one.
    pub(crate) fn is_lost(&self) -> bool {
        self.shared.is_lost()
    }

    /// Purges the undelivered records, unless other tasks use the producer: then they may still be written, but their
    /// offsets are not stored.
    pub(crate) fn abandon(&self) {
        if self.shared.clients.upgrade().is_some_and(|clients| clients.retire(&self.shared)) {
            self.shared.producer.purge();
        }
    }

    /// Tasks that send through the same producer.
    #[cfg(test)]
    pub(super) fn users(&self) -> usize {
        Arc::strong_count(&self.shared)
    }

    /// Records of all these tasks in flight, and events not taken yet.
    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        self.shared.producer.in_flight()
    }
}

impl Drop for TaskProducer {
    fn drop(&mut self) {
        self.shared.routes.remove(&self.route);
    }
}

impl fmt::Debug for SharedProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedProducer").field("producer", &self.producer).finish_non_exhaustive()
    }
}
