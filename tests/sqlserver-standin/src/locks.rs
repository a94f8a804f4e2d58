//! Locks of tables: what `TABLOCKX`, `HOLDLOCK`, the isolation levels and DDL hold against one another, with
//! `LOCK_TIMEOUT` and the search for deadlocks. SQL Server's granules below the table are not modelled.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    data::SqlError,
    session::{Cancel, Flow},
};

/// How often a waiting session looks whether it was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Reads rows of the table.
    IntentShared,
    /// Reads all of the table.
    Shared,
    /// Changes rows of the table.
    IntentExclusive,
    /// Has the table to itself.
    Exclusive,
}

/// How long a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Statement,
    Transaction,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Resource {
    pub(crate) database: Arc<str>,
    pub(crate) object_id: i32,
}

/// The locks of all sessions. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locks(Arc<LockState>);

#[derive(Debug, Default)]
struct LockState {
    table: Mutex<Table>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    held: HashMap<Resource, Vec<Held>>,
    /// By ticket: who came first is served first.
    waiting: BTreeMap<u64, Waiting>,
    next_ticket: u64,
    /// How many locks were granted.
    granted: u64,
}

#[derive(Debug)]
struct Held {
    spid: u16,
    mode: Mode,
    scope: Scope,
    /// Which of the granted ones it is; of a lock that was made stronger, which the first one was.
    since: u64,
}

#[derive(Debug)]
struct Waiting {
    spid: u16,
    resource: Resource,
    mode: Mode,
}

impl Mode {
    fn goes_with(self, other: Mode) -> bool {
        use Mode::{Exclusive, IntentExclusive, IntentShared, Shared};
        match (self, other) {
            (Exclusive, _) | (_, Exclusive) | (Shared, IntentExclusive) | (IntentExclusive, Shared) => false,
            (IntentShared | Shared, IntentShared | Shared)
            | (IntentExclusive, IntentShared | IntentExclusive)
            | (IntentShared, IntentExclusive) => true,
        }
    }

    fn covers(self, other: Mode) -> bool {
        self == other
            || self == Mode::Exclusive
            || (other == Mode::IntentShared && matches!(self, Mode::Shared | Mode::IntentExclusive))
    }
}

impl Locks {
    /// Takes the lock for a session, waiting for it at most for `timeout` (`None`: no limit). `Flow::Stop`: the session
    /// was cancelled meanwhile. Errors: 1222 when the time is over, 1205 when the wait closes a circle.
    #[expect(clippy::too_many_arguments, reason = "each is another thing that it needs")]
    pub(crate) fn acquire(
        &self,
        spid: u16,
        resource: &Resource,
        mode: Mode,
        scope: Scope,
        timeout: Option<Duration>,
        cancel: &Cancel,
    ) -> Result<Flow, SqlError> {
        let mut table = self.table();
        if table.grant(spid, resource, mode, scope, u64::MAX) {
            return Ok(Flow::Continue);
        }
        let ticket = table.next_ticket;
        table.next_ticket += 1;
        table.waiting.insert(ticket, Waiting { spid, resource: resource.clone(), mode });
        if table.is_in_circle(ticket) {
            table.waiting.remove(&ticket);
            self.0.released.notify_all();
            return Err(deadlock_victim(spid));
        }
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        let outcome = loop {
            if table.grant(spid, resource, mode, scope, ticket) {
                break Ok(Flow::Continue);
            }
            if cancel.is_set() {
                break Ok(Flow::Stop);
            }
            let left = deadline.map_or(CANCEL_CHECK, |d| d.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break Err(timed_out());
            }
            let waited = self.0.released.wait_timeout(table, left.min(CANCEL_CHECK));
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        table.waiting.remove(&ticket);
        // Who waited behind this request may now go on.
        self.0.released.notify_all();
        outcome
    }

    /// The end of a statement: what it locked for itself only is free.
    pub(crate) fn release_statement(&self, spid: u16) {
        self.release(|held| held.spid == spid && held.scope == Scope::Statement);
    }

    /// The end of the transaction, or of the session.
    pub(crate) fn release_all(&self, spid: u16) {
        self.release(|held| held.spid == spid);
    }

    /// Where locks stand now, for [`Locks::release_since`].
    pub(crate) fn mark(&self) -> u64 {
        self.table().granted
    }

    /// A transaction that goes back to a savepoint keeps the locks that it had then, also where they are stronger now.
    pub(crate) fn release_since(&self, spid: u16, mark: u64) {
        self.release(|held| held.spid == spid && held.since >= mark);
    }

    fn release(&self, gone: impl Fn(&Held) -> bool) {
        let mut table = self.table();
        table.held.retain(|_, holders| {
            holders.retain(|h| !gone(h));
            !holders.is_empty()
        });
        self.0.released.notify_all();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Whether the lock is the session's now. A request goes behind the ones of lower tickets that it does not go with,
    /// unless the session has a lock of the table already.
    fn grant(&mut self, spid: u16, resource: &Resource, mode: Mode, scope: Scope, ticket: u64) -> bool {
        if self.blockers(spid, resource, mode, ticket).next().is_some() {
            return false;
        }
        let holders = self.held.entry(resource.clone()).or_default();
        let has =
            |h: &Held| h.spid == spid && h.mode.covers(mode) && (h.scope == scope || h.scope == Scope::Transaction);
        if !holders.iter().any(has) {
            let mine = holders.iter().filter(|h| h.spid == spid && h.scope == Scope::Transaction);
            let since = mine.map(|h| h.since).min().unwrap_or(self.granted);
            holders.push(Held { spid, mode, scope, since });
            self.granted += 1;
        }
        true
    }

    fn blockers<'a>(
        &'a self,
        spid: u16,
        resource: &'a Resource,
        mode: Mode,
        ticket: u64,
    ) -> impl Iterator<Item = u16> + 'a {
        let holders = self.held.get(resource).map_or(&[][..], Vec::as_slice);
        let owns = holders.iter().any(|h| h.spid == spid);
        let held = holders.iter().filter(move |h| h.spid != spid && !h.mode.goes_with(mode)).map(|h| h.spid);
        let ahead = self
            .waiting
            .range(..ticket)
            .map(|(_, w)| w)
            .filter(move |w| !owns && w.spid != spid && w.resource == *resource && !w.mode.goes_with(mode));
        held.chain(ahead.map(|w| w.spid))
    }

