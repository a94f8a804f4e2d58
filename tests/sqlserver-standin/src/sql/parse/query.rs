//! Queries: `WITH`, `SELECT`, set operations, `FROM` with joins and hints.

use super::ast::{Cte, Hint, JoinKind, ObjectName, Query, QueryBody, Select, SelectItem, SetOp, TableRef, Top};
use super::lex::Kind;
use super::{Parser, SyntaxError};

impl Parser<'_> {
    /// Whether a query begins here, also within further parentheses.
    pub(super) fn starts_query(&self) -> bool {
        let mut ahead = 0;
        while self.is_at(ahead, "(") {
            ahead += 1;
        }
        self.is_word_at(ahead, "SELECT") || (ahead == 0 && self.is_word("WITH"))
    }

    pub(super) fn query(&mut self) -> Result<Query, SyntaxError> {
        self.nested(|parser| {
            let with = if parser.is_word("WITH") { parser.with()? } else { Vec::new() };
            parser.query_after(with)
        })
    }

    pub(super) fn query_after(&mut self, with: Vec<Cte>) -> Result<Query, SyntaxError> {
        let body = self.set_operations()?;
        let order = if self.is_word("ORDER") { self.order_by()? } else { Vec::new() };
        let mut offset = None;
        let mut fetch = None;
        if self.accept_word("OFFSET") {
            offset = Some(self.expr()?);
            self.expect_row_word()?;
            if self.accept_word("FETCH") {
                if !self.accept_word("NEXT") {
                    self.expect_word("FIRST")?;
                }
                fetch = Some(self.expr()?);
                self.expect_row_word()?;
                self.expect_word("ONLY")?;
            }
        }
        let max_recursion = self.query_options()?;
        Ok(Query { with, body, order, offset, fetch, max_recursion })
    }

    fn expect_row_word(&mut self) -> Result<(), SyntaxError> {
        if self.accept_word("ROWS") { Ok(()) } else { self.expect_word("ROW") }
    }

    /// `OPTION (RECOMPILE, MAXDOP 1)`: advice to an optimiser, checked in form only, but for `MAXRECURSION`, which is given
    /// back. `FOR BROWSE` too.
    pub(super) fn query_options(&mut self) -> Result<Option<i32>, SyntaxError> {
        if self.is_word("FOR") && self.is_word_at(1, "BROWSE") {
            self.at += 2;
        }
        if !self.accept_word("OPTION") {
            return Ok(None);
        }
        self.expect("(")?;
        let mut depth = 1;
        let mut max_recursion = None;
        while depth > 0 {
            if self.is_word("MAXRECURSION")
                && let Kind::Integer(digits) = self.kind_at(1)
            {
                max_recursion = digits.parse().ok();
            }
            match self.advance() {
                Kind::Symbol("(") => depth += 1,
                Kind::Symbol(")") => depth -= 1,
                Kind::End => return Err(self.unexpected()),
                _ => {}
            }
        }
        Ok(max_recursion)
    }

    pub(super) fn with(&mut self) -> Result<Vec<Cte>, SyntaxError> {
        self.expect_word("WITH")?;
        self.comma_separated(|parser| {
            let name = parser.identifier()?;
            let columns = if parser.is("(") { parser.name_list()? } else { Vec::new() };
            parser.expect_word("AS")?;
            parser.expect("(")?;
            let query = parser.query()?;
            parser.expect(")")?;
            Ok(Cte { name, columns, query })
        })
    }

    /// `INTERSECT` binds closer than `UNION` and `EXCEPT`.
    fn set_operations(&mut self) -> Result<QueryBody, SyntaxError> {
        let mut left = self.intersections()?;
        loop {
            let op = if self.accept_word("UNION") {
                if self.accept_word("ALL") { SetOp::UnionAll } else { SetOp::Union }
            } else if self.accept_word("EXCEPT") {
                SetOp::Except
            } else {
                return Ok(left);
            };
            left = QueryBody::Set { left: Box::new(left), op, right: Box::new(self.intersections()?) };
        }
    }

    fn intersections(&mut self) -> Result<QueryBody, SyntaxError> {
        let mut left = self.query_term()?;
        while self.accept_word("INTERSECT") {
            left = QueryBody::Set { left: Box::new(left), op: SetOp::Intersect, right: Box::new(self.query_term()?) };
        }
        Ok(left)
    }

    fn query_term(&mut self) -> Result<QueryBody, SyntaxError> {
        if self.accept("(") {
            let body = self.nested(Self::set_operations)?;
            self.expect(")")?;
            return Ok(body);
        }
        Ok(QueryBody::Select(Box::new(self.select()?)))
    }

    fn select(&mut self) -> Result<Select, SyntaxError> {
        self.expect_word("SELECT")?;
        let distinct = self.accept_word("DISTINCT");
        if !distinct {
            self.accept_word("ALL");
        }
        let top = self.top()?;
        let items = self.select_items()?;
        let into = if self.accept_word("INTO") { Some(self.object_name()?) } else { None };
        let from = if self.accept_word("FROM") { self.comma_separated(Self::table_ref)? } else { Vec::new() };
        let filter = if self.accept_word("WHERE") { Some(self.expr()?) } else { None };
        let mut group = Vec::new();
        if self.accept_words(&["GROUP", "BY"]) {
            group = self.comma_separated(Self::expr)?;
        }
        let having = if self.accept_word("HAVING") { Some(self.expr()?) } else { None };
        Ok(Select { distinct, top, items, into, from, filter, group, having })
    }

    pub(super) fn top(&mut self) -> Result<Option<Top>, SyntaxError> {
        if !self.accept_word("TOP") {
            return Ok(None);
        }
        let count = if self.accept("(") {
            let count = self.expr()?;
            self.expect(")")?;
            count
        } else {
            match self.kind() {
                Kind::Integer(_) | Kind::Variable(_) | Kind::Decimal(_) => self.number_or_variable()?,
                _ => return Err(self.unexpected()),
            }
        };
        let percent = self.accept_word("PERCENT");
        let ties = self.accept_words(&["WITH", "TIES"]);
        Ok(Some(Top { count, percent, ties }))
    }

    fn number_or_variable(&mut self) -> Result<super::ast::Expr, SyntaxError> {
        use super::ast::{Expr, Literal};
        Ok(match self.advance() {
            Kind::Integer(digits) => Expr::Literal(Literal::Integer(digits)),
            Kind::Decimal(digits) => Expr::Literal(Literal::Decimal(digits)),
            Kind::Variable(name) => Expr::Variable(name),
            _ => return Err(self.unexpected()),
        })
    }

    pub(super) fn select_items(&mut self) -> Result<Vec<SelectItem>, SyntaxError> {
        self.comma_separated(Self::select_item)
    }

    fn select_item(&mut self) -> Result<SelectItem, SyntaxError> {
        if self.accept("*") {
            return Ok(SelectItem::Star);
        }
        if let Some(prefix) = self.qualified_star() {
            return Ok(SelectItem::QualifiedStar(prefix));
        }
        if matches!(self.kind(), Kind::Variable(name) if !name.starts_with("@@"))
            && let Some(op) = self.assignment_at(1)
        {
            let variable = self.variable()?;
            self.at += 1;
            return Ok(SelectItem::Assign { variable, op, expr: self.expr()? });
        }
        // `alias = expr`
        if self.is_identifier() && self.is_at(1, "=") {
            let alias = self.identifier()?;
            self.at += 1;
            return Ok(SelectItem::Expr { expr: self.expr()?, alias: Some(alias) });
        }
        let expr = self.expr()?;
        let alias = self.column_alias()?;
        Ok(SelectItem::Expr { expr, alias })
    }

    fn column_alias(&mut self) -> Result<Option<String>, SyntaxError> {
        let said = self.accept_word("AS");
        if let Kind::Text { value, .. } = self.kind() {
            let value = value.clone();
            self.at += 1;
            return Ok(Some(value));
        }
        if said || self.is_identifier() {
            return self.identifier().map(Some);
        }
        Ok(None)
    }

    /// `t.*`, `s.t.*`, `db.s.t.*`.
    fn qualified_star(&mut self) -> Option<Vec<String>> {
        let mut ahead = 0;
        while self.is_identifier_at(ahead) && self.is_at(ahead + 1, ".") {
            ahead += 2;
        }
        if ahead == 0 || !self.is_at(ahead, "*") {
            return None;
        }
        let mut parts = Vec::new();
        while !self.is("*") {
            if let Ok(part) = self.identifier() {
                parts.push(part);
            }
            self.accept(".");
        }
        self.at += 1;
        Some(parts)
    }

    /// Whether `=` or `+=` and its like stand so far ahead; the inner is the operation.
    pub(super) fn assignment_at(&self, ahead: usize) -> Option<Option<super::ast::BinaryOp>> {
        use super::ast::BinaryOp;
        let Kind::Symbol(symbol) = self.kind_at(ahead) else { return None };
        Some(match *symbol {
            "=" => None,
            "+=" => Some(BinaryOp::Add),
            "-=" => Some(BinaryOp::Subtract),
            "*=" => Some(BinaryOp::Multiply),
            "/=" => Some(BinaryOp::Divide),
            "%=" => Some(BinaryOp::Modulo),
            "&=" => Some(BinaryOp::BitAnd),
            "|=" => Some(BinaryOp::BitOr),
            "^=" => Some(BinaryOp::BitXor),
            _ => return None,
        })
    }

    pub(super) fn table_ref(&mut self) -> Result<TableRef, SyntaxError> {
        let mut left = self.nested(Self::table_factor)?;
        loop {
            if self.accept_words(&["CROSS", "APPLY"]) {
                let right = Box::new(self.table_factor()?);
                left = TableRef::Apply { left: Box::new(left), right, outer: false };
                continue;
            }
            if self.accept_words(&["OUTER", "APPLY"]) {
                let right = Box::new(self.table_factor()?);
                left = TableRef::Apply { left: Box::new(left), right, outer: true };
                continue;
            }
            let Some(kind) = self.join_kind()? else { return Ok(left) };
            if kind == JoinKind::Cross {
                let right = Box::new(self.table_factor()?);
                left = TableRef::Join { left: Box::new(left), right, kind, on: None };
            } else {
                let right = Box::new(self.nested(Self::table_ref_before_on)?);
                self.expect_word("ON")?;
                let on = Some(self.expr()?);
                left = TableRef::Join { left: Box::new(left), right, kind, on };
            }
        }
    }

    /// The right side of a join: a factor, or a join whose own `ON` comes first.
    fn table_ref_before_on(&mut self) -> Result<TableRef, SyntaxError> {
        let mut left = self.table_factor()?;
        while !self.is_word("ON") {
            let Some(kind) = self.join_kind()? else { return Ok(left) };
            let right = Box::new(self.nested(Self::table_ref_before_on)?);
            let on = if kind == JoinKind::Cross {
                None
            } else {
                self.expect_word("ON")?;
                Some(self.expr()?)
            };
            left = TableRef::Join { left: Box::new(left), right, kind, on };
        }
        Ok(left)
    }

    fn join_kind(&mut self) -> Result<Option<JoinKind>, SyntaxError> {
        if self.accept_words(&["CROSS", "JOIN"]) {
            return Ok(Some(JoinKind::Cross));
        }
        let kind = if self.is_word("JOIN") || self.accept_word("INNER") {
            JoinKind::Inner
        } else if self.accept_word("LEFT") {
            JoinKind::Left
        } else if self.accept_word("RIGHT") {
            JoinKind::Right
        } else if self.accept_word("FULL") {
            JoinKind::Full
        } else {
            return Ok(None);
        };
        self.accept_word("OUTER");
        for advice in ["LOOP", "HASH", "MERGE"] {
            if self.is_word(advice) && self.is_word_at(1, "JOIN") {
                self.at += 1;
            }
        }
        self.expect_word("JOIN")?;
        Ok(Some(kind))
    }

    fn table_factor(&mut self) -> Result<TableRef, SyntaxError> {
        if self.is("(") {
            return self.parenthesised_table();
        }
        if let Kind::Variable(name) = self.kind() {
            let name = name.clone();
            self.at += 1;
            let alias = self.table_alias()?;
            return Ok(TableRef::Variable { name, alias });
        }
        self.accept("::");
        let name = self.object_name()?;
        // `t (NOLOCK)` is a hint of old, anything else in parentheses a call.
        if self.is("(") && !self.is_old_hint() {
            return self.table_function(name);
        }
        let alias = self.table_alias()?;
        let hints = self.hints()?;
        // Hints may come before the alias in old statements.
        let alias = if alias.is_none() { self.table_alias()? } else { alias };
        Ok(TableRef::Named { name, alias, hints })
    }

    fn table_function(&mut self, name: ObjectName) -> Result<TableRef, SyntaxError> {
        self.expect("(")?;
        let arguments = if self.is(")") { Vec::new() } else { self.comma_separated(Self::function_argument)? };
        self.expect(")")?;
        let alias = self.table_alias()?;
        let columns = if alias.is_some() && self.is("(") { self.name_list()? } else { Vec::new() };
        Ok(TableRef::Function { name, arguments, alias, columns })
    }

    fn function_argument(&mut self) -> Result<super::ast::Expr, SyntaxError> {
        if self.accept_word("DEFAULT") {
            return Ok(super::ast::Expr::Literal(super::ast::Literal::Null));
        }
        self.expr()
    }

    fn parenthesised_table(&mut self) -> Result<TableRef, SyntaxError> {
        if self.is_word_at(1, "VALUES") {
            self.at += 2;
            let rows = self.comma_separated(|parser| {
                parser.expect("(")?;
                let row = parser.comma_separated(Self::expr)?;
                parser.expect(")")?;
                Ok(row)
            })?;
            self.expect(")")?;
            let (alias, columns) = self.derived_alias()?;
            return Ok(TableRef::Values { rows, alias, columns });
        }
        if self.starts_query() && self.subquery_ends_here() {
            self.expect("(")?;
            let query = Box::new(self.query()?);
            self.expect(")")?;
            let (alias, columns) = self.derived_alias()?;
            return Ok(TableRef::Derived { query, alias, columns });
        }
        self.expect("(")?;
        let inner = self.nested(Self::table_ref)?;
        self.expect(")")?;
        Ok(inner)
    }

    /// Tells `((SELECT ..) AS a JOIN ..)`, a join, from `((SELECT ..) UNION ..) AS a`, a query.
    fn subquery_ends_here(&self) -> bool {
        if !self.is_at(1, "(") {
            return true;
        }
        let (mut ahead, mut depth) = (2, 1);
        while depth > 0 {
            match self.kind_at(ahead) {
                Kind::Symbol("(") => depth += 1,
                Kind::Symbol(")") => depth -= 1,
                Kind::End => return true,
                _ => {}
            }
            ahead += 1;
        }
        !(self.is_word_at(ahead, "AS") || self.is_identifier_at(ahead))
    }

    fn derived_alias(&mut self) -> Result<(String, Vec<String>), SyntaxError> {
        self.accept_word("AS");
        let alias = self.identifier()?;
        let columns = if self.is("(") { self.name_list()? } else { Vec::new() };
        Ok((alias, columns))
    }

    fn table_alias(&mut self) -> Result<Option<String>, SyntaxError> {
        if self.accept_word("AS") {
            return self.identifier().map(Some);
        }
        // Words that go on after a table and are not reserved.
        let goes_on = self.is_any_word(&["OPTION", "OUTPUT", "OFFSET", "APPLY", "THROW", "GO"])
            || (self.is_word("WITH") && self.is_at(1, "("));
        if self.is_identifier() && !goes_on { self.identifier().map(Some) } else { Ok(None) }
    }

    fn is_old_hint(&self) -> bool {
        matches!(self.kind_at(1), Kind::Word(word) if hint(word).is_some()) && self.is_at(2, ")")
    }

    pub(super) fn hints(&mut self) -> Result<Vec<Hint>, SyntaxError> {
        let with = self.is_word("WITH") && self.is_at(1, "(");
        if !(with || self.is("(") && self.is_old_hint()) {
            return Ok(Vec::new());
        }
        self.accept_word("WITH");
        self.expect("(")?;
        let mut hints = Vec::new();
        loop {
            hints.push(self.hint()?);
            self.accept(",");
            if self.accept(")") {
                return Ok(hints);
            }
        }
    }

    fn hint(&mut self) -> Result<Hint, SyntaxError> {
        if self.accept_word("INDEX") || self.accept_word("FORCESEEK") {
            self.accept("=");
            if self.accept("(") {
                while !self.accept(")") {
                    if self.at_end() {
                        return Err(self.unexpected());
                    }
                    self.at += 1;
                }
            } else if matches!(self.kind(), Kind::Integer(_)) || self.is_identifier() {
                self.at += 1;
            }
            return Ok(Hint::Other);
        }
        let found = match self.kind() {
            Kind::Word(word) => hint(word),
            _ => None,
        };
        match found {
            Some(hint) => {
                self.at += 1;
                Ok(hint)
            }
            None if self.is_identifier() => {
                let name = self.identifier()?;
                let message = format!(
                    "\"{name}\" is not a recognized table hints option. If it is intended as a parameter to a table-valued function or to the CHANGETABLE function, ensure that your database compatibility mode is set to 90."
                );
                Err(SyntaxError { number: 321, message, line: self.line() })
            }
            None => Err(self.unexpected()),
        }
    }
}

fn hint(word: &str) -> Option<Hint> {
    Some(match word.to_ascii_uppercase().as_str() {
        "TABLOCKX" => Hint::TabLockX,
        "TABLOCK" => Hint::TabLock,
        "NOLOCK" | "READUNCOMMITTED" => Hint::NoLock,
        "XLOCK" => Hint::XLock,
        "UPDLOCK" => Hint::UpdLock,
        "HOLDLOCK" | "SERIALIZABLE" | "REPEATABLEREAD" => Hint::HoldLock,
        "NOWAIT" => Hint::NoWait,
        "READPAST" => Hint::ReadPast,
        "ROWLOCK" | "PAGLOCK" | "READCOMMITTED" | "READCOMMITTEDLOCK" | "SNAPSHOT" | "NOEXPAND" | "FORCESCAN"
        | "KEEPIDENTITY" | "KEEPDEFAULTS" | "IGNORE_CONSTRAINTS" | "IGNORE_TRIGGERS" => Hint::Other,
        _ => return None,
    })
}
