use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tributary_api::time::now_ms;

use super::address::Address;
use super::catch_up::{CatchUp, CaughtUp, MissedMessages};
use super::hub::Hub;
use super::message::{Cursor, Message};
use crate::http::Client;
use crate::session::Session;

/// Practically never, but a valid duration.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// If more new messages than this arrive before the missed ones, some may be delivered twice.
const MAX_AHEAD: usize = 1_000;

/// The subscription of one page. It has no queue: it reads its person's ring from its position. Missed messages are
/// read from Kafka meanwhile; until they are delivered, new messages carry the id of the last one before the gap, so
/// that the page resumes there if it is disconnected.
#[derive(Debug)]
pub(super) struct Subscription {
    hub: Arc<Hub>,
    id: u64,
    client: Client,
    session: Session,
    addresses: [Address; 2],
    notify: Arc<Notify>,
    position: ReadPosition,
    missed: Option<MissedMessages>,
    catch_up: Option<Arc<CatchUp>>,
    ends: Instant,
}

/// The position of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadPosition {
    /// The number of the next entry to read.
    pub(super) next: u64,
    /// The number of the last evicted entry when the subscription started.
    pub(super) lost_before: u64,
    /// What the browser has: messages of this partition up to this offset.
    pub(super) skip: Option<Cursor>,
}

/// What is sent to a page.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    /// The cursor from which the page resumes if it is disconnected now.
    pub(super) id: Cursor,
    /// None if only the id is sent.
    pub(super) message: Option<Arc<Message>>,
}

/// The next event of a subscription.
#[derive(Debug)]
pub(super) enum Next {
    /// At least one message.
    Messages(Vec<Delivery>),
    /// The session has expired, the sink stops, or the page is too slow: it may connect again.
    End,
}

impl Subscription {
    /// A subscription that ends with its session.
    pub(super) fn new(
        hub: Arc<Hub>,
        (id, client): (u64, Client),
        session: &Session,
        notify: Arc<Notify>,
        position: ReadPosition,
    ) -> Self {
        let left = u64::try_from(session.expires_at().saturating_sub(now_ms())).unwrap_or(0);
        Self {
            hub,
            id,
            client,
            session: session.clone(),
            addresses: Address::of_session(session),
            notify,
            position,
            missed: None,
            catch_up: None,
            ends: Instant::now() + Duration::from_millis(left).min(LONGEST),
        }
    }

    /// The same subscription, which also gets the messages that its page has missed after a cursor.
    pub(super) fn catching_up(mut self, catch_up: &Arc<CatchUp>, cursor: Cursor) -> Self {
        let answer = catch_up.ask(&self.session, cursor.partition_id, cursor.offset);
        self.missed = Some(MissedMessages {
            partition_id: cursor.partition_id,
            after: cursor.offset,
            answer,
            ahead: HashSet::new(),
        });
        self.catch_up = Some(Arc::clone(catch_up));
        self
    }

    /// Whether missed messages are still to be delivered.
    pub(super) fn is_catching_up(&self) -> bool {
        self.missed.is_some()
    }

    /// Waits for messages. Nothing is lost when the future is dropped while it waits.
    pub(super) async fn next(&mut self) -> Next {
        loop {
            match self.here() {
                Some(deliveries) if deliveries.is_empty() => {}
                Some(deliveries) => return Next::Messages(deliveries),
                None => return Next::End,
            }
            tokio::select! {
                () = self.notify.notified() => {}
                found = MissedMessages::found(&mut self.missed) => {
                    let deliveries = self.caught_up(found);
                    if !deliveries.is_empty() {
                        return Next::Messages(deliveries);
                    }
                }
                () = self.hub.closed().cancelled() => return Next::End,
                () = tokio::time::sleep_until(self.ends) => return Next::End,
            }
        }
    }

    /// The messages in the rings; none when the page is too slow for them.
    fn here(&mut self) -> Option<Vec<Delivery>> {
        let ReadPosition { next, lost_before, skip } = self.position;
        let (entries, lost) = self.hub.read(&self.addresses, next);
        if lost >= next && lost > lost_before && self.hub.limits().disconnect_slow {
            tracing::debug!("disconnecting a subscription that reads too slowly: it can resume");
            return None;
        }
        if let Some(last) = entries.last() {
            self.position.next = last.number + 1;
        }
        let is_new = |cursor: Cursor| {
            skip.is_none_or(|skip| skip.partition_id != cursor.partition_id || cursor.offset > skip.offset)
        };
        let messages = entries.into_iter().map(|entry| entry.message).filter(|message| is_new(message.cursor));
        Some(match &mut self.missed {
            None => messages.map(|message| Delivery { id: message.cursor, message: Some(message) }).collect(),
            Some(missed) => messages
                .map(|message| {
                    if message.cursor.partition_id == missed.partition_id && missed.ahead.len() < MAX_AHEAD {
                        missed.ahead.insert(message.cursor.offset);
                    }
                    let id = Cursor { partition_id: missed.partition_id, offset: missed.after };
                    Delivery { id, message: Some(message) }
                })
                .collect(),
        })
    }

    /// The missed messages were read. The last one carries the id of the last record that was read, even if that was
    /// for another person.
    fn caught_up(&mut self, found: Option<CaughtUp>) -> Vec<Delivery> {
        let Some(missed) = self.missed.take() else { return Vec::new() };
        let Some(CaughtUp { messages, read_to: Some(read_to), goes_on }) = found else { return Vec::new() };
        let messages = messages.into_iter().filter(|message| !missed.ahead.contains(&message.cursor.offset));
        let mut deliveries: Vec<_> =
            messages.map(|message| Delivery { id: message.cursor, message: Some(message) }).collect();
        let id = Cursor { partition_id: missed.partition_id, offset: read_to };
        match deliveries.last_mut() {
            Some(last) => last.id = id,
            None if read_to > missed.after => deliveries.push(Delivery { id, message: None }),
            None => {}
        }
        self.position.skip = Some(id);
        if goes_on && let Some(catch_up) = &self.catch_up {
            let answer = catch_up.ask(&self.session, missed.partition_id, read_to);
            self.missed = Some(MissedMessages { after: read_to, answer, ..missed });
        }
        deliveries
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.unsubscribe(&self.addresses, self.client, self.id);
    }
}
