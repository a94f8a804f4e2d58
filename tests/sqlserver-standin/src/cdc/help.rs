//! `sp_cdc_help_change_data_capture`, `sp_cdc_get_captured_columns`, `sp_cdc_get_ddl_history`.

use std::sync::Arc;

use super::{
    Procedure, ProcedureContext, System,
    answer::answer_rows,
    arguments::{Arguments, sysname},
    enable::{bracketed, check_enabled, error},
};
use crate::{
    data::{Collation, Column, Datum, Length, SqlError, Type},
    session::Parameter,
};

pub(super) fn procedures() -> Vec<Procedure> {
    let instance = || vec![("@capture_instance", sysname())];
    vec![
        Procedure {
            schema: "sys",
            name: "sp_cdc_help_change_data_capture",
            parameters: vec![("@source_schema", sysname()), ("@source_name", sysname())],
            call: Arc::new(|cx, arguments| help(cx, arguments)),
        },
        Procedure {
            schema: "sys",
            name: "sp_cdc_get_captured_columns",
            parameters: instance(),
            call: Arc::new(|cx, arguments| captured_columns(cx, arguments)),
        },
        Procedure {
            schema: "sys",
            name: "sp_cdc_get_ddl_history",
            parameters: instance(),
            call: Arc::new(|cx, arguments| ddl_history(cx, arguments)),
        },
    ]
}

const HELP: &str = "SELECT OBJECT_SCHEMA_NAME(ct.source_object_id) AS source_schema, OBJECT_NAME(ct.source_object_id) AS \
     source_table, ct.capture_instance, ct.object_id, ct.source_object_id, ct.start_lsn, ct.end_lsn, \
     ct.supports_net_changes, ct.has_drop_pending, ct.role_name, ct.index_name, ct.filegroup_name, ct.create_date \
     FROM cdc.change_tables ct ORDER BY ct.create_date, ct.capture_instance";

