//! T-SQL's built-in functions: their types from those of their arguments, and what they do.

mod date;
mod math;
mod metadata;
mod string;
mod system;
mod table;
mod zone;

pub(crate) use self::metadata::{DatabaseMetadata, Metadata};
pub(crate) use self::string::like;
pub(crate) use self::system::global;
pub(crate) use self::table::{Rows, is_table_function, table_rows};
pub(crate) use self::zone::at_time_zone;

use std::sync::Arc;

use crate::data::{Collation, Datum, Length, SqlError, Type};
use crate::sql::plan::{Binder, Body, Bound};
use crate::sql::{errors, types};

/// A function with its types settled: arguments are converted to `arguments` first.
pub(crate) struct Signature {
    pub(crate) arguments: Vec<Type>,
    pub(crate) returns: Type,
    pub(crate) nullable: bool,
    /// Gives another value for each row: `NEWID()`.
    pub(crate) volatile: bool,
    pub(crate) body: Arc<Body>,
}

impl Signature {
    /// Null when any argument is.
    fn strict(
        arguments: Vec<Type>,
        returns: Type,
        body: impl Fn(&[Datum]) -> Result<Datum, SqlError> + Send + Sync + 'static,
    ) -> Self {
        let nullable = true;
        let body = move |values: &[Datum]| if values.contains(&Datum::Null) { Ok(Datum::Null) } else { body(values) };
        Self { arguments, returns, nullable, volatile: false, body: Arc::new(body) }
    }

    fn lenient(
        arguments: Vec<Type>,
        returns: Type,
        body: impl Fn(&[Datum]) -> Result<Datum, SqlError> + Send + Sync + 'static,
    ) -> Self {
        Self { arguments, returns, nullable: true, volatile: false, body: Arc::new(body) }
    }

    /// A value that is the same for the whole statement.
    fn fixed(returns: Type, value: Datum) -> Self {
        let nullable = value == Datum::Null;
        Self { nullable, ..Self::lenient(Vec::new(), returns, move |_| Ok(value.clone())) }
    }

    fn required(mut self) -> Self {
        self.nullable = false;
        self
    }
}

/// The function of this upper-case name for these arguments; none if there is no such function.
pub(crate) fn resolve(binder: &mut Binder<'_>, name: &str, arguments: &[Bound]) -> Result<Option<Signature>, SqlError> {
    let call = Call { name, arguments, collation: binder.collation() };
    if let Some(signature) = string::resolve(&call)? {
        return Ok(Some(signature));
    }
    if let Some(signature) = math::resolve(&call)? {
        return Ok(Some(signature));
    }
    if let Some(signature) = date::resolve(&call, binder.core)? {
        return Ok(Some(signature));
    }
    if let Some(signature) = system::resolve(&call, binder)? {
        return Ok(Some(signature));
    }
    metadata::resolve(&call, binder)
}

/// A call whose function is looked for.
struct Call<'a> {
    name: &'a str,
    arguments: &'a [Bound],
    collation: Collation,
}

impl Call<'_> {
    fn count(&self, wanted: std::ops::RangeInclusive<usize>) -> Result<(), SqlError> {
        if wanted.contains(&self.arguments.len()) {
            return Ok(());
        }
        let name = self.name.to_lowercase();
        if wanted.start() == wanted.end() {
            return Err(errors::argument_count(&name, *wanted.start()));
        }
        Err(SqlError::new(
            189,
            15,
            1,
            format!("The {name} function requires {} to {} arguments.", wanted.start(), wanted.end()),
        ))
    }

    fn kind(&self, at: usize) -> Type {
        self.arguments.get(at).map_or(Type::Int, |bound| bound.r#type.clone())
    }

    /// The argument's own type if it is a text, else a text that it becomes.
    fn text(&self, at: usize) -> Type {
        let kind = self.kind(at);
        if types::is_text(&kind) && !self.arguments[at].null {
            return match kind {
                Type::Text { collation } => types::text_of(false, None, collation),
                Type::NText { collation } => types::text_of(true, None, collation),
                other => other,
            };
        }
        types::text_of(false, Some(8000), self.collation)
    }

    fn nvarchar(&self, length: u16) -> Type {
        Type::NVarChar { length: Length::Limited(length), collation: self.collation }
    }

    fn sysname(&self) -> Type {
        self.nvarchar(128)
    }
}

/// The text of a value that was converted to one.
fn text(value: &Datum) -> &str {
    match value {
        Datum::Text(text) | Datum::Xml(text) => text,
        _ => "",
    }
}

fn int(value: &Datum) -> i64 {
    match value {
        Datum::Int(number) => i64::from(*number),
        Datum::BigInt(number) => *number,
        Datum::SmallInt(number) => i64::from(*number),
        Datum::TinyInt(number) => i64::from(*number),
        Datum::Bit(bit) => i64::from(*bit),
        _ => 0,
    }
}

fn int_datum(number: i64) -> Datum {
    i32::try_from(number).map_or(Datum::Null, Datum::Int)
}
