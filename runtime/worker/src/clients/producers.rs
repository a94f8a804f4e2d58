use std::fmt;
use std::sync::{Arc, Weak};

use tributary_api::{Error, Result};
use tributary_kafka::{ClientConfig, DeliveryListener, Producer, ProducerRecord, Token};

use super::Clients;
use super::routes::{Route, Routes};
use crate::executor::Executor;

/// Hears of a task's deliveries.
pub(crate) trait TaskDeliveryListener: DeliveryListener {
    /// Whether hearing calls the plugin, whose code must not run on the thread that serves others too.
    fn calls_plugin(&self) -> bool;

    /// The producer has failed for good, for whatever reason: of so many records it is not known whether they were written.
    fn producer_lost(&self, records: usize, error: &Error);
}

/// A producer with the tasks that send through it.
pub(super) struct SharedProducer {
    producer: Producer,
    routes: Arc<Routes>,
    clients: Weak<Clients>,
}

impl SharedProducer {
    pub(super) fn start(config: ClientConfig, executor: &Executor, clients: Weak<Clients>) -> Result<Arc<Self>> {
        let routes = Arc::new(Routes::new(executor.clone()));
        // Each task keeps within its own share, which is the setting's: together they may have as much as apart.
        let config =
            config.set_native("queue.buffering.max.kbytes", i32::MAX).set_native("queue.buffering.max.messages", 0);
        let producer = Producer::new(&config, Arc::clone(&routes) as _)?;
        let shared = Arc::new(Self { producer, routes, clients });
        shared.routes.set_producer(&shared);
        Ok(shared)
    }

    /// One more task; none when no more can be told apart.
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

/// One task's way through a producer. Dropping it ends the way: what is delivered later is told to nobody.
pub(crate) struct TaskProducer {
    shared: Arc<SharedProducer>,
    route: Arc<Route>,
}

impl TaskProducer {
    /// As [`Producer::send`]. The token must leave the bits free that tell tasks apart.
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

    /// Whether the producer has failed for good: another one takes its place for who asks again.
    pub(crate) fn is_lost(&self) -> bool {
        self.shared.is_lost()
    }

    /// Gives up what is not delivered yet, unless others send through the same producer: then it may still be written, and
    /// counts for nothing.
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

    /// Records of all of them that are on their way, and events that nobody has taken yet.
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
