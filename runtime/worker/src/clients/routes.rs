use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::{Mutex, RwLock};
use tributary_api::{Error, RecordMetadata};
use tributary_kafka::{Delivery, DeliveryListener, Token};

use super::producers::{SharedProducer, TaskDeliveryListener};
use crate::executor::Executor;

/// A token's upper bits are the number of a route, the rest is the task's own.
const OWN_BITS: u32 = 48;
const OWN_MASK: Token = (1 << OWN_BITS) - 1;
const MAX_ROUTES: usize = 1 << (Token::BITS - OWN_BITS);

/// Dispatches the deliveries of a shared producer to its tasks.
pub(super) struct Routes {
    /// By number. A number is used again once no record of its former route is in flight.
    slots: RwLock<Vec<Slot>>,
    executor: Executor,
    producer: OnceLock<Weak<SharedProducer>>,
}

struct Slot {
    route: Option<Arc<Route>>,
    outstanding: Arc<AtomicUsize>,
}

/// The route from the producer's delivery thread to one task.
pub(super) struct Route {
    number: usize,
    listener: Arc<dyn TaskDeliveryListener>,
    outstanding: Arc<AtomicUsize>,
    /// Deliveries that are reported on the executor instead of the delivery thread. Bounded by what the task has in
    /// flight.
    queue: Mutex<QueuedDeliveries>,
    executor: Executor,
}

#[derive(Default)]
struct QueuedDeliveries {
    waiting: Vec<(Token, Result<RecordMetadata, Error>)>,
    delivering: bool,
}

impl Routes {
    pub(super) fn new(executor: Executor) -> Self {
        Self { slots: RwLock::default(), executor, producer: OnceLock::new() }
    }

    /// Sets the producer that these routes belong to.
    pub(super) fn set_producer(&self, producer: &Arc<SharedProducer>) {
        // Each producer has its own routes and sets itself once.
        let _already_set = self.producer.set(Arc::downgrade(producer));
    }

    /// The error if the producer has failed for good: then the failed deliveries are no rejections of these records,
    /// and tasks are notified that the producer is lost.
    fn lost<'a>(&self, deliveries: &[Delivery<'a>]) -> Option<&'a Error> {
        let error = deliveries.iter().find_map(|delivery| delivery.result.err())?;
        let producer = self.producer.get().and_then(Weak::upgrade)?;
        producer.is_lost().then_some(error)
    }

    /// A route to a listener; none when all numbers are taken.
    pub(super) fn add(&self, listener: Arc<dyn TaskDeliveryListener>) -> Option<Arc<Route>> {
        let mut slots = self.slots.write();
        let unused = |slot: &Slot| slot.route.is_none() && slot.outstanding.load(Ordering::Acquire) == 0;
        let number = slots.iter().position(unused).unwrap_or(slots.len());
        if number >= MAX_ROUTES {
            return None;
        }
        let (outstanding, executor) = (Arc::<AtomicUsize>::default(), self.executor.clone());
        let queue = Mutex::default();
        let route = Arc::new(Route { number, listener, outstanding: Arc::clone(&outstanding), queue, executor });
        let slot = Slot { route: Some(Arc::clone(&route)), outstanding };
        match slots.get_mut(number) {
            Some(former) => *former = slot,
            None => slots.push(slot),
        }
        Some(route)
    }

    pub(super) fn remove(&self, route: &Route) {
        let mut slots = self.slots.write();
        if let Some(slot) = slots.get_mut(route.number) {
            slot.route = None;
        }
    }

    /// Reports to one route. Deliveries for a removed route are only counted.
    fn dispatch(&self, number: usize, deliveries: &[Delivery<'_>]) {
        let (route, outstanding) = {
            let slots = self.slots.read();
            let Some(slot) = slots.get(number) else { return };
            (slot.route.clone(), Arc::clone(&slot.outstanding))
        };
        if let Some(route) = route {
            match self.lost(deliveries) {
                Some(error) => route.lost(deliveries, error),
                None => route.deliver(deliveries),
            }
        }
        outstanding.fetch_sub(deliveries.len(), Ordering::AcqRel);
    }
}

impl DeliveryListener for Routes {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        let number = |token: Token| (token >> OWN_BITS) as usize;
        let mut marked: Vec<(usize, Delivery<'_>)> = deliveries
            .iter()
            .map(|delivery| (number(delivery.token), Delivery { token: delivery.token & OWN_MASK, ..*delivery }))
            .collect();
        // A stable sort: each task gets its deliveries in the order of its records.
        marked.sort_by_key(|(number, _)| *number);
        let mut own = Vec::with_capacity(marked.len());
        for of_one in marked.chunk_by(|(one, _), (other, _)| one == other) {
            own.clear();
            own.extend(of_one.iter().map(|(_, delivery)| *delivery));
            self.dispatch(of_one[0].0, &own);
        }
    }
}

impl Route {
    pub(super) fn tag(&self, token: Token) -> Token {
        debug_assert_eq!(token & !OWN_MASK, 0, "a task's token must leave the upper bits free");
        (self.number as Token) << OWN_BITS | token
    }

    pub(super) fn sending(&self) {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn done(&self, records: usize) {
        self.outstanding.fetch_sub(records, Ordering::AcqRel);
    }

    /// Reports the written records as written; for the rest it is unknown.
    fn lost(self: &Arc<Self>, deliveries: &[Delivery<'_>], error: &Error) {
        let written: Vec<_> = deliveries.iter().filter(|delivery| delivery.result.is_ok()).copied().collect();
        if !written.is_empty() {
            self.deliver(&written);
        }
        self.listener.producer_lost(deliveries.len() - written.len(), error);
    }

    /// On the delivery thread if the listener does not call the plugin, otherwise on the executor, in order.
    fn deliver(self: &Arc<Self>, deliveries: &[Delivery<'_>]) {
        if !self.listener.calls_plugin() {
            return self.listener.delivered(deliveries);
        }
        let mut queue = self.queue.lock();
        let owned = deliveries.iter().map(|delivery| (delivery.token, delivery.result.map_err(Clone::clone)));
        queue.waiting.extend(owned);
        if !std::mem::replace(&mut queue.delivering, true) {
            let route = Arc::clone(self);
            self.executor.spawn(async move { route.deliver_queued() });
        }
    }

    fn deliver_queued(&self) {
        loop {
            let waiting = {
                let mut queue = self.queue.lock();
                if queue.waiting.is_empty() {
                    queue.delivering = false;
                    return;
                }
                std::mem::take(&mut queue.waiting)
            };
            let deliveries: Vec<Delivery<'_>> = waiting
                .iter()
                .map(|(token, result)| Delivery { token: *token, result: result.as_ref().copied() })
                .collect();
            self.listener.delivered(&deliveries);
        }
    }
}
