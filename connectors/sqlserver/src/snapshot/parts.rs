//! Divides tables into ranges of keys that several connections read at the same time.

use std::sync::Arc;

use tributary_api::Result;

use crate::record::TableSchema;
use crate::sql::{Client, quoted, quoted_table};
use crate::table::jdbc;

/// The rows of a table in a range of keys, or all of them.
#[derive(Debug)]
pub(super) struct Part {
    /// The table's place among those of the snapshot.
    pub(super) table: usize,
    pub(super) schema: Arc<TableSchema>,
    /// In which an asterisk is replaced by the columns; `None`: all rows.
    pub(super) statement: Option<String>,
}

pub(super) async fn row_count(client: &mut Client, schema: &TableSchema) -> Result<i64> {
    let sql = format!("SELECT COUNT_BIG(1) FROM {}", quoted_table(&schema.table.id));
    match client.query(&sql, Vec::new()).await?.pop() {
        Some(mut row) => row.required_int(),
        None => Ok(0),
    }
}

/// The statements that read a table in so many parts. A table is not divided if its key is not made of whole numbers.
pub(super) async fn statements(
    client: &mut Client,
    schema: &TableSchema,
    rows: i64,
    parts: i64,
) -> Result<Vec<Option<String>>> {
    let Some(key) = key(schema).filter(|_| parts > 1) else { return Ok(vec![None]) };
    let mut bounds: Vec<Vec<i64>> = Vec::new();
    for number in 1..parts {
        let sql = format!(
            "SELECT {columns} FROM {name} ORDER BY {columns} OFFSET {offset} ROWS FETCH NEXT 1 ROWS ONLY",
            columns = key.join(", "),
            name = quoted_table(&schema.table.id),
            offset = rows / parts * number,
        );
        let Some(mut row) = client.query(&sql, Vec::new()).await?.pop() else { break };
        let bound = key.iter().map(|_| row.required_int()).collect::<Result<Vec<i64>>>()?;
        // Rows were removed since they were counted.
        if bounds.last().is_none_or(|last| *last < bound) {
            bounds.push(bound);
        }
    }
    let statement = |from: Option<&Vec<i64>>, to: Option<&Vec<i64>>| {
        let from = from.map(|bound| compared(&key, bound, (">", ">=")));
        let to = to.map(|bound| compared(&key, bound, ("<", "<")));
        let conditions: Vec<String> = from.into_iter().chain(to).collect();
        if conditions.is_empty() {
            return None;
        }
        let (conditions, order) = (conditions.join(" AND "), key.join(", "));
        Some(format!("SELECT * FROM {} WHERE {conditions} ORDER BY {order}", quoted_table(&schema.table.id)))
    };
    Ok((0..=bounds.len())
        .map(|place| statement(place.checked_sub(1).and_then(|before| bounds.get(before)), bounds.get(place)))
        .collect())
}

/// The columns of the key. Rows with null in it would be in no range, and an asterisk would be replaced.
fn key(schema: &TableSchema) -> Option<Vec<String>> {
    let columns: Vec<_> = schema.key_columns().iter().map(|place| &schema.table.columns[*place]).collect();
    let whole = [jdbc::TINYINT, jdbc::SMALLINT, jdbc::INTEGER, jdbc::BIGINT];
    let fits = columns.iter().all(|column| !column.optional && whole.contains(&column.jdbc_type));
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let plain = !quoted_table(&schema.table.id).contains('*') && !names.iter().any(|name| name.contains('*'));
    (fits && plain && !names.is_empty()).then_some(names)
}

/// The first column that differs decides; where all are equal, the last operator does.
fn compared(key: &[String], bound: &[i64], (differs, last): (&str, &str)) -> String {
    let case = |place: usize| {
        let equal = key.iter().zip(bound).take(place).map(|(column, value)| format!("{column} = {value}"));
        let operator = if place + 1 == key.len() { last } else { differs };
        let compared = format!("{} {operator} {}", key[place], bound[place]);
        format!("({})", equal.chain([compared]).collect::<Vec<_>>().join(" AND "))
    };
    format!("({})", (0..key.len()).map(case).collect::<Vec<_>>().join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_that_differs_decides() {
        let key = ["[a]".to_owned(), "[b]".to_owned()];
        assert_eq!(compared(&key, &[1, 2], (">", ">=")), "(([a] > 1) OR ([a] = 1 AND [b] >= 2))");
        assert_eq!(compared(&key[..1], &[7], ("<", "<")), "(([a] < 7))");
    }
}
