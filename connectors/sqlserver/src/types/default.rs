//! Column defaults. SQL Server stores the expression: `((1))`, `('x')`, `(NULL)`, `(getdate())`.

use tiberius::ColumnData;
use tiberius::numeric::Numeric;
use tributary_api::Value;

use super::{DecimalMode, Kind, convert};
use crate::table::Column;

/// What can be said about a default from its expression alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parsed {
    /// The column has no default, or its default is an expression that is not a literal.
    None,
    Value(Value),
    /// A literal whose meaning depends on the server's language (dates): the server has to convert this text to this
    /// type.
    Ask {
        text: String,
        type_name: &'static str,
    },
}

/// A column's default, if its expression is a literal.
pub(crate) fn parse_default(column: &Column, kind: Kind) -> Parsed {
    let Some(expression) = column.default.as_deref() else { return Parsed::None };
    let mut own = kind;
    let data = match column.base_type() {
        "bigint" => number(expression)
            .and_then(|text| text.trim_end_matches('.').parse().ok())
            .map(|n| ColumnData::I64(Some(n))),
        "int" => number(expression).and_then(|text| text.parse().ok()).map(|n| ColumnData::I32(Some(n))),
        "smallint" | "tinyint" => {
            number(expression).and_then(|text| text.parse().ok()).map(|n| ColumnData::I16(Some(n)))
        }
        "bit" => Some(ColumnData::Bit(Some(expression == "((1))"))),
        "decimal" | "numeric" | "money" | "smallmoney" => {
            let number = decimal(expression);
            // A string keeps the digits of the expression; a number gets the scale of the column.
            if let (Some(number), Kind::Decimal { mode: DecimalMode::String, precision, .. }) = (number, kind) {
                own = Kind::Decimal { mode: DecimalMode::String, precision, scale: number.scale().into() };
            }
            number.map(|number| ColumnData::Numeric(Some(number)))
        }
        "float" => number(expression).and_then(|text| text.parse().ok()).map(|n| ColumnData::F64(Some(n))),
        "real" => number(expression).and_then(|text| text.parse().ok()).map(|n| ColumnData::F32(Some(n))),
        "char" | "text" | "varchar" | "nchar" | "ntext" | "nvarchar" => {
            text(expression).map(|text| ColumnData::String(Some(text.to_owned().into())))
        }
        "binary" | "image" | "varbinary" => bytes(expression).map(|bytes| ColumnData::Binary(Some(bytes.into()))),
        "date" => return ask(expression, "date"),
        "datetime" => return ask(expression, "datetime"),
        "datetime2" => return ask(expression, "datetime2"),
        "datetimeoffset" => return ask(expression, "datetimeoffset"),
        "smalldatetime" => return ask(expression, "smalldatetime"),
        "time" => return ask(expression, "time"),
        _ => None,
    };
    match data.map(|data| convert(own, data)) {
        Some(Ok(value)) => Parsed::Value(value),
        _ => {
            tracing::debug!(column = %column.name, expression, "the default is not a literal: the schema gets no default");
            Parsed::None
        }
    }
}

/// The text within all parentheses; `None` for NULL.
fn number(expression: &str) -> Option<&str> {
    let start = expression.rfind('(').map_or(0, |place| place + 1);
    let end = expression.find(')').unwrap_or(expression.len());
    let inside = expression.get(start..end)?;
    (!inside.eq_ignore_ascii_case("null")).then_some(inside)
}

fn text(expression: &str) -> Option<&str> {
    let start = expression.find('\'').map_or(0, |place| place + 1);
    let end = expression.rfind('\'').unwrap_or(expression.len());
    // The text of a string literal may itself contain parentheses. This cuts at the same place as Debezium does.
    number(expression.get(start..end)?)
}

fn decimal(expression: &str) -> Option<Numeric> {
    let inside = expression.get(2..expression.len().checked_sub(2)?)?;
    let (whole, fraction) = inside.split_once('.').unwrap_or((inside, ""));
    let unscaled: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = u8::try_from(fraction.len()).ok().filter(|scale| *scale <= 37)?;
    Some(Numeric::new_with_scale(unscaled, scale))
}

fn bytes(expression: &str) -> Option<Vec<u8>> {
    let digits = expression.get(3..expression.len().checked_sub(1)?)?;
    if digits.len() % 2 != 0 {
        return None;
    }
    (0..digits.len()).step_by(2).map(|place| u8::from_str_radix(digits.get(place..place + 2)?, 16).ok()).collect()
}

fn ask(expression: &str, type_name: &'static str) -> Parsed {
    match expression.strip_prefix("('").and_then(|rest| rest.strip_suffix("')")) {
        Some(text) => Parsed::Ask { text: text.to_owned(), type_name },
        None => Parsed::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::BinaryMode;

    fn parsed(type_name: &str, expression: &str, kind: Kind) -> Parsed {
        let column = Column {
            type_name: type_name.to_owned(),
            optional: true,
            default: Some(expression.to_owned()),
            ..Column::for_test("c")
        };
        parse_default(&column, kind)
    }

    #[test]
    fn literals_are_read_out_of_their_parentheses() {
        assert_eq!(parsed("int", "((-1))", Kind::Int32), Parsed::Value(Value::Int32(-1)));
        assert_eq!(parsed("bigint", "((3147483648.))", Kind::Int64), Parsed::Value(Value::Int64(3_147_483_648)));
        assert_eq!(parsed("bit", "((1))", Kind::Boolean), Parsed::Value(Value::Boolean(true)));
        assert_eq!(parsed("varchar", "('aaa')", Kind::Text), Parsed::Value("aaa".into()));
        assert_eq!(
            parsed("float", "((1.2345000000000000e+003))", Kind::Float64),
            Parsed::Value(Value::Float64(1234.5))
        );
        let hex = Kind::Binary(BinaryMode::Hex);
        assert_eq!(parsed("varbinary", "(0x0102)", hex), Parsed::Value("0102".into()));
    }

    #[test]
    fn a_decimal_default_has_the_scale_of_its_column_but_as_text_its_own() {
        let of = |mode| Kind::Decimal { mode, precision: 10, scale: 5 };
        let exact = parsed("decimal", "((100.123))", of(DecimalMode::Precise));
        assert!(matches!(exact, Parsed::Value(Value::Decimal(number)) if number.scale == 5));
        assert_eq!(parsed("decimal", "((100.123))", of(DecimalMode::String)), Parsed::Value("100.123".into()));
    }

    #[test]
    fn null_and_expressions_give_no_default() {
        assert_eq!(parsed("int", "(NULL)", Kind::Int32), Parsed::None);
        assert_eq!(parsed("int", "((1)+(2))", Kind::Int32), Parsed::None);
        assert_eq!(parsed("datetime2", "(getdate())", Kind::ZonedTimestamp), Parsed::None);
    }

    #[test]
    fn the_server_reads_dates() {
        let asked = Parsed::Ask { text: "2019-02-03".to_owned(), type_name: "date" };
        assert_eq!(parsed("date", "('2019-02-03')", Kind::Int32), asked);
    }
}
