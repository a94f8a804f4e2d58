//! The stored state of a person. Its size is bounded. Ids are at most [`crate::event::MAX_ID`] bytes long, so that the
//! longest state has some 40 KB.

mod codec;

use std::collections::VecDeque;

use crate::event::{Event, HEARTBEAT, ORDER, PAGE_VIEW, PRODUCT_VIEW};
use crate::hash::stable_hash;

const MAX_SEEN: usize = 256;
const MAX_PRODUCTS: usize = 50;
const MAX_SESSIONS: usize = 8;
const MAX_PRODUCT_SESSIONS: usize = 4;
const MAX_PAGES: usize = 8;
const MAX_BEATS: usize = 128;
const MAX_FIRED: usize = 64;
const MAX_ORDERS: usize = 16;
pub(crate) const MAX_EMISSIONS: usize = 64;

/// The state of one person. Ids of events, sessions and pages are kept as hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
    /// The latest event ids, oldest first.
    pub(crate) seen: VecDeque<u64>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) products: Vec<Product>,
    pub(crate) pages: Vec<Page>,
    /// Signals that were raised and must not be raised again, oldest first.
    pub(crate) fired: VecDeque<u64>,
    /// When something was emitted under a frequency cap, oldest first.
    pub(crate) emissions: VecDeque<Emission>,
    /// When the latest event was received; the retention time starts here. 0 when not known.
    pub(crate) seen_at: i64,
    /// Whether the person is a customer.
    pub(crate) known: bool,
    /// When a timer checks whether the person's state is to be deleted. 0 when there is none.
    pub(crate) forget_check_at: i64,
    /// The latest orders.
    pub(crate) orders: Vec<Order>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: String,
    /// Empty when not known.
    pub(crate) product: String,
    pub(crate) at: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: u64,
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
    pub(crate) events: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
    pub(crate) views: u32,
    /// The latest sessions it was seen in, with the last time in each.
    pub(crate) sessions: Vec<(u64, i64)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) id: u64,
    pub(crate) session: u64,
    /// Empty for a page of no product.
    pub(crate) product: String,
    pub(crate) last_at: i64,
    /// Heartbeats: distinct whole seconds since the epoch, in order.
    pub(crate) beats: Vec<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Emission {
    pub(crate) cap: u64,
    pub(crate) at: i64,
}

impl Person {
    /// Adds an event id; false when it was known already.
    pub(crate) fn insert_event_id(&mut self, event_id: &str) -> bool {
        let id = stable_hash([event_id]);
        if self.seen.contains(&id) {
            return false;
        }
        push_bounded(&mut self.seen, id, MAX_SEEN);
        true
    }

    /// Adds an event. Order and repetition do not matter: times are minima and maxima, heartbeats are a set.
    pub(crate) fn take(&mut self, event: &Event<'_>) {
        self.seen_at = self.seen_at.max(event.received_at);
        self.known |= event.customer.is_some();
        if event.kind == ORDER {
            self.take_order(event);
            return;
        }
        let session = session_hash(event);
        self.take_session(session, event.at);
        if let Some(product) = event.product {
            self.take_product(product, session, event);
        }
        if let Some(page) = event.page {
            self.take_page(page, session, event);
        }
    }

