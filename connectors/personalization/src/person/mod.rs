//! The stored state of a person. Its size is bounded. Ids are at most [`crate::event::MAX_ID`] bytes long, so that the
//! longest state has some 40 KB.

mod codec;
mod merge;
mod sessions;
mod views;

use std::collections::VecDeque;

use crate::event::{CONSENT, Event, PRODUCT_VIEW};
use crate::hash::stable_hash;
pub(crate) use sessions::{Session, Span};
pub(crate) use views::{View, key as view_key};

const MAX_SEEN: usize = 256;
const MAX_PRODUCTS: usize = 50;
const MAX_SESSIONS: usize = 16;
const MAX_PRODUCT_SESSIONS: usize = 8;
const MAX_VIEWS: usize = 64;
const MAX_BEATS: usize = 96;
const MAX_FIRED: usize = 64;
const MAX_ORDERS: usize = 16;
const MAX_CONSENTS: usize = 8;
const MAX_EXPOSURES: usize = 32;
pub(crate) const MAX_EMISSIONS: usize = 64;

/// The state of one person. Ids of events, sessions and pages are kept as hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
    /// The latest event ids, oldest first.
    pub(crate) seen: VecDeque<u64>,
    /// In order, and more than the gap apart.
    pub(crate) sessions: Vec<Session>,
    pub(crate) products: Vec<Product>,
    pub(crate) views: Vec<View>,
    /// Signals that were raised, oldest first.
    pub(crate) fired: VecDeque<Fired>,
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
    /// What the person agreed to on their devices, by purpose.
    pub(crate) consents: Vec<Consent>,
    /// The variants of experiments that the person was the first to be in.
    pub(crate) exposures: Vec<Exposure>,
    /// The hashes of devices and sessions whose anonymous history was asked for, oldest first.
    pub(crate) asked: VecDeque<u64>,
    /// The hashes of the histories that were merged into this one, oldest first.
    pub(crate) merged: VecDeque<u64>,
    /// The customers to whom an anonymous history was handed over, and when they logged in.
    pub(crate) handed_over: Vec<HandedOver>,
}

/// A statement about a purpose, made by an event of type `consent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Consent {
    /// The hash of the purpose.
    pub(crate) purpose: u64,
    /// When the server received it.
    pub(crate) at: i64,
    pub(crate) granted: bool,
}

/// The variant in which a person first got an offer, or was withheld one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exposure {
    /// The hash of the experiment's key and seed.
    pub(crate) experiment: u64,
    /// The hash of the variant's name.
    pub(crate) variant: u64,
    pub(crate) at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HandedOver {
    pub(crate) customer: String,
    pub(crate) at: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: String,
    /// Empty when not known.
    pub(crate) product: String,
    pub(crate) at: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
    pub(crate) views: u32,
    /// The latest sessions it was seen in.
    pub(crate) sessions: Vec<Span>,
}

