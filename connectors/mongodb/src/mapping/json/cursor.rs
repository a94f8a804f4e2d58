use std::borrow::Cow;

use tributary_api::{Error, Result};

/// A place in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

/// A number as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(i64),
    Double(f64),
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// An error here.
    #[cold]
    pub(super) fn error(&self, expected: &str) -> Error {
        let found = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let found = found.map_or_else(|| "its end".to_owned(), |found| format!("{found:?}"));
        Error::data(format!("not valid JSON: at byte {} is {found}, not {expected}", self.at))
    }

    /// The next byte that is no white space, without taking it; zero at the end.
    pub(super) fn peek(&mut self) -> u8 {
        loop {
            match self.byte() {
                b' ' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c | 0x1c..=0x1f => self.at += 1,
                byte if byte >= 0x80 => match self.text[self.at..].chars().next() {
                    Some(space) if space.is_whitespace() => self.at += space.len_utf8(),
                    _ => return byte,
                },
                byte => return byte,
            }
        }
    }

    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or_default()
    }

    /// Takes this byte if it comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == byte;
        self.at += usize::from(there);
        there
    }

    /// Takes this byte.
    pub(super) fn expect(&mut self, byte: u8) -> Result<()> {
        if self.take(byte) { Ok(()) } else { Err(self.error(&format!("{:?}", char::from(byte)))) }
    }

    /// Whether the name that comes next begins with a dollar.
    pub(super) fn at_dollar(&mut self) -> bool {
        match self.peek() {
            b'"' | b'\'' => self.text.as_bytes().get(self.at + 1) == Some(&b'$'),
            byte => byte == b'$',
        }
    }

    /// A name: quoted, or letters, digits, `_` and `$`.
    pub(super) fn name(&mut self) -> Result<Cow<'t, str>> {
        match self.peek() {
            b'"' | b'\'' => self.string(),
            _ => self.word().map(Cow::Borrowed).ok_or_else(|| self.error("a name")),
        }
    }

    /// Letters, digits, `_` and `$`, not beginning with a digit.
    pub(super) fn word(&mut self) -> Option<&'t str> {
        self.peek();
        let rest = &self.text[self.at..];
        let belongs = |c: char| c == '$' || c == '_' || c.is_alphanumeric();
        let length = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let word = rest.get(..length).filter(|word| !word.is_empty() && !word.starts_with(|c: char| c.is_numeric()))?;
        self.at += length;
        Some(word)
    }

    /// A text in quotes, single or double.
    pub(super) fn string(&mut self) -> Result<Cow<'t, str>> {
        let quote = self.peek();
        if quote != b'"' && quote != b'\'' {
            return Err(self.error("a text in quotes"));
        }
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut at = start;
        while let Some(&byte) = bytes.get(at) {
            if byte == quote {
                self.at = at + 1;
                return Ok(Cow::Borrowed(&self.text[start..at]));
            }
            if byte == b'\\' {
                self.at = at;
                return self.escaped(start, quote).map(Cow::Owned);
            }
            at += 1;
        }
        self.at = at;
        Err(self.error("the end of a text"))
    }

    /// The rest of a text from its first backslash on.
    #[cold]
    fn escaped(&mut self, start: usize, quote: u8) -> Result<String> {
        let mut text = self.text[start..self.at].to_owned();
        loop {
            let Some(next) = self.text[self.at..].chars().next() else { return Err(self.error("the end of a text")) };
            if next == char::from(quote) {
                self.at += 1;
                return Ok(text);
            }
            if next != '\\' {
                text.push(next);
                self.at += next.len_utf8();
                continue;
            }
            self.at += 1;
            let escape = self.byte();
            text.push(match escape {
                b'\'' | b'"' | b'\\' | b'/' => char::from(escape),
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => {
                    self.at += 1;
                    text.push(self.unicode()?);
                    continue;
                }
                _ => return Err(self.error("an escape sequence")),
            });
            self.at += 1;
        }
    }

    /// The character after `\u`; two escapes may make one. Half of one alone cannot be kept in UTF-8: it becomes `?`, as
    /// in Java.
    fn unicode(&mut self) -> Result<char> {
        let first = self.hex4()?;
        if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with("\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return char::from_u32(code).ok_or_else(|| self.error("a character"));
            }
            self.at = before;
        }
        Ok(char::from_u32(first).unwrap_or('?'))
    }

    fn hex4(&mut self) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let number = number.ok_or_else(|| self.error("four hexadecimal digits"))?;
        self.at += 4;
        Ok(number)
    }

    /// A number; a whole one fits 64 bits.
    pub(super) fn number(&mut self) -> Result<Number> {
        let text = self.number_text()?;
        if let Some(number) = short_whole(text) {
            return Ok(Number::Whole(number));
        }
        let wrong = |_| Error::data(format!("not valid JSON: {text} is not a number of 64 bits"));
        if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return text.parse().map(Number::Whole).map_err(|error: std::num::ParseIntError| wrong(error.to_string()));
        }
        if text == "-Infinity" {
            return Ok(Number::Double(f64::NEG_INFINITY));
        }
        text.parse().map(Number::Double).map_err(|error: std::num::ParseFloatError| wrong(error.to_string()))
    }

    /// The text of a number. What follows it must be able to.
    pub(super) fn number_text(&mut self) -> Result<&'t str> {
        self.peek();
        let start = self.at;
        let bytes = self.text.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let whole = start + usize::from(bytes.get(start) == Some(&b'-'));
        let mut at = whole;
        if whole > start && self.text[whole..].starts_with("Infinity") {
            at += "Infinity".len();
        } else {
            // At least one digit in each part that is there.
            let part = |from: usize| match digits(from) {
                end if end == from => Err(self.error("a number")),
                end => Ok(end),
            };
            at = part(whole)?;
            if bytes.get(at) == Some(&b'.') {
                at = part(at + 1)?;
            }
            if matches!(bytes.get(at), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
                at = part(at + 1 + sign)?;
            }
        }
        let text = &self.text[start..at];
        self.at = at;
        match self.byte() {
            b',' | b'}' | b']' | b')' | 0 => Ok(text),
            byte if byte.is_ascii_whitespace() || byte == 0x0b || byte >= 0x80 => Ok(text),
            _ => Err(self.error("the end of a number")),
        }
    }

    /// A regular expression between slashes, and its options.
    pub(super) fn regex(&mut self) -> Result<(&'t str, &'t str)> {
        self.expect(b'/')?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start;
        while bytes.get(at).is_some_and(|byte| *byte != b'/') {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        let pattern = self.text.get(start..at).ok_or_else(|| self.error("the end of a regular expression"))?;
        if bytes.get(at) != Some(&b'/') {
            return Err(self.error("the end of a regular expression"));
        }
        let options = at + 1;
        at = options;
        while matches!(bytes.get(at), Some(b'i' | b'm' | b'x' | b's')) {
            at += 1;
        }
        self.at = at;
        match self.byte() {
            b',' | b'}' | b']' | b')' | 0 => Ok((pattern, &self.text[options..at])),
            byte if byte.is_ascii_whitespace() => Ok((pattern, &self.text[options..at])),
            _ => Err(self.error("an option of a regular expression")),
        }
    }
}

/// A whole number of up to 18 digits: it cannot overflow.
fn short_whole(text: &str) -> Option<i64> {
    let (digits, negative) = text.strip_prefix('-').map_or((text, false), |digits| (digits, true));
    if digits.len() > 18 {
        return None;
    }
    let mut number = 0;
    for byte in digits.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i64::from(byte - b'0');
    }
    Some(if negative { -number } else { number })
}
