use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tributary_api::{Record, Topic, Value};

use super::admission::Admission;
use super::body::{BodyError, Received};
use super::budget::{BudgetExhausted, Reservation};
use super::config::{CollectSettings, InvalidEvents, Limits};
use super::encoding::{Encoding, inflate};
use super::parse::{EventError, ParseError, Parsed, parse};
use super::stamp::{Invalid, RequestContext, Stamper, clock_behind};

/// An uncompressed body up to this length is parsed on the current thread: this takes less time than to hand it over to
/// another.
const SHORT_BYTES: usize = 16 << 10;
/// How much of an invalid event is kept.
const MAX_INVALID_BYTES: usize = 16 << 10;

/// Parses bodies into records. Long ones are parsed on threads that do not serve requests, and only on a share of the
/// processors at a time.
#[derive(Debug)]
pub(super) struct BodyReader {
    limits: Limits,
    stamper: Stamper,
    slots: Arc<Semaphore>,
    admission: Arc<Admission>,
    invalid_topic: Option<Topic>,
}

/// The content of a body.
#[derive(Debug)]
pub(super) struct Content {
    /// Those of the valid events come first; then those of invalid ones, if they have a topic.
    pub(super) records: Vec<Record>,
    /// The number of valid events.
    pub(super) accepted: usize,
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
    pub(super) fn new(settings: &CollectSettings, admission: Arc<Admission>) -> Self {
        let slots = available_parallelism().map_or(1, usize::from).div_ceil(2);
        Self {
            limits: settings.limits,
            stamper: Stamper { topic: settings.topic.clone(), key_field: settings.key_field.clone() },
            slots: Arc::new(Semaphore::new(slots)),
            admission,
            invalid_topic: match &settings.invalid {
                InvalidEvents::Topic(topic) => Some(topic.clone()),
                InvalidEvents::Reject | InvalidEvents::Skip => None,
            },
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
        if body.encoding == Encoding::Plain && body.bytes.len() <= SHORT_BYTES {
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
        let Parsed { events, places, sent_at } = parse(&body, lines, &self.limits, &mut reservation)?;
        let clock_behind_ms = sent_at.map_or(0, |sent_at| clock_behind(sent_at, context.received_at));
        reservation.add_events(events.len())?;
        reservation.grow(events.len() * size_of::<Record>())?;
        let mut records = Vec::with_capacity(events.len());
        let mut invalid = Vec::new();
        for (index, event) in events.into_iter().enumerate() {
            match event.and_then(|event| self.record(event, context, clock_behind_ms)) {
                Ok(record) => records.push(record),
                Err(error) => invalid.push(InvalidEvent { index, error }),
            }
        }
        let accepted = records.len();
        if let Some(topic) = &self.invalid_topic {
            // Written as JSON it is at most six times as long, and still fits where an event does.
            let most = MAX_INVALID_BYTES.min(self.limits.event_bytes / 6);
            for invalid_event in &invalid {
                let text = &body[places[invalid_event.index].clone()];
                let (text, is_cut) = (&text[..text.len().min(most)], text.len() > most);
                reservation.grow(text.len())?;
                let reason = invalid_event.error.reason();
                records.push(self.stamper.invalid(topic, Invalid { text, is_cut, reason: &reason }, context));
            }
        }
        Ok(Content { records, accepted, invalid, reservation })
    }

    fn record(&self, event: Value, context: &RequestContext, clock_behind_ms: i64) -> Result<Record, EventError> {
        if let Some(fault) = self.admission.schema.as_ref().and_then(|schema| schema.fault(&event)) {
            return Err(EventError::Invalid(fault));
        }
        self.stamper.record(event, context, clock_behind_ms).map_err(EventError::Invalid)
    }
}