/// A signal that was raised for a product in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fired {
    /// The hash of the signal's name and the product.
    pub(crate) signal: u64,
    /// The page of the view that raised it.
    pub(crate) page: u64,
    /// When that view began: it tells the session.
    pub(crate) at: i64,
    /// Whether the decision about it is made. What stood against an offer until then, such as a consent that was not there
    /// yet, may go away while the page is still looked at.
    pub(crate) settled: bool,
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

    /// Adds an event; a session ends after a gap of so many milliseconds. The order does not matter: times are minima and
    /// maxima, heartbeats are a set, and sessions follow from times.
    pub(crate) fn take(&mut self, event: &Event<'_>, gap: i64) {
        self.seen_at = self.seen_at.max(event.received_at);
        self.known |= event.customer.is_some();
        if event.is_order() {
            self.take_order(event);
            return;
        }
        let session = Session { first_at: event.at, last_at: event.at, events: 1 };
        sessions::add(&mut self.sessions, session, gap, MAX_SESSIONS);
        if let Some(id) = event.product {
            let span = Span { first_at: event.at, last_at: event.at };
            let views = u32::from(event.kind == PRODUCT_VIEW);
            self.take_product(
                Product { id: id.to_owned(), first_at: event.at, last_at: event.at, views, sessions: vec![span] },
                gap,
            );
        }
        if let Some(view) = View::of(event) {
            self.take_view(view, gap);
        }
        if event.kind == CONSENT {
            for (purpose, granted) in event.consents().take(MAX_CONSENTS) {
                self.take_consent(Consent { purpose: stable_hash([purpose]), at: event.received_at, granted });
            }
        }
    }

    pub(crate) fn product(&self, id: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.id == id)
    }

    /// How many of the latest orders were of this product.
    pub(crate) fn orders_of(&self, product: &str) -> usize {
        self.orders.iter().filter(|order| order.product == product).count()
    }

    /// The view that an event belongs to.
    pub(crate) fn view(&self, event: &Event<'_>) -> Option<&View> {
        let (page, product) = view_key(event)?;
        let begun =
            self.views.iter().filter(|view| (view.page, view.product) == (page, product) && view.first_at <= event.at);
        begun.max_by_key(|view| view.first_at)
    }

    /// When the session of a time began.
    pub(crate) fn session_begin(&self, at: i64) -> i64 {
        sessions::around(&self.sessions, at).map_or(at, |session| session.first_at)
    }

    /// In how many sessions that ended before the one of a time, and not before another time, a product was seen.
    pub(crate) fn sessions_before(&self, product: &str, at: i64, not_before: i64) -> usize {
        let begin = self.session_begin(at);
        let Some(product) = self.product(product) else { return 0 };
        // Sessions may have merged since: two spans are then of one.
        let (mut count, mut counted_until) = (0, i64::MIN);
        for span in product.sessions.iter().filter(|span| span.last_at < begin && span.last_at >= not_before) {
            count += usize::from(span.first_at > counted_until);
            counted_until =
                sessions::around(&self.sessions, span.first_at).map_or(span.last_at, |session| session.last_at);
        }
        count
    }

    /// Where a signal was raised in the session of a time.
    pub(crate) fn fired(&mut self, signal: u64, at: i64) -> Option<&mut Fired> {
        let session = sessions::around(&self.sessions, at).copied();
        let same =
            |other: i64| session.map_or(other == at, |session| (session.first_at..=session.last_at).contains(&other));
        self.fired.iter_mut().find(|fired| fired.signal == signal && same(fired.at))
    }

    /// Whether a state of an earlier format knows the signal as raised: it had the session's id within the hash, and later the
    /// pack's name too.
    pub(crate) fn fired_in_token(&self, hashes: impl FnOnce() -> [u64; 2]) -> bool {
        let mut earlier = self.fired.iter().filter(|fired| fired.at == i64::MIN).peekable();
        if earlier.peek().is_none() {
            return false;
        }
        let hashes = hashes();
        earlier.any(|fired| hashes.contains(&fired.signal))
    }

    /// Remembers that a signal was raised.
    pub(crate) fn fire(&mut self, fired: Fired) {
        push_bounded(&mut self.fired, fired, MAX_FIRED);
    }

    /// What the person said about a purpose.
    pub(crate) fn consent(&self, purpose: &str) -> Option<bool> {
        if self.consents.is_empty() {
            return None;
        }
        let purpose = stable_hash([purpose]);
        self.consents.iter().find(|consent| consent.purpose == purpose).map(|consent| consent.granted)
    }

    /// The hash of the variant that the person was in first.
    pub(crate) fn exposure(&self, experiment: u64) -> Option<u64> {
        self.exposures.iter().find(|exposure| exposure.experiment == experiment).map(|exposure| exposure.variant)
    }

    /// Remembers a variant, unless there was an earlier one.
    pub(crate) fn expose(&mut self, exposure: Exposure) {
        match self.exposures.iter_mut().find(|known| known.experiment == exposure.experiment) {
            Some(known) if (known.at, known.variant) <= (exposure.at, exposure.variant) => {}
            Some(known) => *known = exposure,
            None => insert_bounded(&mut self.exposures, exposure, MAX_EXPOSURES, |exposure| exposure.at),
        }
    }

    /// Marks what a view has raised as decided.
    pub(crate) fn settle(&mut self, signal: u64, page: u64) {
        for fired in self.fired.iter_mut().filter(|fired| fired.signal == signal && fired.page == page) {
            fired.settled = true;
        }
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

    fn take_product(&mut self, taken: Product, gap: i64) {
        let Some(product) = self.products.iter_mut().find(|product| product.id == taken.id) else {
            insert_bounded(&mut self.products, taken, MAX_PRODUCTS, |product| product.last_at);
            return;
        };
        product.first_at = product.first_at.min(taken.first_at);
        product.last_at = product.last_at.max(taken.last_at);
        product.views = product.views.saturating_add(taken.views);
        for span in taken.sessions {
            sessions::add(&mut product.sessions, span, gap, MAX_PRODUCT_SESSIONS + 1);
        }
        // Two times in one long session are one span, also when they are further apart than the gap.
        let known = &self.sessions;
        product.sessions.dedup_by(|later, earlier| {
            let is_same =
                sessions::around(known, earlier.first_at).is_some_and(|session| later.first_at <= session.last_at);
            if is_same {
                sessions::Stretch::join(earlier, later);
            }
            is_same
        });
        let surplus = product.sessions.len().saturating_sub(MAX_PRODUCT_SESSIONS);
        product.sessions.drain(..surplus);
    }

    /// The latest statement counts, by the server's clock; of two at once the one that refuses.
    fn take_consent(&mut self, said: Consent) {
        match self.consents.iter_mut().find(|known| known.purpose == said.purpose) {
            Some(known) if (known.at, !known.granted) >= (said.at, !said.granted) => {}
            Some(known) => *known = said,
            None => insert_bounded(&mut self.consents, said, MAX_CONSENTS, |consent| consent.at),
        }
    }

    /// A page that is looked at again after the gap is another view.
    fn take_view(&mut self, mut taken: View, gap: i64) {
        self.views.retain(|view| {
            let is_same = view.is_near(&taken, gap);
            if is_same {
                taken.join(view);
            }
            !is_same
        });
        insert_bounded(&mut self.views, taken, MAX_VIEWS, |view| view.last_at);
    }
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
