//! Reads JSON token by token, without a tree: unneeded values are skipped, text without escapes is not copied.

use std::borrow::Cow;

use bytes::Bytes;
use bytestring::ByteString;
use tributary_api::{Error, Result};

use super::decimal::parse_decimal;

/// Deeper nesting is refused, because reading is recursive.
const MAX_DEPTH: usize = 500;

/// Numbers of more digits are refused, as Kafka does: parsing takes quadratic time.
const MAX_DIGITS: usize = 1000;

/// An exponent of so many digits fits 32 bits, whatever digits precede it.
const EXPONENT_DIGITS: usize = 9;

/// What the next value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
    /// There is none: the document is empty.
    Missing,
}

impl Kind {
    /// The name in Kafka's messages.
    pub(super) fn upper_name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Boolean => "BOOLEAN",
            Self::Number => "NUMBER",
            Self::String => "STRING",
            Self::Array => "ARRAY",
            Self::Object => "OBJECT",
            Self::Missing => "MISSING",
        }
    }
}

/// The text of a document; a byte order mark is left out.
pub(super) fn decode(mut bytes: Bytes) -> Result<ByteString> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes = bytes.slice(3..);
    }
    ByteString::try_from(bytes).map_err(|_| invalid("the bytes are not UTF-8"))
}

