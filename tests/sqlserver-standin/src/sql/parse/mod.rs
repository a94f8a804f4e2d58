//! T-SQL to a tree: one recursive descent over the tokens of a batch. A batch that is wrong anywhere runs nowhere.

pub(crate) mod ast;
mod ddl;
mod dml;
mod expr;
mod lex;
mod merge;
mod query;
mod render;
mod reserved;
mod security;
mod statement;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use self::render::default_text;
pub(crate) use self::reserved::is_reserved;

use self::ast::{Expr, ObjectName, Statement, TypeArgument, TypeName};
use self::lex::{Kind, Token};
use crate::data::SqlError;

/// A batch that does not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) number: i32,
    pub(crate) message: String,
    pub(crate) line: u32,
}

impl SyntaxError {
    fn near(text: &str, line: u32) -> Self {
        if is_reserved(text) {
            return Self { number: 156, message: format!("Incorrect syntax near the keyword '{text}'."), line };
        }
        Self { number: 102, message: format!("Incorrect syntax near '{text}'."), line }
    }

    fn unclosed_quote(text: &str, line: u32) -> Self {
        let message = format!("Unclosed quotation mark after the character string '{text}'.");
        Self { number: 105, message, line }
    }

    fn merge_without_end(line: u32) -> Self {
        let message = "A MERGE statement must be terminated by a semi-colon (;).".to_owned();
        Self { number: 10713, message, line }
    }

    fn unclosed_comment(line: u32) -> Self {
        Self { number: 113, message: "Missing end comment mark '*/'.".to_owned(), line }
    }
}

impl From<SyntaxError> for SqlError {
    fn from(error: SyntaxError) -> Self {
        SqlError::new(error.number, 15, 1, error.message).at(i32::try_from(error.line).unwrap_or(i32::MAX))
    }
}

/// The statements of a batch.
pub(crate) fn batch(text: &str, quoted_identifiers: bool) -> Result<Vec<Statement>, SyntaxError> {
    let mut parser = Parser::new(text, quoted_identifiers)?;
    let mut statements = Vec::new();
    parser.skip_semicolons();
    while !parser.at_end() {
        statements.push(parser.statement()?);
        parser.skip_semicolons();
    }
    Ok(statements)
}

/// An expression on its own: a default, a check, a computed column as the catalogue keeps them.
pub(crate) fn expression(text: &str) -> Result<Expr, SyntaxError> {
    let mut parser = Parser::new(text, true)?;
    let expr = parser.expr()?;
    parser.expect_end()?;
    Ok(expr)
}

/// A type as `sp_describe_parameters`, the catalogue and `DECLARE` write it.
pub(crate) fn type_name(text: &str) -> Result<TypeName, SyntaxError> {
    let mut parser = Parser::new(text, true)?;
    let name = parser.type_name()?;
    parser.expect_end()?;
    Ok(name)
}

/// A name of one to three parts, as procedures take them in texts.
pub(crate) fn object_name(text: &str) -> Result<ObjectName, SyntaxError> {
    let mut parser = Parser::new(text, true)?;
    let name = parser.object_name()?;
    parser.expect_end()?;
    Ok(name)
}

/// A parameter of `sp_executesql`: its name with `@`, its type, its default.
pub(crate) struct DeclaredParameter {
    pub(crate) name: String,
    pub(crate) to: TypeName,
    pub(crate) default: Option<Expr>,
}

/// `@a int, @b nvarchar(10) OUTPUT`.
pub(crate) fn parameters(text: &str) -> Result<Vec<DeclaredParameter>, SyntaxError> {
    let mut parser = Parser::new(text, true)?;
    let mut parameters = Vec::new();
    while !parser.at_end() {
        let name = parser.variable()?;
        parser.accept_word("AS");
        let to = parser.type_name()?;
        let default = if parser.accept("=") { Some(parser.expr()?) } else { None };
        // Whether its value goes back is up to the caller, who says it too.
        let _ = parser.accept_word("OUTPUT") || parser.accept_word("OUT") || parser.accept_word("READONLY");
        parameters.push(DeclaredParameter { name, to, default });
        if !parser.accept(",") {
            parser.expect_end()?;
        }
    }
    Ok(parameters)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// How deep expressions and queries nest: a limit keeps the stack.
    depth: usize,
}

const MAX_DEPTH: usize = 200;
/// `a OR b OR ..` nests to the left: its length counts as depth when it is bound.
const MAX_CHAIN: usize = 400;

impl<'a> Parser<'a> {
    fn new(text: &'a str, quoted_identifiers: bool) -> Result<Self, SyntaxError> {
        Ok(Self { text, tokens: lex::tokens(text, quoted_identifiers)?, at: 0, depth: 0 })
    }

