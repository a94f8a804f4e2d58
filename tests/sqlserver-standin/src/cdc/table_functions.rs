//! `cdc.fn_cdc_get_all_changes_...` and `cdc.fn_cdc_get_net_changes_...`.

use std::sync::Arc;

use super::{System, TableFunction, enable::bracketed, enable::is_enabled};
use crate::{
    cdc::arguments::text,
    data::{Datum, SqlError, Type},
};

const ALL: &str = "fn_cdc_get_all_changes_";
const NET: &str = "fn_cdc_get_net_changes_";

/// The order in which changes happened.
const ORDER: [&str; 4] = ["__$start_lsn", "__$command_id", "__$seqval", "__$operation"];

/// The function of schema `cdc` with this name; none if there is none.
pub(crate) fn table_function(system: &mut dyn System, name: &str) -> Result<Option<TableFunction>, SqlError> {
    let (net, wanted) = match (without_prefix(name, ALL), without_prefix(name, NET)) {
        (Some(instance), _) => (false, instance),
        (_, Some(instance)) => (true, instance),
        _ => return Ok(None),
    };
    if !is_enabled(system) {
        return Ok(None);
    }
    let rows = system.run(
        "SELECT capture_instance, object_id, role_name, supports_net_changes, source_object_id FROM cdc.change_tables \
         WHERE capture_instance = @instance",
        &[("@instance", Datum::Text(wanted.to_owned()))],
    )?;
    let Some([Datum::Text(instance), object_id, role, supports_net, Datum::Int(source)]) =
        rows.first().map(Vec::as_slice)
    else {
        return Ok(None);
    };
    if net && *supports_net != Datum::Bit(true) {
        return Ok(None);
    }
    let columns = names(system, "cdc.captured_columns", "column_ordinal", object_id)?;
    let key = if net { names(system, "cdc.index_columns", "index_ordinal", object_id)? } else { Vec::new() };
    let table = format!("cdc.{}", bracketed(&format!("{instance}_CT")));
    let lsn = || Type::Binary { length: 10 };
    let instance = instance.clone();
    Ok(Some(TableFunction {
        parameters: vec![
            ("@from_lsn".to_owned(), lsn()),
            ("@to_lsn".to_owned(), lsn()),
            ("@row_filter_option".to_owned(), text(30)),
        ],
        select: if net { net_changes(&table, &columns, &key) } else { all_changes(&table, &columns) },
        check: Arc::new(move |system, arguments| check(system, &instance, net, arguments)),
        source: *source,
        role: match role {
            Datum::Text(role) => Some(role.clone()),
            _ => None,
        },
    }))
}

fn without_prefix<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let head = name.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &name[prefix.len()..])
}

fn names(system: &mut dyn System, table: &str, order: &str, object_id: &Datum) -> Result<Vec<String>, SqlError> {
    let query = format!("SELECT column_name FROM {table} WHERE object_id = @object ORDER BY {order}");
    let rows = system.run(&query, &[("@object", object_id.clone())])?;
    let name = |value| match value {
        Datum::Text(name) => Some(bracketed(&name)),
        _ => None,
    };
    Ok(rows.into_iter().flatten().filter_map(name).collect())
}

fn all_changes(table: &str, columns: &[String]) -> String {
    let columns: String = columns.iter().map(|c| format!(", t.{c}")).collect();
    format!(
        "SELECT t.__$start_lsn, t.__$seqval, t.__$operation, t.__$update_mask{columns} FROM {table} t WITH (NOLOCK) \
         WHERE t.__$start_lsn >= @from_lsn AND t.__$start_lsn <= @to_lsn \
         AND (t.__$operation <> 3 OR LOWER(RTRIM(LTRIM(@row_filter_option))) = N'all update old')"
    )
}

/// The first and the last change of each key in the window: what was inserted and deleted again is not there, what was
/// deleted and inserted again was updated. The mask of an update has the bits of all changes that are in it.
fn net_changes(table: &str, columns: &[String], key: &[String]) -> String {
    let list =
        |prefix: &str, names: &[String]| -> String { names.iter().map(|name| format!(", {prefix}{name}")).collect() };
    let order = |direction: &str| {
        let parts: Vec<String> = ORDER.iter().map(|column| format!("t.{column} {direction}")).collect();
        parts.join(", ")
    };
    let partition: Vec<String> = key.iter().map(|name| format!("t.{name}")).collect();
    let partition = partition.join(", ");
    let of_same_row = |table: &str| {
        let equal: Vec<String> = key.iter().map(|name| format!("{table}.{name} = l.{name}")).collect();
        equal.join(" AND ")
    };
    let (joined, same) = (of_same_row("f"), of_same_row("t"));
    let window = "t.__$operation <> 3 AND t.__$start_lsn >= @from_lsn AND t.__$start_lsn <= @to_lsn";
    let (columns, inner, key) = (list("l.", columns), list("t.", columns), list("t.", key));
    let (first, last) = (order("ASC"), order("DESC"));
    format!(
        "SELECT l.__$start_lsn, CASE WHEN l.__$operation = 1 THEN 1 \
         WHEN LOWER(RTRIM(LTRIM(@row_filter_option))) = N'all with merge' THEN 5 \
         WHEN f.__$operation = 2 THEN 2 ELSE 4 END AS __$operation, \
         CASE WHEN l.__$operation <> 1 AND f.__$operation <> 2 \
         AND LOWER(RTRIM(LTRIM(@row_filter_option))) = N'all with mask' \
         THEN (SELECT sys.ORMask(t.__$update_mask) FROM {table} t WITH (NOLOCK) WHERE {window} AND {same}) END \
         AS __$update_mask{columns} \
         FROM (SELECT t.__$start_lsn, t.__$operation{inner}, ROW_NUMBER() OVER (PARTITION BY {partition} ORDER BY {last}) \
         AS __$place FROM {table} t WITH (NOLOCK) WHERE {window}) l \
         JOIN (SELECT t.__$operation{key}, ROW_NUMBER() OVER (PARTITION BY {partition} ORDER BY {first}) AS __$place \
         FROM {table} t WITH (NOLOCK) WHERE {window}) f ON {joined} \
         WHERE l.__$place = 1 AND f.__$place = 1 AND NOT (l.__$operation = 1 AND f.__$operation = 2)"
    )
}

/// Error 313 for a window that is not within what the instance has: the real functions call one of a name that takes more
/// arguments.
fn check(system: &mut dyn System, instance: &str, net: bool, arguments: &[Datum]) -> Result<(), SqlError> {
    let (name, filters): (_, &[&str]) =
        if net { ("net", &["all", "all with mask", "all with merge"]) } else { ("all", &["all", "all update old"]) };
    let refused = || {
        SqlError::new(
            313,
            16,
            3,
            format!(
                "An insufficient number of arguments were supplied for the procedure or function \
                 cdc.fn_cdc_get_{name}_changes_ ... ."
            ),
        )
    };
    let [Datum::Bytes(from), Datum::Bytes(to), Datum::Text(filter)] = arguments else { return Err(refused()) };
    let filter = filter.trim_matches(' ').to_lowercase();
    let limits = system.run(
        "SELECT (SELECT start_lsn FROM cdc.change_tables WHERE capture_instance = @instance), \
         (SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping)",
        &[("@instance", Datum::Text(instance.to_owned()))],
    )?;
    let Some([Datum::Bytes(low), Datum::Bytes(high)]) = limits.first().map(Vec::as_slice) else {
        return Err(refused());
    };
    if from > to || from < low || to > high || !filters.contains(&filter.as_str()) {
        return Err(refused());
    }
    Ok(())
}
