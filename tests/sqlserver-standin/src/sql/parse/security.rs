//! Logins, users, roles and permissions.

use super::ast::{GrantKind, Securable, StatementKind};
use super::lex::Kind;
use super::{Parser, SyntaxError};

impl Parser<'_> {
    pub(super) fn create_principal(&mut self) -> Result<StatementKind, SyntaxError> {
        if self.accept_word("ROLE") {
            let name = self.identifier()?;
            if self.accept_word("AUTHORIZATION") {
                self.identifier()?;
            }
            return Ok(StatementKind::CreateRole { name });
        }
        if self.accept_word("LOGIN") {
            let name = self.identifier()?;
            if self.accept_words(&["FROM", "WINDOWS"]) {
                return Ok(StatementKind::CreateLogin { name, password: None, database: None });
            }
            self.expect_word("WITH")?;
            let options = self.principal_options()?;
            let password = option(&options, "PASSWORD");
            return Ok(StatementKind::CreateLogin { name, password, database: option(&options, "DEFAULT_DATABASE") });
        }
        self.expect_word("USER")?;
        let name = self.identifier()?;
        let mut login = None;
        let without = self.accept_words(&["WITHOUT", "LOGIN"]);
        if !without {
            login = Some(name.clone());
        }
        if self.accept_word("FOR") || self.accept_word("FROM") {
            self.expect_word("LOGIN")?;
            login = Some(self.identifier()?);
        }
        let options = if self.accept_word("WITH") { self.principal_options()? } else { Vec::new() };
        Ok(StatementKind::CreateUser { name, login, schema: option(&options, "DEFAULT_SCHEMA") })
    }

    /// `PASSWORD = N'x', CHECK_POLICY = OFF`.
    fn principal_options(&mut self) -> Result<Vec<(String, String)>, SyntaxError> {
        self.comma_separated(|parser| {
            let Kind::Word(name) = parser.advance() else { return Err(parser.unexpected()) };
            parser.expect("=")?;
            let value = match parser.advance() {
                Kind::Text { value, .. } | Kind::Word(value) | Kind::Quoted(value) => value,
                Kind::Binary(_) => String::new(),
                _ => return Err(parser.unexpected()),
            };
            parser.accept_word("MUST_CHANGE");
            Ok((name.to_ascii_uppercase(), value))
        })
    }

    pub(super) fn alter_principal(&mut self) -> Result<StatementKind, SyntaxError> {
        let server = self.accept_words(&["SERVER", "ROLE"]);
        if server || self.accept_word("ROLE") {
            let role = self.identifier()?;
            let add = self.accept_word("ADD");
            if !add {
                self.expect_word("DROP")?;
            }
            self.expect_word("MEMBER")?;
            return Ok(StatementKind::AlterRole { server, role, member: self.identifier()?, add });
        }
        if self.accept_word("LOGIN") {
            let name = self.identifier()?;
            if self.accept_word("ENABLE") {
                return Ok(StatementKind::AlterLogin { name, password: None, enabled: Some(true) });
            }
            if self.accept_word("DISABLE") {
                return Ok(StatementKind::AlterLogin { name, password: None, enabled: Some(false) });
            }
            self.expect_word("WITH")?;
            let options = self.principal_options()?;
            return Ok(StatementKind::AlterLogin { name, password: option(&options, "PASSWORD"), enabled: None });
        }
        Err(self.unexpected())
    }

    pub(super) fn permission(&mut self) -> Result<StatementKind, SyntaxError> {
        let kind = if self.accept_word("GRANT") {
            GrantKind::Grant
        } else if self.accept_word("DENY") {
            GrantKind::Deny
        } else {
            self.expect_word("REVOKE")?;
            self.accept_words(&["GRANT", "OPTION", "FOR"]);
            GrantKind::Revoke
        };
        let permissions = self.comma_separated(Self::permission_name)?;
        let on = if self.accept_word("ON") { self.securable()? } else { Self::implied_securable(&permissions) };
        if !self.accept_word("TO") {
            self.expect_word("FROM")?;
        }
        let to = self.comma_separated(|parser| {
            if parser.accept_word("PUBLIC") { Ok("public".to_owned()) } else { parser.identifier() }
        })?;
        self.accept_words(&["WITH", "GRANT"]);
        self.accept_word("OPTION");
        self.accept_word("CASCADE");
        Ok(StatementKind::Permission { kind, permissions, on, to })
    }

    /// `SELECT`, `VIEW SERVER STATE`, `ALL PRIVILEGES`.
    fn permission_name(&mut self) -> Result<String, SyntaxError> {
        let mut words = Vec::new();
        while let Kind::Word(word) = self.kind().clone() {
            if self.is_any_word(&["ON", "TO", "FROM"]) {
                break;
            }
            words.push(word.to_ascii_uppercase());
            self.at += 1;
        }
        if words.is_empty() { Err(self.unexpected()) } else { Ok(words.join(" ")) }
    }

    fn securable(&mut self) -> Result<Securable, SyntaxError> {
        if self.is_word("SCHEMA") && self.is_at(1, "::") {
            self.at += 2;
            return Ok(Securable::Schema(self.identifier()?));
        }
        if self.is_word("DATABASE") && self.is_at(1, "::") {
            self.at += 2;
            self.identifier()?;
            return Ok(Securable::Database);
        }
        if self.is_word("OBJECT") && self.is_at(1, "::") {
            self.at += 2;
        }
        let name = self.object_name()?;
        let columns = if self.is("(") { self.name_list()? } else { Vec::new() };
        Ok(Securable::Object(name, columns))
    }

    fn implied_securable(permissions: &[String]) -> Securable {
        let server = permissions.iter().any(|name| name.contains("SERVER") || name.contains("ANY DATABASE"));
        if server { Securable::Server } else { Securable::Database }
    }
}

fn option(options: &[(String, String)], name: &str) -> Option<String> {
    options.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
}
