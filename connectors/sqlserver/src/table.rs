//! The connector's model of tables and columns.

use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;

/// A table's full name. Sorted by database, schema and name, which is the order of snapshots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TableId {
    pub(crate) database: ByteString,
    pub(crate) schema: ByteString,
    pub(crate) name: ByteString,
}

impl TableId {
    /// The name that filters are matched with.
    pub(crate) fn in_database(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// The names of tables, separated by commas, as notifications have them.
pub(crate) fn joined<'a>(tables: impl IntoIterator<Item = &'a TableId>) -> String {
    let names: Vec<String> = tables.into_iter().map(ToString::to_string).collect();
    names.join(",")
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.database, self.schema, self.name)
    }
}

/// A column as ODBC's procedure describes it; JDBC's metadata, and so Debezium's, come from the same procedure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: ByteString,
    /// JDBC's number of the type.
    pub(crate) jdbc_type: i32,
    pub(crate) type_name: String,
    pub(crate) length: i32,
    pub(crate) scale: Option<i32>,
    pub(crate) optional: bool,
    pub(crate) identity: bool,
    pub(crate) computed: bool,
    /// The default as a T-SQL expression.
    pub(crate) default: Option<String>,
}

/// JDBC's type numbers.
pub(crate) mod jdbc {
    pub(crate) const BIT: i32 = -7;
    pub(crate) const TINYINT: i32 = -6;
    pub(crate) const SMALLINT: i32 = 5;
    pub(crate) const INTEGER: i32 = 4;
    pub(crate) const BIGINT: i32 = -5;
    pub(crate) const REAL: i32 = 7;
    pub(crate) const DOUBLE: i32 = 8;
    pub(crate) const NUMERIC: i32 = 2;
    pub(crate) const DECIMAL: i32 = 3;
    pub(crate) const CHAR: i32 = 1;
    pub(crate) const VARCHAR: i32 = 12;
    pub(crate) const LONGVARCHAR: i32 = -1;
    pub(crate) const NCHAR: i32 = -15;
    pub(crate) const NVARCHAR: i32 = -9;
    pub(crate) const LONGNVARCHAR: i32 = -16;
    pub(crate) const BINARY: i32 = -2;
    pub(crate) const VARBINARY: i32 = -3;
    pub(crate) const LONGVARBINARY: i32 = -4;
    pub(crate) const DATE: i32 = 91;
    pub(crate) const TIME: i32 = 92;
    pub(crate) const TIMESTAMP: i32 = 93;
    pub(crate) const DATETIMEOFFSET: i32 = -155;
}

/// The length that JDBC gives a `(max)` column.
const MAX_LENGTH: i32 = i32::MAX;

impl Column {
    /// A required column of the type int, for tests that change what matters to them.
    #[cfg(test)]
    pub(crate) fn for_test(name: &str) -> Self {
        Self {
            name: name.to_owned().into(),
            jdbc_type: jdbc::INTEGER,
            type_name: "int".to_owned(),
            length: 10,
            scale: None,
            optional: false,
            identity: false,
            computed: false,
            default: None,
        }
    }

    /// The type's name without suffixes such as `identity`.
    pub(crate) fn base_type(&self) -> &str {
        self.type_name.split_whitespace().next().unwrap_or_default()
    }

    /// Whether a change table has null for a value that an update does not change.
    pub(crate) fn is_large(&self) -> bool {
        match self.jdbc_type {
            jdbc::LONGVARCHAR | jdbc::LONGNVARCHAR | jdbc::LONGVARBINARY => true,
            jdbc::VARCHAR | jdbc::NVARCHAR | jdbc::VARBINARY => self.length == MAX_LENGTH,
            _ => false,
        }
    }

    /// The column in a select list, with a cast if the driver cannot read the type exactly.
    pub(crate) fn selected(&self, alias: &str) -> String {
        let name = format!("{alias}{}", crate::sql::quoted(&self.name));
        selected(name, self.money().unwrap_or_else(|| self.base_type()))
    }

    /// The money type that an alias type may stand for, by its digits. A decimal of as many digits stays the same in a cast.
    fn money(&self) -> Option<&'static str> {
        if self.jdbc_type != jdbc::DECIMAL || self.base_type() == "decimal" {
            return None;
        }
        match (self.length, self.scale) {
            (19, Some(4)) => Some("money"),
            (10, Some(4)) => Some("smallmoney"),
            _ => None,
        }
    }
}

/// A column in a select list, with a cast if the driver cannot read the type exactly.
pub(crate) fn selected(name: String, base_type: &str) -> String {
    match decimal_of_money(base_type) {
        Some(decimal) => format!("CAST({name} AS {decimal})"),
        None => name,
    }
}

/// The decimal type that holds all values of a money type: the driver converts money, which has 64 bits, to a double, which
/// has 53.
pub(crate) fn decimal_of_money(base_type: &str) -> Option<&'static str> {
    match base_type {
        "money" => Some("decimal(19, 4)"),
        "smallmoney" => Some("decimal(10, 4)"),
        _ => None,
    }
}

/// A table's columns, in order, and its key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) id: TableId,
    pub(crate) columns: Vec<Column>,
    /// Names of the primary key's columns, or of the first unique index's if there is no primary key.
    pub(crate) key: Vec<ByteString>,
}

impl Table {
    /// The same table with only these columns.
    pub(crate) fn with_columns(&self, names: &[ByteString]) -> Self {
        let columns = self.columns.iter().filter(|column| names.contains(&column.name)).cloned().collect();
        let key = self.key.iter().filter(|name| names.contains(name)).cloned().collect();
        Self { id: self.id.clone(), columns, key }
    }

    /// Whether its columns have these names, in any order.
    pub(crate) fn has_exactly(&self, names: &[ByteString]) -> bool {
        self.columns.len() == names.len() && self.columns.iter().all(|column| names.contains(&column.name))
    }

    /// The same columns, each with the type that it has in another structure of the table.
    pub(crate) fn retyped(&self, other: &Self) -> Self {
        let of = |column: &Column| other.columns.iter().find(|of| of.name == column.name).unwrap_or(column).clone();
        Self { columns: self.columns.iter().map(of).collect(), ..self.clone() }
    }
}

/// A capture instance of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ChangeTable {
    pub(crate) source: TableId,
    pub(crate) instance: ByteString,
    pub(crate) object: i64,
    /// Its first position; `None` until the first change is captured.
    pub(crate) start: Option<crate::lsn::Lsn>,
    /// The first position of the newer instance of the same table, if there is one.
    pub(crate) stop: Option<crate::lsn::Lsn>,
    /// The captured columns, in the order of their bits in the update mask.
    pub(crate) columns: Arc<[ByteString]>,
    /// Whether its rows have the number of their command, which old servers do not write.
    pub(crate) ordered: bool,
}