/// A place in a document.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// Whether nothing but white space is left.
    pub(super) fn is_empty(&mut self) -> bool {
        self.skip_space();
        self.at == self.text.len()
    }

    /// What the next value is, without reading it.
    pub(super) fn kind(&mut self) -> Result<Kind> {
        self.skip_space();
        match self.byte() {
            Some(b'n') => Ok(Kind::Null),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'"') => Ok(Kind::String),
            Some(b'[') => Ok(Kind::Array),
            Some(b'{') => Ok(Kind::Object),
            Some(_) => Err(self.fault("unexpected character")),
            None => Err(self.fault("unexpected end")),
        }
    }

    pub(super) fn null(&mut self) -> Result<()> {
        self.word("null")
    }

    pub(super) fn boolean(&mut self) -> Result<bool> {
        self.skip_space();
        if self.byte() == Some(b't') { self.word("true").map(|()| true) } else { self.word("false").map(|()| false) }
    }

    /// A number as it is written; leading zeros are allowed, as Kafka allows them.
    pub(super) fn number(&mut self) -> Result<&'a str> {
        self.skip_space();
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        let (mut digits, mut exponent) = (self.digits()?, 0);
        if self.byte() == Some(b'.') {
            self.at += 1;
            digits += self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            exponent = self.digits()?;
        }
        let number = &self.text[start..self.at];
        if digits + exponent > MAX_DIGITS {
            return Err(self.fault("a number of more than 1000 digits"));
        }
        if exponent > EXPONENT_DIGITS && parse_decimal(number).is_none() {
            return Err(self.fault("a number whose exponent is too large"));
        }
        match self.byte() {
            None | Some(b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\n' | b'\r') => Ok(number),
            Some(_) => Err(self.fault("unexpected character in a number")),
        }
    }

    pub(super) fn string(&mut self) -> Result<Cow<'a, str>> {
        self.skip_space();
        self.expect(b'"')?;
        let start = self.at;
        match self.run()? {
            b'"' => {
                self.at += 1;
                Ok(Cow::Borrowed(&self.text[start..self.at - 1]))
            }
            _ => self.escaped(start).map(Cow::Owned),
        }
    }

    /// Skips a value and returns its text.
    pub(super) fn skip(&mut self) -> Result<&'a str> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            Kind::Null => self.null()?,
            Kind::Boolean => drop(self.boolean()?),
            Kind::Number => drop(self.number()?),
            Kind::String => drop(self.string()?),
            Kind::Array => self.array(|scanner| scanner.skip().map(drop))?,
            Kind::Object => self.object(|scanner, _| scanner.skip().map(drop))?,
            Kind::Missing => {}
        }
        Ok(&self.text[start..self.at])
    }

    /// Calls back for each element, which the callback must read.
    pub(super) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.open(b'[')?;
        if self.next_is(b']') {
            return self.close();
        }
        loop {
            element(self)?;
            if self.next_is(b']') {
                return self.close();
            }
            self.expect(b',')?;
        }
    }

    /// Calls back with each name, upon which the callback must read the value.
    pub(super) fn object(&mut self, mut field: impl FnMut(&mut Self, Cow<'a, str>) -> Result<()>) -> Result<()> {
        self.open(b'{')?;
        if self.next_is(b'}') {
            return self.close();
        }
        loop {
            let name = self.string()?;
            self.skip_space();
            self.expect(b':')?;
            field(self, name)?;
            if self.next_is(b'}') {
                return self.close();
            }
            self.expect(b',')?;
        }
    }

    fn open(&mut self, bracket: u8) -> Result<()> {
        self.skip_space();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fault("nested too deep"));
        }
        self.expect(bracket)
    }

    /// Whether the bracket or comma that ends or goes on is this one; reads it if so.
    fn next_is(&mut self, bracket: u8) -> bool {
        self.skip_space();
        let is = self.byte() == Some(bracket);
        self.at += usize::from(is);
        is
    }

    fn close(&mut self) -> Result<()> {
        self.depth -= 1;
        Ok(())
    }

    /// Goes on to the next quote or backslash, and says which.
    fn run(&mut self) -> Result<u8> {
        loop {
            match self.byte() {
                Some(end @ (b'"' | b'\\')) => return Ok(end),
                Some(0..0x20) => return Err(self.fault("control character in text: it must be escaped")),
                Some(_) => self.at += 1,
                None => return Err(self.fault("text without end")),
            }
        }
    }

    fn escaped(&mut self, start: usize) -> Result<String> {
        let mut text = self.text[start..self.at].to_owned();
        loop {
            let run = self.at;
            let end = self.run()?;
            text.push_str(&self.text[run..self.at]);
            self.at += 1;
            if end == b'"' {
                return Ok(text);
            }
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char> {
        let escaped = self.byte().ok_or_else(|| self.fault("text without end"))?;
        self.at += 1;
        Ok(match escaped {
            b'"' | b'\\' | b'/' => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                if !(0xd800..0xdc00).contains(&unit) || !self.text[self.at..].starts_with("\\u") {
                    return Ok(char::from_u32(unit.into()).unwrap_or('?'));
                }
                let behind = self.at;
                self.at += 2;
                let low = self.unit()?;
                match char::decode_utf16([unit, low]).next() {
                    Some(Ok(c)) => c,
                    // Half of a pair: as Java's encoder writes it. What follows is read on its own.
                    _ => {
                        self.at = behind;
                        '?'
                    }
                }
            }
            _ => return Err(self.fault("unknown escape")),
        })
    }

    fn unit(&mut self) -> Result<u16> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let unit = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let unit = unit.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.fault("an escape needs four hexadecimal digits"))?;
        self.at += 4;
        Ok(unit)
    }

    fn word(&mut self, word: &str) -> Result<()> {
        self.skip_space();
        if !self.text[self.at..].starts_with(word) {
            return Err(self.fault("unknown word"));
        }
        self.at += word.len();
        match self.byte() {
            Some(byte) if byte.is_ascii_alphanumeric() => Err(self.fault("unknown word")),
            _ => Ok(()),
        }
    }

    /// Reads digits, at least one, and says how many.
    fn digits(&mut self) -> Result<usize> {
        let start = self.at;
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.fault("a digit is missing")) } else { Ok(self.at - start) }
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.byte() != Some(byte) {
            return Err(self.fault(&format!("'{}' is missing", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[cold]
    fn fault(&self, what: &str) -> Error {
        invalid(&format!("{what} at byte {}", self.at))
    }
}

#[cold]
fn invalid(what: &str) -> Error {
    let message = "Converting byte[] to Kafka Connect data failed due to serialization error: ";
    Error::data(message).cause(&Error::data(format!("not valid JSON: {what}")))
}
