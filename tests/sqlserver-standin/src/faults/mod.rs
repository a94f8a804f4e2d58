//! Faults that tests ask for: errors instead of answers, connections that break or stand still, a server that sends its
//! clients elsewhere, databases that are read-only. Set by [`Faults`] or by `EXEC standin.fault`.

mod messages;
mod procedures;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub(crate) use self::procedures::procedures;
use crate::data::SqlError;

/// The faults of a server. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<FaultState>);

#[derive(Debug, Default)]
struct FaultState {
    /// Whether there is any rule: asked for each row.
    armed: AtomicBool,
    rules: Mutex<Vec<Fault>>,
    read_only: Mutex<Vec<String>>,
}

/// What is to go wrong, when and for whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub on: On,
    pub action: Action,
    pub who: Who,
    /// How many occasions pass unharmed first.
    pub skip: u32,
    /// How many are hit after them; `u32::MAX` for all.
    pub times: u32,
}

/// The occasion of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// A connection's login.
    Login,
    /// A batch or a call, before it does anything.
    Statement,
    /// A row of an answer, before it is sent.
    Row,
    /// A commit, before it is durable.
    Commit,
    /// A commit that is durable, before its answer.
    Committed,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The server answers this error; class 20 and more closes the connection.
    Error(SqlError),
    /// The connection is reset.
    Reset,
    /// Nothing happens for this long, then all goes on.
    Stall(Duration),
    /// The client is redirected to another address, as after a failover; at logins only.
    Route { host: String, port: u16 },
}

/// Whom a fault is for: what is none fits all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Who {
    pub spid: Option<u16>,
    pub application: Option<String>,
    pub user: Option<String>,
}

/// The session that asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session<'a> {
    pub(crate) spid: u16,
    pub(crate) application: &'a str,
    pub(crate) user: &'a str,
}

impl Fault {
    /// This once, for the next session that comes to it.
    pub fn once(on: On, action: Action) -> Fault {
        Fault { on, action, who: Who::default(), skip: 0, times: 1 }
    }

    #[must_use]
    pub fn after(mut self, skip: u32) -> Fault {
        self.skip = skip;
        self
    }

    #[must_use]
    pub fn times(mut self, times: u32) -> Fault {
        self.times = times;
        self
    }

    #[must_use]
    pub fn for_application(mut self, name: impl Into<String>) -> Fault {
        self.who.application = Some(name.into());
        self
    }

    #[must_use]
    pub fn for_session(mut self, spid: u16) -> Fault {
        self.who.spid = Some(spid);
        self
    }
}

impl Action {
    /// The server's error of this number with its own text, class and state; of an unknown number, class 16 and a text
    /// that says so.
    pub fn error(number: i32) -> Action {
        Action::Error(messages::error(number))
    }
}

impl Faults {
    /// Adds a fault. Of several that fit, the oldest fires.
    pub fn add(&self, fault: Fault) {
        self.rules().push(fault);
        self.0.armed.store(true, Ordering::SeqCst);
    }

    /// Ends all faults, also read-only databases.
    pub fn clear(&self) {
        self.rules().clear();
        self.0.armed.store(false, Ordering::SeqCst);
        self.read_only().clear();
    }

    /// Makes a database answer writes with 3906, as a readable secondary does, or ends that.
    pub fn set_read_only(&self, database: &str, on: bool) {
        let mut list = self.read_only();
        list.retain(|d| !d.eq_ignore_ascii_case(database));
        if on {
            list.push(database.to_owned());
        }
    }

    /// Error 3906 if the database is read-only: asked before each write.
    pub(crate) fn check_writable(&self, database: &str) -> Result<(), SqlError> {
        if self.is_read_only(database) {
            return Err(SqlError::new(
                3906,
                16,
                2,
                format!("Failed to update database \"{database}\" because the database is read-only."),
            ));
        }
        Ok(())
    }

    pub(crate) fn is_read_only(&self, database: &str) -> bool {
        self.read_only().iter().any(|d| d.eq_ignore_ascii_case(database))
    }

    /// The action of the fault that fires in this session on this occasion.
    pub(crate) fn meet(&self, on: On, session: Session<'_>) -> Option<Action> {
        if !self.0.armed.load(Ordering::Relaxed) {
            return None;
        }
        let mut rules = self.rules();
        let mut fired = None;
        for rule in rules.iter_mut().filter(|r| r.on == on && r.who.is(session)) {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 {
                if rule.times != u32::MAX {
                    rule.times -= 1;
                }
                fired = Some(rule.action.clone());
                break;
            }
        }
        rules.retain(|r| r.times > 0);
        self.0.armed.store(!rules.is_empty(), Ordering::SeqCst);
        fired
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_only(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.read_only.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Who {
    fn is(&self, session: Session<'_>) -> bool {
        self.spid.is_none_or(|s| s == session.spid)
            && self.application.as_deref().is_none_or(|a| a == session.application)
            && self.user.as_deref().is_none_or(|u| u.eq_ignore_ascii_case(session.user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Session<'_> = Session { spid: 51, application: "reader", user: "sa" };

    #[test]
    fn a_fault_fires_after_so_many_occasions_and_so_many_times() {
        let faults = Faults::default();
        faults.add(Fault::once(On::Row, Action::Reset).after(2).times(2));
        let met: Vec<bool> = (0..6).map(|_| faults.meet(On::Row, SESSION).is_some()).collect();
        assert_eq!(met, [false, false, true, true, false, false]);
        assert!(!faults.0.armed.load(Ordering::SeqCst), "a fault that is used up is gone");
    }

    #[test]
    fn a_fault_fires_only_in_the_sessions_it_is_for() {
        let faults = Faults::default();
        faults.add(Fault::once(On::Statement, Action::error(1205)).for_application("writer"));
        assert_eq!(faults.meet(On::Statement, SESSION), None);
        assert_eq!(faults.meet(On::Login, Session { application: "writer", ..SESSION }), None);
        let Some(Action::Error(error)) = faults.meet(On::Statement, Session { application: "writer", ..SESSION })
        else {
            panic!("no error");
        };
        assert_eq!((error.number, error.class), (1205, 13));
    }

    #[test]
    fn a_read_only_database_refuses_writes() {
        let faults = Faults::default();
        faults.set_read_only("Shop", true);
        assert_eq!(faults.check_writable("shop").map_err(|e| e.number), Err(3906));
        assert_eq!(faults.check_writable("other"), Ok(()));
        faults.set_read_only("shop", false);
        assert_eq!(faults.check_writable("shop"), Ok(()));
    }
}