    fn token(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn kind(&self) -> &Kind {
        &self.token().kind
    }

    fn kind_at(&self, ahead: usize) -> &Kind {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)].kind
    }

    fn line(&self) -> u32 {
        self.token().line
    }

    fn at_end(&self) -> bool {
        *self.kind() == Kind::End
    }

    fn advance(&mut self) -> Kind {
        let kind = self.kind().clone();
        if !self.at_end() {
            self.at += 1;
        }
        kind
    }

    /// The error that SQL Server gives for the token at hand.
    fn unexpected(&self) -> SyntaxError {
        let token = if self.at_end() && self.at > 0 { &self.tokens[self.at - 1] } else { self.token() };
        let text = self.text.get(token.start..token.end).unwrap_or_default();
        let shown = match &token.kind {
            Kind::Quoted(name) => name,
            Kind::Text { value, .. } => value,
            _ => text,
        };
        SyntaxError::near(shown, token.line)
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self.kind(), Kind::Symbol(at) if *at == symbol)
    }

    fn is_at(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.kind_at(ahead), Kind::Symbol(at) if *at == symbol)
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), SyntaxError> {
        if self.accept(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.kind_at(ahead), Kind::Word(at) if at.eq_ignore_ascii_case(word))
    }

    fn is_any_word(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_word(word))
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.at += 1;
        }
        found
    }

    /// Several words in this order, or none of them.
    fn accept_words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(ahead, word)| self.is_word_at(ahead, word));
        if found {
            self.at += words.len();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), SyntaxError> {
        if self.accept_word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expect_end(&self) -> Result<(), SyntaxError> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected()) }
    }

    fn skip_semicolons(&mut self) {
        while self.accept(";") {}
    }

    /// A name that is not a reserved word, or is quoted.
    fn identifier(&mut self) -> Result<String, SyntaxError> {
        match self.kind() {
            Kind::Quoted(name) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            Kind::Word(name) if !is_reserved(name) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn is_identifier(&self) -> bool {
        self.is_identifier_at(0)
    }

    fn is_identifier_at(&self, ahead: usize) -> bool {
        match self.kind_at(ahead) {
            Kind::Quoted(_) => true,
            Kind::Word(name) => !is_reserved(name),
            _ => false,
        }
    }

    fn variable(&mut self) -> Result<String, SyntaxError> {
        match self.kind() {
            Kind::Variable(name) if !name.starts_with("@@") && name.len() > 1 => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// One to four parts with dots; parts but the last may be empty.
    fn name_parts(&mut self) -> Result<Vec<String>, SyntaxError> {
        let mut parts = vec![self.identifier()?];
        while self.is(".") && !self.is_at(1, "*") {
            self.at += 1;
            if self.is(".") {
                parts.push(String::new());
            } else {
                parts.push(self.identifier()?);
            }
        }
        Ok(parts)
    }

    fn object_name(&mut self) -> Result<ObjectName, SyntaxError> {
        let line = self.line();
        let parts = self.name_parts()?;
        object_name_of(parts).ok_or_else(|| SyntaxError {
            number: 117,
            message: "The object name contains more than the maximum number of prefixes. The maximum is 3.".to_owned(),
            line,
        })
    }

    fn comma_separated<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<Vec<T>, SyntaxError> {
        let mut all = vec![one(self)?];
        while self.accept(",") {
            all.push(one(self)?);
        }
        Ok(all)
    }

    fn name_list(&mut self) -> Result<Vec<String>, SyntaxError> {
        self.expect("(")?;
        let names = self.comma_separated(Self::identifier)?;
        self.expect(")")?;
        Ok(names)
    }

    fn type_name(&mut self) -> Result<TypeName, SyntaxError> {
        let parts = if self.accept_word("NATIONAL") {
            vec![format!("n{}", self.identifier()?)]
        } else if self.accept_words(&["DOUBLE", "PRECISION"]) {
            vec!["float".to_owned()]
        } else {
            self.name_parts()?
        };
        let mut name = parts.last().cloned().unwrap_or_default();
        if self.accept_word("VARYING") {
            name = format!("var{name}");
        }
        let mut arguments = Vec::new();
        if self.is("(") && matches!(self.kind_at(1), Kind::Integer(_)) || self.is("(") && self.is_word_at(1, "MAX") {
            self.at += 1;
            arguments = self.comma_separated(Self::type_argument)?;
            self.expect(")")?;
        }
        Ok(TypeName { name, arguments })
    }

    fn type_argument(&mut self) -> Result<TypeArgument, SyntaxError> {
        if self.accept_word("MAX") {
            return Ok(TypeArgument::Max);
        }
        match self.kind() {
            Kind::Integer(digits) => {
                let number = digits.parse().map_err(|_| self.unexpected())?;
                self.at += 1;
                Ok(TypeArgument::Number(number))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn integer(&mut self) -> Result<u64, SyntaxError> {
        match self.kind() {
            Kind::Integer(digits) => {
                let number = digits.parse().map_err(|_| self.unexpected())?;
                self.at += 1;
                Ok(number)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn too_deep(&self) -> SyntaxError {
        let message = "Some part of your SQL statement is nested too deeply. Rewrite the query or break it up into smaller queries.".to_owned();
        SyntaxError { number: 191, message, line: self.line() }
    }

    fn limit_chain(&self, length: &mut usize) -> Result<(), SyntaxError> {
        *length += 1;
        if *length > MAX_CHAIN { Err(self.too_deep()) } else { Ok(()) }
    }

    /// Runs `inner` one level deeper.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, SyntaxError>) -> Result<T, SyntaxError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// The batch's text from a token to the one before this.
    fn text_since(&self, first: usize) -> String {
        let start = self.tokens[first].start;
        let end = if self.at > first { self.tokens[self.at - 1].end } else { start };
        self.text.get(start..end).unwrap_or_default().to_owned()
    }
}

fn object_name_of(mut parts: Vec<String>) -> Option<ObjectName> {
    if parts.len() > 3 {
        return None;
    }
    let object = parts.pop()?;
    let schema = parts.pop().filter(|schema| !schema.is_empty());
    let database = parts.pop().filter(|database| !database.is_empty());
    Some(ObjectName { database, schema, object })
}
