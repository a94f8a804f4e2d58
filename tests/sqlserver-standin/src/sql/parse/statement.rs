//! Statements: which one begins here, and the small ones.

use super::ast::{
    Argument, Declared, Execute, Executed, Expr, Isolation, ObjectName, SetStatement, Statement, StatementKind,
};
use super::lex::Kind;
use super::{Parser, SyntaxError};

/// `SET` options that are on or off.
const SWITCHES: [&str; 22] = [
    "ANSI_DEFAULTS",
    "ANSI_NULLS",
    "ANSI_NULL_DFLT_ON",
    "ANSI_NULL_DFLT_OFF",
    "ANSI_PADDING",
    "ANSI_WARNINGS",
    "ARITHABORT",
    "ARITHIGNORE",
    "CONCAT_NULL_YIELDS_NULL",
    "CURSOR_CLOSE_ON_COMMIT",
    "FMTONLY",
    "FORCEPLAN",
    "IMPLICIT_TRANSACTIONS",
    "NOCOUNT",
    "NOEXEC",
    "NUMERIC_ROUNDABORT",
    "PARSEONLY",
    "QUOTED_IDENTIFIER",
    "REMOTE_PROC_TRANSACTIONS",
    "SHOWPLAN_TEXT",
    "XACT_ABORT",
    "NO_BROWSETABLE",
];
/// `SET` options with a value.
const VALUES: [&str; 8] = [
    "LOCK_TIMEOUT",
    "DATEFORMAT",
    "LANGUAGE",
    "DATEFIRST",
    "TEXTSIZE",
    "ROWCOUNT",
    "DEADLOCK_PRIORITY",
    "CONTEXT_INFO",
];

