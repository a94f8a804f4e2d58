//! Arguments of the procedures of the catalogue, and the patterns in them.

use crate::data::{Collation, Datum, SqlError};
use crate::sql::function::like;

/// Arguments by their names.
pub(super) struct Arguments(Vec<(String, Datum)>);

impl Arguments {
    /// Gives those by place their names.
    pub(super) fn new(procedure: &str, parameters: &[&str], given: &[(String, Datum)]) -> Result<Arguments, SqlError> {
        let mut named = Vec::with_capacity(given.len());
        for (place, (name, value)) in given.iter().enumerate() {
            let known = if name.is_empty() {
                parameters.get(place).copied()
            } else {
                parameters.iter().copied().find(|parameter| *parameter == name)
            };
            let known = known.ok_or_else(|| unknown(procedure, name))?;
            named.push((known.to_owned(), value.clone()));
        }
        Ok(Arguments(named))
    }

    fn get(&self, name: &str) -> Option<&Datum> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A text that was given and is not null.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Datum::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A number or a bit that was given and is not null.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Datum::Bit(bit) => Some(i64::from(*bit)),
            Datum::TinyInt(number) => Some(i64::from(*number)),
            Datum::SmallInt(number) => Some(i64::from(*number)),
            Datum::Int(number) => Some(i64::from(*number)),
            Datum::BigInt(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether a name fits the argument: as a pattern, or as itself where patterns were switched off; without one
    /// anything does.
    pub(super) fn fits(&self, argument: &str, name: &str) -> bool {
        let Some(pattern) = self.text(argument) else { return true };
        if self.number("@fusepattern") == Some(0) {
            return pattern.eq_ignore_ascii_case(name);
        }
        let values = [Datum::Text(name.to_owned()), Datum::Text(pattern.to_owned())];
        like(&values, Collation::DEFAULT) == Datum::Bit(true)
    }

    /// Whether a name is the argument's; without one anything is.
    pub(super) fn is(&self, argument: &str, name: &str) -> bool {
        self.text(argument).is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
    }
}

fn unknown(procedure: &str, name: &str) -> SqlError {
    if name.is_empty() {
        let message = format!("Procedure or function {procedure} has too many arguments specified.");
        return SqlError::new(8144, 16, 2, message);
    }
    SqlError::new(8145, 16, 1, format!("{name} is not a parameter for procedure {procedure}."))
}
