use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};
use tributary_api::{Ack, AckListener, ErrorKind, Origin, Record};

use super::budget::{Budget, BudgetLimits, Reservation};
use super::requests::{Answer, FinishedRequest, Outcome, Requests};

/// Requests that wait for the task's next poll, and then for their acknowledgements. The lock is taken once per
/// request, per poll and per batch of acknowledgements.
#[derive(Debug)]
pub(super) struct PendingRequests {
    budget: Arc<Budget>,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug)]
struct State {
    open: bool,
    waiting: VecDeque<(u64, Vec<Record>)>,
    requests: Requests,
}

impl PendingRequests {
    pub(super) fn new(limits: BudgetLimits) -> Self {
        let state = State { open: true, waiting: VecDeque::new(), requests: Requests::default() };
        Self { budget: Arc::new(Budget::new(limits)), state: Mutex::new(state), arrived: Notify::new() }
    }

    /// The budget for the memory of requests.
    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Adds a request's events. The receiver gets the outcome when all are acknowledged; returns none once this is
    /// closed.
    pub(super) fn submit(&self, records: Vec<Record>, reserved: Reservation) -> Option<oneshot::Receiver<Outcome>> {
        let (answer, answered) = oneshot::channel();
        self.add(records, reserved, Answer::Awaited(answer)).then_some(answered)
    }

    /// Adds a request's events, whose outcome nobody waits for. Returns false once this is closed.
    pub(super) fn submit_answered(&self, records: Vec<Record>, reserved: Reservation) -> bool {
        self.add(records, reserved, Answer::Given)
    }

    fn add(&self, mut records: Vec<Record>, reserved: Reservation, answer: Answer) -> bool {
        let mut state = self.lock();
        if !state.open {
            return false;
        }
        let tag = state.requests.open(records.len(), answer, reserved);
        for record in &mut records {
            record.origin = Origin::source(None, None).tagged(tag);
        }
        state.waiting.push_back((tag, records));
        drop(state);
        self.arrived.notify_one();
        true
    }

    /// The events of waiting requests, at least one request's if there is one, up to `max` in all. Requests whose
    /// client has disconnected are skipped: it will send them again.
    pub(super) fn take(&self, max: usize) -> Vec<Record> {
        let mut taken: Vec<Record> = Vec::new();
        let mut done: Vec<FinishedRequest> = Vec::new();
        let mut state = self.lock();
        while let Some((tag, records)) = state.waiting.front() {
            let (tag, count) = (*tag, records.len());
            if state.requests.is_abandoned(tag) {
                done.extend(state.requests.end(tag, Outcome::Failed));
                state.waiting.pop_front();
                continue;
            }
            if !taken.is_empty() && taken.len().saturating_add(count) > max {
                break;
            }
            match state.waiting.pop_front() {
                Some((_, records)) if taken.is_empty() => taken = records,
                Some((_, records)) => taken.extend(records),
                None => break,
            }
        }
        drop(state);
        drop(done);
        taken
    }

    /// Returns when a request was added since the last [`take`](Self::take).
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Accepts no more requests.
    pub(super) fn close(&self) {
        self.lock().open = false;
    }

