//! Expressions and conditions, by precedence.

use super::ast::{BinaryOp, Bound, Call, Expr, Frame, Literal, ObjectName, OrderItem, UnaryOp, Window};
use super::lex::Kind;
use super::{Parser, SyntaxError, object_name_of};

/// Functions whose names are reserved words.
const KEYWORD_FUNCTIONS: [&str; 4] = ["COALESCE", "NULLIF", "LEFT", "RIGHT"];
/// Functions that are written without parentheses.
const BARE_FUNCTIONS: [&str; 6] =
    ["CURRENT_TIMESTAMP", "CURRENT_USER", "SESSION_USER", "SYSTEM_USER", "USER", "CURRENT_DATE"];
/// Functions whose first argument is a bare word: a part of a date.
const DATE_PART_FUNCTIONS: [&str; 7] =
    ["DATEADD", "DATEDIFF", "DATEDIFF_BIG", "DATENAME", "DATEPART", "DATETRUNC", "DATE_BUCKET"];

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Result<Expr, SyntaxError> {
        self.nested(Self::or)
    }

    fn or(&mut self) -> Result<Expr, SyntaxError> {
        let mut left = self.and()?;
        let mut length = 0;
        while self.accept_word("OR") {
            self.limit_chain(&mut length)?;
            left = binary(left, BinaryOp::Or, self.and()?);
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, SyntaxError> {
        let mut left = self.not()?;
        let mut length = 0;
        while self.accept_word("AND") {
            self.limit_chain(&mut length)?;
            left = binary(left, BinaryOp::And, self.not()?);
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, SyntaxError> {
        if self.accept_word("NOT") {
            return Ok(Expr::Not(Box::new(self.nested(Self::not)?)));
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Result<Expr, SyntaxError> {
        if self.is_word("EXISTS") && self.is_at(1, "(") {
            self.at += 2;
            let query = self.query()?;
            self.expect(")")?;
            return Ok(Expr::Exists(Box::new(query)));
        }
        let left = self.additive()?;
        if let Some(op) = self.comparison() {
            return self.compared(left, op);
        }
        if self.accept_word("IS") {
            let negated = self.accept_word("NOT");
            self.expect_word("NULL")?;
            return Ok(Expr::IsNull { expr: Box::new(left), negated });
        }
        let negated = self.is_word("NOT")
            && ["IN", "LIKE", "BETWEEN"].iter().any(|word| self.is_word_at(1, word))
            && self.accept_word("NOT");
        let expr = Box::new(left);
        if self.accept_word("BETWEEN") {
            let low = Box::new(self.additive()?);
            self.expect_word("AND")?;
            let high = Box::new(self.additive()?);
            return Ok(Expr::Between { expr, low, high, negated });
        }
        if self.accept_word("LIKE") {
            let pattern = Box::new(self.additive()?);
            let escape = if self.accept_word("ESCAPE") { Some(Box::new(self.additive()?)) } else { None };
            return Ok(Expr::Like { expr, pattern, escape, negated });
        }
        if self.accept_word("IN") {
            self.expect("(")?;
            let found = if self.starts_query() {
                Expr::InQuery { expr, query: Box::new(self.query()?), negated }
            } else {
                Expr::InList { expr, list: self.comma_separated(Self::expr)?, negated }
            };
            self.expect(")")?;
            return Ok(found);
        }
        Ok(*expr)
    }

    fn comparison(&mut self) -> Option<BinaryOp> {
        let Kind::Symbol(symbol) = self.kind() else { return None };
        let op = match *symbol {
            "=" => BinaryOp::Equal,
            "<>" | "!=" => BinaryOp::NotEqual,
            "<" => BinaryOp::Less,
            "<=" | "!>" => BinaryOp::LessEqual,
            ">" => BinaryOp::Greater,
            ">=" | "!<" => BinaryOp::GreaterEqual,
            _ => return None,
        };
        self.at += 1;
        Some(op)
    }

    fn compared(&mut self, left: Expr, op: BinaryOp) -> Result<Expr, SyntaxError> {
        let quantifier = self.is_any_word(&["ALL", "ANY", "SOME"]) && self.is_at(1, "(");
        if !quantifier {
            let right = self.additive()?;
            return Ok(binary(left, op, right));
        }
        let all = self.is_word("ALL");
        self.at += 2;
        let query = Box::new(self.query()?);
        self.expect(")")?;
        Ok(Expr::Quantified { expr: Box::new(left), op, all, query })
    }

    fn additive(&mut self) -> Result<Expr, SyntaxError> {
        let mut left = self.multiplicative()?;
        let mut length = 0;
        loop {
            let op = match self.kind() {
                Kind::Symbol("+") => BinaryOp::Add,
                Kind::Symbol("-") => BinaryOp::Subtract,
                Kind::Symbol("&") => BinaryOp::BitAnd,
                Kind::Symbol("|") => BinaryOp::BitOr,
                Kind::Symbol("^") => BinaryOp::BitXor,
                _ => return Ok(left),
            };
            self.at += 1;
            self.limit_chain(&mut length)?;
            left = binary(left, op, self.multiplicative()?);
        }
    }

    fn multiplicative(&mut self) -> Result<Expr, SyntaxError> {
        let mut left = self.unary()?;
        let mut length = 0;
        loop {
            let op = match self.kind() {
                Kind::Symbol("*") => BinaryOp::Multiply,
                Kind::Symbol("/") => BinaryOp::Divide,
                Kind::Symbol("%") => BinaryOp::Modulo,
                _ => return Ok(left),
            };
            self.at += 1;
            self.limit_chain(&mut length)?;
            left = binary(left, op, self.unary()?);
        }
    }

    fn unary(&mut self) -> Result<Expr, SyntaxError> {
        let op = match self.kind() {
            Kind::Symbol("-") => UnaryOp::Minus,
            Kind::Symbol("+") => UnaryOp::Plus,
            Kind::Symbol("~") => UnaryOp::BitNot,
            _ => return self.postfix(),
        };
        self.at += 1;
        Ok(Expr::Unary(op, Box::new(self.nested(Self::unary)?)))
    }

    fn postfix(&mut self) -> Result<Expr, SyntaxError> {
        let mut expr = self.primary()?;
        loop {
            if self.accept_word("COLLATE") {
                expr = Expr::Collate(Box::new(expr), self.identifier()?);
            } else if self.accept_words(&["AT", "TIME", "ZONE"]) {
                expr = Expr::AtTimeZone(Box::new(expr), Box::new(self.primary()?));
            } else {
                return Ok(expr);
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, SyntaxError> {
        let literal = match self.kind().clone() {
            Kind::Integer(digits) => Literal::Integer(digits),
            Kind::Decimal(digits) => Literal::Decimal(digits),
            Kind::Float(digits) => Literal::Float(digits),
            Kind::Money(digits) => Literal::Money(digits),
            Kind::Text { value, national } => Literal::Text { value, national },
            Kind::Binary(bytes) => Literal::Binary(bytes),
            Kind::Variable(name) => {
                self.at += 1;
                return Ok(Expr::Variable(name));
            }
            Kind::Symbol("(") => return self.parenthesised(),
            Kind::Symbol("{") => return self.escape(),
            Kind::Quoted(_) => return self.name_or_call(),
            Kind::Word(word) => return self.word(&word),
            Kind::Symbol(_) | Kind::End => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(Expr::Literal(literal))
    }

    fn parenthesised(&mut self) -> Result<Expr, SyntaxError> {
        self.expect("(")?;
        let inner = if self.starts_query() { Expr::Subquery(Box::new(self.query()?)) } else { self.expr()? };
        self.expect(")")?;
        Ok(inner)
    }

    /// ODBC's escapes: `{fn now()}`, `{d '2020-01-01'}`, `{ts '..'}`, `{t '..'}`.
    fn escape(&mut self) -> Result<Expr, SyntaxError> {
        self.expect("{")?;
        let expr = if self.accept_word("fn") {
            self.primary()?
        } else if self.is_any_word(&["d", "t", "ts"]) {
            self.at += 1;
            self.primary()?
        } else {
            return Err(self.unexpected());
        };
        self.expect("}")?;
        Ok(expr)
    }

    fn word(&mut self, word: &str) -> Result<Expr, SyntaxError> {
        let upper = word.to_ascii_uppercase();
        let called = self.is_at(1, "(");
        match upper.as_str() {
            "NULL" => {
                self.at += 1;
                Ok(Expr::Literal(Literal::Null))
            }
            "CASE" => self.case(),
            "CAST" | "TRY_CAST" if called => self.cast(upper == "TRY_CAST"),
            "CONVERT" | "TRY_CONVERT" if called => self.convert(upper == "TRY_CONVERT"),
            "PARSE" | "TRY_PARSE" if called => self.parse_call(upper == "TRY_PARSE"),
            "IIF" if called => self.iif(),
            _ if BARE_FUNCTIONS.contains(&upper.as_str()) => {
                self.at += 1;
                Ok(Expr::Call(Box::new(plain_call(ObjectName::bare(upper), Vec::new()))))
            }
            _ if called && KEYWORD_FUNCTIONS.contains(&upper.as_str()) => {
                self.at += 1;
                self.call(ObjectName::bare(upper))
            }
            _ => self.name_or_call(),
        }
    }

    fn name_or_call(&mut self) -> Result<Expr, SyntaxError> {
        let parts = self.name_parts()?;
        if !self.is("(") {
            return Ok(Expr::Column(parts));
        }
        let error = self.unexpected();
        let name = object_name_of(parts).ok_or(error)?;
        self.call(name)
    }

    fn call(&mut self, name: ObjectName) -> Result<Expr, SyntaxError> {
        let date_part =
            name.schema.is_none() && DATE_PART_FUNCTIONS.contains(&name.object.to_ascii_uppercase().as_str());
        let mut call = plain_call(name, Vec::new());
        self.expect("(")?;
        if self.is("*") && self.is_at(1, ")") {
            self.at += 1;
            call.star = true;
        } else if !self.is(")") {
            call.distinct = self.accept_word("DISTINCT");
            self.accept_word("ALL");
            if date_part {
                let part = self.identifier()?;
                call.arguments.push(Expr::Literal(Literal::Text { value: part, national: false }));
                self.expect(",")?;
            }
            call.arguments.extend(self.comma_separated(Self::expr)?);
        }
        self.expect(")")?;
        if self.accept_words(&["WITHIN", "GROUP"]) {
            self.expect("(")?;
            call.within_group = self.order_by()?;
            self.expect(")")?;
        }
        if self.accept_word("OVER") {
            call.over = Some(self.window()?);
        }
        Ok(Expr::Call(Box::new(call)))
    }

    fn window(&mut self) -> Result<Window, SyntaxError> {
        self.expect("(")?;
        let partition =
            if self.accept_words(&["PARTITION", "BY"]) { self.comma_separated(Self::expr)? } else { Vec::new() };
        let order = if self.is_word("ORDER") { self.order_by()? } else { Vec::new() };
        let frame = if self.is_any_word(&["ROWS", "RANGE"]) { Some(self.frame()?) } else { None };
        self.expect(")")?;
        Ok(Window { partition, order, frame })
    }

    fn frame(&mut self) -> Result<Frame, SyntaxError> {
        let rows = self.is_word("ROWS");
        self.at += 1;
        if self.accept_word("BETWEEN") {
            let start = self.bound()?;
            self.expect_word("AND")?;
            return Ok(Frame { rows, start, end: Some(self.bound()?) });
        }
        Ok(Frame { rows, start: self.bound()?, end: None })
    }

    fn bound(&mut self) -> Result<Bound, SyntaxError> {
        if self.accept_words(&["CURRENT", "ROW"]) {
            return Ok(Bound::CurrentRow);
        }
        let rows = if self.accept_word("UNBOUNDED") { None } else { Some(self.integer()?) };
        let preceding = self.accept_word("PRECEDING");
        if !preceding {
            self.expect_word("FOLLOWING")?;
        }
        Ok(match (rows, preceding) {
            (None, true) => Bound::UnboundedPreceding,
            (None, false) => Bound::UnboundedFollowing,
            (Some(rows), true) => Bound::Preceding(rows),
            (Some(rows), false) => Bound::Following(rows),
        })
    }

    pub(super) fn order_by(&mut self) -> Result<Vec<OrderItem>, SyntaxError> {
        self.expect_word("ORDER")?;
        self.expect_word("BY")?;
        self.comma_separated(|parser| {
            let expr = parser.expr()?;
            let descending = parser.accept_word("DESC");
            if !descending {
                parser.accept_word("ASC");
            }
            Ok(OrderItem { expr, descending })
        })
    }

    fn case(&mut self) -> Result<Expr, SyntaxError> {
        self.expect_word("CASE")?;
        let operand = if self.is_word("WHEN") { None } else { Some(Box::new(self.expr()?)) };
        let mut branches = Vec::new();
        while self.accept_word("WHEN") {
            let when = self.expr()?;
            self.expect_word("THEN")?;
            branches.push((when, self.expr()?));
        }
        if branches.is_empty() {
            return Err(self.unexpected());
        }
        let otherwise = if self.accept_word("ELSE") { Some(Box::new(self.expr()?)) } else { None };
        self.expect_word("END")?;
        Ok(Expr::Case { operand, branches, otherwise })
    }

    fn iif(&mut self) -> Result<Expr, SyntaxError> {
        self.at += 2;
        let condition = self.expr()?;
        self.expect(",")?;
        let then = self.expr()?;
        self.expect(",")?;
        let otherwise = self.expr()?;
        self.expect(")")?;
        Ok(Expr::Case { operand: None, branches: vec![(condition, then)], otherwise: Some(Box::new(otherwise)) })
    }

    fn cast(&mut self, attempt: bool) -> Result<Expr, SyntaxError> {
        self.at += 2;
        let expr = Box::new(self.expr()?);
        self.expect_word("AS")?;
        let to = self.type_name()?;
        self.expect(")")?;
        Ok(Expr::Cast { expr, to, style: None, attempt })
    }

    fn convert(&mut self, attempt: bool) -> Result<Expr, SyntaxError> {
        self.at += 2;
        let to = self.type_name()?;
        self.expect(",")?;
        let expr = Box::new(self.expr()?);
        let style = if self.accept(",") { Some(Box::new(self.expr()?)) } else { None };
        self.expect(")")?;
        Ok(Expr::Cast { expr, to, style, attempt })
    }

    fn parse_call(&mut self, attempt: bool) -> Result<Expr, SyntaxError> {
        self.at += 2;
        let expr = Box::new(self.expr()?);
        self.expect_word("AS")?;
        let to = self.type_name()?;
        let culture = if self.accept_word("USING") { Some(Box::new(self.expr()?)) } else { None };
        self.expect(")")?;
        Ok(Expr::Parse { expr, to, culture, attempt })
    }
}

fn binary(left: Expr, op: BinaryOp, right: Expr) -> Expr {
    Expr::Binary(Box::new(left), op, Box::new(right))
}

fn plain_call(name: ObjectName, arguments: Vec<Expr>) -> Call {
    Call { name, arguments, star: false, distinct: false, within_group: Vec::new(), over: None }
}
