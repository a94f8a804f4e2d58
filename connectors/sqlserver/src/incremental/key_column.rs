//! The columns that a table is read by, as the catalogue describes them.

use std::collections::HashMap;

use bytestring::ByteString;
use serde_json::{Value, json};
use tributary_api::Result;

use super::key::KeyPart;
use crate::sql::{Client, quoted};
use crate::table::{Column, TableId, decimal_of_money, selected};

/// The columns that rows are read by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) columns: Vec<KeyColumn>,
    /// Whether a unique index covers them.
    pub(super) unique: bool,
}

impl Key {
    /// Whether the values have the types of these columns.
    pub(super) fn holds(&self, parts: &[KeyPart]) -> bool {
        parts.len() == self.columns.len() && self.columns.iter().zip(parts).all(|(column, part)| column.holds(part))
    }

    /// Names, types and collations, which the order of rows depends on, as they are stored in offsets.
    pub(super) fn described(&self) -> String {
        let columns = self.columns.iter().map(|column| json!([&*column.name, column.type_name, column.collation]));
        Value::Array(columns.collect()).to_string()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| &*column.name)
    }
}

/// A key column with its type. For an alias type this is the system type that the alias stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: ByteString,
    pub(super) type_name: String,
    /// In bytes; -1 without a limit.
    pub(super) length: i64,
    pub(super) precision: i64,
    pub(super) scale: i64,
    pub(super) optional: bool,
    /// The encoding and the order of a text.
    pub(super) collation: Option<String>,
}

impl KeyColumn {
    /// The column in a select list, with a cast if the driver cannot read the type exactly.
    pub(super) fn selected(&self) -> String {
        selected(quoted(&self.name), &self.type_name)
    }

    /// The parameter of this number, with the type of the column. A string that is compared with a varchar must be a varchar:
    /// in some collations an nvarchar sorts differently, and rows would be skipped. It must have the column's collation: in
    /// the code page of the session's database it can lose characters, and rows would be skipped, too.
    pub(super) fn operand(&self, number: usize) -> String {
        let (base, length, scale) = (self.type_name.as_str(), self.length, self.scale);
        let cast = match base {
            "char" | "varchar" if length > 0 => format!("varchar({length})"),
            "char" | "varchar" | "text" => "varchar(max)".to_owned(),
            "decimal" | "numeric" => format!("decimal({}, {scale})", self.precision),
            "datetime2" | "time" | "datetimeoffset" => format!("{base}({scale})"),
            "uniqueidentifier" | "date" | "datetime" | "smalldatetime" | "bit" => base.to_owned(),
            _ => match decimal_of_money(base) {
                Some(decimal) => decimal.to_owned(),
                None => return format!("@P{number}"),
            },
        };
        match self.collation.as_deref().filter(|_| cast.starts_with("varchar")) {
            Some(collation) => format!("CAST(@P{number} COLLATE {collation} AS {cast})"),
            None => format!("CAST(@P{number} AS {cast})"),
        }
    }

    fn holds(&self, part: &KeyPart) -> bool {
        match part {
            KeyPart::Null => true,
            KeyPart::Boolean(_) => self.type_name == "bit",
            KeyPart::Short(_) | KeyPart::Int(_) | KeyPart::Long(_) => {
                ["tinyint", "smallint", "int", "bigint"].contains(&self.type_name.as_str())
            }
            KeyPart::Float(_) | KeyPart::Double(_) => ["real", "float"].contains(&self.type_name.as_str()),
            KeyPart::Text(_) => {
                self.collation.is_some()
                    || ["uniqueidentifier", "time", "datetimeoffset"].contains(&self.type_name.as_str())
            }
            KeyPart::Bytes(_) => ["binary", "varbinary", "timestamp"].contains(&self.type_name.as_str()),
            KeyPart::Decimal { .. } => ["decimal", "numeric", "money", "smallmoney"].contains(&self.type_name.as_str()),
            KeyPart::Date(_) => self.type_name == "date",
            KeyPart::Timestamp { .. } => ["datetime", "datetime2", "smalldatetime"].contains(&self.type_name.as_str()),
        }
    }
}

