//! `INSERT`, `UPDATE`, `DELETE` and their `OUTPUT`.

use super::ast::{Assignment, Cte, Delete, Insert, InsertSource, Output, StatementKind, TableRef, Target, Update};
use super::lex::Kind;
use super::{Parser, SyntaxError};

impl Parser<'_> {
    pub(super) fn insert(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("INSERT")?;
        let top = self.top()?;
        self.accept_word("INTO");
        let target = self.target()?;
        let columns = if self.is("(") && !self.starts_query() { self.name_list()? } else { Vec::new() };
        let output = self.output()?;
        let source = self.insert_source()?;
        Ok(StatementKind::Insert(Box::new(Insert { top, target, columns, output, source })))
    }

    fn insert_source(&mut self) -> Result<InsertSource, SyntaxError> {
        if self.accept_words(&["DEFAULT", "VALUES"]) {
            return Ok(InsertSource::Defaults);
        }
        if self.accept_word("VALUES") {
            let rows = self.comma_separated(|parser| {
                parser.expect("(")?;
                let row = parser.comma_separated(|parser| {
                    if parser.accept_word("DEFAULT") { Ok(None) } else { parser.expr().map(Some) }
                })?;
                parser.expect(")")?;
                Ok(row)
            })?;
            self.query_options()?;
            return Ok(InsertSource::Values(rows));
        }
        if self.accept_word("EXEC") || self.accept_word("EXECUTE") {
            return Ok(InsertSource::Execute(Box::new(self.execute()?)));
        }
        if self.starts_query() {
            return Ok(InsertSource::Query(Box::new(self.query()?)));
        }
        Err(self.unexpected())
    }

    pub(super) fn target(&mut self) -> Result<Target, SyntaxError> {
        if matches!(self.kind(), Kind::Variable(_)) {
            return Ok(Target::Variable(self.variable()?));
        }
        let name = self.object_name()?;
        let hints = self.hints()?;
        Ok(Target::Named { name, hints })
    }

    pub(super) fn output(&mut self) -> Result<Option<Output>, SyntaxError> {
        if !self.accept_word("OUTPUT") {
            return Ok(None);
        }
        let items = self.select_items()?;
        let mut into = None;
        if self.accept_word("INTO") {
            let target = self.target()?;
            let columns = if self.is("(") && !self.starts_query() { self.name_list()? } else { Vec::new() };
            into = Some((target, columns));
        }
        Ok(Some(Output { items, into }))
    }

    pub(super) fn update(&mut self, with: Vec<Cte>) -> Result<StatementKind, SyntaxError> {
        self.expect_word("UPDATE")?;
        let top = self.top()?;
        let target = self.target()?;
        self.expect_word("SET")?;
        let sets = self.comma_separated(Self::assignment)?;
        let output = self.output()?;
        let from = self.from()?;
        let filter = if self.accept_word("WHERE") { Some(self.expr()?) } else { None };
        self.query_options()?;
        Ok(StatementKind::Update(Box::new(Update { with, top, target, sets, output, from, filter })))
    }

    pub(super) fn assignment(&mut self) -> Result<Assignment, SyntaxError> {
        let mut variable = None;
        if matches!(self.kind(), Kind::Variable(_)) {
            variable = Some(self.variable()?);
            let names_column = self.is("=") && self.is_identifier_at(1) && self.is_at(2, "=");
            if !names_column {
                let op = self.assignment_at(0).ok_or_else(|| self.unexpected())?;
                self.at += 1;
                return Ok(Assignment { variable, column: None, op, value: Some(self.expr()?) });
            }
            self.at += 1;
        }
        let column = self.name_parts()?.pop();
        let op = self.assignment_at(0).ok_or_else(|| self.unexpected())?;
        self.at += 1;
        let value = if self.accept_word("DEFAULT") { None } else { Some(self.expr()?) };
        Ok(Assignment { variable, column, op, value })
    }

    pub(super) fn delete(&mut self, with: Vec<Cte>) -> Result<StatementKind, SyntaxError> {
        self.expect_word("DELETE")?;
        let top = self.top()?;
        self.accept_word("FROM");
        let target = self.target()?;
        let output = self.output()?;
        let from = self.from()?;
        let filter = if self.accept_word("WHERE") { Some(self.expr()?) } else { None };
        self.query_options()?;
        Ok(StatementKind::Delete(Box::new(Delete { with, top, target, output, from, filter })))
    }

    fn from(&mut self) -> Result<Vec<TableRef>, SyntaxError> {
        if self.accept_word("FROM") { self.comma_separated(Self::table_ref) } else { Ok(Vec::new()) }
    }
}
