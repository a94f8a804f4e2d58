use bytestring::ByteString;
use tributary_api::Result;

use crate::sql::{Cells, Client, quoted};
use crate::table::{Column, Table, TableId, jdbc};

/// ODBC type numbers that differ from JDBC's.
mod odbc {
    pub(super) const GUID: i32 = -11;
    pub(super) const WCHAR: i32 = -8;
    pub(super) const WVARCHAR: i32 = -9;
    pub(super) const WLONGVARCHAR: i32 = -10;
    pub(super) const FLOAT: i32 = 6;
    pub(super) const TIME: i32 = -154;
    pub(super) const XML: i32 = -152;
    pub(super) const UDT: i32 = -151;
}

/// The names of all user tables, sorted.
pub(crate) async fn all_tables(client: &mut Client, database: &str) -> Result<Vec<TableId>> {
    let quoted = quoted(database);
    let sql = format!(
        "SELECT s.name, t.name FROM {quoted}.sys.tables AS t JOIN {quoted}.sys.schemas AS s ON s.schema_id = t.schema_id"
    );
    let mut tables = Vec::new();
    for mut row in client.query(&sql, Vec::new()).await? {
        tables.push(TableId { database: database.into(), schema: row.required_text()?, name: row.required_text()? });
    }
    tables.sort();
    Ok(tables)
}

/// A table's columns and key; `None` if there is no such table. Its name is as the server writes it, which may be in another
/// case.
pub(crate) async fn read_table(client: &mut Client, id: &TableId) -> Result<Option<Table>> {
    // The procedures take LIKE patterns: characters with a special meaning are put into brackets.
    let database = quoted(&id.database);
    let sql = format!(
        "EXEC {database}.sys.sp_columns_100 @table_name = @P1, @table_owner = @P2, @ODBCVer = 3; \
         EXEC {database}.sys.sp_pkeys @table_name = @P3, @table_owner = @P4; \
         EXEC {database}.sys.sp_statistics @table_name = @P3, @table_owner = @P4, @index_name = '%', @is_unique = 'Y', \
         @accuracy = 'Q'"
    );
    let parameters = vec![
        pattern(&id.name).as_str().into(),
        pattern(&id.schema).as_str().into(),
        (&*id.name).into(),
        (&*id.schema).into(),
    ];
    let mut results = client.results(&sql, parameters).await?.into_iter();
    let mut columns = Vec::new();
    let mut named = None;
    for mut row in results.next().unwrap_or_default() {
        named =
            Some(TableId { database: row.required_text()?, schema: row.required_text()?, name: row.required_text()? });
        columns.push(column(row)?);
    }
    let Some(named) = named else { return Ok(None) };
    let mut key = primary_key(results.next().unwrap_or_default())?;
    if key.is_empty() {
        key = unique_index(results.next().unwrap_or_default())?;
    }
    Ok(Some(Table { id: named, columns, key }))
}

fn pattern(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '%' | '_' | '[' => pattern.extend(['[', c, ']']),
            _ => pattern.push(c),
        }
    }
    pattern
}

/// A row behind the name of its table.
fn column(mut row: Cells) -> Result<Column> {
    let name = row.required_text()?;
    let odbc_type = number(row.required_int()?);
    let type_name = row.required_text()?.to_string();
    let length = row.int()?.map_or(0, number);
    row.data()?;
    let scale = row.int()?.map(number);
    row.data()?;
    let optional = row.required_int()? == 1;
    row.data()?;
    let default = row.text()?;
    for _ in 13..20 {
        row.data()?;
    }
    let computed = row.int()? == Some(1);
    let identity = row.int()? == Some(1);
    Ok(Column {
        name,
        jdbc_type: jdbc_type(odbc_type),
        type_name,
        // The procedure reports 0 for a `(max)` column, the JDBC driver reports the largest integer.
        length: if length == 0 { i32::MAX } else { length },
        scale,
        optional,
        identity,
        computed,
        default,
    })
}

fn number(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn jdbc_type(odbc_type: i32) -> i32 {
    match odbc_type {
        odbc::GUID => jdbc::CHAR,
        odbc::WCHAR => jdbc::NCHAR,
        odbc::WVARCHAR => jdbc::NVARCHAR,
        odbc::WLONGVARCHAR | odbc::XML => jdbc::LONGNVARCHAR,
        odbc::FLOAT => jdbc::DOUBLE,
        odbc::TIME => jdbc::TIME,
        odbc::UDT => jdbc::VARBINARY,
        other => other,
    }
}

/// Column 4 of the result is the column's name, column 5 its place in the key.
fn primary_key(rows: Vec<Cells>) -> Result<Vec<ByteString>> {
    let mut key = Vec::new();
    for mut row in rows {
        for _ in 0..3 {
            row.data()?;
        }
        let name = row.required_text()?;
        key.push((row.required_int()?, name));
    }
    key.sort();
    Ok(key.into_iter().map(|(_, name)| name).collect())
}

/// The columns of the first index in the result that has a name. Column 6 of the result is the index, 8 the place, 9
/// the column's name.
fn unique_index(rows: Vec<Cells>) -> Result<Vec<ByteString>> {
    let mut first: Option<ByteString> = None;
    let mut key = Vec::new();
    for mut row in rows {
        for _ in 0..5 {
            row.data()?;
        }
        let index = row.text()?;
        row.data()?;
        let place = row.int()?;
        let (Some(index), Some(place), Some(column)) = (index, place, row.text()?) else { continue };
        if *first.get_or_insert_with(|| index.clone().into()) == index.as_str() {
            key.push((place, ByteString::from(column)));
        }
    }
    key.sort();
    Ok(key.into_iter().map(|(_, name)| name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_escaped_as_a_pattern() {
        assert_eq!(pattern("order_line[1]%"), "order[_]line[[]1][%]");
    }

    #[test]
    fn types_have_the_numbers_that_the_jdbc_driver_gives_them() {
        assert_eq!(
            [-11, -8, -9, -10, 6, -154, -152, -151, 93, 4].map(jdbc_type),
            [1, -15, -9, -16, 8, 92, -16, -3, 93, 4]
        );
    }
}
