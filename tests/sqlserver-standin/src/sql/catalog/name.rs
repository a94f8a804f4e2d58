//! Names: compared without regard to case, and written for SQLite.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sql::value::collate::fold;

/// A name as a key: equal to what differs only in case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Folded(String);

impl Folded {
    pub(crate) fn new(name: &str) -> Self {
        Self(fold(name))
    }
}

impl fmt::Debug for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Borrow<str> for Folded {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A name for SQLite, in quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A column's name in SQLite, in quotes. SQLite's own names of the row number get a blank, which no other column has:
/// SQL Server cuts trailing blanks off.
pub(crate) fn physical_column(name: &str) -> String {
    let row_number = ["rowid", "_rowid_", "oid"].iter().any(|reserved| name.eq_ignore_ascii_case(reserved));
    if row_number { quoted(&format!("{name} ")) } else { quoted(name) }
}

/// The name that SQL Server would make up for a constraint: `PK__orders__3213E83F0A1B2C3D`.
pub(crate) fn constraint_name(prefix: &str, table: &str, column: &str, object_id: i32) -> String {
    let short = |name: &str, most: usize| name.chars().take(most).collect::<String>();
    let mut name = format!("{prefix}__{}", short(table, 9));
    if !column.is_empty() {
        name += &format!("__{}", short(column, 5));
    }
    // A key's name ends in sixteen digits, the others' in eight.
    if column.is_empty() { format!("{name}__3213E83F{object_id:08X}") } else { format!("{name}__{object_id:08X}") }
}
