use bytestring::ByteString;
use tributary_api::{Schema, Value};

use super::hash::{Algorithm, Form};
use crate::table::{Column, jdbc};

/// What a property does with the columns that it names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mapper {
    Truncate(i32),
    /// Replaces every text, and null.
    Mask(ByteString),
    Hash {
        algorithm: Algorithm,
        salt: String,
        form: Form,
    },
    /// Adds the column's type to its schema.
    Propagate,
}

/// How the values of a column are changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mapping {
    mapper: Mapper,
    /// The most characters or bytes that are left of a value.
    limit: Option<usize>,
}

impl Mapper {
    /// Adds the parameters that the property gives the column's schema. Masks and hashes add theirs to columns of all
    /// types, also where no value is changed, as Debezium does.
    pub(crate) fn alter(&self, column: &Column, schema: Schema) -> Schema {
        match self {
            Self::Truncate(length) if column.length > *length => {
                schema.with_parameter("truncateLength", length.to_string())
            }
            Self::Truncate(_) => schema,
            Self::Mask(_) | Self::Hash { .. } => schema.with_parameter("masked", "true"),
            Self::Propagate => {
                let name = |part: &str| format!("__debezium.source.column.{part}");
                let schema = schema.with_parameter(name("type"), column.type_name.to_uppercase());
                let schema = schema.with_parameter(name("length"), column.length.to_string());
                let schema = match column.scale {
                    Some(scale) => schema.with_parameter(name("scale"), scale.to_string()),
                    None => schema,
                };
                schema.with_parameter(name("name"), column.name.clone())
            }
        }
    }

    /// `None` if the values of the column are not changed.
    pub(crate) fn mapping(&self, column: &Column) -> Option<Mapping> {
        let limit = match self {
            Self::Truncate(length) if column.length > *length => Some(*length),
            Self::Hash { .. } if is_text(column) => Some(column.length).filter(|length| *length > 0),
            Self::Mask(_) if is_text(column) => None,
            _ => return None,
        };
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        Some(Mapping { mapper: self.clone(), limit })
    }
}

impl Mapping {
    pub(crate) fn apply(&self, value: Value) -> Value {
        let value = match &self.mapper {
            Mapper::Mask(mask) => return Value::String(mask.clone()),
            Mapper::Hash { algorithm, salt, form } => match value {
                Value::String(text) => algorithm.hash(salt, *form, &text).into(),
                _ => Value::Null,
            },
            Mapper::Truncate(_) | Mapper::Propagate => value,
        };
        match (self.limit, value) {
            (Some(limit), Value::String(text)) => Value::String(truncated(text, limit)),
            (Some(limit), Value::Bytes(bytes)) if bytes.len() > limit => Value::Bytes(bytes.slice(..limit)),
            (_, value) => value,
        }
    }
}

/// Cuts a text after `limit` UTF-16 units, as Java counts characters. A surrogate pair that does not fit is left out
/// whole.
fn truncated(text: ByteString, limit: usize) -> ByteString {
    if text.len() <= limit {
        return text;
    }
    let mut units = 0;
    for (place, character) in text.char_indices() {
        units += character.len_utf16();
        if units > limit {
            return text.slice_ref(&text[..place]);
        }
    }
    text
}

fn is_text(column: &Column) -> bool {
    matches!(
        column.jdbc_type,
        jdbc::CHAR | jdbc::VARCHAR | jdbc::LONGVARCHAR | jdbc::NCHAR | jdbc::NVARCHAR | jdbc::LONGNVARCHAR
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tributary_api::SchemaType;

    use super::*;

    fn column(jdbc_type: i32, length: i32) -> Column {
        let type_name = "nvarchar".to_owned();
        Column { jdbc_type, type_name, length, scale: Some(2), optional: true, ..Column::for_test("Name") }
    }

    fn parameters(mapper: &Mapper, column: &Column) -> Vec<(String, String)> {
        let schema = mapper.alter(column, Schema::new(SchemaType::String));
        schema.parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn texts_are_cut_where_java_cuts_them() {
        let cut = |text: &str, limit| truncated(text.into(), limit).to_string();
        assert_eq!([cut("abc", 2), cut("abc", 3), cut("äöü", 2)], ["ab", "abc", "äö"]);
        assert_eq!([cut("a🐎b", 2), cut("a🐎b", 3)], ["a", "a🐎"]);
        let bytes = Mapper::Truncate(2).mapping(&column(jdbc::VARBINARY, 8)).unwrap();
        assert_eq!(bytes.apply(Value::Bytes(vec![1, 2, 3].into())), Value::Bytes(vec![1, 2].into()));
        assert_eq!(bytes.apply(Value::Null), Value::Null);
        assert_eq!(Mapper::Truncate(8).mapping(&column(jdbc::VARBINARY, 8)), None, "no value is longer");
    }

    #[test]
    fn a_mask_hides_null_too_and_a_hash_does_not() {
        let mask = Mapper::Mask("***".into());
        let masked = mask.mapping(&column(jdbc::NVARCHAR, 2)).unwrap();
        assert_eq!([masked.apply("secret".into()), masked.apply(Value::Null)], ["***".into(), "***".into()]);
        assert_eq!(mask.mapping(&column(jdbc::INTEGER, 10)), None, "a number is none");
        let hash = Mapper::Hash { algorithm: Algorithm::Sha256, salt: "salt".to_owned(), form: Form::Plain };
        let hashed = hash.mapping(&column(jdbc::NVARCHAR, 8)).unwrap();
        assert_eq!([hashed.apply("hello".into()), hashed.apply(Value::Null)], ["cd31b3b9".into(), Value::Null]);
    }

    #[test]
    fn schemas_say_what_was_done() {
        let column = column(jdbc::NVARCHAR, 10);
        let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        assert_eq!(parameters(&Mapper::Truncate(5), &column), [("truncateLength", "5")].map(text));
        assert_eq!(parameters(&Mapper::Truncate(10), &column), []);
        assert_eq!(parameters(&Mapper::Mask("*".into()), &column), [("masked", "true")].map(text));
        let propagated = [
            ("__debezium.source.column.type", "NVARCHAR"),
            ("__debezium.source.column.length", "10"),
            ("__debezium.source.column.scale", "2"),
            ("__debezium.source.column.name", "Name"),
        ];
        assert_eq!(parameters(&Mapper::Propagate, &column), propagated.map(text));
    }
}
