//! Kafka clients that tasks share: tasks with equal settings use the same client; it is closed when no task uses it.
//!
//! Each client has threads and connections, so one for each of a thousand tasks would cost more than the tasks.
//! `client.id` does not distinguish settings unless the user has set it.

mod producers;
mod routes;
mod topics;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tributary_api::Result;
use tributary_kafka::{Admin, ClientConfig};

use self::producers::SharedProducer;
pub(crate) use self::producers::{TaskDeliveryListener, TaskProducer};
pub(crate) use self::topics::{create_topics, ensure_topics};
use crate::executor::Executor;

/// The clients in use.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    producers: Mutex<HashMap<ClientConfig, Vec<Weak<SharedProducer>>>>,
    admins: Mutex<HashMap<ClientConfig, Weak<Admin>>>,
}

impl Clients {
    /// A source task's access to a producer with these settings. Tasks share producers once there are as many as cores;
    /// one that has failed for good gets no new tasks.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used.
    pub(crate) fn producer(
        self: &Arc<Self>,
        config: ClientConfig,
        executor: &Executor,
        listener: Arc<dyn TaskDeliveryListener>,
    ) -> Result<TaskProducer> {
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        let mut producers = self.producers.lock();
        producers.retain(|_, known| {
            known.retain(|producer| producer.strong_count() > 0);
            !known.is_empty()
        });
        let known = producers.entry(config.clone()).or_default();
        let running: Vec<_> = known.iter().filter_map(Weak::upgrade).filter(|producer| !producer.is_lost()).collect();
        let least = running.iter().min_by_key(|producer| Arc::strong_count(producer));
        if let Some(producer) = least.filter(|_| running.len() >= most)
            && let Some(joined) = producer.join(&listener)
        {
            return Ok(joined);
        }
        let producer = SharedProducer::start(config, executor, Arc::downgrade(self))?;
        known.push(Arc::downgrade(&producer));
        producer.join(&listener).ok_or_else(SharedProducer::full)
    }

    /// An administration client with these settings.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used.
    pub(crate) fn admin(&self, config: ClientConfig) -> Result<Arc<Admin>> {
        let mut admins = self.admins.lock();
        admins.retain(|_, admin| admin.strong_count() > 0);
        if let Some(admin) = admins.get(&config).and_then(Weak::upgrade) {
            return Ok(admin);
        }
        let admin = Arc::new(Admin::new(&config)?);
        admins.insert(config, Arc::downgrade(&admin));
        Ok(admin)
    }

    /// Takes a producer with a single user out of the list, so that no other task joins it; `false` when it has more
    /// users.
    fn retire(&self, producer: &Arc<SharedProducer>) -> bool {
        let mut producers = self.producers.lock();
        if Arc::strong_count(producer) > 1 {
            return false;
        }
        for known in producers.values_mut() {
            known.retain(|known| !std::ptr::eq(known.as_ptr(), Arc::as_ptr(producer)));
        }
        true
    }
}
