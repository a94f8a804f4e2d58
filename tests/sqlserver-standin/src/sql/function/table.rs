//! Built-in functions that give tables.

use super::{int, text};
use crate::data::{Collation, Column, Datum, SqlError, Type};
use crate::sql::{errors, types};

pub(crate) fn is_table_function(name: &str) -> bool {
    ["STRING_SPLIT", "GENERATE_SERIES", "FN_HELPCOLLATIONS"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The columns and rows of a function of this kind.
pub(crate) type Rows = (Vec<Column>, Vec<Vec<Datum>>);

/// The rows for these arguments.
pub(crate) fn table_rows(name: &str, arguments: &[(Datum, Type)]) -> Result<Rows, SqlError> {
    match (name.to_ascii_uppercase().as_str(), arguments) {
        ("STRING_SPLIT", [(value, kind), (separator, _), rest @ ..]) if rest.len() <= 1 => {
            let kind = types::text_of(
                types::is_unicode(kind),
                types::size(kind),
                kind.collation().unwrap_or(Collation::DEFAULT),
            );
            let mut columns = vec![Column::new("value", kind)];
            let ordinal = rest.first().is_some_and(|(wanted, _)| int(wanted) != 0);
            if ordinal {
                columns.push(Column::new("ordinal", Type::BigInt));
            }
            if *value == Datum::Null || text(separator).chars().count() != 1 {
                return Ok((columns, Vec::new()));
            }
            let rows = text(value).split(text(separator)).enumerate().map(|(at, part)| {
                let mut row = vec![Datum::Text(part.to_owned())];
                row.extend(ordinal.then(|| Datum::BigInt(i64::try_from(at + 1).unwrap_or(i64::MAX))));
                row
            });
            Ok((columns, rows.collect()))
        }
        ("GENERATE_SERIES", [(from, kind), (to, _), rest @ ..]) if rest.len() <= 1 => {
            const MOST: usize = 10_000_000;
            let step = rest.first().map_or(1, |(step, _)| int(step));
            if step == 0 {
                return Err(SqlError::new(
                    4199,
                    16,
                    1,
                    "Argument value 0 is invalid for argument 3 of generate_series function.",
                ));
            }
            let (from, to) = (int(from), int(to));
            let big = *kind == Type::BigInt;
            let kind = if big { Type::BigInt } else { Type::Int };
            let mut rows = Vec::new();
            let mut at = from;
            while (step > 0 && at <= to || step < 0 && at >= to) && rows.len() < MOST {
                rows.push(vec![if big { Datum::BigInt(at) } else { super::int_datum(at) }]);
                at += step;
            }
            Ok((vec![Column::new("value", kind)], rows))
        }
        ("FN_HELPCOLLATIONS", []) => {
            let text_type = types::text_of(true, Some(128), Collation::DEFAULT);
            let columns = vec![Column::new("name", text_type.clone()), Column::new("description", text_type)];
            let rows = Collation::all().map(|collation| {
                vec![Datum::Text(collation.name().to_owned()), Datum::Text(collation.name().replace('_', ", "))]
            });
            Ok((columns, rows.collect()))
        }
        _ => Err(errors::too_few_arguments(name)),
    }
}
