use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde::de::DeserializeSeed;
use tributary_api::{ByteString, Value};

use super::budget::{BudgetExhausted, Reservation};
use super::config::Limits;
use super::envelope::time_ms;
use super::json::{ParseCost, ValueSeed};
use super::split::{Parts, split};
use super::surrogates;

/// The maximum number of values of one event, including nested ones: a large cart has about two thousand.
pub(super) const MAX_VALUES: usize = 5_000;

/// The events of a request in order, each a value or the reason why it is invalid.
pub(super) type Events = Vec<Result<Value, EventError>>;

/// The content of a body.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) events: Events,
    /// Where each is in the body.
    pub(super) places: Vec<Range<usize>>,
    /// When the client has sent the request, by its own clock, in ms since the epoch; if its envelope says so.
    pub(super) sent_at: Option<i64>,
}

/// What is wrong with one event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EventError {
    /// Longer than the topic accepts.
    TooLarge { bytes: usize, max_bytes: usize },
    /// Invalid for another reason.
    Invalid(String),
}

impl EventError {
    pub(super) fn reason(&self) -> Cow<'_, str> {
        match self {
            Self::TooLarge { bytes, max_bytes } => {
                format!("the event has {bytes} bytes, more than the maximum of {max_bytes}").into()
            }
            Self::Invalid(reason) => reason.into(),
        }
    }
}

/// Why a whole body is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ParseError {
    /// More events than allowed.
    TooManyEvents,
    /// More values in all of them than allowed.
    TooManyValues,
    /// Cannot be split into events.
    Bad(String),
    /// The memory budget is exhausted.
    BudgetExhausted(BudgetExhausted),
}

impl From<BudgetExhausted> for ParseError {
    fn from(full: BudgetExhausted) -> Self {
        Self::BudgetExhausted(full)
    }
}

/// Parses a body: an array of events, one in an envelope, one object, or one object a line. `lines` means that the client has declared the
/// last format; otherwise it is detected. Memory is reserved event by event.
pub(super) fn parse(
    body: &Bytes,
    lines: bool,
    limits: &Limits,
    reservation: &mut Reservation,
) -> Result<Parsed, ParseError> {
    let Parts { events: places, sent_at } = split(body, lines, limits.events)?;
    let sent_at = sent_at.and_then(|place| time_ms(&body[place]));
    reservation
        .grow(places.capacity() * size_of::<Range<usize>>() + places.len() * size_of::<Result<Value, EventError>>())?;
    let mut events = Vec::with_capacity(places.len());
    let mut left = limits.values;
    for place in &places {
        let cost = ParseCost::new(MAX_VALUES.min(left));
        let event = read(body.slice(place.clone()), limits.event_bytes, &cost);
        reservation.grow(cost.bytes())?;
        left -= cost.values();
        if left == 0 {
            return Err(ParseError::TooManyValues);
        }
        events.push(event);
    }
    Ok(Parsed { events, places, sent_at })
}

fn read(text: Bytes, max_bytes: usize, cost: &ParseCost) -> Result<Value, EventError> {
    let too_large = |bytes| Err(EventError::TooLarge { bytes, max_bytes });
    if text.len() > max_bytes {
        return too_large(text.len());
    }
    let text = ByteString::try_from(text).map_err(|error| EventError::Invalid(format!("not UTF-8: {error}")))?;
    let value = match value(&text, cost) {
        Ok(value) => value,
        // Half a surrogate pair, such as from an emoji that a page has cut, is replaced: the event is not refused
        // because of it.
        Err(reason) => match surrogates::replace_lone(&text) {
            Some(mended) if cost.values() < MAX_VALUES => {
                cost.take(mended.len());
                value(&mended.into(), cost).map_err(EventError::Invalid)?
            }
            _ => return Err(EventError::Invalid(reason)),
        },
    };
    let written = text.len() + cost.longer();
    if written > max_bytes { too_large(written) } else { Ok(value) }
}

fn value(text: &ByteString, cost: &ParseCost) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = ValueSeed::new(text, cost).deserialize(&mut deserializer);
    value.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| format!("not valid JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::budget::{Budget, BudgetLimits};
    use super::*;
    use crate::http::Client;

    fn limits() -> Limits {
        Limits {
            wire_bytes: 1 << 20,
            inflated_bytes: 4 << 20,
            events: 10,
            event_bytes: 1000,
            values: 10_000,
            ratio: 100,
        }
    }

    fn budget(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget::new(BudgetLimits { events: 10, bytes, bytes_per_client: bytes }))
    }

    fn events(text: &str) -> Events {
        let mut reservation = budget(1 << 20).reserve(Client::UNKNOWN);
        parse(&Bytes::copy_from_slice(text.as_bytes()), false, &limits(), &mut reservation).unwrap().events
    }

    fn good(text: &str) -> Vec<bool> {
        events(text).iter().map(Result::is_ok).collect()
    }

    #[test]
    fn one_bad_event_does_not_take_the_others_along() {
        let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
        let long = format!(r#"{{"x":"{}"}}"#, "x".repeat(1000));
        let many = format!("[{}]", vec!["0"; 400].join(","));
        for bad in [&*deep, &*long, "1e400", "{\"a\":}", "tru", "\"\u{1}\"", "", "{\"a\":1 2}"] {
            assert_eq!(good(&format!("[{{}},{bad},{{}}]")), [true, false, true], "{bad}");
        }
        assert_eq!(good(&format!("[{{}},{many},{{}}]")), [true; 3]);
    }

    #[test]
    fn bytes_that_are_no_text_cost_their_own_event() {
        let body = [&br#"[{"a":1},{"b":""#[..], &[0xff], br#""},{"c":1}]"#].concat();
        let mut reservation = budget(1 << 20).reserve(Client::UNKNOWN);
        let events = parse(&body.into(), false, &limits(), &mut reservation).unwrap().events;
        assert_eq!(events.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn half_an_emoji_becomes_a_replacement_character() {
        let events = events(r#"[{"x":"caf\ud83d"},{"x":"\ude00\ud83d\ude00"}]"#);
        let text = |index: usize| events[index].as_ref().unwrap().get("x").unwrap().as_str().unwrap();
        assert_eq!((text(0), text(1)), ("caf\u{fffd}", "\u{fffd}\u{1f600}"));
    }

    #[test]
    fn an_event_is_as_long_as_it_will_be_written() {
        let numbers = format!("[{}]", vec!["1e15"; 100].join(","));
        assert!(numbers.len() < 1000);
        let written = 100 * 24 + numbers.len();
        assert_eq!(events(&format!("[{numbers}]")), [Err(EventError::TooLarge { bytes: written, max_bytes: 1000 })]);
    }

    #[test]
    fn values_of_a_request_are_bounded_and_their_memory_is_reserved_meanwhile() {
        let event = format!("[{}]", vec!["0"; 400].join(","));
        let body = Bytes::from(format!("[{}]", vec![event; 10].join(",")));
        let parse = |values, bytes| {
            let mut reservation = budget(bytes).reserve(Client::UNKNOWN);
            parse(&body, false, &Limits { values, ..limits() }, &mut reservation).map(|parsed| parsed.events.len())
        };
        assert_eq!(parse(5000, 1 << 20), Ok(10));
        assert_eq!(parse(4000, 1 << 20), Err(ParseError::TooManyValues));
        assert_eq!(parse(5000, 100_000), Err(ParseError::BudgetExhausted(BudgetExhausted::All)));
    }
}