    /// Whether the waiting request waits, through others, for itself.
    fn is_in_circle(&self, ticket: u64) -> bool {
        let Some(start) = self.waiting.get(&ticket) else { return false };
        let mut seen = Vec::new();
        let mut next: Vec<u16> = self.blockers(start.spid, &start.resource, start.mode, ticket).collect();
        while let Some(spid) = next.pop() {
            if spid == start.spid {
                return true;
            }
            if seen.contains(&spid) {
                continue;
            }
            seen.push(spid);
            if let Some((ticket, w)) = self.waiting.iter().find(|(_, w)| w.spid == spid) {
                next.extend(self.blockers(w.spid, &w.resource, w.mode, *ticket));
            }
        }
        false
    }
}

fn timed_out() -> SqlError {
    SqlError::new(1222, 16, 51, "Lock request time out period exceeded.")
}

fn deadlock_victim(spid: u16) -> SqlError {
    SqlError::new(
        1205,
        13,
        51,
        format!(
            "Transaction (Process ID {spid}) was deadlocked on lock resources with another process and has been chosen as \
             the deadlock victim. Rerun the transaction."
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const NOW: Option<Duration> = Some(Duration::ZERO);

    fn table(object_id: i32) -> Resource {
        Resource { database: "shop".into(), object_id }
    }

    fn take(locks: &Locks, spid: u16, object_id: i32, mode: Mode, timeout: Option<Duration>) -> Result<Flow, i32> {
        locks
            .acquire(spid, &table(object_id), mode, Scope::Transaction, timeout, &Cancel::default())
            .map_err(|e| e.number)
    }

    fn wait_until_waiting(locks: &Locks, count: usize) {
        while locks.table().waiting.len() < count {
            thread::yield_now();
        }
    }

    #[test]
    fn a_savepoint_gives_back_what_was_locked_after_it() {
        let locks = Locks::default();
        assert_eq!(take(&locks, 51, 1, Mode::IntentShared, NOW), Ok(Flow::Continue));
        let mark = locks.mark();
        assert_eq!(take(&locks, 51, 1, Mode::Exclusive, NOW), Ok(Flow::Continue));
        assert_eq!(take(&locks, 51, 2, Mode::Exclusive, NOW), Ok(Flow::Continue));
        locks.release_since(51, mark);
        assert_eq!(take(&locks, 52, 1, Mode::IntentShared, NOW), Err(1222), "it only became stronger");
        assert_eq!(take(&locks, 52, 2, Mode::IntentShared, NOW), Ok(Flow::Continue));
    }

    #[test]
    fn an_exclusive_lock_keeps_out_all_others_and_times_out() {
        let locks = Locks::default();
        assert_eq!(take(&locks, 51, 1, Mode::Exclusive, NOW), Ok(Flow::Continue));
        for mode in [Mode::IntentShared, Mode::Shared, Mode::IntentExclusive, Mode::Exclusive] {
            assert_eq!(take(&locks, 52, 1, mode, Some(Duration::from_millis(1))), Err(1222));
            assert_eq!(take(&locks, 51, 1, mode, NOW), Ok(Flow::Continue), "the holder itself is not kept out");
        }
        assert_eq!(take(&locks, 52, 2, Mode::Exclusive, NOW), Ok(Flow::Continue));
        locks.release_all(51);
        assert_eq!(take(&locks, 52, 1, Mode::Exclusive, NOW), Ok(Flow::Continue));
    }

    #[test]
    fn writers_go_together_and_not_with_a_reader_of_all() {
        let locks = Locks::default();
        assert_eq!(take(&locks, 51, 1, Mode::IntentExclusive, NOW), Ok(Flow::Continue));
        assert_eq!(take(&locks, 52, 1, Mode::IntentExclusive, NOW), Ok(Flow::Continue));
        assert_eq!(take(&locks, 53, 1, Mode::IntentShared, NOW), Ok(Flow::Continue));
        assert_eq!(take(&locks, 54, 1, Mode::Shared, NOW), Err(1222));
    }

    #[test]
    fn a_lock_of_a_statement_ends_with_it_and_one_of_the_transaction_does_not() {
        let locks = Locks::default();
        let cancel = Cancel::default();
        let read = |scope| locks.acquire(51, &table(1), Mode::Shared, scope, NOW, &cancel);
        assert_eq!(read(Scope::Statement), Ok(Flow::Continue));
        locks.release_statement(51);
        assert_eq!(take(&locks, 52, 1, Mode::Exclusive, NOW), Ok(Flow::Continue));
        locks.release_all(52);
        assert_eq!(read(Scope::Statement), Ok(Flow::Continue));
        assert_eq!(read(Scope::Transaction), Ok(Flow::Continue));
        locks.release_statement(51);
        assert_eq!(take(&locks, 52, 1, Mode::Exclusive, NOW), Err(1222));
    }

    #[test]
    fn who_waits_is_served_when_it_is_released_and_before_who_comes_later() {
        let locks = Locks::default();
        assert_eq!(take(&locks, 51, 1, Mode::IntentShared, NOW), Ok(Flow::Continue));
        thread::scope(|threads| {
            let writer = threads.spawn(|| take(&locks, 52, 1, Mode::Exclusive, None));
            wait_until_waiting(&locks, 1);
            assert_eq!(take(&locks, 53, 1, Mode::IntentShared, NOW), Err(1222), "the writer is first");
            assert_eq!(take(&locks, 51, 1, Mode::IntentShared, NOW), Ok(Flow::Continue));
            locks.release_all(51);
            assert_eq!(writer.join().unwrap(), Ok(Flow::Continue));
        });
    }

    #[test]
    fn who_closes_a_circle_is_the_victim() {
        let locks = Locks::default();
        assert_eq!(take(&locks, 51, 1, Mode::Exclusive, NOW), Ok(Flow::Continue));
        assert_eq!(take(&locks, 52, 2, Mode::Exclusive, NOW), Ok(Flow::Continue));
        thread::scope(|threads| {
            let first = threads.spawn(|| take(&locks, 51, 2, Mode::Exclusive, None));
            wait_until_waiting(&locks, 1);
            assert_eq!(take(&locks, 52, 1, Mode::Shared, None), Err(1205));
            locks.release_all(52);
            assert_eq!(first.join().unwrap(), Ok(Flow::Continue));
        });
    }

    #[test]
    fn a_cancelled_wait_ends() {
        let locks = Locks::default();
        assert_eq!(take(&locks, 51, 1, Mode::Exclusive, NOW), Ok(Flow::Continue));
        let cancel = Cancel::default();
        thread::scope(|threads| {
            let waiting =
                threads.spawn(|| locks.acquire(52, &table(1), Mode::Shared, Scope::Transaction, None, &cancel));
            wait_until_waiting(&locks, 1);
            cancel.cancel();
            assert_eq!(waiting.join().unwrap(), Ok(Flow::Stop));
        });
        assert_eq!(locks.table().waiting.len(), 0);
    }
}
