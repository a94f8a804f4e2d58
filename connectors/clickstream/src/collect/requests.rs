use tokio::sync::oneshot;

use super::budget::Reservation;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The broker has acknowledged every event.
    Stored,
    /// The broker may not have all of them: they may be sent again.
    Failed,
    /// An event can never be stored.
    Unstorable,
    /// The source is stopping.
    Refused,
}

/// A request whose events are not all acknowledged. Its reservation is returned with it.
#[derive(Debug)]
pub(super) struct OpenRequest {
    events: usize,
    remaining: usize,
    worst: Outcome,
    answer: Answer,
    _reserved: Reservation,
}

/// Who gets the result of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// The client, which waits for it.
    Awaited(oneshot::Sender<Outcome>),
    /// The log, because the client was answered when its request was queued.
    Given,
}

/// A finished request, to be answered once no lock is held.
#[derive(Debug)]
pub(super) struct FinishedRequest(OpenRequest);

/// Requests by tag, in constant time. A slot's generation is part of the tag, so that a late acknowledgement of an
/// earlier request finds nothing.
#[derive(Debug, Default)]
pub(super) struct Requests {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    open: Option<OpenRequest>,
}

impl Requests {
    /// Opens a request with this many events.
    pub(super) fn open(&mut self, events: usize, answer: Answer, reserved: Reservation) -> u64 {
        let open = OpenRequest { events, remaining: events, worst: Outcome::Stored, answer, _reserved: reserved };
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, open: None });
            // The budget of events bounds the number of slots far below this.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let slot = &mut self.slots[index as usize];
        slot.open = Some(open);
        u64::from(slot.generation) << 32 | u64::from(index)
    }

    /// Counts one of a request's events; returns the request when it was the last one.
    pub(super) fn count(&mut self, tag: u64, outcome: Outcome) -> Option<FinishedRequest> {
        let open = self.find(tag)?;
        if outcome != Outcome::Stored {
            open.worst = outcome;
        }
        open.remaining -= 1;
        if open.remaining > 0 { None } else { self.close(tag) }
    }

    /// Ends a request early.
    pub(super) fn end(&mut self, tag: u64, outcome: Outcome) -> Option<FinishedRequest> {
        self.find(tag)?.worst = outcome;
        self.close(tag)
    }

    /// Whether the client has disconnected.
    pub(super) fn is_abandoned(&mut self, tag: u64) -> bool {
        self.find(tag).is_none_or(|open| matches!(&open.answer, Answer::Awaited(answer) if answer.is_closed()))
    }

    fn find(&mut self, tag: u64) -> Option<&mut OpenRequest> {
        let slot = self.slots.get_mut((tag & u64::from(u32::MAX)) as usize)?;
        if u64::from(slot.generation) == tag >> 32 { slot.open.as_mut() } else { None }
    }

    fn close(&mut self, tag: u64) -> Option<FinishedRequest> {
        let index = (tag & u64::from(u32::MAX)) as u32;
        let slot = self.slots.get_mut(index as usize)?;
        let open = slot.open.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        Some(FinishedRequest(open))
    }
}

impl FinishedRequest {
    /// Sends the answer.
    pub(super) fn answer(self) {
        let OpenRequest { worst, answer, events, .. } = self.0;
        match answer {
            // The receiver is gone if the request timed out: then it has been answered.
            Answer::Awaited(answer) => drop(answer.send(worst)),
            Answer::Given if worst == Outcome::Stored => {}
            Answer::Given => {
                tracing::error!(events, ?worst, "events that were answered with 202 are not all stored");
            }
        }
    }
}
