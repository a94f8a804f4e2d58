//! Finds where each event of a body begins and ends without parsing it, so that only invalid ones are refused.

use std::ops::Range;

use super::envelope::Envelope;
use super::parse::ParseError;

type Ranges = Vec<Range<usize>>;

/// Where the parts of a body are, as byte ranges whose content is not checked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) events: Ranges,
    /// The value of an envelope's `sent_at`.
    pub(super) sent_at: Option<Range<usize>>,
}

/// The parts of a body: the elements of an array, or of the array in an envelope, one object, or one object a line.
/// `lines` means that the client has declared the last format; otherwise it is detected.
pub(super) fn split(body: &[u8], lines: bool, max_events: usize) -> Result<Parts, ParseError> {
    let whole = trim(body, 0..body.len());
    let events = match body[whole.clone()].first() {
        None => {
            return Err(ParseError::Bad("the body is empty: send an object, an array or lines of objects".to_owned()));
        }
        Some(_) if lines => by_line(body, max_events)?,
        Some(b'[') => elements(body, whole, max_events)?,
        Some(_) if ends_before(body, whole.clone()) => by_line(body, max_events)?,
        Some(_) => match Envelope::open(body, whole.clone()) {
            Some(Envelope { batch, sent_at }) => {
                return Ok(Parts { events: elements(body, batch, max_events)?, sent_at });
            }
            None => vec![whole],
        },
    };
    Ok(Parts { events, sent_at: None })
}

/// Whether the first value ends before the body does.
fn ends_before(body: &[u8], whole: Range<usize>) -> bool {
    let mut nesting = Nesting::default();
    let end = body[whole.clone()].iter().position(|byte| match nesting.step(*byte) {
        Step::Closed => nesting.depth == 0,
        // No object: it ends with its line.
        Step::Plain => nesting.depth == 0 && *byte == b'\n',
        Step::Opened | Step::Unopened | Step::Within => false,
    });
    end.is_some_and(|end| whole.start + end + 1 < whole.end)
}

fn by_line(body: &[u8], max: usize) -> Result<Ranges, ParseError> {
    let mut events = Vec::new();
    let mut start = 0;
    for line in body.split(|byte| *byte == b'\n') {
        let range = trim(body, start..start + line.len());
        start += line.len() + 1;
        if !range.is_empty() {
            push(&mut events, range, max)?;
        }
    }
    Ok(events)
}

fn elements(body: &[u8], whole: Range<usize>, max: usize) -> Result<Ranges, ParseError> {
    let mut events = Vec::new();
    let mut nesting = Nesting::default();
    let mut start = whole.start + 1;
    for (at, byte) in body.iter().copied().enumerate().take(whole.end).skip(start) {
        let step = nesting.step(byte);
        let is_last = matches!(step, Step::Unopened) && byte == b']';
        if is_last {
            let range = trim(body, start..at);
            if !(range.is_empty() && events.is_empty()) {
                push(&mut events, range, max)?;
            }
            let rest_is_blank = trim(body, at + 1..whole.end).is_empty();
            let more = || ParseError::Bad("not valid JSON: there is more after the array".to_owned());
            return if rest_is_blank { Ok(events) } else { Err(more()) };
        }
        if matches!(step, Step::Plain) && nesting.depth == 0 && byte == b',' {
            push(&mut events, trim(body, start..at), max)?;
            start = at + 1;
        }
    }
    Err(ParseError::Bad("not valid JSON: the array does not end".to_owned()))
}

fn push(events: &mut Ranges, range: Range<usize>, max: usize) -> Result<(), ParseError> {
    if events.len() == max {
        return Err(ParseError::TooManyEvents);
    }
    events.push(range);
    Ok(())
}

pub(super) fn trim(body: &[u8], range: Range<usize>) -> Range<usize> {
    let part = &body[range.clone()];
    let start = range.start + (part.len() - part.trim_ascii_start().len());
    start..start + part.trim_ascii().len()
}

/// Which brackets and quotes are open.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    pub(super) depth: usize,
    in_text: bool,
    escaped: bool,
}

pub(super) enum Step {
    Opened,
    Closed,
    /// A closing bracket that closes nothing.
    Unopened,
    /// Neither a bracket nor within a text.
    Plain,
    /// Within a text.
    Within,
}

impl Nesting {
    pub(super) fn step(&mut self, byte: u8) -> Step {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return Step::Within;
        }
        match byte {
            b'"' => {
                self.in_text = true;
                Step::Within
            }
            b'{' | b'[' => {
                self.depth += 1;
                Step::Opened
            }
            b'}' | b']' if self.depth == 0 => Step::Unopened,
            b'}' | b']' => {
                self.depth -= 1;
                Step::Closed
            }
            _ => Step::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &str, lines: bool) -> Vec<&str> {
        split(body.as_bytes(), lines, 10).unwrap().events.into_iter().map(|range| &body[range]).collect()
    }

    #[test]
    fn the_body_determines_its_shape() {
        assert_eq!(parts(r#" {"a":1} "#, false), [r#"{"a":1}"#]);
        assert_eq!(parts("{\n \"a\": {\n\"b\": 1}\n}\n", false).len(), 1);
        assert_eq!(parts(r#" [{"a":1} , {"b":2}] "#, false), [r#"{"a":1}"#, r#"{"b":2}"#]);
        assert_eq!(parts("[]", false), [""; 0]);
        assert_eq!(parts("{\"a\":1}\n{\"b\":2}\r\n\n", false), [r#"{"a":1}"#, r#"{"b":2}"#]);
        assert_eq!(parts("{\"a\":1}\n{\"b\":2", false), [r#"{"a":1}"#, r#"{"b":2"#]);
        assert_eq!(parts("{\"a\":1}\noops\n{\"b\":2}", true).len(), 3);
        assert_eq!(parts("[1]\n[2]", true), ["[1]", "[2]"]);
        assert_eq!(parts("x=1&y=2", false), ["x=1&y=2"]);
    }

    #[test]
    fn what_is_bad_within_an_array_ends_where_its_neighbour_begins() {
        assert_eq!(parts(r#"[{"a":},{"b":"],[{\""},7,,x]"#, false), [r#"{"a":}"#, r#"{"b":"],[{\""}"#, "7", "", "x"]);
    }

    #[test]
    fn an_array_without_an_end_or_with_more_after_it_is_refused() {
        for bad in ["", " \n ", "[", r#"[{"a":1}"#, r#"[{"a":"1]"#, r#"[{"a":1}] x"#] {
            assert!(matches!(split(bad.as_bytes(), false, 10), Err(ParseError::Bad(_))), "{bad}");
        }
    }

    #[test]
    fn events_are_counted_while_they_are_found() {
        let many = |count| format!("[{}]", vec!["{}"; count].join(","));
        assert_eq!(split(many(10).as_bytes(), false, 10).unwrap().events.len(), 10);
        assert_eq!(split(many(11).as_bytes(), false, 10), Err(ParseError::TooManyEvents));
        assert_eq!(split("{}\n".repeat(11).as_bytes(), true, 10), Err(ParseError::TooManyEvents));
    }
}
