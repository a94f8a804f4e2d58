use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tributary_api::Record;

use super::body::{BodyError, Received, inflate};
use super::budget::{Full, Reservation};
use super::config::{CollectSettings, Limits};
use super::parse::{Flaw, ParseError, parse};
use super::stamp::{RequestContext, Stamper};

/// A plain body up to this length is read where it is: it takes less time than to hand it over.
const SHORT_BYTES: usize = 16 << 10;

/// Makes records of bodies. What may take long is done on other threads than those that serve requests, and by a part
/// of the processors at a time.
#[derive(Debug)]
pub(super) struct Reading {
    limits: Limits,
    stamper: Stamper,
    slots: Arc<Semaphore>,
}

/// What a body holds.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) records: Vec<Record>,
    pub(super) faults: Vec<Fault>,
    pub(super) room: Reservation,
}

/// What is wrong with one event.
#[derive(Debug)]
pub(super) struct Fault {
    /// Its place in the request, from 0.
    pub(super) index: usize,
    pub(super) flaw: Flaw,
}

/// Why nothing of a body is taken.
#[derive(Debug)]
pub(super) enum Unread {
    Body(BodyError),
    Events(ParseError),
    /// The process ends.
    Ending,
}

impl From<BodyError> for Unread {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<ParseError> for Unread {
    fn from(error: ParseError) -> Self {
        Self::Events(error)
    }
}

impl From<Full> for Unread {
    fn from(full: Full) -> Self {
        Self::Body(full.into())
    }
}

impl Reading {
    pub(super) fn new(settings: &CollectSettings) -> Self {
        let slots = available_parallelism().map_or(1, usize::from).div_ceil(2);
        Self {
            limits: settings.limits,
            stamper: Stamper { topic: settings.topic.clone(), key_field: settings.key_field.clone() },
            slots: Arc::new(Semaphore::new(slots)),
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The records of a body. `lines` says that it is one object a line.
    pub(super) async fn read(
        self: &Arc<Self>,
        body: Received,
        lines: bool,
        context: &RequestContext,
        room: Reservation,
    ) -> Result<Content, Unread> {
        if !body.gzip && body.bytes.len() <= SHORT_BYTES {
            return self.read_now(body, lines, context, room);
        }
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Unread::Ending)?;
        let (reading, context) = (Arc::clone(self), context.clone());
        // Once begun it goes on to its end, with its slot and its room, though nobody may wait for it any more.
        let work = tokio::task::spawn_blocking(move || {
            let content = reading.read_now(body, lines, &context, room);
            drop(slot);
            content
        });
        work.await.unwrap_or(Err(Unread::Ending))
    }

    fn read_now(
        &self,
        body: Received,
        lines: bool,
        context: &RequestContext,
        mut room: Reservation,
    ) -> Result<Content, Unread> {
        let body = inflate(body, &self.limits, &mut room)?;
        let events = parse(&body, lines, &self.limits, &mut room)?;
        room.add_events(events.len())?;
        room.grow(events.len() * size_of::<Record>())?;
        let mut records = Vec::with_capacity(events.len());
        let mut faults = Vec::new();
        for (index, event) in events.into_iter().enumerate() {
            let record = event.and_then(|event| self.stamper.record(event, context).map_err(Flaw::Invalid));
            match record {
                Ok(record) => records.push(record),
                Err(flaw) => faults.push(Fault { index, flaw }),
            }
        }
        Ok(Content { records, faults, room })
    }
}
