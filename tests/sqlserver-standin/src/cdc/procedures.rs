//! All procedures and views of CDC.

use std::{sync::Arc, time::Duration};

use super::{
    ChangeData, Procedure, View, agent,
    arguments::{Arguments, sysname},
    change_data::lock,
    cleanup, disable, enable, help, history, jobs,
};
use crate::data::{Datum, SqlError, Type};

pub(crate) fn procedures(changes: &Arc<ChangeData>) -> Vec<Procedure> {
    let scan = Arc::clone(changes);
    let mut procedures = enable::procedures(changes);
    procedures.extend(disable::procedures(changes));
    procedures.extend(help::procedures());
    procedures.extend(jobs::procedures(changes));
    procedures.extend(cleanup::procedures(changes));
    procedures.push(Procedure {
        schema: "sys",
        name: "sp_cdc_scan",
        parameters: vec![
            ("@maxtrans", Type::Int),
            ("@maxscans", Type::Int),
            ("@continuous", Type::TinyInt),
            ("@pollinginterval", Type::BigInt),
            ("@is_from_job", Type::Int),
        ],
        call: Arc::new(move |cx, _| {
            enable::check_enabled(cx)?;
            enable::check_owner(cx)?;
            agent::scan_all(&scan, &*scan.database(cx.database_id())?)?;
            Ok(0)
        }),
    });
    procedures.push(capture_control(changes));
    procedures.push(clock_control(changes));
    procedures
}

/// `EXEC standin.capture @command, @milliseconds`: pause, resume, slow (each transaction by so much), fail (the next scan).
fn capture_control(changes: &Arc<ChangeData>) -> Procedure {
    let changes = Arc::clone(changes);
    Procedure {
        schema: "standin",
        name: "capture",
        parameters: vec![("@command", sysname()), ("@milliseconds", Type::Int)],
        call: Arc::new(move |cx, given| {
            let arguments = Arguments::new("capture", given);
            let database = changes.database(cx.database_id())?;
            match arguments.required("@command")?.to_ascii_lowercase().as_str() {
                "pause" => database.agent.pause(true),
                "resume" => database.agent.pause(false),
                "slow" => {
                    let milliseconds = arguments.number("@milliseconds").unwrap_or(0).unsigned_abs();
                    database.agent.slow_down(Duration::from_millis(milliseconds));
                }
                "fail" => database.agent.fail_next(),
                other => return Err(refused(format!("@command is pause, resume, slow or fail, not '{other}'."))),
            }
            Ok(0)
        }),
    }
}

/// `EXEC standin.clock @advance_ms, @offset_minutes, @run`: moves the clock on, sets the time zone, lets it run again.
fn clock_control(changes: &Arc<ChangeData>) -> Procedure {
    let clock = changes.clock.clone();
    Procedure {
        schema: "standin",
        name: "clock",
        parameters: vec![("@advance_ms", Type::BigInt), ("@offset_minutes", Type::Int), ("@run", Type::Bit)],
        call: Arc::new(move |_, given| {
            let arguments = Arguments::new("clock", given);
            if let Some(milliseconds) = arguments.number("@advance_ms") {
                clock.advance(Duration::from_millis(milliseconds.unsigned_abs()));
            }
            if let Some(minutes) = arguments.number("@offset_minutes") {
                clock.set_offset_minutes(i16::try_from(minutes).unwrap_or_default());
            }
            if arguments.number("@run") == Some(1) {
                clock.run();
            }
            Ok(0)
        }),
    }
}

fn refused(message: String) -> SqlError {
    SqlError::new(50000, 16, 1, message)
}

pub(crate) fn views(changes: &Arc<ChangeData>) -> Vec<View> {
    let (sessions, errors) = (Arc::clone(changes), Arc::clone(changes));
    vec![
        View {
            database: None,
            schema: "sys",
            name: "dm_cdc_log_scan_sessions",
            columns: history::session_columns(),
            table: None,
            rows: Arc::new(move |database| Ok(rows(&sessions, database, history::History::session_rows))),
        },
        View {
            database: None,
            schema: "sys",
            name: "dm_cdc_errors",
            columns: history::error_columns(),
            table: None,
            rows: Arc::new(move |database| Ok(rows(&errors, database, history::History::error_rows))),
        },
        jobs::table_of_jobs(changes),
    ]
}

fn rows(
    changes: &ChangeData,
    database: &str,
    of: impl Fn(&history::History) -> Vec<Vec<Datum>>,
) -> Option<Vec<Vec<Datum>>> {
    let database = changes.database_named(database).ok()?;
    let history = lock(&database.history);
    Some(of(&history))
}
