use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::address::Address;
use super::hub::Hub;
use super::message::{Cursor, Message};
use crate::http::now_ms;

/// Far enough away to be never, near enough to be a time.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// One page that listens. It holds no queue: it reads its person's ring from where it is.
#[derive(Debug)]
pub(super) struct Subscription {
    hub: Arc<Hub>,
    id: u64,
    addresses: [Address; 2],
    notify: Arc<Notify>,
    place: Place,
    /// Read from Kafka, to be sent first.
    replay: Vec<Arc<Message>>,
    ends: Instant,
}

/// How far a page is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The number of the next entry to read.
    pub(super) next: u64,
    /// The number of the last entry that had left the rings when it began to listen.
    pub(super) lost_before: u64,
    /// What the browser has: messages of this lane up to this offset.
    pub(super) skip: Option<Cursor>,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    /// At least one message.
    Messages(Vec<Arc<Message>>),
    /// The session is over, the sink stops, or the page is too slow: it may connect again.
    End,
}

impl Subscription {
    pub(super) fn new(hub: Arc<Hub>, id: u64, addresses: [Address; 2], notify: Arc<Notify>, place: Place) -> Self {
        let ends = Instant::now() + LONGEST;
        Self { hub, id, addresses, notify, place, replay: Vec::new(), ends }
    }

    /// The same subscription, which ends at a time in ms since the epoch.
    pub(super) fn until(mut self, expires_at: i64) -> Self {
        let left = u64::try_from(expires_at.saturating_sub(now_ms())).unwrap_or(0);
        self.ends = Instant::now() + Duration::from_millis(left).min(LONGEST);
        self
    }

    /// Whether a message of this address is for this page.
    pub(super) fn is_for(&self, address: &Address) -> bool {
        self.addresses.contains(address)
    }

    /// Sends messages read from Kafka first, and skips what the rings have up to the last record read.
    pub(super) fn replay(&mut self, messages: Vec<Arc<Message>>, read_to: Cursor) {
        self.replay = messages;
        self.place.skip = Some(read_to);
    }

    /// Waits for messages. Nothing is lost when the future is dropped while it waits.
    pub(super) async fn next(&mut self) -> Next {
        if !self.replay.is_empty() {
            return Next::Messages(std::mem::take(&mut self.replay));
        }
        loop {
            let Place { next, lost_before, skip } = self.place;
            let (entries, lost) = self.hub.read(&self.addresses, next);
            if lost >= next && lost > lost_before && self.hub.limits().disconnect_slow {
                tracing::debug!("disconnecting a page that is too slow: it can resume");
                return Next::End;
            }
            if let Some(last) = entries.last() {
                self.place.next = last.number + 1;
            }
            let is_new =
                |cursor: Cursor| skip.is_none_or(|skip| skip.lane != cursor.lane || cursor.offset > skip.offset);
            let messages: Vec<_> =
                entries.into_iter().map(|entry| entry.message).filter(|message| is_new(message.cursor)).collect();
            if !messages.is_empty() {
                return Next::Messages(messages);
            }
            tokio::select! {
                () = self.notify.notified() => {}
                () = self.hub.closed().cancelled() => return Next::End,
                () = tokio::time::sleep_until(self.ends) => return Next::End,
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.unsubscribe(&self.addresses, self.id);
    }
}
