//! Cleanup: first the low-water mark is raised, then what is below it is deleted, part by part.

use std::sync::Arc;

use super::{
    ChangeData, Procedure, ProcedureContext, System,
    arguments::{Arguments, sysname},
    disable::instances,
    enable::{check_enabled, check_owner, error},
    jobs, names, sqlite,
};
use crate::{
    data::{DateTime, Datum, SqlError, Type},
    session::Parameter,
};

pub(super) fn procedures(changes: &Arc<ChangeData>) -> Vec<Procedure> {
    let changes = Arc::clone(changes);
    vec![Procedure {
        schema: "sys",
        name: "sp_cdc_cleanup_change_table",
        parameters: vec![
            ("@capture_instance", sysname()),
            ("@low_water_mark", Type::Binary { length: 10 }),
            ("@threshold", Type::BigInt),
            ("@fCleanupFailed", Type::Bit),
        ],
        call: Arc::new(move |cx, arguments| cleanup_change_table(&changes, cx, arguments)),
    }]
}

fn cleanup_change_table(
    changes: &ChangeData,
    cx: &mut dyn ProcedureContext,
    given: &mut [Parameter],
) -> Result<i32, SqlError> {
    check_enabled(cx)?;
    check_owner(cx)?;
    let arguments = Arguments::new("sp_cdc_cleanup_change_table", given);
    let instance = arguments.required("@capture_instance")?;
    let mark = arguments.bytes("@low_water_mark");
    let threshold = arguments.number("@threshold").unwrap_or(5000);
    // Each part is a transaction of its own, whatever the caller has open.
    let mut system = changes.system(cx.database())?;
    let (object_id, name) = instances(&mut *system, None)?
        .into_iter()
        .find(|(_, name)| name.eq_ignore_ascii_case(&instance))
        .ok_or_else(|| {
            error(
                22920,
                format!("The named capture instance {instance} does not exist for database {}.", cx.database()),
            )
        })?;
    let mark = match mark {
        Some(mark) => {
            check_mark(&mut *system, &mark)?;
            raise(&mut *system, &mark, Some(object_id))?;
            mark
        }
        None => low_end(&mut *system, object_id)?,
    };
    changes.between_cleanup_steps();
    delete(&*system, &name, &mark, threshold)?;
    forget_times(&mut *system, threshold)?;
    if let Some(failed) = given.iter_mut().find(|p| p.name.eq_ignore_ascii_case("@fCleanupFailed")) {
        failed.value = Datum::Bit(false);
    }
    Ok(0)
}

/// What the cleanup job does: the low-water mark is the first commit that is younger than the retention, counted from the
/// last captured one.
pub(super) fn by_retention(changes: &ChangeData, system: &mut dyn System) -> Result<(), SqlError> {
    let Some((retention, threshold)) = jobs::cleanup(system)? else { return Ok(()) };
    let rows = system.run("SELECT MAX(tran_end_time) FROM cdc.lsn_time_mapping", &[])?;
    let Some(Datum::DateTime(newest)) = rows.into_iter().flatten().next() else { return Ok(()) };
    let rows = system.run(
        "SELECT MIN(start_lsn) FROM cdc.lsn_time_mapping WHERE tran_end_time >= @oldest",
        &[("@oldest", Datum::DateTime(minutes_before(newest, retention)))],
    )?;
    let Some(Datum::Bytes(mark)) = rows.into_iter().flatten().next() else { return Ok(()) };
    raise(system, &mark, None)?;
    changes.between_cleanup_steps();
    for (_, instance) in instances(system, None)? {
        delete(system, &instance, &mark, threshold)?;
    }
    forget_times(system, threshold)
}

/// 22964 unless the mark is a commit that is known.
fn check_mark(system: &mut dyn System, mark: &[u8]) -> Result<(), SqlError> {
    let known = "SELECT 1 FROM cdc.lsn_time_mapping WHERE start_lsn = @mark";
    if system.run(known, &[("@mark", Datum::Bytes(mark.to_vec()))])?.is_empty() {
        let shown: String = mark.iter().map(|b| format!("{b:02X}")).collect();
        return Err(error(
            22964,
            format!(
                "LSN 0x{shown}, specified as the new low end point for change table cleanup must represent the start_lsn \
                 value of a current entry in the cdc.lsn_time_mapping table. Choose an LSN value that satisfies this \
                 requirement."
            ),
        ));
    }
    Ok(())
}

/// Moves the low ends that are below the mark up to it, of one instance or of all.
fn raise(system: &mut dyn System, mark: &[u8], object_id: Option<i32>) -> Result<(), SqlError> {
    system.run(
        "UPDATE cdc.change_tables SET start_lsn = @mark WHERE start_lsn < @mark AND (@object IS NULL OR object_id = @object)",
        &[
            ("@mark", Datum::Bytes(mark.to_vec())),
            ("@object", object_id.map_or(Datum::Null, Datum::Int)),
        ],
    )?;
    Ok(())
}

fn low_end(system: &mut dyn System, object_id: i32) -> Result<Vec<u8>, SqlError> {
    let rows = system.run(
        "SELECT start_lsn FROM cdc.change_tables WHERE object_id = @object",
        &[("@object", Datum::Int(object_id))],
    )?;
    match rows.into_iter().flatten().next() {
        Some(Datum::Bytes(low)) => Ok(low),
        _ => Ok(Vec::new()),
    }
}

fn delete(system: &dyn System, instance: &str, mark: &[u8], threshold: i64) -> Result<(), SqlError> {
    let table = system.physical("cdc", &format!("{instance}_CT"))?;
    delete_below(system, &table, &crate::sql::physical_column("__$start_lsn"), mark, threshold)
}

/// Forgets the commits below the lowest low end.
fn forget_times(system: &mut dyn System, threshold: i64) -> Result<(), SqlError> {
    let rows = system.run("SELECT MIN(start_lsn) FROM cdc.change_tables", &[])?;
    let Some(Datum::Bytes(mark)) = rows.into_iter().flatten().next() else { return Ok(()) };
    let names = names::Names::of(system)?;
    delete_below(system, &names.lsn_time_mapping, "start_lsn", &mark, threshold)
}

/// Deletes at most `threshold` rows in a transaction, until none is left below the mark.
fn delete_below(system: &dyn System, table: &str, column: &str, mark: &[u8], threshold: i64) -> Result<(), SqlError> {
    let limit = if threshold > 0 { threshold } else { i64::MAX };
    let delete = format!("DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {column} < ?1 LIMIT ?2)");
    while system.connection().execute(&delete, rusqlite::params![mark, limit]).map_err(sqlite)? > 0 {}
    Ok(())
}

fn minutes_before(time: DateTime, minutes: i64) -> DateTime {
    const PER_DAY: i64 = 86_400 * 300;
    let ticks = i64::from(time.days) * PER_DAY + i64::from(time.ticks) - minutes.saturating_mul(60 * 300);
    DateTime {
        days: i32::try_from(ticks.div_euclid(PER_DAY)).unwrap_or(i32::MIN / 2),
        ticks: u32::try_from(ticks.rem_euclid(PER_DAY)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_taken_off_across_days() {
        let time = DateTime { days: 100, ticks: 300 * 60 };
        assert_eq!(minutes_before(time, 2), DateTime { days: 99, ticks: 86_400 * 300 - 300 * 60 });
        assert_eq!(minutes_before(time, 4320), DateTime { days: 97, ticks: 300 * 60 });
    }
}
