use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;

/// How a function is invoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `RequestResponse`: the caller waits for the answer.
    Sync,
    /// `Event`: queued, and tried up to three times.
    Async,
    /// `DryRun`: only looked at.
    DryRun,
}

/// One attempt at an invocation, whether or not it came to a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Invocation {
    /// The function's name, as far as the request has a name in it.
    pub function: String,
    /// The request's id; the same for all attempts at one asynchronous event.
    pub request_id: String,
    /// How it was invoked.
    pub kind: Kind,
    /// 1, and for an asynchronous event up to 3.
    pub attempt: u32,
    /// The request's body.
    pub payload: Bytes,
    /// The JSON text of the client context that the request has, whether or not the function gets it.
    pub client_context: Option<String>,
    /// When it came.
    pub began: Instant,
    /// When its outcome was known.
    pub ended: Option<Instant>,
    /// How it ended; none while it runs.
    pub outcome: Option<Outcome>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function returned this.
    Response(Bytes),
    /// The function reported an error.
    Error {
        /// The answer's body.
        payload: Bytes,
        /// Whether it says of itself that it is handled.
        handled: bool,
    },
    /// It was killed at its time-out.
    TimedOut,
    /// Its process ended; with what.
    Exited(String),
    /// What it returned is longer than an answer may be.
    ResponseTooLarge,
    /// The front queued the event (the runs follow as invocations of their own), or looked at a dry run.
    Accepted,
    /// The front refused the call with this status and exception.
    Refused(u16, &'static str),
}

impl Outcome {
    /// Whether the function itself had its say, or died while it had: all but what the front decided alone.
    pub fn is_run(&self) -> bool {
        !matches!(self, Self::Accepted | Self::Refused(..))
    }

    /// Whether it did what it was asked for.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Response(_))
    }
}

/// The last invocations.
#[derive(Debug)]
pub(crate) struct Records {
    kept: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the first one that is kept.
    first: u64,
    records: VecDeque<Invocation>,
}

/// Where an outcome is to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordId(u64);

impl Records {
    pub(crate) fn new(kept: usize) -> Self {
        Self { kept, state: Mutex::default() }
    }

    pub(crate) fn begin(&self, invocation: Invocation) -> RecordId {
        let mut state = self.state();
        state.records.push_back(invocation);
        let id = state.first + state.records.len() as u64 - 1;
        while state.records.len() > self.kept {
            state.records.pop_front();
            state.first += 1;
        }
        RecordId(id)
    }

    pub(crate) fn end(&self, id: RecordId, outcome: Outcome) {
        let mut state = self.state();
        let place = id.0.checked_sub(state.first).and_then(|place| usize::try_from(place).ok());
        if let Some(record) = place.and_then(|place| state.records.get_mut(place)) {
            record.ended = Some(Instant::now());
            record.outcome = Some(outcome);
        }
    }

    pub(crate) fn all(&self) -> Vec<Invocation> {
        self.state().records.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(number: u8) -> Invocation {
        Invocation {
            function: "f".into(),
            request_id: number.to_string(),
            kind: Kind::Sync,
            attempt: 1,
            payload: Bytes::new(),
            client_context: None,
            began: Instant::now(),
            ended: None,
            outcome: None,
        }
    }

    #[test]
    fn the_last_ones_are_kept_and_outcomes_find_theirs() {
        let records = Records::new(2);
        let ids: Vec<RecordId> = (0..3).map(|number| records.begin(invocation(number))).collect();
        records.end(ids[0], Outcome::TimedOut);
        records.end(ids[2], Outcome::Accepted);
        let all = records.all();
        let seen: Vec<_> = all.iter().map(|one| (one.request_id.as_str(), one.outcome.clone())).collect();
        assert_eq!(seen, [("1", None), ("2", Some(Outcome::Accepted))]);
    }
}
