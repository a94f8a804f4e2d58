//! `sp_cdc_disable_table` and `sp_cdc_disable_db`.

use std::sync::Arc;

use super::{
    ChangeData, Procedure, ProcedureContext, System,
    arguments::{Arguments, sysname},
    enable::{bracketed, check_enabled, check_owner, error, is_enabled, source},
    jobs, log, sqlite,
};
use crate::{
    data::{Datum, SqlError},
    session::Parameter,
};

pub(super) fn procedures(changes: &Arc<ChangeData>) -> Vec<Procedure> {
    let changes = Arc::clone(changes);
    vec![
        Procedure {
            schema: "sys",
            name: "sp_cdc_disable_db",
            parameters: Vec::new(),
            call: Arc::new(move |cx, _| disable_database(&changes, cx)),
        },
        Procedure {
            schema: "sys",
            name: "sp_cdc_disable_table",
            parameters: vec![
                ("@source_schema", sysname()),
                ("@source_name", sysname()),
                ("@capture_instance", sysname()),
            ],
            call: Arc::new(|cx, arguments| disable_table(cx, arguments)),
        },
    ]
}

fn disable_database(changes: &ChangeData, cx: &mut dyn ProcedureContext) -> Result<i32, SqlError> {
    if !cx.is_sysadmin() {
        return Err(error(
            22902,
            "Caller is not authorized to initiate the requested action. Sysadmin privileges are required.",
        ));
    }
    if !is_enabled(cx) {
        return Ok(0);
    }
    changes.database(cx.database_id())?.agent.stop();
    for source in cx.run("SELECT DISTINCT source_object_id FROM cdc.change_tables", &[])?.into_iter().flatten() {
        if let Datum::Int(object_id) = source {
            cx.set_tracked(object_id, false)?;
        }
    }
    for (object_id, instance) in instances(cx, None)? {
        drop_instance(cx, object_id, &instance)?;
    }
    for table in [
        "cdc.change_tables",
        "cdc.captured_columns",
        "cdc.index_columns",
        "cdc.ddl_history",
        "cdc.lsn_time_mapping",
        "dbo.systranschemas",
    ] {
        cx.run(&format!("DROP TABLE {table}"), &[])?;
    }
    cx.run("DROP USER cdc", &[])?;
    cx.run("DROP SCHEMA cdc", &[])?;
    log::drop(cx.connection(), cx.database_id())?;
    let state = format!("DROP TABLE IF EXISTS {}.standin_cdc_state;", cx.cdc_file());
    cx.connection().execute_batch(&state).map_err(sqlite)?;
    jobs::drop_table(cx)?;
    cx.set_cdc_enabled(false)?;
    Ok(0)
}

fn disable_table(cx: &mut dyn ProcedureContext, given: &[Parameter]) -> Result<i32, SqlError> {
    check_enabled(cx)?;
    check_owner(cx)?;
    let arguments = Arguments::new("sp_cdc_disable_table", given);
    let schema = arguments.required("@source_schema")?;
    let table = arguments.required("@source_name")?;
    let wanted = arguments.required("@capture_instance")?;
    let (schema, table, object_id) = source(cx, &schema, &table)?;
    let all = instances(cx, Some(object_id))?;
    if all.is_empty() {
        return Err(error(
            22985,
            format!(
                "Change data capture has not been enabled for source table '{schema}.{table}'. Specify the name of a table \
                 enabled for Change Data Capture. To report on the tables enabled for Change Data Capture, query the \
                 is_tracked_by_cdc column in the sys.tables catalog view."
            ),
        ));
    }
    let is_wanted = |name: &str| wanted.eq_ignore_ascii_case("all") || wanted.eq_ignore_ascii_case(name);
    let (gone, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, name)| is_wanted(name));
    if gone.is_empty() {
        return Err(error(
            22960,
            format!(
                "Change data capture instance '{wanted}' has not been enabled for the source table '{schema}.{table}'. Use \
                 sys.sp_cdc_help_change_data_capture to verify the capture instance name and retry the operation."
            ),
        ));
    }
    for (change_table, instance) in gone {
        drop_instance(cx, change_table, &instance)?;
    }
    if left.is_empty() {
        cx.set_tracked(object_id, false)?;
    }
    if instances(cx, None)?.is_empty() {
        cx.run("DELETE FROM cdc.lsn_time_mapping", &[])?;
    }
    Ok(0)
}

/// The change tables' ids and the names of their instances, of one source table or of all.
pub(super) fn instances(cx: &mut dyn System, source: Option<i32>) -> Result<Vec<(i32, String)>, SqlError> {
    let rows = cx.run(
        "SELECT object_id, capture_instance FROM cdc.change_tables WHERE @source IS NULL OR source_object_id = @source",
        &[("@source", source.map_or(Datum::Null, Datum::Int))],
    )?;
    let row = |row: Vec<Datum>| match row.as_slice() {
        [Datum::Int(id), Datum::Text(name)] => Some((*id, name.clone())),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(row).collect())
}

pub(super) fn drop_instance(cx: &mut dyn System, object_id: i32, instance: &str) -> Result<(), SqlError> {
    for table in ["change_tables", "captured_columns", "index_columns", "ddl_history"] {
        cx.run(&format!("DELETE FROM cdc.{table} WHERE object_id = @object"), &[("@object", Datum::Int(object_id))])?;
    }
    cx.run(&format!("DROP TABLE cdc.{}", bracketed(&format!("{instance}_CT"))), &[])?;
    Ok(())
}