/// Reads the types of these columns, and whether they are unique together. `None` if the table has lost one of them.
pub(super) async fn read_key<'a>(
    client: &mut Client,
    id: &TableId,
    columns: impl Iterator<Item = &'a Column>,
) -> Result<Option<Key>> {
    let database = quoted(&id.database);
    let of_table = format!(
        "JOIN {database}.sys.objects AS o ON o.object_id = c.object_id \
         JOIN {database}.sys.schemas AS s ON s.schema_id = o.schema_id WHERE s.name = @P1 AND o.name = @P2"
    );
    let sql = format!(
        "SELECT c.name, TYPE_NAME(c.system_type_id), c.max_length, c.precision, c.scale, c.is_nullable, c.collation_name \
         FROM {database}.sys.columns AS c {of_table}; \
         SELECT i.index_id, c.name FROM {database}.sys.indexes AS i \
         JOIN {database}.sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id \
         JOIN {database}.sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id {of_table} \
         AND i.is_unique = 1 AND i.has_filter = 0 AND i.is_disabled = 0 AND ic.key_ordinal > 0"
    );
    let mut results = client.results(&sql, vec![(&*id.schema).into(), (&*id.name).into()]).await?.into_iter();
    let mut described = HashMap::new();
    for mut row in results.next().unwrap_or_default() {
        let column = KeyColumn {
            name: row.required_text()?,
            type_name: row.text()?.unwrap_or_default(),
            length: row.required_int()?,
            precision: row.required_int()?,
            scale: row.required_int()?,
            optional: row.int()? == Some(1),
            collation: row.text()?.filter(|name| is_collation(name)),
        };
        described.insert(column.name.clone(), column);
    }
    let Some(columns) = columns.map(|column| described.remove(&column.name)).collect::<Option<Vec<KeyColumn>>>() else {
        return Ok(None);
    };
    let mut indexes: HashMap<i64, bool> = HashMap::new();
    for mut row in results.next().unwrap_or_default() {
        let (index, name) = (row.required_int()?, row.required_text()?);
        *indexes.entry(index).or_insert(true) &= columns.iter().any(|column| column.name == name);
    }
    Ok(Some(Key { columns, unique: indexes.into_values().any(|of_key| of_key) }))
}

/// Names of collations cannot be quoted.
fn is_collation(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
pub(super) fn key_column(name: &str, type_name: &str, length: i64, precision: i64, scale: i64) -> KeyColumn {
    let collation = type_name.contains("char").then(|| "Greek_CI_AS".to_owned());
    let (name, type_name) = (name.into(), type_name.to_owned());
    KeyColumn { name, type_name, length, precision, scale, optional: false, collation }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_compared_as_one_of_its_column() {
        let operand = |name, length, precision, scale| key_column("k", name, length, precision, scale).operand(3);
        assert_eq!(operand("int", 4, 10, 0), "@P3");
        assert_eq!(operand("nvarchar", 20, 0, 0), "@P3");
        assert_eq!(operand("varchar", 10, 0, 0), "CAST(@P3 COLLATE Greek_CI_AS AS varchar(10))");
        assert_eq!(operand("varchar", -1, 0, 0), "CAST(@P3 COLLATE Greek_CI_AS AS varchar(max))");
        assert_eq!(operand("decimal", 5, 9, 2), "CAST(@P3 AS decimal(9, 2))");
        assert_eq!(operand("money", 8, 19, 4), "CAST(@P3 AS decimal(19, 4))");
        assert_eq!(operand("datetime2", 8, 27, 7), "CAST(@P3 AS datetime2(7))");
        assert_eq!(operand("datetimeoffset", 10, 34, 3), "CAST(@P3 AS datetimeoffset(3))");
    }

    #[test]
    fn values_are_of_columns_of_their_type() {
        let key = |types: &[&str]| {
            let columns = types.iter().map(|name| key_column("k", name, 4, 0, 0)).collect();
            Key { columns, unique: true }
        };
        let pair = [KeyPart::Int(1), KeyPart::Text("a".into())];
        assert!(key(&["int", "varchar"]).holds(&pair) && key(&["bigint", "nchar"]).holds(&pair));
        assert!(!key(&["int"]).holds(&pair) && !key(&["varchar", "int"]).holds(&pair));
        assert!(key(&["int", "date"]).holds(&[KeyPart::Long(1), KeyPart::Null]));
    }

    #[test]
    fn what_is_no_name_of_a_collation_comes_into_no_statement() {
        assert!(is_collation("Latin1_General_100_CI_AS_SC_UTF8"));
        assert!(!is_collation("Latin1 AS x) --") && !is_collation(""));
    }
}
