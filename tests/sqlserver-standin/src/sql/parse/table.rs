//! The content of the parentheses of `CREATE TABLE`: columns, constraints, indexes.

use super::ast::{ColumnDefinition, ColumnKind, Constraint, ConstraintKind, CreateIndex, Expr, ObjectName, TypeName};
use super::lex::Kind;
use super::{Parser, SyntaxError};

pub(super) type TableBody = (Vec<ColumnDefinition>, Vec<Constraint>, Vec<CreateIndex>);

impl Parser<'_> {
    pub(super) fn table_body(&mut self) -> Result<TableBody, SyntaxError> {
        self.expect("(")?;
        let (mut columns, mut constraints, mut indexes) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            if self.is_any_word(&["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]) {
                constraints.push(self.table_constraint()?);
            } else if self.is_word("INDEX") {
                indexes.push(self.inline_index()?);
            } else {
                columns.push(self.column_definition()?);
            }
            if !self.accept(",") || self.is(")") {
                break;
            }
        }
        self.expect(")")?;
        Ok((columns, constraints, indexes))
    }

    fn inline_index(&mut self) -> Result<CreateIndex, SyntaxError> {
        self.expect_word("INDEX")?;
        let name = self.identifier()?;
        let unique = self.accept_word("UNIQUE");
        let clustered = self.clustering().unwrap_or(false);
        let columns = self.key_columns()?;
        Ok(CreateIndex {
            name,
            unique,
            clustered,
            table: ObjectName::bare(String::new()),
            columns,
            included: Vec::new(),
            filter: None,
        })
    }

    pub(super) fn column_definition(&mut self) -> Result<ColumnDefinition, SyntaxError> {
        let name = self.identifier()?;
        let kind = if self.accept_word("AS") {
            self.expect("(")?;
            let expr = self.expr()?;
            self.expect(")")?;
            ColumnKind::Computed { expr, persisted: self.accept_word("PERSISTED") }
        } else if self.is(",") || self.is(")") {
            // `timestamp` alone is a column of that name and type.
            ColumnKind::Typed(TypeName { name: name.clone(), arguments: Vec::new() })
        } else {
            ColumnKind::Typed(self.type_name()?)
        };
        let mut column = ColumnDefinition {
            name,
            kind,
            collation: None,
            nullable: None,
            identity: None,
            default: None,
            rowguidcol: false,
            constraints: Vec::new(),
        };
        while self.column_option(&mut column)? {}
        Ok(column)
    }

    fn column_option(&mut self, column: &mut ColumnDefinition) -> Result<bool, SyntaxError> {
        if self.accept_word("COLLATE") {
            column.collation = Some(self.identifier()?);
        } else if self.accept_words(&["NOT", "NULL"]) {
            column.nullable = Some(false);
        } else if self.accept_word("NULL") {
            column.nullable = Some(true);
        } else if self.accept_word("IDENTITY") {
            column.identity = Some(self.identity()?);
            self.accept_words(&["NOT", "FOR", "REPLICATION"]);
        } else if self.accept_word("ROWGUIDCOL") {
            column.rowguidcol = true;
        } else if self.accept_word("SPARSE") || self.accept_word("PERSISTED") {
        } else {
            return self.column_constraint(column);
        }
        Ok(true)
    }

    fn column_constraint(&mut self, column: &mut ColumnDefinition) -> Result<bool, SyntaxError> {
        let name = if self.accept_word("CONSTRAINT") { Some(self.identifier()?) } else { None };
        if self.accept_word("DEFAULT") {
            column.default = Some((name, self.default_value()?));
            return Ok(true);
        }
        let kind = if self.is_word("PRIMARY") || self.is_word("UNIQUE") {
            let primary = self.key_word()?;
            let clustered = self.clustering();
            self.index_options()?;
            ConstraintKind::Key { primary, clustered, columns: vec![(column.name.clone(), false)] }
        } else if self.is_word("CHECK") {
            self.check()?
        } else if self.is_word("FOREIGN") || self.is_word("REFERENCES") {
            if self.accept_word("FOREIGN") {
                self.expect_word("KEY")?;
            }
            self.references(vec![column.name.clone()])?
        } else if name.is_some() {
            return Err(self.unexpected());
        } else {
            return Ok(false);
        };
        column.constraints.push(Constraint { name, kind });
        Ok(true)
    }

    fn identity(&mut self) -> Result<(String, String), SyntaxError> {
        if !self.accept("(") {
            return Ok(("1".to_owned(), "1".to_owned()));
        }
        let seed = self.signed_number()?;
        self.expect(",")?;
        let increment = self.signed_number()?;
        self.expect(")")?;
        Ok((seed, increment))
    }

    fn signed_number(&mut self) -> Result<String, SyntaxError> {
        let sign = if self.accept("-") { "-" } else { "" };
        self.accept("+");
        Ok(format!("{sign}{}", self.integer()?))
    }

    /// A default: an expression without operators outside parentheses, but for a sign.
    fn default_value(&mut self) -> Result<Expr, SyntaxError> {
        self.expr()
    }

    fn key_word(&mut self) -> Result<bool, SyntaxError> {
        if self.accept_word("PRIMARY") {
            self.expect_word("KEY")?;
            return Ok(true);
        }
        self.expect_word("UNIQUE")?;
        Ok(false)
    }

    pub(super) fn clustering(&mut self) -> Option<bool> {
        if self.accept_word("CLUSTERED") {
            Some(true)
        } else if self.accept_word("NONCLUSTERED") {
            Some(false)
        } else {
            None
        }
    }

    pub(super) fn table_constraint(&mut self) -> Result<Constraint, SyntaxError> {
        let name = if self.accept_word("CONSTRAINT") { Some(self.identifier()?) } else { None };
        let kind = if self.is_word("PRIMARY") || self.is_word("UNIQUE") {
            let primary = self.key_word()?;
            let clustered = self.clustering();
            let columns = self.key_columns()?;
            self.index_options()?;
            ConstraintKind::Key { primary, clustered, columns }
        } else if self.is_word("CHECK") {
            self.check()?
        } else if self.accept_word("FOREIGN") {
            self.expect_word("KEY")?;
            let columns = self.name_list()?;
            self.references(columns)?
        } else if self.accept_word("DEFAULT") {
            let expr = self.default_value()?;
            self.expect_word("FOR")?;
            let column = self.identifier()?;
            ConstraintKind::Default { column, expr }
        } else {
            return Err(self.unexpected());
        };
        Ok(Constraint { name, kind })
    }

    fn check(&mut self) -> Result<ConstraintKind, SyntaxError> {
        self.expect_word("CHECK")?;
        self.expect("(")?;
        let expr = self.expr()?;
        self.expect(")")?;
        Ok(ConstraintKind::Check(expr))
    }

    fn references(&mut self, columns: Vec<String>) -> Result<ConstraintKind, SyntaxError> {
        self.expect_word("REFERENCES")?;
        let table = self.object_name()?;
        let referenced = if self.is("(") { self.name_list()? } else { Vec::new() };
        let mut cascade = false;
        while self.accept_word("ON") {
            let delete = self.accept_word("DELETE");
            if !delete {
                self.expect_word("UPDATE")?;
            }
            if self.accept_word("CASCADE") {
                cascade |= delete;
            } else if !self.accept_words(&["NO", "ACTION"]) {
                return Err(self.unexpected());
            }
        }
        Ok(ConstraintKind::ForeignKey { columns, table, referenced, cascade })
    }

    /// `(a, b DESC)`.
    pub(super) fn key_columns(&mut self) -> Result<Vec<(String, bool)>, SyntaxError> {
        self.expect("(")?;
        let columns = self.comma_separated(|parser| {
            let name = parser.identifier()?;
            let descending = parser.accept_word("DESC");
            if !descending {
                parser.accept_word("ASC");
            }
            Ok((name, descending))
        })?;
        self.expect(")")?;
        Ok(columns)
    }

    /// `WITH (PAD_INDEX = OFF, ..) ON [PRIMARY] TEXTIMAGE_ON x`: how it is kept on disk, which changes no answer.
    pub(super) fn index_options(&mut self) -> Result<(), SyntaxError> {
        if self.is_word("WITH") && self.is_at(1, "(") {
            self.at += 2;
            let mut depth = 1;
            while depth > 0 {
                match self.advance() {
                    Kind::Symbol("(") => depth += 1,
                    Kind::Symbol(")") => depth -= 1,
                    Kind::End => return Err(self.unexpected()),
                    _ => {}
                }
            }
        } else if self.accept_words(&["WITH", "FILLFACTOR"]) {
            self.expect("=")?;
            self.integer()?;
        }
        while self.is_any_word(&["ON", "TEXTIMAGE_ON", "FILESTREAM_ON"]) && self.is_identifier_at(1) {
            self.at += 2;
            if self.is("(") {
                self.name_list()?;
            }
        }
        Ok(())
    }
}
