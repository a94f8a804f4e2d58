//! The statements that read a table in chunks.

use super::collection::Collection;
use super::key::KeyPart;
use super::key_column::{Key, KeyColumn};
use crate::sql::{Parameter, quoted, quoted_table};
use crate::table::Table;

/// What a chunk's statement reads: a table, its columns and its condition.
pub(super) struct Chunk<'a> {
    pub(super) table: &'a Table,
    pub(super) collection: &'a Collection,
    /// The columns that the table is read by.
    pub(super) key: &'a Key,
    pub(super) recompile: bool,
}

/// Which rows a condition on a key selects.
#[derive(Clone, Copy)]
enum Side {
    Behind,
    NotBehind,
}

impl Chunk<'_> {
    /// Reads the last key.
    pub(super) fn last_key(&self) -> String {
        let order = self.order(" DESC");
        let mut sql = format!("SELECT TOP 1 {} FROM {}", self.keys(), quoted_table(&self.table.id));
        if let Some(condition) = &self.collection.condition {
            sql.push_str(&format!(" WHERE {condition}"));
        }
        sql.push_str(&format!(" ORDER BY {order}"));
        self.ended(sql)
    }

    /// Reads the keys and then these columns of the next rows: after `end`, and up to `maximum`. The next chunk begins after
    /// the last key, so if several rows have this key, all of them are read.
    pub(super) fn rows(
        &self,
        most: usize,
        selected: &[usize],
        end: Option<&[KeyPart]>,
        maximum: Option<&[KeyPart]>,
    ) -> (String, Vec<Parameter>) {
        let mut parameters = Vec::new();
        let mut conditions = Vec::new();
        if let Some(end) = end {
            conditions.push(self.bound(Side::Behind, end, &mut parameters));
            conditions.extend(maximum.map(|key| self.bound(Side::NotBehind, key, &mut parameters)));
        }
        conditions.extend(self.collection.condition.clone());
        let columns = selected.iter().filter_map(|place| self.table.columns.get(*place));
        let columns: Vec<String> = columns.map(|column| column.selected("")).collect();
        let ties = if self.key.unique { "" } else { " WITH TIES" };
        let separator = if columns.is_empty() { "" } else { ", " };
        let mut sql = format!(
            "SELECT TOP ({most}){ties} {}{separator}{} FROM {}",
            self.keys(),
            columns.join(", "),
            quoted_table(&self.table.id)
        );
        if !conditions.is_empty() {
            sql.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
        }
        sql.push_str(&format!(" ORDER BY {}", self.order("")));
        (self.ended(sql), parameters)
    }

    /// Keys are compared column by column, and the first column that differs decides. Null comes first.
    fn bound(&self, side: Side, key: &[KeyPart], parameters: &mut Vec<Parameter>) -> String {
        let mut cases = Vec::new();
        for last in 0..self.key.columns.len() {
            let mut parts = Vec::with_capacity(last + 1);
            for (place, (column, value)) in self.key.columns.iter().zip(key).take(last + 1).enumerate() {
                let name = quoted(&column.name);
                parts.push(match (value, place == last) {
                    (KeyPart::Null, true) => format!("{name} IS NOT NULL"),
                    (KeyPart::Null, false) => format!("{name} IS NULL"),
                    (value, is_last) => {
                        parameters.push(value.parameter());
                        let operand = column.operand(parameters.len());
                        format!("{name} {} {operand}", if is_last { '>' } else { '=' })
                    }
                });
            }
            cases.push(format!("({})", parts.join(" AND ")));
        }
        let behind = cases.join(" OR ");
        match side {
            Side::Behind => format!("({behind})"),
            // A comparison with null is neither true nor false, so null has to be excluded or included explicitly.
            Side::NotBehind if self.key.columns.iter().any(|column| column.optional) => {
                format!("(CASE WHEN {behind} THEN 1 ELSE 0 END) = 0")
            }
            Side::NotBehind => format!("NOT ({behind})"),
        }
    }

    fn keys(&self) -> String {
        let keys: Vec<String> = self.key.columns.iter().map(KeyColumn::selected).collect();
        keys.join(", ")
    }

    fn order(&self, direction: &str) -> String {
        let names: Vec<String> = self.key.names().map(|name| format!("{}{direction}", quoted(name))).collect();
        names.join(", ")
    }

    fn ended(&self, mut sql: String) -> String {
        if self.recompile {
            sql.push_str(" OPTION(RECOMPILE)");
        }
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::super::key_column::key_column;
    use super::*;
    use crate::table::{Column, TableId};

    fn table() -> Table {
        let column = |name: &str, type_name: &str| Column {
            type_name: type_name.to_owned(),
            length: 5,
            ..Column::for_test(name)
        };
        let id = TableId { database: "shop".into(), schema: "dbo".into(), name: "t".into() };
        Table { id, columns: vec![column("a", "int"), column("b", "varchar"), column("c", "int")], key: Vec::new() }
    }

    fn key(names: &[&str], unique: bool, optional: bool) -> Key {
        let types = [("a", "int", 4), ("b", "varchar", 5)].into_iter().filter(|(name, ..)| names.contains(name));
        let column = |(name, kind, length)| KeyColumn { optional, ..key_column(name, kind, length, 0, 0) };
        Key { columns: types.map(column).collect(), unique }
    }

    fn collection(condition: Option<&str>) -> Collection {
        Collection { id: table().id, condition: condition.map(str::to_owned), surrogate: None }
    }

    #[test]
    fn the_first_chunk_has_no_bounds_and_the_next_ones_have_two() {
        let (table, collection) = (table(), collection(Some("(c = 1)")));
        let chunk =
            Chunk { table: &table, collection: &collection, key: &key(&["a", "b"], true, false), recompile: false };
        assert_eq!(
            chunk.last_key(),
            "SELECT TOP 1 [a], [b] FROM [shop].[dbo].[t] WHERE (c = 1) ORDER BY [a] DESC, [b] DESC"
        );
        let (first, none) = chunk.rows(3, &[2], None, None);
        assert_eq!(first, "SELECT TOP (3) [a], [b], [c] FROM [shop].[dbo].[t] WHERE (c = 1) ORDER BY [a], [b]");
        assert!(none.is_empty());
        let of = |number, text: &str| vec![KeyPart::Int(number), KeyPart::Text(text.to_owned())];
        let (next, parameters) = chunk.rows(3, &[2], Some(&of(1, "x")), Some(&of(9, "y")));
        assert_eq!(
            next,
            "SELECT TOP (3) [a], [b], [c] FROM [shop].[dbo].[t] WHERE \
             (([a] > @P1) OR ([a] = @P2 AND [b] > CAST(@P3 COLLATE Greek_CI_AS AS varchar(5)))) AND \
             NOT (([a] > @P4) OR ([a] = @P5 AND [b] > CAST(@P6 COLLATE Greek_CI_AS AS varchar(5)))) AND (c = 1) ORDER BY [a], [b]"
        );
        assert_eq!(parameters.len(), 6);
    }

    #[test]
    fn null_is_before_everything_else_and_all_rows_of_a_key_are_read() {
        let (table, collection) = (table(), collection(None));
        let chunk = Chunk { table: &table, collection: &collection, key: &key(&["a"], false, true), recompile: true };
        let (sql, parameters) = chunk.rows(3, &[], Some(&[KeyPart::Null]), Some(&[KeyPart::Int(9)]));
        assert_eq!(
            sql,
            "SELECT TOP (3) WITH TIES [a] FROM [shop].[dbo].[t] WHERE (([a] IS NOT NULL)) AND \
             (CASE WHEN ([a] > @P1) THEN 1 ELSE 0 END) = 0 ORDER BY [a] OPTION(RECOMPILE)"
        );
        assert_eq!(parameters.len(), 1);
    }
}