    /// Refuses the requests that were not passed to the runtime yet. The others are answered by their acknowledgements,
    /// which may still arrive.
    pub(super) fn refuse_waiting(&self) {
        let mut done = Vec::new();
        let mut state = self.lock();
        while let Some((tag, _)) = state.waiting.pop_front() {
            done.extend(state.requests.end(tag, Outcome::Refused));
        }
        drop(state);
        done.into_iter().for_each(FinishedRequest::answer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl AckListener for PendingRequests {
    fn acknowledged(&self, acks: &[Ack<'_>]) {
        let mut done = Vec::new();
        let mut state = self.lock();
        for ack in acks {
            let Origin::Source { tag, .. } = ack.origin else { continue };
            let outcome = match ack.result {
                Ok(Some(_)) => Outcome::Stored,
                // A transform dropped it on purpose: the client need not send it again. A tolerated error, however, is
                // an error here.
                Ok(None) => Outcome::Stored,
                Err(error) if error.kind() == ErrorKind::Data => Outcome::Unstorable,
                Err(_) => Outcome::Failed,
            };
            done.extend(state.requests.count(*tag, outcome));
        }
        drop(state);
        done.into_iter().for_each(FinishedRequest::answer);
    }
}

#[cfg(test)]
mod tests {
    use tributary_api::{Datum, Error};

    use super::*;
    use crate::http::Client;

    fn pending(events: usize) -> PendingRequests {
        PendingRequests::new(BudgetLimits { events, bytes: 10, bytes_per_client: 10 })
    }

    fn submit(pending: &PendingRequests, events: usize) -> oneshot::Receiver<Outcome> {
        let mut reserved = pending.budget().reserve(Client::UNKNOWN);
        reserved.add_events(events).unwrap();
        let records = (0..events).map(|_| Record::new("t", Datum::schemaless("x"))).collect();
        pending.submit(records, reserved).unwrap()
    }

    fn acknowledge(pending: &PendingRequests, records: &[Record], error: Option<&Error>) {
        let result = |_| error.map_or(Ok(None), Err);
        let acks: Vec<_> = records.iter().map(|record| Ack::new(&record.origin, result(record))).collect();
        pending.acknowledged(&acks);
    }

    #[test]
    fn a_request_is_answered_by_its_last_acknowledgement() {
        let pending = pending(10);
        let (mut first, mut second) = (submit(&pending, 2), submit(&pending, 1));
        let records = pending.take(10);
        assert_eq!(records.len(), 3);
        acknowledge(&pending, &records[1..], None);
        assert_eq!(second.try_recv(), Ok(Outcome::Stored));
        assert!(first.try_recv().is_err());
        acknowledge(&pending, &records[..1], None);
        assert_eq!(first.try_recv(), Ok(Outcome::Stored));
        assert_eq!(pending.budget().used(), (0, 0));
    }

    #[test]
    fn one_failure_fails_the_request() {
        let pending = pending(10);
        let mut answered = submit(&pending, 2);
        let records = pending.take(10);
        acknowledge(&pending, &records[..1], Some(&Error::retriable("broker gone")));
        acknowledge(&pending, &records[1..], None);
        assert_eq!(answered.try_recv(), Ok(Outcome::Failed));
        let mut answered = submit(&pending, 1);
        acknowledge(&pending, &pending.take(10), Some(&Error::data("too large")));
        assert_eq!(answered.try_recv(), Ok(Outcome::Unstorable));
    }

    #[test]
    fn a_batch_holds_whole_requests() {
        let pending = pending(100);
        let _answers: Vec<_> = [4, 4, 4].map(|events| submit(&pending, events)).into();
        assert_eq!(pending.take(9).len(), 8);
        assert_eq!(pending.take(1).len(), 4);
        assert_eq!(pending.take(1).len(), 0);
    }

    #[test]
    fn a_cancelled_request_is_not_sent_and_releases_its_memory() {
        let pending = pending(3);
        drop(submit(&pending, 2));
        let _kept = submit(&pending, 1);
        assert_eq!(pending.take(10).len(), 1);
        assert_eq!(pending.budget().used(), (1, 0));
    }

    #[test]
    fn a_request_that_was_answered_is_sent_although_nobody_waits() {
        let pending = pending(3);
        let mut reserved = pending.budget().reserve(Client::UNKNOWN);
        reserved.add_events(1).unwrap();
        assert!(pending.submit_answered(vec![Record::new("t", Datum::schemaless("x"))], reserved));
        let records = pending.take(10);
        assert_eq!((records.len(), pending.budget().used()), (1, (1, 0)));
        acknowledge(&pending, &records, None);
        assert_eq!(pending.budget().used(), (0, 0));
        pending.close();
        assert!(!pending.submit_answered(Vec::new(), pending.budget().reserve(Client::UNKNOWN)));
    }

    #[test]
    fn a_late_acknowledgement_does_not_count_for_the_next_request() {
        let pending = pending(10);
        let _first = submit(&pending, 1);
        let late = pending.take(10);
        acknowledge(&pending, &late, None);
        let mut second = submit(&pending, 1);
        acknowledge(&pending, &late, None);
        assert!(second.try_recv().is_err());
    }

    #[test]
    fn closing_answers_waiting_requests_and_leaves_sent_ones() {
        let pending = pending(10);
        let mut sent = submit(&pending, 1);
        let records = pending.take(10);
        let mut waiting = submit(&pending, 1);
        pending.close();
        pending.refuse_waiting();
        assert_eq!(waiting.try_recv(), Ok(Outcome::Refused));
        assert!(sent.try_recv().is_err());
        acknowledge(&pending, &records, None);
        assert_eq!(sent.try_recv(), Ok(Outcome::Stored));
        assert!(pending.submit(Vec::new(), pending.budget().reserve(Client::UNKNOWN)).is_none());
    }
}
