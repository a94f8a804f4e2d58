//! The envelope of a batch, `{"batch":[…],"sent_at":…}`, as the libraries of customer data platforms send it.

use std::ops::Range;

use super::split::{Nesting, Step, trim};

/// An object around events.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    /// The array of events.
    pub(super) batch: Range<usize>,
    /// When the client has sent the request, by the clock that its events have.
    pub(super) sent_at: Option<Range<usize>>,
}

impl Envelope {
    /// The envelope, if an object of a body is one: it has `batch`, an array, and has no `type`, which an event has. Its
    /// other members are ignored.
    pub(super) fn open(body: &[u8], object: Range<usize>) -> Option<Self> {
        if body.get(object.start) != Some(&b'{') {
            return None;
        }
        let (mut batch, mut sent_at) = (None, None);
        let mut nesting = Nesting::default();
        let (mut start, mut colon) = (object.start + 1, None);
        for (at, byte) in body.iter().copied().enumerate().take(object.end).skip(object.start + 1) {
            let step = nesting.step(byte);
            let is_last = matches!(step, Step::Unopened);
            match (step, byte) {
                (Step::Plain, b':') if nesting.depth == 0 && colon.is_none() => colon = Some(at),
                (Step::Plain, b',') | (Step::Unopened, _) if nesting.depth == 0 => {
                    if let Some(colon) = colon.take() {
                        let value = trim(body, colon + 1..at);
                        match &body[trim(body, start..colon)] {
                            b"\"type\"" => return None,
                            b"\"batch\"" => batch = Some(value),
                            b"\"sent_at\"" | b"\"sentAt\"" => sent_at = Some(value),
                            _ => {}
                        }
                    }
                    start = at + 1;
                }
                _ => {}
            }
            if is_last {
                let batch = batch.filter(|batch: &Range<usize>| body.get(batch.start) == Some(&b'['))?;
                return Some(Self { batch, sent_at });
            }
        }
        None
    }
}

/// Milliseconds since the epoch, of a JSON number of them or of a text in ISO 8601.
pub(super) fn time_ms(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(body: &str) -> Option<(&str, Option<&str>)> {
        let envelope = Envelope::open(body.as_bytes(), 0..body.len())?;
        Some((&body[envelope.batch], envelope.sent_at.map(|sent_at| &body[sent_at])))
    }

    #[test]
    fn an_object_with_a_batch_and_no_type_is_an_envelope() {
        assert_eq!(open(r#"{"batch":[1,{"type":"x"}]}"#), Some((r#"[1,{"type":"x"}]"#, None)));
        let segment =
            r#"{ "writeKey" : "a,b:{", "batch" : [ {} ] , "context":{"type":"x"}, "sentAt" : "2026-01-01T00:00:00Z" }"#;
        assert_eq!(open(segment), Some(("[ {} ]", Some("\"2026-01-01T00:00:00Z\""))));
        for other in [
            r#"{"type":"x","batch":[1]}"#,
            r#"{"batch":[1],"type":"x"}"#,
            r#"{"batch":{"a":[1]}}"#,
            r#"{"a":{"batch":[1]}}"#,
            r#"{"batch":[1]"#,
            r#"{"batch":[1}"#,
            r#"{"batch"}"#,
            "{}",
            "",
            "7",
        ] {
            assert_eq!(open(other), None, "{other}");
        }
    }

    #[test]
    fn a_time_is_milliseconds_or_a_date() {
        assert_eq!(time_ms(b"1767225600000"), Some(1_767_225_600_000));
        assert_eq!(time_ms(b"\"2026-01-01T00:00:00.5Z\""), Some(1_767_225_600_500));
        for other in [&b"\"\""[..], b"null", b"1e300", b"\"yesterday\"", b"\xff", b"\""] {
            assert_eq!(time_ms(other), None);
        }
    }
}
