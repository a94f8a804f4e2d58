use bytes::Bytes;
use bytestring::ByteString;
use memchr::{memchr2, memrchr2};

/// Splits bytes into lines as they arrive. A line is a slice of the bytes that were read, not a copy.
///
/// A line ends with `\n`, `\r\n` or `\r`. A `\r` that is the last byte so far waits for the next one.
#[derive(Default)]
pub(super) struct Lines {
    /// Complete lines that were not returned yet.
    chunk: Chunk,
    /// The beginning of a line whose end was not read yet.
    pending: Vec<u8>,
    /// Bytes from the beginning of the source to the next line.
    position: u64,
}

impl Lines {
    /// The lines of a source that is read from a position.
    pub(super) fn at(position: u64) -> Self {
        Self { position, ..Self::default() }
    }

    /// The next whole line without its end, and the position after it.
    pub(super) fn next(&mut self) -> Option<(ByteString, u64)> {
        let (line, length) = self.chunk.next()?;
        self.position += length as u64;
        Some((line, self.position))
    }

    /// Takes the buffer, to which the next bytes are appended. Only when [`next`](Self::next) has returned none.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        debug_assert!(self.chunk.is_empty(), "lines are handed out before more is read");
        std::mem::take(&mut self.pending)
    }

    /// Returns the buffer; its first `known` bytes were in it before.
    pub(super) fn return_buffer(&mut self, buffer: Vec<u8>, known: usize) {
        // The known bytes contain no line end, except possibly a last `\r` that waits for the next byte.
        let from = known.saturating_sub(1);
        let until = buffer.len() - usize::from(buffer.last() == Some(&b'\r'));
        let end = buffer.get(from..until).and_then(|new| memrchr2(b'\n', b'\r', new));
        match end {
            None => self.pending = buffer,
            Some(end) => {
                let end = from + end + 1;
                self.pending = buffer[end..].to_vec();
                self.chunk = Chunk::new(Bytes::from(buffer).slice(..end));
            }
        }
    }

    /// The length of the line whose end was not read yet.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }
}

/// Bytes that end with a line end.
#[derive(Default)]
struct Chunk {
    text: Text,
    next: usize,
}

enum Text {
    /// Checked as a whole, so that each line need not be.
    Utf8(ByteString),
    /// Contains bytes that are not UTF-8.
    Other(Bytes),
}

impl Chunk {
    fn new(bytes: Bytes) -> Self {
        let text = match ByteString::try_from(bytes.clone()) {
            Ok(text) => Text::Utf8(text),
            Err(_) => Text::Other(bytes),
        };
        Self { text, next: 0 }
    }

    fn bytes(&self) -> &[u8] {
        match &self.text {
            Text::Utf8(text) => text.as_bytes(),
            Text::Other(bytes) => bytes,
        }
    }

    fn is_empty(&self) -> bool {
        self.next == self.bytes().len()
    }

    /// A line and its length with its end.
    fn next(&mut self) -> Option<(ByteString, usize)> {
        let rest = &self.bytes()[self.next..];
        let end = memchr2(b'\n', b'\r', rest)?;
        let length = end + if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        let line = self.next..self.next + end;
        let line = match &self.text {
            Text::Utf8(text) => text.slice_ref(&text[line]),
            Text::Other(bytes) => decode(bytes.slice(line)),
        };
        self.next += length;
        Some((line, length))
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::Utf8(ByteString::new())
    }
}

/// As Java's decoder: invalid UTF-8 becomes U+FFFD.
fn decode(line: Bytes) -> ByteString {
    match ByteString::try_from(line.clone()) {
        Ok(text) => text,
        Err(_) => String::from_utf8_lossy(&line).into_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the pieces and collects the lines with the positions after them.
    fn divide(pieces: &[&[u8]]) -> Vec<(String, u64)> {
        let mut lines = Lines::at(0);
        let mut found = Vec::new();
        for piece in pieces {
            let mut buffer = lines.take_buffer();
            let known = buffer.len();
            buffer.extend_from_slice(piece);
            lines.return_buffer(buffer, known);
            found.extend(std::iter::from_fn(|| lines.next()).map(|(line, end)| (line.to_string(), end)));
        }
        found
    }

    fn texts(pieces: &[&[u8]]) -> Vec<String> {
        divide(pieces).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn every_line_end_of_java_ends_a_line() {
        let found = divide(&[b"a\nbb\r\nccc\rd\n"]);
        assert_eq!(found, [("a".into(), 2), ("bb".into(), 6), ("ccc".into(), 10), ("d".into(), 12)]);
    }

    #[test]
    fn a_partial_line_waits_for_its_end() {
        assert_eq!(texts(&[b"one\ntw", b"", b"o\nthree"]), ["one", "two"]);
    }

    #[test]
    fn a_carriage_return_waits_for_what_follows() {
        assert_eq!(divide(&[b"a\r", b"\nb\n"]), [("a".into(), 3), ("b".into(), 5)]);
        assert_eq!(divide(&[b"a\r", b"b\n"]), [("a".into(), 2), ("b".into(), 4)]);
        assert_eq!(divide(&[b"a\r"]), []);
        assert_eq!(divide(&[b"a\r", b"\r", b"\n"]), [("a".into(), 2), (String::new(), 4)]);
    }

    #[test]
    fn empty_lines_are_lines() {
        assert_eq!(texts(&[b"\n\n", b"\r\n"]), ["", "", ""]);
    }

    #[test]
    fn what_is_not_utf8_is_replaced_in_its_line_only() {
        assert_eq!(texts(&[b"\xffbad\ngood \xc3\xa9\n"]), ["\u{fffd}bad", "good é"]);
        // A character that is cut by the end of what was read is whole once the rest is there.
        assert_eq!(texts(&[b"x \xc3", b"\xa9\n"]), ["x é"]);
    }

    #[test]
    fn a_line_shares_the_memory_that_was_read() {
        let mut lines = Lines::default();
        let buffer = b"abc\n".to_vec();
        let address = buffer.as_ptr();
        lines.return_buffer(buffer, 0);
        assert_eq!(lines.next().map(|(line, _)| line.as_ptr()), Some(address));
    }

    #[test]
    fn any_division_into_pieces_gives_the_same_lines() {
        let text = b"ab\r\n\n\rcd\re\xc3\xa9\n\r\r\nlast\xff\n";
        let whole = divide(&[text]);
        for first in 0..text.len() {
            for second in first..text.len() {
                assert_eq!(divide(&[&text[..first], &text[first..second], &text[second..]]), whole);
            }
        }
    }
}