fn help(cx: &mut dyn ProcedureContext, given: &[Parameter]) -> Result<i32, SqlError> {
    check_enabled(cx)?;
    let arguments = Arguments::new("sp_cdc_help_change_data_capture", given);
    let schema = arguments.text("@source_schema").filter(|s| !s.is_empty());
    let table = arguments.text("@source_name").filter(|s| !s.is_empty());
    if schema.is_some() != table.is_some() {
        return Err(error(
            22972,
            "When calling stored procedure [sys].sp_cdc_help_change_data capture, if either @source_schema or @source_name is \
             non-null and non-empty, the other parameter must also be non-null and non-empty.",
        ));
    }
    let mut rows = Vec::new();
    for mut row in cx.run(HELP, &[])? {
        if !is_named(row.first(), schema.as_deref()) || !is_named(row.get(1), table.as_deref()) {
            continue;
        }
        // A login that may not read the changes does not see them listed.
        if let Some(Datum::Text(role)) = row.get(9)
            && !cx.is_db_owner()
            && !cx.is_member(role)
        {
            continue;
        }
        let object_id = row.get(3).cloned().unwrap_or(Datum::Null);
        for table in [
            "cdc.index_columns WHERE object_id = @object ORDER BY index_ordinal",
            "cdc.captured_columns WHERE object_id = @object ORDER BY column_ordinal",
        ] {
            row.push(names(cx, &format!("SELECT column_name FROM {table}"), &object_id)?);
        }
        rows.push(row);
    }
    let list = || Type::NVarChar { length: Length::Max, collation: Collation::DEFAULT };
    let lsn = || Type::Binary { length: 10 };
    let columns = [
        ("source_schema", sysname()),
        ("source_table", sysname()),
        ("capture_instance", sysname()),
        ("object_id", Type::Int),
        ("source_object_id", Type::Int),
        ("start_lsn", lsn()),
        ("end_lsn", lsn()),
        ("supports_net_changes", Type::Bit),
        ("has_drop_pending", Type::Bit),
        ("role_name", sysname()),
        ("index_name", sysname()),
        ("filegroup_name", sysname()),
        ("create_date", Type::DateTime),
        ("index_column_list", list()),
        ("captured_column_list", list()),
    ]
    .map(|(name, r#type)| Column::new(name, r#type));
    answer_rows(cx, &columns, &rows);
    Ok(0)
}

fn is_named(value: Option<&Datum>, wanted: Option<&str>) -> bool {
    match (value, wanted) {
        (_, None) => true,
        (Some(Datum::Text(name)), Some(wanted)) => name.eq_ignore_ascii_case(wanted),
        _ => false,
    }
}

/// The names that a query gives, quoted and with commas between; null if it gives none.
fn names(cx: &mut dyn System, query: &str, object_id: &Datum) -> Result<Datum, SqlError> {
    let rows = cx.run(query, &[("@object", object_id.clone())])?;
    let names: Vec<String> = rows
        .iter()
        .filter_map(|row| match row.first() {
            Some(Datum::Text(name)) => Some(bracketed(name)),
            _ => None,
        })
        .collect();
    Ok(if names.is_empty() { Datum::Null } else { Datum::Text(names.join(", ")) })
}

fn captured_columns(cx: &mut dyn ProcedureContext, given: &[Parameter]) -> Result<i32, SqlError> {
    check_enabled(cx)?;
    let instance = Arguments::new("sp_cdc_get_captured_columns", given).required("@capture_instance")?;
    check_instance(cx, &instance)?;
    let rows = cx.run(
        "SELECT OBJECT_SCHEMA_NAME(ct.source_object_id), OBJECT_NAME(ct.source_object_id), ct.capture_instance, \
         cc.column_name, cc.column_id, cc.column_ordinal, cc.column_type, c.max_length, c.[precision], c.scale \
         FROM cdc.change_tables ct JOIN cdc.captured_columns cc ON cc.object_id = ct.object_id \
         LEFT JOIN sys.columns c ON c.object_id = ct.object_id AND c.name = cc.column_name \
         WHERE ct.capture_instance = @instance ORDER BY cc.column_ordinal",
        &[("@instance", Datum::Text(instance))],
    )?;
    let widened: Vec<Vec<Datum>> = rows.into_iter().map(|row| row.into_iter().map(widen).collect()).collect();
    let columns = [
        ("source_schema", sysname()),
        ("source_table", sysname()),
        ("capture_instance", sysname()),
        ("column_name", sysname()),
        ("column_id", Type::Int),
        ("column_ordinal", Type::Int),
        ("data_type", sysname()),
        ("character_maximum_length", Type::Int),
        ("numeric_precision", Type::Int),
        ("numeric_scale", Type::Int),
    ]
    .map(|(name, r#type)| Column::new(name, r#type));
    answer_rows(cx, &columns, &widened);
    Ok(0)
}

/// The catalogue's small numbers as the int that the procedure says.
fn widen(value: Datum) -> Datum {
    match value {
        Datum::TinyInt(n) => Datum::Int(i32::from(n)),
        Datum::SmallInt(n) => Datum::Int(i32::from(n)),
        other => other,
    }
}

fn ddl_history(cx: &mut dyn ProcedureContext, given: &[Parameter]) -> Result<i32, SqlError> {
    check_enabled(cx)?;
    let instance = Arguments::new("sp_cdc_get_ddl_history", given).required("@capture_instance")?;
    check_instance(cx, &instance)?;
    let rows = cx.run(
        "SELECT OBJECT_SCHEMA_NAME(ct.source_object_id), OBJECT_NAME(ct.source_object_id), ct.capture_instance, \
         h.required_column_update, h.ddl_command, h.ddl_lsn, h.ddl_time FROM cdc.change_tables ct \
         JOIN cdc.ddl_history h ON h.object_id = ct.object_id WHERE ct.capture_instance = @instance ORDER BY h.ddl_lsn",
        &[("@instance", Datum::Text(instance))],
    )?;
    let columns = [
        ("source_schema", sysname()),
        ("source_table", sysname()),
        ("capture_instance", sysname()),
        ("required_column_update", Type::Bit),
        ("ddl_command", Type::NVarChar { length: Length::Max, collation: Collation::DEFAULT }),
        ("ddl_lsn", Type::Binary { length: 10 }),
        ("ddl_time", Type::DateTime),
    ]
    .map(|(name, r#type)| Column::new(name, r#type));
    answer_rows(cx, &columns, &rows);
    Ok(0)
}

/// 22981 for an instance that is not there or is not for the caller.
fn check_instance(cx: &mut dyn ProcedureContext, instance: &str) -> Result<(), SqlError> {
    let rows = cx.run(
        "SELECT role_name FROM cdc.change_tables WHERE capture_instance = @instance",
        &[("@instance", Datum::Text(instance.to_owned()))],
    )?;
    let allowed = match rows.first().map(Vec::as_slice) {
        None => false,
        Some([Datum::Text(role)]) => cx.is_db_owner() || cx.is_member(role),
        Some(_) => true,
    };
    if allowed { Ok(()) } else { Err(error(22981, "Object does not exist or access is denied.")) }
}
