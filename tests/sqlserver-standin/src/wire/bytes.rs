//! Reading and writing of the protocol's little parts.

/// A request that is not the protocol; the server says 4002 and closes the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);

/// What is left of a message. Nothing is allocated by what a length says, only by what is there.
#[derive(Clone)]
pub(super) struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Source<'a> {
        Source { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed("it is shorter than it says"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed("it is shorter than it says"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// UTF-16 of so many units. A lone surrogate, which the server would keep, becomes the replacement character.
    pub(super) fn utf16(&mut self, units: usize) -> Result<String, Malformed> {
        let bytes = self.take(units.checked_mul(2).ok_or(Malformed("a text of impossible length"))?)?;
        Ok(utf16(bytes))
    }

    /// Text with its length in units in one byte before it.
    pub(super) fn short_text(&mut self) -> Result<String, Malformed> {
        let units = self.u8()?;
        self.utf16(usize::from(units))
    }

    /// Text with its length in units in two bytes before it.
    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        let units = self.u16()?;
        self.utf16(usize::from(units))
    }

    /// Skips the headers that stand before each request.
    pub(super) fn skip_headers(&mut self) -> Result<(), Malformed> {
        let total = self.clone().u32()? as usize;
        if total < 4 {
            return Err(Malformed("headers of impossible length"));
        }
        self.take(total).map(|_| ())
    }
}

/// Text of UTF-16LE; an odd last byte is dropped.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Appends UTF-16LE.
pub(super) fn put_utf16(out: &mut Vec<u8>, text: &str) {
    if text.is_ascii() {
        out.reserve(text.len() * 2);
        out.extend(text.bytes().flat_map(|byte| [byte, 0]));
    } else {
        out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    }
}

/// Appends text with its length in units in one byte; past 255 units it is cut.
pub(super) fn put_short_text(out: &mut Vec<u8>, text: &str) {
    let units = cut(text, usize::from(u8::MAX));
    out.push(units.encode_utf16().count() as u8);
    put_utf16(out, units);
}

/// Appends text with its length in units in two bytes; past 4000 units it is cut.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    let units = cut(text, 4000);
    out.extend_from_slice(&(units.encode_utf16().count() as u16).to_le_bytes());
    put_utf16(out, units);
}

/// The longest beginning of at most so many units of UTF-16.
fn cut(text: &str, limit: usize) -> &str {
    let mut units = 0;
    for (index, character) in text.char_indices() {
        units += character.len_utf16();
        if units > limit {
            return &text[..index];
        }
    }
    text
}

/// Writes a part of which the length, in two bytes before it, is known only afterwards.
pub(super) fn put_counted(out: &mut Vec<u8>, part: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    part(out);
    let length = (out.len() - at - 2) as u16;
    out[at..at + 2].copy_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_there_and_back() {
        for text in ["", "plain", "zażółć", "𝔘nicode"] {
            let mut out = Vec::new();
            put_text(&mut out, text);
            put_short_text(&mut out, text);
            let mut source = Source::new(&out);
            assert_eq!(source.text().unwrap(), text);
            assert_eq!(source.short_text().unwrap(), text);
            assert!(source.is_empty());
        }
    }

    #[test]
    fn too_long_a_text_is_cut_between_characters() {
        let mut out = Vec::new();
        put_short_text(&mut out, &"𝔘".repeat(200));
        assert_eq!(out[0], 254);
        assert_eq!(Source::new(&out).short_text().unwrap(), "𝔘".repeat(127));
    }

    #[test]
    fn lengths_that_lie_are_malformed() {
        assert!(Source::new(&[255, 255, 1]).text().is_err());
        assert!(Source::new(&[3, 0, 0, 0]).skip_headers().is_err());
        assert!(Source::new(&[255, 255, 255, 255]).skip_headers().is_err());
        assert!(Source::new(&[]).utf16(usize::MAX).is_err());
    }
}
