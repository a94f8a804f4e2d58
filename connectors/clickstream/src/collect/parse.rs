use std::ops::Range;

use bytes::Bytes;
use serde::de::DeserializeSeed;
use tributary_api::{ByteString, Value};

use super::budget::{Full, Reservation};
use super::config::Limits;
use super::json::{Meter, ValueSeed};
use super::split::split;
use super::surrogates;

/// Values of one event, inner ones included: a large cart has some two thousand.
pub(super) const MAX_VALUES: usize = 5_000;

/// The events of a request, each a value or the reason why it is none, in order.
pub(super) type Events = Vec<Result<Value, Flaw>>;

/// What is wrong with one event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Longer than the topic takes.
    TooLarge { bytes: usize, max_bytes: usize },
    /// No event for another reason.
    Invalid(String),
}

/// Why a whole body is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ParseError {
    /// More events than allowed.
    TooManyEvents,
    /// More values in all of them than allowed.
    TooManyValues,
    /// Not what can be divided into events.
    Bad(String),
    /// No memory at the moment.
    Full(Full),
}

impl From<Full> for ParseError {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

/// Reads a body: an array of events, one object, or one object a line. `lines` says that the client has declared the
/// last one; otherwise the body itself tells. Memory is reserved event by event.
pub(super) fn parse(body: &Bytes, lines: bool, limits: &Limits, room: &mut Reservation) -> Result<Events, ParseError> {
    let places = split(body, lines, limits.events)?;
    room.grow(places.capacity() * size_of::<Range<usize>>() + places.len() * size_of::<Result<Value, Flaw>>())?;
    let mut events = Vec::with_capacity(places.len());
    let mut left = limits.values;
    for place in places {
        let meter = Meter::new(MAX_VALUES.min(left));
        let event = read(body.slice(place), limits.event_bytes, &meter);
        room.grow(meter.bytes())?;
        left -= meter.values();
        if left == 0 {
            return Err(ParseError::TooManyValues);
        }
        events.push(event);
    }
    Ok(events)
}

fn read(text: Bytes, max_bytes: usize, meter: &Meter) -> Result<Value, Flaw> {
    let too_large = |bytes| Err(Flaw::TooLarge { bytes, max_bytes });
    if text.len() > max_bytes {
        return too_large(text.len());
    }
    let text = ByteString::try_from(text).map_err(|error| Flaw::Invalid(format!("not UTF-8: {error}")))?;
    let value = match value(&text, meter) {
        Ok(value) => value,
        // Half a surrogate pair, as of an emoji that a page has cut: what could be read otherwise is not lost for it.
        Err(reason) => match surrogates::replace_lone(&text) {
            Some(mended) if meter.values() < MAX_VALUES => {
                meter.take(mended.len());
                value(&mended.into(), meter).map_err(Flaw::Invalid)?
            }
            _ => return Err(Flaw::Invalid(reason)),
        },
    };
    let written = text.len() + meter.longer();
    if written > max_bytes { too_large(written) } else { Ok(value) }
}

fn value(text: &ByteString, meter: &Meter) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = ValueSeed::new(text, meter).deserialize(&mut deserializer);
    value.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| format!("not valid JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::budget::{Budget, Room};
    use super::*;
    use crate::http::Client;

    fn limits() -> Limits {
        Limits { wire_bytes: 1 << 20, inflated_bytes: 4 << 20, events: 10, event_bytes: 1000, values: 10_000 }
    }

    fn budget(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget::new(Room { events: 10, bytes, bytes_per_client: bytes }))
    }

    fn events(text: &str) -> Events {
        let mut room = budget(1 << 20).reserve(Client::UNKNOWN);
        parse(&Bytes::copy_from_slice(text.as_bytes()), false, &limits(), &mut room).unwrap()
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
        let mut room = budget(1 << 20).reserve(Client::UNKNOWN);
        let events = parse(&body.into(), false, &limits(), &mut room).unwrap();
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
        assert_eq!(events(&format!("[{numbers}]")), [Err(Flaw::TooLarge { bytes: written, max_bytes: 1000 })]);
    }

    #[test]
    fn values_of_a_request_are_bounded_and_their_memory_is_reserved_meanwhile() {
        let event = format!("[{}]", vec!["0"; 400].join(","));
        let body = Bytes::from(format!("[{}]", vec![event; 10].join(",")));
        let parse = |values, bytes| {
            let mut room = budget(bytes).reserve(Client::UNKNOWN);
            parse(&body, false, &Limits { values, ..limits() }, &mut room).map(|events| events.len())
        };
        assert_eq!(parse(5000, 1 << 20), Ok(10));
        assert_eq!(parse(4000, 1 << 20), Err(ParseError::TooManyValues));
        assert_eq!(parse(5000, 100_000), Err(ParseError::Full(Full::All)));
    }
}
