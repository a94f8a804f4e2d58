//! Conditions in CEL over a flat context: `event.*`, `profile.*`, `product.*`, `signal.*` and `now` (milliseconds since the epoch).
//!
//! CEL has neither loops nor recursion, but comprehensions can be nested and lists can be long. Therefore the size of a
//! rule is limited when it is loaded, and the steps of all rules for an event are limited when they run ([`Budget`]),
//! so that no rule can block a partition.

mod bounds;
mod budget;
mod types;
mod variables;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use cel::common::ast::IdedExpr;
use cel::common::types::CelBool;
use cel::parser::Parser;
use cel::{Context, Env, Value};
use tributary_api::{Error, Result};

use self::bounds::Bounds;

pub(crate) use self::budget::{Budget, MAX_STEPS};
pub(crate) use self::types::{Schema, Type};
pub(crate) use self::variables::Variables;

const MAX_LENGTH: usize = 4096;
const MAX_NESTING: u16 = 32;

/// A compiled condition.
pub(crate) struct Expression {
    source: String,
    ast: IdedExpr,
    env: Arc<Env>,
    bounds: Bounds,
}

impl Expression {
    /// # Errors
    /// `Config` when it does not parse, is out of bounds or uses an unknown variable, signal or function.
    pub(crate) fn compile(source: &str, signals: &[&str]) -> Result<Self> {
        if source.len() > MAX_LENGTH {
            let message = format!("expression has {} bytes: at most {MAX_LENGTH} are allowed", source.len());
            return Err(Error::config(message));
        }
        let parsed = Parser::new().max_recursion_depth(MAX_NESTING).parse(source);
        let ast = parsed.map_err(|error| Error::config("expression does not parse").cause(&error))?;
        let bounds = bounds::check(&ast, signals)?;
        Ok(Self { source: source.to_owned(), ast, env: Arc::new(Env::stdlib()), bounds })
    }

    /// The minimum number of steps, for any event.
    pub(crate) fn steps(&self) -> usize {
        self.bounds.steps
    }

    /// Whether it uses a signal.
    pub(crate) fn uses_signal(&self, name: &str) -> bool {
        self.bounds.signals.contains(name)
    }

    /// Checks fields and types by what is declared of them.
    ///
    /// # Errors
    /// `Config`, naming the field or the operation.
    pub(crate) fn check_types(&self, schema: &Schema, signals: &BTreeMap<&str, Type>) -> Result<()> {
        types::check(&self.ast, schema, signals)
    }

    /// Whether it looks at the product.
    pub(crate) fn uses_product(&self) -> bool {
        self.bounds.product
    }

    /// # Errors
    /// `Data` when it has no value for these variables, or one that is neither true nor false, or when the budget is
    /// exhausted.
    pub(crate) fn evaluate(&self, variables: &Variables<'_>) -> Result<bool> {
        variables.budget.begin(self.bounds.steps, self.bounds.chain);
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.set_variable_resolver(variables);
        let value = if variables.budget.is_exhausted() { None } else { Some(Value::resolve_val(&self.ast, &context)) };
        let Some(value) = value.filter(|_| !variables.budget.is_exhausted()) else {
            return Err(Error::data(format!("the event's rules need more than {MAX_STEPS} steps")));
        };
        match value {
            Ok(value) => match value.downcast_ref::<CelBool>() {
                Some(value) => Ok(*value.inner()),
                None => Err(Error::data("the rule's value is neither true nor false")),
            },
            Err(error) => Err(Error::data("the rule has no value for this event").cause(&error)),
        }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.source)
    }
}
