//! `MERGE`.

use super::ast::{Merge, MergeAction, MergeThen, MergeWhen, StatementKind};
use super::{Parser, SyntaxError};

impl Parser<'_> {
    pub(super) fn merge(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("MERGE")?;
        self.accept_word("INTO");
        let target = self.target()?;
        let named = self.accept_word("AS") || self.is_identifier() && !self.is_word("USING");
        let alias = if named { Some(self.identifier()?) } else { None };
        self.expect_word("USING")?;
        let source = self.table_ref()?;
        self.expect_word("ON")?;
        let on = self.expr()?;
        let mut actions = vec![self.merge_action()?];
        while self.is_word("WHEN") {
            actions.push(self.merge_action()?);
        }
        let output = self.output()?;
        self.query_options()?;
        if !self.is(";") {
            return Err(SyntaxError::merge_without_end(self.line()));
        }
        Ok(StatementKind::Merge(Box::new(Merge { target, alias, source, on, actions, output })))
    }

    fn merge_action(&mut self) -> Result<MergeAction, SyntaxError> {
        self.expect_word("WHEN")?;
        let matched = !self.accept_word("NOT");
        self.expect_word("MATCHED")?;
        let when = if matched {
            MergeWhen::Matched
        } else if self.accept_words(&["BY", "SOURCE"]) {
            MergeWhen::NotMatchedBySource
        } else {
            self.accept_words(&["BY", "TARGET"]);
            MergeWhen::NotMatchedByTarget
        };
        let condition = if self.accept_word("AND") { Some(self.expr()?) } else { None };
        self.expect_word("THEN")?;
        let then = if when == MergeWhen::NotMatchedByTarget { self.merge_insert()? } else { self.merge_change()? };
        Ok(MergeAction { when, condition, then })
    }

    fn merge_change(&mut self) -> Result<MergeThen, SyntaxError> {
        if self.accept_word("DELETE") {
            return Ok(MergeThen::Delete);
        }
        self.expect_word("UPDATE")?;
        self.expect_word("SET")?;
        self.comma_separated(Self::assignment).map(MergeThen::Update)
    }

    fn merge_insert(&mut self) -> Result<MergeThen, SyntaxError> {
        self.expect_word("INSERT")?;
        let columns = if self.is("(") { self.name_list()? } else { Vec::new() };
        if self.accept_words(&["DEFAULT", "VALUES"]) {
            return Ok(MergeThen::Insert { columns, values: None });
        }
        self.expect_word("VALUES")?;
        self.expect("(")?;
        let values = self
            .comma_separated(|parser| if parser.accept_word("DEFAULT") { Ok(None) } else { parser.expr().map(Some) })?;
        self.expect(")")?;
        Ok(MergeThen::Insert { columns, values: Some(values) })
    }
}
