//! Text to tokens: T-SQL's identifiers (plain, `[..]`, `".."`), variables, literals and operators.

use super::SyntaxError;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A plain identifier or a keyword, as written.
    Word(String),
    /// An identifier in brackets or double quotes, without them.
    Quoted(String),
    /// `@name` or `@@name`, with its signs.
    Variable(String),
    /// `'text'` or `N'text'`.
    Text { value: String, national: bool },
    /// Digits only.
    Integer(String),
    /// Digits with a decimal point.
    Decimal(String),
    /// Digits with an exponent.
    Float(String),
    /// `$12.50`, without the sign.
    Money(String),
    /// `0x0A0B`.
    Binary(Vec<u8>),
    /// An operator or a punctuation mark.
    Symbol(&'static str),
    /// The end of the batch.
    End,
}

/// A token and its position.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Line in the batch, from 1.
    pub(crate) line: u32,
    /// First byte in the batch.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
}

const SYMBOLS: [&str; 39] = [
    "<>", "<=", ">=", "!=", "!<", "!>", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "::", "(", ")", ",", ".", ";",
    "=", "<", ">", "+", "-", "*", "/", "%", "&", "|", "^", "~", "{", "}", ":", "?", "!", "\\", "#",
];

/// Splits a batch. With `quoted_identifiers` off, `"x"` is a text as `'x'` is.
pub(crate) fn tokens(batch: &str, quoted_identifiers: bool) -> Result<Vec<Token>, SyntaxError> {
    let mut lexer = Lexer { batch, at: 0, line: 1, quoted_identifiers };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let ended = token.kind == Kind::End;
        tokens.push(token);
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    batch: &'a str,
    at: usize,
    line: u32,
    quoted_identifiers: bool,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Token, SyntaxError> {
        self.skip_blank()?;
        let (start, line) = (self.at, self.line);
        let kind = self.kind()?;
        Ok(Token { kind, line, start, end: self.at })
    }

    fn kind(&mut self) -> Result<Kind, SyntaxError> {
        let Some(first) = self.peek() else { return Ok(Kind::End) };
        match first {
            'N' | 'n' if self.rest().as_bytes().get(1) == Some(&b'\'') => {
                self.at += 1;
                Ok(Kind::Text { value: self.delimited('\'')?, national: true })
            }
            '\'' => Ok(Kind::Text { value: self.delimited('\'')?, national: false }),
            '"' if self.quoted_identifiers => Ok(Kind::Quoted(self.delimited('"')?)),
            '"' => Ok(Kind::Text { value: self.delimited('"')?, national: false }),
            '[' => Ok(Kind::Quoted(self.delimited(']')?)),
            '@' => Ok(Kind::Variable(self.take_while(|c| c == '@' || is_word(c)))),
            '$' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
                self.at += 1;
                Ok(Kind::Money(self.take_while(|c| c.is_ascii_digit() || c == '.')))
            }
            '0' if self.rest()[1..].starts_with(['x', 'X']) => Ok(self.binary()),
            _ if first.is_ascii_digit() => Ok(self.number()),
            '.' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => Ok(self.number()),
            _ if is_word_start(first) => Ok(Kind::Word(self.take_while(is_word))),
            _ => {
                let rest = self.rest();
                match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
                    Some(symbol) => {
                        self.at += symbol.len();
                        Ok(Kind::Symbol(symbol))
                    }
                    None => Err(SyntaxError::near(&first.to_string(), self.line)),
                }
            }
        }
    }

    fn skip_blank(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            if rest.starts_with("--") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.skip_comment()?;
            } else if rest.starts_with(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\0') {
                self.advance();
            } else {
                return Ok(());
            }
        }
    }

    /// Block comments nest.
    fn skip_comment(&mut self) -> Result<(), SyntaxError> {
        let opened = self.line;
        let mut depth = 0;
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return Err(SyntaxError::unclosed_comment(opened));
            } else if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(());
                }
            } else {
                self.advance();
            }
        }
    }

    /// Text up to `close`, which is doubled where it is meant.
    fn delimited(&mut self, close: char) -> Result<String, SyntaxError> {
        let opened = self.line;
        self.at += 1;
        let mut value = String::new();
        loop {
            match self.advance() {
                None => return Err(SyntaxError::unclosed_quote(&value, opened)),
                Some(c) if c == close => {
                    if self.peek() != Some(close) {
                        return Ok(value);
                    }
                    self.at += close.len_utf8();
                    value.push(close);
                }
                // A backslash at the end of a line joins the lines of a text.
                Some('\\') if close == '\'' && self.rest().starts_with("\r\n") => {
                    self.advance();
                    self.advance();
                }
                Some('\\') if close == '\'' && self.rest().starts_with('\n') => {
                    self.advance();
                }
                Some(c) => value.push(c),
            }
        }
    }

    fn binary(&mut self) -> Kind {
        self.at += 2;
        let digits = self.take_while(|c| c.is_ascii_hexdigit());
        let padded = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits };
        let nibble = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
        Kind::Binary(padded.as_bytes().chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect())
    }

    fn number(&mut self) -> Kind {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit());
        let mut decimal = false;
        if self.peek() == Some('.') {
            decimal = true;
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        let exponent = self.rest().strip_prefix(['e', 'E']).map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
        if exponent.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            self.at += 1;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            self.take_while(|c| c.is_ascii_digit());
            return Kind::Float(self.batch[start..self.at].to_owned());
        }
        let text = self.batch[start..self.at].to_owned();
        if decimal { Kind::Decimal(text) } else { Kind::Integer(text) }
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let length = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        let taken = rest[..length].to_owned();
        self.at += length;
        taken
    }

    fn rest(&self) -> &str {
        &self.batch[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        if next == '\n' {
            self.line += 1;
        }
        Some(next)
    }
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '#' || c == '$'
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '#' | '$' | '@')
}
