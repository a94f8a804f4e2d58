use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use tributary_api::{ByteString, Value};

use super::json::ValueSeed;

/// What one value costs beyond its text: the entry of an object that holds it.
const NODE_BYTES: usize = size_of::<(Value, Value)>();

/// The events of a request, each a value or the reason why it is none, in order.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) events: Vec<Result<Value, String>>,
    /// The memory of the values beyond the text.
    pub(super) bytes: usize,
}

/// Why a whole body is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ParseError {
    /// More events than allowed.
    TooMany,
    /// Not what can be read.
    Bad(String),
}

/// Reads a body: an array of events, one object, or one object a line. `lines` says that the client has declared the
/// last one; otherwise the body itself tells.
pub(super) fn parse(text: &ByteString, lines: bool, max_events: usize) -> Result<Parsed, ParseError> {
    let nodes = Cell::new(0);
    let events = match text.trim_start().as_bytes().first() {
        None => {
            return Err(ParseError::Bad("the body is empty: send an object, an array or lines of objects".to_owned()));
        }
        Some(b'[') if !lines => array(text, &nodes, max_events)?,
        Some(_) if !lines => match single(text, &nodes) {
            Ok(value) => vec![Ok(value)],
            // Whether the first line ends within an object is told best by reading it on its own.
            Err(_) if text.trim().lines().nth(1).is_some() && first_line_is_whole(text) => {
                by_line(text, &nodes, max_events)?
            }
            Err(reason) => return Err(ParseError::Bad(reason)),
        },
        Some(_) => by_line(text, &nodes, max_events)?,
    };
    Ok(Parsed { events, bytes: nodes.get() * NODE_BYTES })
}

fn single(text: &ByteString, nodes: &Cell<usize>) -> Result<Value, String> {
    read(text, text, nodes)
}

fn first_line_is_whole(text: &ByteString) -> bool {
    text.trim().lines().next().is_some_and(|line| read(text, line, &Cell::new(0)).is_ok())
}

fn by_line(text: &ByteString, nodes: &Cell<usize>, max: usize) -> Result<Vec<Result<Value, String>>, ParseError> {
    let mut events = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if events.len() == max {
            return Err(ParseError::TooMany);
        }
        events.push(read(text, line, nodes));
    }
    Ok(events)
}

fn array(text: &ByteString, nodes: &Cell<usize>, max: usize) -> Result<Vec<Result<Value, String>>, ParseError> {
    let too_many = Cell::new(false);
    let seed = ArraySeed { element: ValueSeed::new(text, nodes), max, too_many: &too_many };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let values = seed.deserialize(&mut deserializer).and_then(|values| deserializer.end().map(|()| values));
    match values {
        Ok(values) => Ok(values.into_iter().map(Ok).collect()),
        Err(_) if too_many.get() => Err(ParseError::TooMany),
        Err(error) => Err(ParseError::Bad(format!("not valid JSON: {error}"))),
    }
}

fn read(whole: &ByteString, part: &str, nodes: &Cell<usize>) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_str(part);
    let value = ValueSeed::new(whole, nodes).deserialize(&mut deserializer);
    value.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| format!("not valid JSON: {error}"))
}

struct ArraySeed<'a> {
    element: ValueSeed<'a>,
    max: usize,
    too_many: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for ArraySeed<'_> {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Value>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ArraySeed<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Value>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self.element)? {
            if values.len() == self.max {
                self.too_many.set(true);
                return Err(A::Error::custom("too many events"));
            }
            values.push(value);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str, lines: bool) -> (usize, usize) {
        let parsed = parse(&ByteString::from(text), lines, 10).unwrap();
        let good = parsed.events.iter().filter(|event| event.is_ok()).count();
        (good, parsed.events.len() - good)
    }

    #[test]
    fn the_body_tells_its_shape() {
        assert_eq!(count(r#"{"a":1}"#, false), (1, 0));
        assert_eq!(count("{\n \"a\": {\n\"b\": 1}\n}\n", false), (1, 0));
        assert_eq!(count(r#" [{"a":1},{"b":2}] "#, false), (2, 0));
        assert_eq!(count("[]", false), (0, 0));
        assert_eq!(count("{\"a\":1}\n{\"b\":2}\r\n\n", false), (2, 0));
        assert_eq!(count("{\"a\":1}\n{\"b\":2", false), (1, 1));
        assert_eq!(count("{\"a\":1}\noops\n{\"b\":2}", true), (2, 1));
    }

    #[test]
    fn what_cannot_be_read_is_refused_as_a_whole() {
        for bad in ["", "  ", "{", r#"[{"a":1}"#, r#"[{"a":1}] x"#, "x=1&y=2"] {
            assert!(matches!(parse(&ByteString::from(bad), false, 10), Err(ParseError::Bad(_))), "{bad}");
        }
    }

    #[test]
    fn events_are_counted_while_reading() {
        let array = format!("[{}]", ["{}"; 11].join(","));
        assert_eq!(parse(&ByteString::from(array), false, 10).unwrap_err(), ParseError::TooMany);
        assert_eq!(parse(&ByteString::from("{}\n".repeat(11)), true, 10).unwrap_err(), ParseError::TooMany);
    }

    #[test]
    fn small_values_cost_more_than_their_text() {
        let text = ByteString::from(format!("[{}]", ["{\"a\":[1,1,1,1]}"; 10].join(",")));
        assert_eq!(parse(&text, false, 10).unwrap().bytes, 60 * NODE_BYTES);
    }
}
