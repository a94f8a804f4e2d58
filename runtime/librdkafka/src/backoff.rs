//! How soon a broker that could not be reached is tried again.
//!
//! librdkafka 2.12 keeps to `reconnect.backoff.max.ms` only where nothing asks for a connection. A consumer that has lost
//! its coordinator asks for one with each attempt that fails, and each time the back-off is reset
//! (`RD_KAFKA_OP_CONNECT`): 80 attempts a second of each member of a group for as long as no broker is there, and more
//! than half a core for a hundred of them. So the back-off is kept here, before a socket is opened: that is done on the
//! broker's own thread, which holds no lock then.

use std::collections::HashMap;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::Setting;

/// The longest wait, whatever is configured: meanwhile the broker's thread does nothing else, such as giving a partition to
/// the thread of its new leader. librdkafka's own waits in a thread are as long.
const LONGEST: Duration = Duration::from_secs(1);
/// Attempts without a wait: a name may have two addresses, of which one answers.
const AT_ONCE: u32 = 2;

/// The waits between the attempts of one client to connect to one broker.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    /// The attempts in a row of each broker and when the last one was, by the broker's own thread.
    attempts: Mutex<HashMap<ThreadId, (u32, Instant)>>,
    is_closing: Mutex<bool>,
    closing: Condvar,
}

impl Backoff {
    pub(super) fn new(settings: &[Setting]) -> Self {
        let millis = |name: &str, default: u64| {
            let setting = settings.iter().rfind(|setting| setting.name == name);
            Duration::from_millis(setting.and_then(|setting| setting.value.parse().ok()).unwrap_or(default))
        };
        // The defaults are librdkafka's.
        let longest = millis("reconnect.backoff.max.ms", 10_000).min(LONGEST);
        Self {
            first: millis("reconnect.backoff.ms", 100),
            longest,
            attempts: Mutex::default(),
            is_closing: Mutex::new(false),
            closing: Condvar::new(),
        }
    }

    /// The client is being closed: from now on there is no wait.
    pub(super) fn close(&self) {
        *self.is_closing.lock() = true;
        self.closing.notify_all();
    }

    /// Waits until the broker of this thread may be tried.
    pub(super) fn wait(&self) {
        let broker = thread::current().id();
        let known = self.attempts.lock().get(&broker).copied();
        let (attempts, since) = known.map_or((0, Duration::MAX), |(attempts, last)| (attempts, last.elapsed()));
        // After a connection that has lasted, the next attempt is the first one again.
        let attempts = if since < self.longest * 2 { attempts } else { 0 };
        let wait = self.after(attempts).saturating_sub(since);
        if !wait.is_zero() {
            let mut is_closing = self.is_closing.lock();
            self.closing.wait_while_for(&mut is_closing, |is_closing| !*is_closing, wait);
        }
        let mut known = self.attempts.lock();
        // An older attempt counts as none, and its thread may have ended.
        known.retain(|_, (_, last)| last.elapsed() < self.longest * 2);
        known.insert(broker, (attempts.saturating_add(1), Instant::now()));
    }

    /// The wait after so many attempts.
    fn after(&self, attempts: u32) -> Duration {
        match attempts.checked_sub(AT_ONCE) {
            None => Duration::ZERO,
            Some(doublings) => self.first.saturating_mul(1 << doublings.min(20)).min(self.longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let setting = |name: &str, value: &str| Setting {
            name: name.to_owned(),
            value: value.to_owned(),
            shown: name.to_owned(),
            secret: false,
        };
        let backoff =
            Backoff::new(&[setting("reconnect.backoff.ms", "50"), setting("reconnect.backoff.max.ms", "300")]);
        let waits: Vec<_> = (0..7).map(|attempts| backoff.after(attempts).as_millis()).collect();
        assert_eq!(waits, [0, 0, 50, 100, 200, 300, 300]);
        assert_eq!(backoff.after(u32::MAX), Duration::from_millis(300));
        assert_eq!(Backoff::new(&[]).after(u32::MAX), Duration::from_secs(1));
    }
}