impl Parser<'_> {
    pub(super) fn statement(&mut self) -> Result<Statement, SyntaxError> {
        let line = self.line();
        let kind = self.nested(Self::statement_kind)?;
        self.accept(";");
        Ok(Statement { line, kind })
    }

    fn statement_kind(&mut self) -> Result<StatementKind, SyntaxError> {
        if self.is("(") && self.starts_query() {
            return Ok(StatementKind::Query(Box::new(self.query()?)));
        }
        let Kind::Word(word) = self.kind().clone() else {
            return self.implicit_execute();
        };
        match word.to_ascii_uppercase().as_str() {
            "SELECT" => Ok(StatementKind::Query(Box::new(self.query()?))),
            "WITH" => self.with_statement(),
            "INSERT" => self.insert(),
            "UPDATE" if !self.is_word_at(1, "STATISTICS") => self.update(Vec::new()),
            "DELETE" => self.delete(Vec::new()),
            "MERGE" => self.merge(),
            "TRUNCATE" => self.truncate(),
            "DECLARE" => self.declare(),
            "SET" => self.set(),
            "IF" => self.if_statement(),
            "WHILE" => self.while_statement(),
            "BEGIN" => self.begin(),
            "BREAK" => Ok(self.simple(StatementKind::Break)),
            "CONTINUE" => Ok(self.simple(StatementKind::Continue)),
            "RETURN" => self.return_statement(),
            "PRINT" => {
                self.at += 1;
                Ok(StatementKind::Print(self.expr()?))
            }
            "RAISERROR" => self.raise_error(),
            "THROW" => self.throw(),
            "WAITFOR" => self.wait_for(),
            "COMMIT" => self.commit(),
            "ROLLBACK" => self.rollback(),
            "SAVE" => self.save(),
            "USE" => {
                self.at += 1;
                Ok(StatementKind::Use(self.identifier()?))
            }
            "EXEC" | "EXECUTE" => {
                self.at += 1;
                Ok(StatementKind::Execute(Box::new(self.execute()?)))
            }
            "CREATE" => self.create(),
            "ALTER" => self.alter(),
            "DROP" => self.drop_statement(),
            "GRANT" | "DENY" | "REVOKE" => self.permission(),
            "KILL" => {
                self.at += 1;
                Ok(StatementKind::Kill(self.expr()?))
            }
            "CHECKPOINT" => Ok(self.simple(StatementKind::Checkpoint)),
            _ => self.implicit_execute(),
        }
    }

    fn simple(&mut self, kind: StatementKind) -> StatementKind {
        self.at += 1;
        kind
    }

    /// The first statement of a batch may call a procedure without `EXEC`.
    fn implicit_execute(&mut self) -> Result<StatementKind, SyntaxError> {
        if self.at != 0 || !self.is_identifier() {
            return Err(self.unexpected());
        }
        let follows = self.kind_at(1);
        let alone = matches!(follows, Kind::End | Kind::Symbol("." | ";") | Kind::Variable(_) | Kind::Text { .. });
        if !alone && !matches!(follows, Kind::Integer(_) | Kind::Quoted(_)) {
            return Err(SyntaxError::near(self.shown(1).as_str(), self.line()));
        }
        Ok(StatementKind::Execute(Box::new(self.execute()?)))
    }

    fn shown(&self, ahead: usize) -> String {
        let token = &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)];
        self.text.get(token.start..token.end).unwrap_or_default().to_owned()
    }

    fn with_statement(&mut self) -> Result<StatementKind, SyntaxError> {
        let with = self.with()?;
        if self.is_word("UPDATE") {
            return self.update(with);
        }
        if self.is_word("DELETE") {
            return self.delete(with);
        }
        if self.is_word("INSERT") {
            let StatementKind::Insert(mut insert) = self.insert()? else { return Err(self.unexpected()) };
            if let super::ast::InsertSource::Query(query) = &mut insert.source {
                query.with.splice(0..0, with);
            }
            return Ok(StatementKind::Insert(insert));
        }
        Ok(StatementKind::Query(Box::new(self.query_after(with)?)))
    }

    fn declare(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("DECLARE")?;
        let declared = self.comma_separated(|parser| {
            let name = parser.variable()?;
            parser.accept_word("AS");
            if parser.accept_word("TABLE") {
                let (columns, constraints, _) = parser.table_body()?;
                return Ok(Declared::Table { name, columns, constraints });
            }
            let to = parser.type_name()?;
            let value = if parser.accept("=") { Some(parser.expr()?) } else { None };
            Ok(Declared::Scalar { name, to, value })
        })?;
        Ok(StatementKind::Declare(declared))
    }

    fn set(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("SET")?;
        if matches!(self.kind(), Kind::Variable(_)) {
            let name = self.variable()?;
            let op = self.assignment_at(0).ok_or_else(|| self.unexpected())?;
            self.at += 1;
            return Ok(StatementKind::Set(SetStatement::Variable { name, op, value: self.expr()? }));
        }
        if self.accept_words(&["TRANSACTION", "ISOLATION", "LEVEL"]) {
            return Ok(StatementKind::Set(SetStatement::Isolation(self.isolation()?)));
        }
        if self.accept_word("IDENTITY_INSERT") {
            let table = self.object_name()?;
            return Ok(StatementKind::Set(SetStatement::IdentityInsert { table, on: self.on_off()? }));
        }
        if self.accept_word("STATISTICS") {
            self.comma_separated(|parser| {
                parser.at += 1;
                Ok(())
            })?;
            let on = self.on_off()?;
            return Ok(StatementKind::Set(SetStatement::Options { names: vec!["STATISTICS".to_owned()], on }));
        }
        let Kind::Word(word) = self.kind().clone() else { return Err(self.unexpected()) };
        let name = word.to_ascii_uppercase();
        if VALUES.contains(&name.as_str()) {
            self.at += 1;
            return Ok(StatementKind::Set(SetStatement::Value { name, value: self.set_value()? }));
        }
        let names = self.comma_separated(|parser| match parser.kind().clone() {
            Kind::Word(word) if SWITCHES.contains(&word.to_ascii_uppercase().as_str()) => {
                parser.at += 1;
                Ok(word.to_ascii_uppercase())
            }
            Kind::Word(word) => {
                let message = format!("'{word}' is not a recognized SET option.");
                Err(SyntaxError { number: 195, message, line: parser.line() })
            }
            _ => Err(parser.unexpected()),
        })?;
        Ok(StatementKind::Set(SetStatement::Options { names, on: self.on_off()? }))
    }

    /// A value, where a bare word means its text: `SET DATEFORMAT ymd`.
    fn set_value(&mut self) -> Result<Expr, SyntaxError> {
        if self.is_identifier() {
            let value = self.identifier()?;
            return Ok(Expr::Literal(super::ast::Literal::Text { value, national: true }));
        }
        self.expr()
    }

    pub(super) fn on_off(&mut self) -> Result<bool, SyntaxError> {
        if self.accept_word("ON") {
            return Ok(true);
        }
        self.expect_word("OFF")?;
        Ok(false)
    }

    fn isolation(&mut self) -> Result<Isolation, SyntaxError> {
        for (words, level) in [
            (&["READ", "UNCOMMITTED"][..], Isolation::ReadUncommitted),
            (&["READ", "COMMITTED"][..], Isolation::ReadCommitted),
            (&["REPEATABLE", "READ"][..], Isolation::RepeatableRead),
            (&["SNAPSHOT"][..], Isolation::Snapshot),
            (&["SERIALIZABLE"][..], Isolation::Serializable),
        ] {
            if self.accept_words(words) {
                return Ok(level);
            }
        }
        Err(self.unexpected())
    }

    fn if_statement(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("IF")?;
        let condition = self.expr()?;
        let then = Box::new(self.statement()?);
        let otherwise = if self.accept_word("ELSE") { Some(Box::new(self.statement()?)) } else { None };
        Ok(StatementKind::If { condition, then, otherwise })
    }

    fn while_statement(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("WHILE")?;
        let condition = self.expr()?;
        Ok(StatementKind::While { condition, body: Box::new(self.statement()?) })
    }

    fn begin(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("BEGIN")?;
        self.accept_word("DISTRIBUTED");
        if self.accept_word("TRAN") || self.accept_word("TRANSACTION") {
            return Ok(StatementKind::Begin(self.transaction_name()?));
        }
        if self.accept_word("TRY") {
            let attempt = self.statements_until(&["END", "TRY"])?;
            self.skip_semicolons();
            if !self.accept_words(&["BEGIN", "CATCH"]) {
                return Err(self.unexpected());
            }
            let handler = self.statements_until(&["END", "CATCH"])?;
            return Ok(StatementKind::TryCatch { attempt, handler });
        }
        let block = self.statements_until(&["END"])?;
        if block.is_empty() {
            return Err(SyntaxError::near("END", self.line()));
        }
        Ok(StatementKind::Block(block))
    }

    fn statements_until(&mut self, end: &[&str]) -> Result<Vec<Statement>, SyntaxError> {
        let mut statements = Vec::new();
        loop {
            self.skip_semicolons();
            if self.accept_words(end) {
                return Ok(statements);
            }
            if self.at_end() {
                return Err(self.unexpected());
            }
            statements.push(self.statement()?);
        }
    }

    /// A transaction's or savepoint's name; names in variables are kept with their `@`.
    fn transaction_name(&mut self) -> Result<Option<String>, SyntaxError> {
        if matches!(self.kind(), Kind::Variable(name) if !name.starts_with("@@")) {
            return self.variable().map(Some);
        }
        let begins_statement = self.is_any_word(&["THROW", "GO"]);
        if self.is_identifier() && !begins_statement {
            let name = self.identifier()?;
            if self.accept_words(&["WITH", "MARK"]) && matches!(self.kind(), Kind::Text { .. }) {
                self.at += 1;
            }
            return Ok(Some(name));
        }
        Ok(None)
    }

    fn commit(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("COMMIT")?;
        if self.accept_word("TRAN") || self.accept_word("TRANSACTION") {
            self.transaction_name()?;
        } else {
            self.accept_word("WORK");
        }
        if self.accept_word("WITH") {
            self.expect("(")?;
            self.expect_word("DELAYED_DURABILITY")?;
            self.expect("=")?;
            self.on_off()?;
            self.expect(")")?;
        }
        Ok(StatementKind::Commit)
    }

    fn rollback(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("ROLLBACK")?;
        if self.accept_word("TRAN") || self.accept_word("TRANSACTION") {
            return Ok(StatementKind::Rollback(self.transaction_name()?));
        }
        self.accept_word("WORK");
        Ok(StatementKind::Rollback(None))
    }

    fn save(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("SAVE")?;
        if !self.accept_word("TRAN") {
            self.expect_word("TRANSACTION")?;
        }
        self.transaction_name()?.map(StatementKind::Save).ok_or_else(|| self.unexpected())
    }

    fn return_statement(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("RETURN")?;
        let ends = match self.kind() {
            Kind::End | Kind::Symbol(";") => true,
            Kind::Word(word) => super::is_reserved(word),
            _ => false,
        };
        Ok(StatementKind::Return(if ends { None } else { Some(self.expr()?) }))
    }

    fn raise_error(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("RAISERROR")?;
        self.expect("(")?;
        let message = self.expr()?;
        self.expect(",")?;
        let severity = self.expr()?;
        self.expect(",")?;
        let state = self.expr()?;
        let arguments = if self.accept(",") { self.comma_separated(Self::expr)? } else { Vec::new() };
        self.expect(")")?;
        if self.accept_word("WITH") {
            self.comma_separated(Self::identifier)?;
        }
        Ok(StatementKind::RaiseError { message, severity, state, arguments })
    }

    fn throw(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("THROW")?;
        if self.at_end() || self.is(";") || self.is_word("END") {
            return Ok(StatementKind::Throw(None));
        }
        let number = self.expr()?;
        self.expect(",")?;
        let message = self.expr()?;
        self.expect(",")?;
        let state = self.expr()?;
        Ok(StatementKind::Throw(Some(Box::new((number, message, state)))))
    }

    fn wait_for(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("WAITFOR")?;
        self.expect_word("DELAY")?;
        Ok(StatementKind::WaitForDelay(self.expr()?))
    }

    pub(super) fn execute(&mut self) -> Result<Execute, SyntaxError> {
        if self.accept("(") {
            let text = self.expr()?;
            self.expect(")")?;
            return Ok(Execute { status: None, what: Executed::Text(text), arguments: Vec::new() });
        }
        let mut status = None;
        if matches!(self.kind(), Kind::Variable(_)) && self.is_at(1, "=") {
            status = Some(self.variable()?);
            self.at += 1;
        }
        let what = if matches!(self.kind(), Kind::Variable(_)) {
            Executed::Variable(self.variable()?)
        } else {
            Executed::Procedure(self.object_name()?)
        };
        let mut arguments = Vec::new();
        if self.starts_argument() {
            arguments = self.comma_separated(Self::argument)?;
        }
        if self.accept_words(&["WITH", "RECOMPILE"]) {
            return Ok(Execute { status, what, arguments });
        }
        Ok(Execute { status, what, arguments })
    }

    fn starts_argument(&self) -> bool {
        match self.kind() {
            Kind::Variable(_) | Kind::Text { .. } | Kind::Integer(_) | Kind::Decimal(_) | Kind::Float(_) => true,
            Kind::Money(_) | Kind::Binary(_) | Kind::Quoted(_) | Kind::Symbol("-" | "+") => true,
            Kind::Word(word) => {
                word.eq_ignore_ascii_case("NULL")
                    || word.eq_ignore_ascii_case("DEFAULT")
                    || (!super::is_reserved(word) && !self.is_any_word(&["THROW", "GO"]))
            }
            Kind::Symbol(_) | Kind::End => false,
        }
    }

    fn argument(&mut self) -> Result<Argument, SyntaxError> {
        let mut name = None;
        if matches!(self.kind(), Kind::Variable(_)) && self.is_at(1, "=") {
            name = Some(self.variable()?);
            self.at += 1;
        }
        if self.accept_word("DEFAULT") {
            return Ok(Argument { name, value: None, output: false });
        }
        // A bare word is a text: `EXEC sp_help orders`.
        let value = if self.is_identifier() {
            let value = self.identifier()?;
            Expr::Literal(super::ast::Literal::Text { value, national: true })
        } else {
            self.expr()?
        };
        let output = self.accept_word("OUTPUT") || self.accept_word("OUT");
        Ok(Argument { name, value: Some(value), output })
    }

    fn truncate(&mut self) -> Result<StatementKind, SyntaxError> {
        self.expect_word("TRUNCATE")?;
        self.expect_word("TABLE")?;
        let name: ObjectName = self.object_name()?;
        Ok(StatementKind::Truncate(name))
    }
}
