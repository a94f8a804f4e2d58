use std::collections::BTreeMap;
use std::future::Future;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tributary_control::Stage;

/// What requests are waiting for, which is shown when a request takes too long. One entry for each concurrent request.
#[derive(Debug, Default)]
pub(crate) struct Stages(Mutex<StageState>);

#[derive(Debug, Default)]
struct StageState {
    /// In the order in which they began.
    running: BTreeMap<u64, (String, Timestamp)>,
    next: u64,
    last_done: Option<Stage>,
}

/// A running stage. If it is dropped before it is done, it is removed.
struct RunningStage<'a> {
    stages: &'a Stages,
    number: u64,
}

impl Stages {
    /// Runs something that may take long; `what` continues the sentence "The worker is currently …".
    pub(crate) async fn during<T>(&self, what: impl Into<String>, work: impl Future<Output = T>) -> T {
        let running = self.begin(what.into());
        let outcome = work.await;
        running.done();
        outcome
    }

    /// The stage that has been running longest, otherwise the last one that was completed.
    pub(crate) fn current(&self) -> Option<Stage> {
        let known = self.known();
        let oldest = known.running.values().next();
        let running = oldest.map(|(description, began)| stage(description.clone(), *began, None));
        running.or_else(|| known.last_done.clone())
    }

    fn begin(&self, what: String) -> RunningStage<'_> {
        let mut known = self.known();
        let number = known.next;
        known.next += 1;
        known.running.insert(number, (what, Timestamp::now()));
        RunningStage { stages: self, number }
    }

    fn known(&self) -> MutexGuard<'_, StageState> {
        self.0.lock()
    }
}

impl RunningStage<'_> {
    fn done(self) {
        let mut known = self.stages.known();
        if let Some((description, began)) = known.running.remove(&self.number) {
            known.last_done = Some(stage(description, began, Some(Timestamp::now())));
        }
    }
}

impl Drop for RunningStage<'_> {
    fn drop(&mut self) {
        self.stages.known().running.remove(&self.number);
    }
}

fn stage(description: String, began: Timestamp, completed: Option<Timestamp>) -> Stage {
    Stage { description, began: began.to_string(), completed: completed.map(|at| at.to_string()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn the_oldest_running_stage_is_reported_then_the_last_finished() {
        let stages = Stages::default();
        assert_eq!(stages.current(), None);
        let (first, second) = (stages.begin("writing a".to_owned()), stages.begin("writing b".to_owned()));
        assert_eq!(stages.current().unwrap().description, "writing a");
        first.done();
        assert_eq!(stages.current().unwrap().description, "writing b");
        second.done();
        let last = stages.current().unwrap();
        let (began, completed) = (last.began.parse::<Timestamp>().unwrap(), last.completed.unwrap());
        assert!(last.description == "writing b" && began <= completed.parse().unwrap());
    }

    #[test]
    fn abandoned_stages_are_not_reported() {
        let stages = Stages::default();
        assert!(stages.during("waiting", std::future::pending::<()>()).now_or_never().is_none());
        assert_eq!(stages.current(), None);
        stages.during("reading", async {}).now_or_never().unwrap();
        assert_eq!(stages.current().unwrap().description, "reading");
    }
}
