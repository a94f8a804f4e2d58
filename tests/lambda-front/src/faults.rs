use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What is to go wrong with a call, or with a run of a function.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The call is refused with 429, whatever is free.
    Throttle {
        /// What `Retry-After` says, in whole seconds; without the header if there is none.
        retry_after: Option<Duration>,
    },
    /// The call is refused with 500 `ServiceException`; the function is not run.
    Unavailable,
    /// The call is carried out, and its answer breaks off in the middle.
    CutOff,
    /// The process is killed before the function sees the event.
    CrashBefore,
    /// The process is killed after the function has done its work, so the result is lost.
    CrashAfter,
    /// The function does its work and then hangs until its time-out.
    TimeOut,
    /// The function is not run; it seems to have reported this error.
    Error {
        /// `errorType` of the answer.
        kind: String,
        /// `errorMessage` of the answer.
        message: String,
        /// The answer says `Handled` instead of `Unhandled`.
        handled: bool,
    },
}

impl Fault {
    /// Whether it befalls the call, and not the run.
    fn of_calls(&self) -> bool {
        matches!(self, Self::Throttle { .. } | Self::Unavailable | Self::CutOff)
    }
}

/// Future faults, in order. The first one applies to the next call or the next run, depending on its kind; the others
/// follow. An asynchronous event is one call, and a run for each attempt.
#[derive(Debug, Default)]
pub struct Faults {
    queue: Mutex<VecDeque<Fault>>,
}

impl Faults {
    /// Adds one after those that wait.
    pub fn add(&self, fault: Fault) {
        self.repeat(1, fault);
    }

    /// The same one several times.
    pub fn repeat(&self, count: usize, fault: Fault) {
        self.queue().extend(std::iter::repeat_n(fault, count));
    }

    /// The next calls are throttled, with a `Retry-After` of 1 s.
    pub fn throttle(&self, calls: usize) {
        self.repeat(calls, Fault::Throttle { retry_after: Some(Duration::from_secs(1)) });
    }

    /// The next runs crash when the work is done.
    pub fn crash(&self, runs: usize) {
        self.repeat(runs, Fault::CrashAfter);
    }

    /// The next runs do their work and then hang until the function's time-out.
    pub fn time_out(&self, runs: usize) {
        self.repeat(runs, Fault::TimeOut);
    }

    /// The next runs report an error.
    pub fn error(&self, runs: usize, kind: &str, message: &str) {
        self.repeat(runs, Fault::Error { kind: kind.to_owned(), message: message.to_owned(), handled: false });
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.queue().len()
    }

    /// Forgets those that wait.
    pub fn clear(&self) {
        self.queue().clear();
    }

    pub(crate) fn take_for_call(&self) -> Option<Fault> {
        self.take(Fault::of_calls)
    }

    pub(crate) fn take_for_run(&self) -> Option<Fault> {
        self.take(|fault| !fault.of_calls())
    }

    fn take(&self, fits: impl FnOnce(&Fault) -> bool) -> Option<Fault> {
        let mut queue = self.queue();
        if queue.front().is_some_and(fits) { queue.pop_front() } else { None }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Fault>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_in_order_each_to_what_it_fits() {
        let faults = Faults::default();
        faults.throttle(1);
        faults.crash(1);
        assert!(faults.take_for_run().is_none());
        assert!(matches!(faults.take_for_call(), Some(Fault::Throttle { .. })));
        assert!(faults.take_for_call().is_none());
        assert!(matches!(faults.take_for_run(), Some(Fault::CrashAfter)));
        assert_eq!(faults.waiting(), 0);
    }
}