    pub(crate) fn product(&self, id: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.id == id)
    }

    /// How many of the latest orders were of this product.
    pub(crate) fn orders_of(&self, product: &str) -> usize {
        self.orders.iter().filter(|order| order.product == product).count()
    }

    pub(crate) fn page(&self, event: &Event<'_>) -> Option<&Page> {
        let id = stable_hash([event.page?]);
        self.pages.iter().find(|page| page.id == id)
    }

    /// Marks a signal as raised; false when it was before.
    pub(crate) fn raise_once(&mut self, signal: u64) -> bool {
        if self.fired.contains(&signal) {
            return false;
        }
        push_bounded(&mut self.fired, signal, MAX_FIRED);
        true
    }

    /// How often something was emitted under a cap since a time.
    pub(crate) fn emissions_since(&self, cap: u64, from: i64) -> usize {
        self.emissions.iter().filter(|emission| emission.cap == cap && emission.at > from).count()
    }

    /// Adds an emission, and removes those before a time.
    pub(crate) fn emit(&mut self, cap: u64, at: i64, forget_before: i64) {
        self.emissions.retain(|emission| emission.at > forget_before);
        push_bounded(&mut self.emissions, Emission { cap, at }, MAX_EMISSIONS);
    }

    /// An order is no visit.
    fn take_order(&mut self, event: &Event<'_>) {
        let product = event.product.unwrap_or_default().to_owned();
        let order = Order { id: event.id.to_owned(), product, at: event.at };
        insert_bounded(&mut self.orders, order, MAX_ORDERS, |order| order.at);
    }

    fn take_session(&mut self, id: u64, at: i64) {
        if let Some(session) = self.sessions.iter_mut().find(|session| session.id == id) {
            session.first_at = session.first_at.min(at);
            session.last_at = session.last_at.max(at);
            session.events = session.events.saturating_add(1);
            return;
        }
        let session = Session { id, first_at: at, last_at: at, events: 1 };
        insert_bounded(&mut self.sessions, session, MAX_SESSIONS, |session| session.last_at);
    }

    fn take_product(&mut self, id: &str, session: u64, event: &Event<'_>) {
        let views = u32::from(event.kind == PRODUCT_VIEW);
        if let Some(product) = self.products.iter_mut().find(|product| product.id == id) {
            product.first_at = product.first_at.min(event.at);
            product.last_at = product.last_at.max(event.at);
            product.views = product.views.saturating_add(views);
            match product.sessions.iter_mut().find(|(known, _)| *known == session) {
                Some((_, last_at)) => *last_at = event.at.max(*last_at),
                None => insert_bounded(&mut product.sessions, (session, event.at), MAX_PRODUCT_SESSIONS, |s| s.1),
            }
            return;
        }
        let sessions = vec![(session, event.at)];
        let product = Product { id: id.to_owned(), first_at: event.at, last_at: event.at, views, sessions };
        insert_bounded(&mut self.products, product, MAX_PRODUCTS, |product| product.last_at);
    }

    fn take_page(&mut self, id: &str, session: u64, event: &Event<'_>) {
        if ![PRODUCT_VIEW, PAGE_VIEW, HEARTBEAT].contains(&event.kind) {
            return;
        }
        let id = stable_hash([id]);
        let known = self.pages.iter().position(|page| page.id == id);
        let index = known.unwrap_or_else(|| {
            let page = Page { id, session, last_at: event.at, ..Page::default() };
            insert_bounded(&mut self.pages, page, MAX_PAGES, |page| page.last_at);
            self.pages.len() - 1
        });
        let Some(page) = self.pages.get_mut(index) else { return };
        page.last_at = page.last_at.max(event.at);
        if let Some(product) = event.product.filter(|_| page.product.is_empty()) {
            product.clone_into(&mut page.product);
        }
        if event.kind == HEARTBEAT && page.beats.len() < MAX_BEATS {
            let second = event.at.div_euclid(1000);
            if let Err(place) = page.beats.binary_search(&second) {
                page.beats.insert(place, second);
            }
        }
    }
}

impl Page {
    /// Snowplow's engaged time: each period with a heartbeat counts, the first one as the minimum visit. 0 without a
    /// heartbeat.
    pub(crate) fn engaged_s(&self, heartbeat_s: u32, min_visit_s: u32) -> i64 {
        let period = |second: &i64| second.div_euclid(i64::from(heartbeat_s.max(1)));
        let mut periods = 0;
        let mut last = None;
        for beat in self.beats.iter().map(period) {
            periods += i64::from(last != Some(beat));
            last = Some(beat);
        }
        if periods == 0 { 0 } else { (periods - 1) * i64::from(heartbeat_s) + i64::from(min_visit_s) }
    }
}

/// The hash under which a session is stored.
pub(crate) fn session_hash(event: &Event<'_>) -> u64 {
    stable_hash([event.session])
}

fn push_bounded<T>(ring: &mut VecDeque<T>, item: T, max: usize) {
    if ring.len() >= max {
        ring.pop_front();
    }
    ring.push_back(item);
}

/// Adds an item at the end; removes the oldest one if there are too many.
fn insert_bounded<T>(items: &mut Vec<T>, item: T, max: usize, last_at: impl Fn(&T) -> i64) {
    if items.len() >= max
        && let Some((oldest, _)) = items.iter().enumerate().min_by_key(|(_, item)| last_at(item))
    {
        items.remove(oldest);
    }
    items.push(item);
}
