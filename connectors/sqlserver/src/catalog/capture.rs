use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytestring::ByteString;
use tributary_api::{Error, Result};

use crate::lsn::Lsn;
use crate::sql::{Cells, Client, Parameter, quoted};
use crate::table::{ChangeTable, TableId};

/// The name of a database as the server writes it.
pub(crate) async fn real_name(client: &mut Client, database: &str) -> Result<ByteString> {
    let mut rows = client.query("SELECT name FROM sys.databases WHERE name = @P1", vec![database.into()]).await?;
    match (rows.pop(), rows.is_empty()) {
        (Some(mut row), true) => row.required_text(),
        _ => Err(Error::config_at(
            "database.names",
            format!("the server has no database {database:?}: check database.names"),
        )),
    }
}

/// The newest position up to which the capture job has read the log; `None` if it has not read any yet.
pub(crate) async fn max_lsn(client: &mut Client, database: &str) -> Result<Option<Lsn>> {
    let sql = format!("SELECT {}.sys.fn_cdc_get_max_lsn()", quoted(database));
    match client.query(&sql, Vec::new()).await?.pop() {
        Some(mut row) => row.lsn(),
        None => Ok(None),
    }
}

/// All capture instances, with their columns. If several of one table begin at the same position, only the newest of
/// them is returned.
pub(crate) async fn change_tables(client: &mut Client, database: &str, up_to: Option<Lsn>) -> Result<Vec<ChangeTable>> {
    let quoted = quoted(database);
    let (bound, parameters) = match up_to {
        Some(lsn) => (" WHERE ct.start_lsn <= @P2", vec![Parameter::from(database), lsn.into()]),
        None => ("", vec![Parameter::from(database)]),
    };
    let sql = format!(
        "SELECT object_id, column_name FROM {quoted}.cdc.captured_columns ORDER BY object_id, column_ordinal; \
         WITH ordered_change_tables AS (SELECT ROW_NUMBER() OVER (PARTITION BY ct.source_object_id, ct.start_lsn \
         ORDER BY ct.create_date DESC) AS ct_sequence, ct.* FROM {quoted}.cdc.change_tables AS ct{bound}) \
         SELECT OBJECT_SCHEMA_NAME(source_object_id, DB_ID(@P1)), OBJECT_NAME(source_object_id, DB_ID(@P1)), \
         capture_instance, object_id, start_lsn FROM ordered_change_tables WHERE ct_sequence = 1; \
         SELECT c.object_id FROM {quoted}.sys.columns AS c JOIN {quoted}.cdc.change_tables AS ct ON ct.object_id = c.object_id \
         WHERE c.name = N'__$command_id'"
    );
    let results = client.results(&sql, parameters).await?;
    let mut results = results.into_iter();
    let mut columns: HashMap<i64, Vec<ByteString>> = HashMap::new();
    for mut row in results.next().unwrap_or_default() {
        let object = row.required_int()?;
        columns.entry(object).or_default().push(row.required_text()?);
    }
    let mut tables = Vec::new();
    for row in results.next().unwrap_or_default() {
        tables.extend(change_table(row, database)?);
    }
    let mut ordered = HashSet::new();
    for mut row in results.next().unwrap_or_default() {
        ordered.insert(row.required_int()?);
    }
    for table in &mut tables {
        table.columns = Arc::from(columns.remove(&table.object).unwrap_or_default());
        table.ordered = ordered.contains(&table.object);
    }
    tables.sort_by(|a, b| a.source.cmp(&b.source).then(a.start.cmp(&b.start)));
    Ok(tables)
}

/// Capture instances that may have lost changes after `position` to a cleanup. An instance can also begin after `position`
/// because it was created later: that is no loss. A cleanup sets the first position of an instance to that of a later
/// transaction, which usually began after the instance was created. If it began before and was still open then, it is told
/// from the transaction that created the instance by its end: one that ended more than a minute after the creation counts
/// as a loss. So a creation that takes longer is reported as a loss. Not found is a loss where the cleanup was called with a
/// transaction that was open while the instance was created and ended within a minute of it: the cleanup job keeps days.
pub(crate) async fn lost_instances(client: &mut Client, database: &str, position: Lsn) -> Result<Vec<ChangeTable>> {
    let quoted = quoted(database);
    let sql = format!(
        "SELECT OBJECT_SCHEMA_NAME(ct.source_object_id, DB_ID(@P1)), OBJECT_NAME(ct.source_object_id, DB_ID(@P1)), \
         ct.capture_instance, ct.object_id, ct.start_lsn FROM {quoted}.cdc.change_tables AS ct WHERE ct.start_lsn > @P2 AND \
         EXISTS (SELECT 1 FROM {quoted}.cdc.lsn_time_mapping AS m WHERE m.start_lsn <= ct.start_lsn AND \
         (m.tran_end_time > DATEADD(minute, 1, ct.create_date) OR \
         (m.start_lsn = ct.start_lsn AND m.tran_begin_time > ct.create_date)))"
    );
    let mut tables = Vec::new();
    for row in client.query(&sql, vec![database.into(), position.into()]).await? {
        tables.extend(change_table(row, database)?);
    }
    Ok(tables)
}

/// Reads schema, table, instance, object id and first position. `None` if the table was dropped while its changes still
/// exist.
fn change_table(mut row: Cells, database: &str) -> Result<Option<ChangeTable>> {
    let (schema, name) = (row.text()?, row.text()?);
    let (instance, object) = (row.required_text()?, row.required_int()?);
    let start = row.lsn()?;
    let (Some(schema), Some(name)) = (schema, name) else { return Ok(None) };
    let source = TableId { database: database.into(), schema: schema.into(), name: name.into() };
    Ok(Some(ChangeTable { source, instance, object, start, stop: None, columns: Arc::from([]), ordered: false }))
}

/// Whether the login may read the captured changes of a database.
pub(crate) async fn sees_capture(client: &mut Client, database: &str) -> Result<bool> {
    let sql = format!("SELECT COUNT(*) FROM {}.cdc.change_tables", quoted(database));
    match client.query(&sql, Vec::new()).await {
        Ok(_) => Ok(true),
        // The login has no permission, or change data capture is not enabled and there is no schema `cdc`.
        Err(error) if !error.is_retriable() => Ok(false),
        Err(error) => Err(error),
    }
}
