//! The arguments of a system procedure.

use crate::{
    data::{Collation, Datum, Length, SqlError, Type},
    session::Parameter,
};

/// Arguments by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arguments<'a> {
    procedure: &'static str,
    given: &'a [Parameter],
}

impl<'a> Arguments<'a> {
    pub(super) fn new(procedure: &'static str, given: &'a [Parameter]) -> Arguments<'a> {
        Arguments { procedure, given }
    }

    /// Given, also as null.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.find(name).is_some_and(|p| !p.default)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        match &self.find(name)?.value {
            Datum::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// 201 if it is not given; 22963 if it is null or empty.
    pub(super) fn required(&self, name: &str) -> Result<String, SqlError> {
        self.must_be_given(name)?;
        self.text(name).filter(|text| !text.is_empty()).ok_or_else(|| {
            SqlError::new(
                22963,
                16,
                1,
                format!(
                    "Parameter '{name}' cannot be null or empty. Specify a value for the named parameter and retry the \
                     operation."
                ),
            )
        })
    }

    pub(super) fn must_be_given(&self, name: &str) -> Result<(), SqlError> {
        if self.is_given(name) {
            return Ok(());
        }
        Err(SqlError::new(
            201,
            16,
            4,
            format!("Procedure or function '{}' expects parameter '{name}', which was not supplied.", self.procedure),
        ))
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.find(name)?.value {
            Datum::Bit(b) => Some(i64::from(b)),
            Datum::TinyInt(n) => Some(i64::from(n)),
            Datum::SmallInt(n) => Some(i64::from(n)),
            Datum::Int(n) => Some(i64::from(n)),
            Datum::BigInt(n) => Some(n),
            _ => None,
        }
    }

    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        match &self.find(name)?.value {
            Datum::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    fn find(&self, name: &str) -> Option<&'a Parameter> {
        self.given.iter().find(|p| p.name.eq_ignore_ascii_case(name))
    }
}

pub(super) fn sysname() -> Type {
    text(128)
}

pub(super) fn text(length: u16) -> Type {
    Type::NVarChar { length: Length::Limited(length), collation: Collation::DEFAULT }
}
