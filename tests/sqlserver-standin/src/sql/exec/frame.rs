//! The variables of a batch or a procedure.

use std::collections::HashMap;

use crate::data::{Datum, SqlError, Type};
use crate::sql::catalog::Folded;

#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) r#type: Type,
    pub(crate) value: Datum,
}

/// What a batch has declared. A called text or procedure has a frame of its own.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    variables: HashMap<Folded, Variable>,
    /// Table variables by the ids of their tables.
    pub(crate) tables: HashMap<Folded, i32>,
    /// The error that a `CATCH` deals with.
    pub(crate) caught: Option<SqlError>,
}

impl Frame {
    pub(crate) fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.get(&Folded::new(name))
    }

    pub(crate) fn variable_mut(&mut self, name: &str) -> Option<&mut Variable> {
        self.variables.get_mut(&Folded::new(name))
    }

    /// False if the name is taken.
    pub(crate) fn declare(&mut self, name: &str, variable: Variable) -> bool {
        self.variables.insert(Folded::new(name), variable).is_none()
    }
}
