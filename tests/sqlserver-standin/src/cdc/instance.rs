//! Capture instances, as the capture agent needs them.

use std::collections::HashMap;

use super::{System, lsn::Lsn, names::Names, sqlite};
use crate::data::SqlError;

/// A change table and what it captures.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) start_lsn: Lsn,
    /// By ordinal.
    pub(super) columns: Vec<Captured>,
    /// The SQLite statement that adds a row to the change table: its five columns in front, the captured ones, and the
    /// command's number.
    pub(super) insert: String,
}

#[derive(Debug, Clone)]
pub(super) struct Captured {
    /// The column's id in the source table.
    pub(super) id: i32,
    /// From 1.
    pub(super) ordinal: usize,
}

/// All capture instances by the `object_id` of their source table.
pub(super) fn by_source(system: &dyn System, names: &Names) -> Result<HashMap<i32, Vec<Instance>>, SqlError> {
    let connection = system.connection();
    let tables =
        format!("SELECT object_id, source_object_id, start_lsn, capture_instance FROM {}", names.change_tables);
    let columns = format!(
        "SELECT column_id, column_name FROM {} WHERE object_id = ?1 ORDER BY column_ordinal",
        names.captured_columns
    );
    let mut tables = connection.prepare_cached(&tables).map_err(sqlite)?;
    let mut columns = connection.prepare_cached(&columns).map_err(sqlite)?;
    let mut instances: HashMap<i32, Vec<Instance>> = HashMap::new();
    let mut rows = tables.query([]).map_err(sqlite)?;
    while let Some(row) = rows.next().map_err(sqlite)? {
        let object_id: i32 = row.get(0).map_err(sqlite)?;
        let source: i32 = row.get(1).map_err(sqlite)?;
        let start_lsn: Vec<u8> = row.get(2).map_err(sqlite)?;
        let name: String = row.get(3).map_err(sqlite)?;
        let captured = columns
            .query_map([object_id], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect::<Result<Vec<(i32, String)>, _>>)
            .map_err(sqlite)?;
        let instance = Instance {
            start_lsn: Lsn::from_bytes(&start_lsn).unwrap_or_default(),
            insert: insert_statement(
                &system.physical("cdc", &format!("{name}_CT"))?,
                captured.iter().map(|(_, name)| name.as_str()),
            ),
            columns: captured.iter().zip(1..).map(|((id, _), ordinal)| Captured { id: *id, ordinal }).collect(),
        };
        instances.entry(source).or_default().push(instance);
    }
    Ok(instances)
}

fn insert_statement<'a>(table: &str, captured: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = ["__$start_lsn", "__$end_lsn", "__$seqval", "__$operation", "__$update_mask"]
        .into_iter()
        .chain(captured)
        .map(crate::sql::physical_column)
        .collect();
    names.push(crate::sql::physical_column("__$command_id"));
    let marks = vec!["?"; names.len()].join(", ");
    format!("INSERT INTO {table} ({}) VALUES ({marks})", names.join(", "))
}
