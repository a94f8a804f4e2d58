use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tributary_api::{Ack, AckListener, ErrorKind, Origin, Record};

use super::budget::{Budget, Reservation, Room};
use super::requests::{Done, Outcome, Requests};

/// Where requests wait for the runtime, and for their acknowledgements afterwards. The lock is taken once per
/// request, per poll and per batch of acknowledgements.
#[derive(Debug)]
pub(super) struct Intake {
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

impl Intake {
    pub(super) fn new(room: Room) -> Self {
        let state = State { open: true, waiting: VecDeque::new(), requests: Requests::default() };
        Self { budget: Arc::new(Budget::new(room)), state: Mutex::new(state), arrived: Notify::new() }
    }

    /// What requests reserve their memory from.
    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Takes a request's events in. The answer comes when all are acknowledged; none is taken once this is closed.
    pub(super) fn submit(&self, mut records: Vec<Record>, reserved: Reservation) -> Option<oneshot::Receiver<Outcome>> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.lock();
        if !state.open {
            return None;
        }
        let tag = state.requests.open(records.len(), answer, reserved);
        for record in &mut records {
            record.origin = Origin::Source { partition: None, offset: None, tag };
        }
        state.waiting.push_back((tag, records));
        drop(state);
        self.arrived.notify_one();
        Some(answered)
    }

    /// The events of waiting requests, at least one request's if there is one, up to `max` in all. Requests whose
    /// client has given up are left out: it will send them again.
    pub(super) fn take(&self, max: usize) -> Vec<Record> {
        let mut taken: Vec<Record> = Vec::new();
        let mut done: Vec<Done> = Vec::new();
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

    /// Returns when a request has come in since the last [`take`](Self::take).
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Takes no more requests.
    pub(super) fn close(&self) {
        self.lock().open = false;
    }

    /// Answers the requests that the runtime has not been given. The others are answered by their acknowledgements,
    /// which may still come.
    pub(super) fn refuse_waiting(&self) {
        let mut done = Vec::new();
        let mut state = self.lock();
        while let Some((tag, _)) = state.waiting.pop_front() {
            done.extend(state.requests.end(tag, Outcome::Refused));
        }
        drop(state);
        done.into_iter().for_each(Done::answer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AckListener for Intake {
    fn acknowledged(&self, acks: &[Ack<'_>]) {
        let mut done = Vec::new();
        let mut state = self.lock();
        for ack in acks {
            let Origin::Source { tag, .. } = ack.origin else { continue };
            let outcome = match ack.result {
                Ok(Some(_)) => Outcome::Stored,
                // A transform dropped it, as the operator wants: there is nothing to send again. A loss that is only
                // tolerated is an error.
                Ok(None) => Outcome::Stored,
                Err(error) if error.kind() == ErrorKind::Data => Outcome::Unstorable,
                Err(_) => Outcome::Failed,
            };
            done.extend(state.requests.count(*tag, outcome));
        }
        drop(state);
        done.into_iter().for_each(Done::answer);
    }
}

#[cfg(test)]
mod tests {
    use tributary_api::{Datum, Error};

    use super::*;
    use crate::http::Client;

    fn intake(events: usize) -> Intake {
        Intake::new(Room { events, bytes: 10, bytes_per_client: 10 })
    }

    fn submit(intake: &Intake, events: usize) -> oneshot::Receiver<Outcome> {
        let mut reserved = intake.budget().reserve(Client::UNKNOWN);
        reserved.add_events(events).unwrap();
        let records = (0..events).map(|_| Record::new("t", Datum::schemaless("x"))).collect();
        intake.submit(records, reserved).unwrap()
    }

    fn acknowledge(intake: &Intake, records: &[Record], error: Option<&Error>) {
        let result = |_| error.map_or(Ok(None), Err);
        let acks: Vec<_> =
            records.iter().map(|record| Ack { origin: &record.origin, result: result(record) }).collect();
        intake.acknowledged(&acks);
    }

    #[test]
    fn a_request_is_answered_by_its_last_acknowledgement() {
        let intake = intake(10);
        let (mut first, mut second) = (submit(&intake, 2), submit(&intake, 1));
        let records = intake.take(10);
        assert_eq!(records.len(), 3);
        acknowledge(&intake, &records[1..], None);
        assert_eq!(second.try_recv(), Ok(Outcome::Stored));
        assert!(first.try_recv().is_err());
        acknowledge(&intake, &records[..1], None);
        assert_eq!(first.try_recv(), Ok(Outcome::Stored));
        assert_eq!(intake.budget().used(), (0, 0));
    }

    #[test]
    fn one_failure_fails_the_request() {
        let intake = intake(10);
        let mut answered = submit(&intake, 2);
        let records = intake.take(10);
        acknowledge(&intake, &records[..1], Some(&Error::retriable("broker gone")));
        acknowledge(&intake, &records[1..], None);
        assert_eq!(answered.try_recv(), Ok(Outcome::Failed));
        let mut answered = submit(&intake, 1);
        acknowledge(&intake, &intake.take(10), Some(&Error::data("too large")));
        assert_eq!(answered.try_recv(), Ok(Outcome::Unstorable));
    }

    #[test]
    fn a_batch_holds_whole_requests() {
        let intake = intake(100);
        let _answers: Vec<_> = [4, 4, 4].map(|events| submit(&intake, events)).into();
        assert_eq!(intake.take(9).len(), 8);
        assert_eq!(intake.take(1).len(), 4);
        assert_eq!(intake.take(1).len(), 0);
    }

    #[test]
    fn who_has_given_up_is_not_sent_and_gives_its_room_back() {
        let intake = intake(3);
        drop(submit(&intake, 2));
        let _kept = submit(&intake, 1);
        assert_eq!(intake.take(10).len(), 1);
        assert_eq!(intake.budget().used(), (1, 0));
    }

    #[test]
    fn a_late_acknowledgement_does_not_count_for_the_next_request() {
        let intake = intake(10);
        let _first = submit(&intake, 1);
        let late = intake.take(10);
        acknowledge(&intake, &late, None);
        let mut second = submit(&intake, 1);
        acknowledge(&intake, &late, None);
        assert!(second.try_recv().is_err());
    }

    #[test]
    fn the_end_answers_who_waits_and_leaves_who_was_sent() {
        let intake = intake(10);
        let mut sent = submit(&intake, 1);
        let records = intake.take(10);
        let mut waiting = submit(&intake, 1);
        intake.close();
        intake.refuse_waiting();
        assert_eq!(waiting.try_recv(), Ok(Outcome::Refused));
        assert!(sent.try_recv().is_err());
        acknowledge(&intake, &records, None);
        assert_eq!(sent.try_recv(), Ok(Outcome::Stored));
        assert!(intake.submit(Vec::new(), intake.budget().reserve(Client::UNKNOWN)).is_none());
    }
}
