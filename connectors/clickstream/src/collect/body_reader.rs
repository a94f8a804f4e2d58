use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tributary_api::Record;

use super::body::{BodyError, Received, inflate};
use super::budget::{BudgetExhausted, Reservation};
use super::config::{CollectSettings, Limits};
use super::parse::{EventError, ParseError, parse};
use super::stamp::{RequestContext, Stamper};

/// An uncompressed body up to this length is parsed on the current thread: this takes less time than to hand it over to
/// another.
const SHORT_BYTES: usize = 16 << 10;

/// Parses bodies into records. Long ones are parsed on threads that do not serve requests, and only on a share of the
/// processors at a time.
#[derive(Debug)]
pub(super) struct BodyReader {
    limits: Limits,
    stamper: Stamper,
    slots: Arc<Semaphore>,
}

/// The content of a body.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) records: Vec<Record>,
    pub(super) invalid: Vec<InvalidEvent>,
    pub(super) reservation: Reservation,
}

/// What is wrong with one event.
#[derive(Debug)]
pub(super) struct InvalidEvent {
    /// Its index in the request, from 0.
    pub(super) index: usize,
    pub(super) error: EventError,
}

/// Why a whole body is refused.
#[derive(Debug)]
pub(super) enum ReadError {
    Body(BodyError),
    Events(ParseError),
    /// The process is stopping.
    Ending,
}

impl From<BodyError> for ReadError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<ParseError> for ReadError {
    fn from(error: ParseError) -> Self {
        Self::Events(error)
    }
}

impl From<BudgetExhausted> for ReadError {
    fn from(full: BudgetExhausted) -> Self {
        Self::Body(full.into())
    }
}

impl BodyReader {
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

    /// The records of a body. `lines` means one object a line.
    pub(super) async fn read(
        self: &Arc<Self>,
        body: Received,
        lines: bool,
        context: &RequestContext,
        reservation: Reservation,
    ) -> Result<Content, ReadError> {
        if !body.gzip && body.bytes.len() <= SHORT_BYTES {
            return self.read_now(body, lines, context, reservation);
        }
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| ReadError::Ending)?;
        let (reader, context) = (Arc::clone(self), context.clone());
        // Once started it runs to its end and keeps its slot and its reservation, even if the request was cancelled.
        let work = tokio::task::spawn_blocking(move || {
            let content = reader.read_now(body, lines, &context, reservation);
            drop(slot);
            content
        });
        work.await.unwrap_or(Err(ReadError::Ending))
    }

    fn read_now(
        &self,
        body: Received,
        lines: bool,
        context: &RequestContext,
        mut reservation: Reservation,
    ) -> Result<Content, ReadError> {
        let body = inflate(body, &self.limits, &mut reservation)?;
        let events = parse(&body, lines, &self.limits, &mut reservation)?;
        reservation.add_events(events.len())?;
        reservation.grow(events.len() * size_of::<Record>())?;
        let mut records = Vec::with_capacity(events.len());
        let mut invalid = Vec::new();
        for (index, event) in events.into_iter().enumerate() {
            let record = event.and_then(|event| self.stamper.record(event, context).map_err(EventError::Invalid));
            match record {
                Ok(record) => records.push(record),
                Err(error) => invalid.push(InvalidEvent { index, error }),
            }
        }
        Ok(Content { records, invalid, reservation })
    }
}
