//! `CREATE`, `ALTER` and `DROP` of databases, schemas, tables, indexes and views.

use super::ast::{AlterTable, CreateIndex, CreateTable, DatabaseOption, DropKind, StatementKind};
use super::lex::Kind;
use super::{Parser, SyntaxError};

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Result<StatementKind, SyntaxError> {
        let first = self.at;
        self.expect_word("CREATE")?;
        let replace = self.accept_words(&["OR", "ALTER"]);
        if self.accept_word("TABLE") {
            return self.create_table();
        }
        if self.accept_word("VIEW") {
            return self.create_view(first, replace);
        }
        if self.accept_word("SCHEMA") {
            let name = if self.is_word("AUTHORIZATION") { None } else { Some(self.identifier()?) };
            let owner = if self.accept_word("AUTHORIZATION") { Some(self.identifier()?) } else { None };
            let name = name.or_else(|| owner.clone()).ok_or_else(|| self.unexpected())?;
            return Ok(StatementKind::CreateSchema { name, owner });
        }
        if self.accept_word("TYPE") {
            return self.create_type();
        }
        if self.accept_word("DATABASE") {
            return self.create_database();
        }
        if self.is_any_word(&["LOGIN", "USER", "ROLE"]) {
            return self.create_principal();
        }
        let unique = self.accept_word("UNIQUE");
        let clustered = self.clustering().unwrap_or(false);
        if self.accept_word("INDEX") {
            return self.create_index(unique, clustered);
        }
        Err(self.unexpected())
    }

    fn create_table(&mut self) -> Result<StatementKind, SyntaxError> {
        let name = self.object_name()?;
        let (columns, constraints, indexes) = self.table_body()?;
        self.index_options()?;
        // Options may stand on either side of the file group.
        self.index_options()?;
        Ok(StatementKind::CreateTable(Box::new(CreateTable { name, columns, constraints, indexes })))
    }

    fn create_view(&mut self, first: usize, replace: bool) -> Result<StatementKind, SyntaxError> {
        let name = self.object_name()?;
        let columns = if self.is("(") { self.name_list()? } else { Vec::new() };
        if self.accept_word("WITH") {
            self.comma_separated(Self::identifier)?;
        }
        self.expect_word("AS")?;
        let query = Box::new(self.query()?);
        self.accept_words(&["WITH", "CHECK"]);
        self.accept_word("OPTION");
        Ok(StatementKind::CreateView { name, columns, query, text: self.text_since(first), replace })
    }

    fn create_type(&mut self) -> Result<StatementKind, SyntaxError> {
        let name = self.object_name()?;
        self.expect_word("FROM")?;
        let base = self.type_name()?;
        let nullable = !self.accept_words(&["NOT", "NULL"]);
        if nullable {
            self.accept_word("NULL");
        }
        Ok(StatementKind::CreateType { name, base, nullable })
    }

    fn create_database(&mut self) -> Result<StatementKind, SyntaxError> {
        let name = self.identifier()?;
        let mut collation = None;
        // Files and their sizes are the storage's own business here.
        while !self.at_end() && !self.is(";") {
            if self.accept_word("COLLATE") {
                collation = Some(self.identifier()?);
            } else if self.is_any_word(&["ON", "LOG", "WITH", "CONTAINMENT"]) {
                self.skip_file_options()?;
            } else {
                break;
            }
        }
        Ok(StatementKind::CreateDatabase { name, collation })
    }

    fn skip_file_options(&mut self) -> Result<(), SyntaxError> {
        self.at += 1;
        let mut depth = 0;
        loop {
            match self.kind() {
                Kind::Symbol("(") => depth += 1,
                Kind::Symbol(")") => depth -= 1,
                Kind::Symbol(";") if depth == 0 => return Ok(()),
                Kind::End if depth > 0 => return Err(self.unexpected()),
                Kind::End => return Ok(()),
                _ if depth == 0 && self.is_any_word(&["COLLATE", "LOG", "WITH"]) => return Ok(()),
                _ if depth == 0 && starts_statement(self) => return Ok(()),
                _ => {}
            }
            self.at += 1;
        }
    }

    fn create_index(&mut self, unique: bool, clustered: bool) -> Result<StatementKind, SyntaxError> {
        let name = self.identifier()?;
        self.expect_word("ON")?;
        let table = self.object_name()?;
        let columns = self.key_columns()?;
        let included = if self.accept_word("INCLUDE") { self.name_list()? } else { Vec::new() };
        let filter = if self.accept_word("WHERE") { Some(self.expr()?) } else { None };
        self.index_options()?;
        let index = CreateIndex { name, unique, clustered, table, columns, included, filter };
        Ok(StatementKind::CreateIndex(Box::new(index)))
    }

    pub(super) fn alter(&mut self) -> Result<StatementKind, SyntaxError> {
        let first = self.at;
        self.expect_word("ALTER")?;
        if self.accept_word("TABLE") {
            let table = self.object_name()?;
            let change = Box::new(self.alter_table()?);
            return Ok(StatementKind::AlterTable { table, change, text: self.text_since(first) });
        }
        if self.accept_word("DATABASE") {
            return self.alter_database();
        }
        if self.accept_word("VIEW") {
            return self.create_view(first, true);
        }
        self.alter_principal()
    }

    fn alter_table(&mut self) -> Result<AlterTable, SyntaxError> {
        if self.accept_words(&["ALTER", "COLUMN"]) {
            let name = self.identifier()?;
            let to = self.type_name()?;
            let collation = if self.accept_word("COLLATE") { Some(self.identifier()?) } else { None };
            let nullable = if self.accept_words(&["NOT", "NULL"]) {
                Some(false)
            } else if self.accept_word("NULL") {
                Some(true)
            } else {
                None
            };
            return Ok(AlterTable::AlterColumn { name, to, nullable, collation });
        }
        let _checked = self.accept_words(&["WITH", "CHECK"]) || self.accept_words(&["WITH", "NOCHECK"]);
        if self.accept_word("ADD") {
            return self.alter_add();
        }
        if self.accept_word("DROP") {
            return self.alter_drop();
        }
        if self.accept_words(&["CHECK", "CONSTRAINT"]) || self.accept_words(&["NOCHECK", "CONSTRAINT"]) {
            if !self.accept_word("ALL") {
                self.comma_separated(Self::identifier)?;
            }
            return Ok(AlterTable::Nothing);
        }
        if self.accept_words(&["ENABLE", "TRIGGER"]) || self.accept_words(&["DISABLE", "TRIGGER"]) {
            if !self.accept_word("ALL") {
                self.identifier()?;
            }
            return Ok(AlterTable::Nothing);
        }
        if self.accept_word("REBUILD") {
            self.index_options()?;
            return Ok(AlterTable::Nothing);
        }
        if self.accept_word("SET") {
            self.expect("(")?;
            self.expect_word("LOCK_ESCALATION")?;
            self.expect("=")?;
            self.at += 1;
            self.expect(")")?;
            return Ok(AlterTable::Nothing);
        }
        Err(self.unexpected())
    }

    fn alter_add(&mut self) -> Result<AlterTable, SyntaxError> {
        let (mut columns, mut constraints) = (Vec::new(), Vec::new());
        loop {
            if self.is_any_word(&["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "DEFAULT"]) {
                constraints.push(self.table_constraint()?);
            } else {
                columns.push(self.column_definition()?);
            }
            if !self.accept(",") {
                return Ok(AlterTable::AddColumns { columns, constraints });
            }
        }
    }

    fn alter_drop(&mut self) -> Result<AlterTable, SyntaxError> {
        let column = self.accept_word("COLUMN");
        if !column {
            self.accept_word("CONSTRAINT");
        }
        let if_exists = self.accept_words(&["IF", "EXISTS"]);
        let names = self.comma_separated(|parser| {
            parser.accept_word("COLUMN");
            parser.accept_word("CONSTRAINT");
            parser.identifier()
        })?;
        Ok(if column {
            AlterTable::DropColumns { names, if_exists }
        } else {
            AlterTable::DropConstraints { names, if_exists }
        })
    }

    fn alter_database(&mut self) -> Result<StatementKind, SyntaxError> {
        let name = if self.accept_word("CURRENT") { None } else { Some(self.identifier()?) };
        if self.accept_word("COLLATE") {
            let options = vec![DatabaseOption::Collate(self.identifier()?)];
            return Ok(StatementKind::AlterDatabase { name, options });
        }
        if self.accept_words(&["MODIFY", "NAME"]) {
            self.expect("=")?;
            let options = vec![DatabaseOption::ModifyName(self.identifier()?)];
            return Ok(StatementKind::AlterDatabase { name, options });
        }
        self.expect_word("SET")?;
        let options = self.comma_separated(Self::database_option)?;
        if self.accept_word("WITH") {
            // How open sessions are dealt with.
            if self.accept_words(&["ROLLBACK", "AFTER"]) {
                self.integer()?;
                self.accept_word("SECONDS");
            } else if !self.accept_words(&["ROLLBACK", "IMMEDIATE"]) && !self.accept_word("NO_WAIT") {
                return Err(self.unexpected());
            }
        }
        Ok(StatementKind::AlterDatabase { name, options })
    }

    fn database_option(&mut self) -> Result<DatabaseOption, SyntaxError> {
        let Kind::Word(word) = self.kind().clone() else { return Err(self.unexpected()) };
        self.at += 1;
        Ok(match word.to_ascii_uppercase().as_str() {
            "ALLOW_SNAPSHOT_ISOLATION" => DatabaseOption::SnapshotIsolation(self.on_off()?),
            "READ_COMMITTED_SNAPSHOT" => DatabaseOption::ReadCommittedSnapshot(self.on_off()?),
            "READ_ONLY" => DatabaseOption::ReadOnly(true),
            "READ_WRITE" => DatabaseOption::ReadOnly(false),
            "COMPATIBILITY_LEVEL" => {
                self.expect("=")?;
                DatabaseOption::Compatibility(u32::try_from(self.integer()?).map_err(|_| self.unexpected())?)
            }
            "RECOVERY" => match self.advance() {
                Kind::Word(model) => DatabaseOption::Recovery(model.to_ascii_uppercase()),
                _ => return Err(self.unexpected()),
            },
            "MULTI_USER" | "SINGLE_USER" | "RESTRICTED_USER" | "ONLINE" => DatabaseOption::Nothing,
            "AUTO_CLOSE"
            | "AUTO_SHRINK"
            | "AUTO_CREATE_STATISTICS"
            | "AUTO_UPDATE_STATISTICS"
            | "ANSI_NULLS"
            | "ANSI_NULL_DEFAULT"
            | "ANSI_PADDING"
            | "ANSI_WARNINGS"
            | "ARITHABORT"
            | "QUOTED_IDENTIFIER"
            | "RECURSIVE_TRIGGERS"
            | "TRUSTWORTHY"
            | "DB_CHAINING"
            | "CONCAT_NULL_YIELDS_NULL" => {
                self.on_off()?;
                DatabaseOption::Nothing
            }
            "PAGE_VERIFY" | "CURSOR_DEFAULT" | "PARAMETERIZATION" => {
                self.at += 1;
                DatabaseOption::Nothing
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected());
            }
        })
    }

    pub(super) fn drop_statement(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("DROP")?;
        if self.accept_word("INDEX") {
            let if_exists = self.accept_words(&["IF", "EXISTS"]);
            let name = self.identifier()?;
            self.expect_word("ON")?;
            return Ok(StatementKind::DropIndex { name, table: self.object_name()?, if_exists });
        }
        for (word, kind) in [
            ("TABLE", DropKind::Table),
            ("VIEW", DropKind::View),
            ("TYPE", DropKind::Type),
            ("SCHEMA", DropKind::Schema),
            ("DATABASE", DropKind::Database),
            ("USER", DropKind::User),
            ("LOGIN", DropKind::Login),
            ("ROLE", DropKind::Role),
            ("PROCEDURE", DropKind::Procedure),
            ("PROC", DropKind::Procedure),
        ] {
            if self.accept_word(word) {
                let if_exists = self.accept_words(&["IF", "EXISTS"]);
                let names = self.comma_separated(Self::object_name)?;
                return Ok(StatementKind::Drop { kind, names, if_exists });
            }
        }
        Err(self.unexpected())
    }
}

fn starts_statement(parser: &Parser<'_>) -> bool {
    parser.is_any_word(&["CREATE", "ALTER", "USE", "SELECT", "EXEC", "EXECUTE", "DROP", "IF", "DECLARE", "INSERT"])
}
