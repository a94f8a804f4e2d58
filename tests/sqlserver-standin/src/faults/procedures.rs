//! `EXEC standin.fault`, for tests that speak SQL only.

use std::{sync::Arc, time::Duration};

use super::{Action, Fault, Faults, On, Who};
use crate::{
    cdc::{Procedure, ProcedureCall},
    data::{Collation, Datum, Length, SqlError, Type},
    session::Parameter,
};

/// The procedures of schema `standin` for faults:
/// - `fault @on, @action, @number, @milliseconds, @host, @port, @skip, @times, @spid, @application, @user`: `@on` is one of
///   login, statement, row, commit, committed; `@action` one of error (with `@number`), reset, stall (with
///   `@milliseconds`), route (with `@host` and `@port`); `@times` 0 is always;
/// - `clear_faults`;
/// - `read_only @database, @on`.
pub(crate) fn procedures(faults: &Faults) -> Vec<Procedure> {
    let (add, clear, read_only) = (faults.clone(), faults.clone(), faults.clone());
    vec![
        Procedure {
            schema: "standin",
            name: "fault",
            parameters: vec![
                ("@on", text()),
                ("@action", text()),
                ("@number", Type::Int),
                ("@milliseconds", Type::Int),
                ("@host", text()),
                ("@port", Type::Int),
                ("@skip", Type::Int),
                ("@times", Type::Int),
                ("@spid", Type::Int),
                ("@application", text()),
                ("@user", text()),
            ],
            call: call(move |arguments| {
                add.add(fault(arguments)?);
                Ok(())
            }),
        },
        Procedure {
            schema: "standin",
            name: "clear_faults",
            parameters: Vec::new(),
            call: call(move |_| {
                clear.clear();
                Ok(())
            }),
        },
        Procedure {
            schema: "standin",
            name: "read_only",
            parameters: vec![("@database", text()), ("@on", Type::Bit)],
            call: call(move |arguments| {
                let database = required(arguments, "@database")?;
                read_only.set_read_only(&database, number(arguments, "@on").unwrap_or(1) != 0);
                Ok(())
            }),
        },
    ]
}

fn call(run: impl Fn(&[Parameter]) -> Result<(), SqlError> + Send + Sync + 'static) -> Arc<ProcedureCall> {
    Arc::new(move |_, arguments| run(arguments).map(|()| 0))
}

fn fault(arguments: &[Parameter]) -> Result<Fault, SqlError> {
    let on = match required(arguments, "@on")?.to_ascii_lowercase().as_str() {
        "login" => On::Login,
        "statement" => On::Statement,
        "row" => On::Row,
        "commit" => On::Commit,
        "committed" => On::Committed,
        other => return Err(refused(format!("@on is login, statement, row, commit or committed, not '{other}'."))),
    };
    let action = match required(arguments, "@action")?.to_ascii_lowercase().as_str() {
        "error" => {
            let number = number(arguments, "@number").ok_or_else(|| refused("@action 'error' needs @number."))?;
            Action::error(i32::try_from(number).unwrap_or(50000))
        }
        "reset" => Action::Reset,
        "stall" => {
            Action::Stall(Duration::from_millis(number(arguments, "@milliseconds").unwrap_or(1000).unsigned_abs()))
        }
        "route" => Action::Route {
            host: required(arguments, "@host")?,
            port: number(arguments, "@port")
                .and_then(|p| u16::try_from(p).ok())
                .ok_or_else(|| refused("@action 'route' needs @port."))?,
        },
        other => return Err(refused(format!("@action is error, reset, stall or route, not '{other}'."))),
    };
    let count = |name| number(arguments, name).and_then(|n| u32::try_from(n).ok());
    Ok(Fault {
        on,
        action,
        who: Who {
            spid: number(arguments, "@spid").and_then(|n| u16::try_from(n).ok()),
            application: words(arguments, "@application"),
            user: words(arguments, "@user"),
        },
        skip: count("@skip").unwrap_or(0),
        times: match count("@times") {
            Some(0) => u32::MAX,
            other => other.unwrap_or(1),
        },
    })
}

fn text() -> Type {
    Type::NVarChar { length: Length::Limited(256), collation: Collation::DEFAULT }
}

fn value<'a>(arguments: &'a [Parameter], name: &str) -> Option<&'a Datum> {
    arguments.iter().find(|p| p.name.eq_ignore_ascii_case(name)).map(|p| &p.value)
}

fn words(arguments: &[Parameter], name: &str) -> Option<String> {
    match value(arguments, name) {
        Some(Datum::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

fn required(arguments: &[Parameter], name: &str) -> Result<String, SqlError> {
    words(arguments, name).ok_or_else(|| {
        SqlError::new(201, 16, 4, format!("Procedure expects parameter '{name}', which was not supplied."))
    })
}

fn number(arguments: &[Parameter], name: &str) -> Option<i64> {
    match value(arguments, name)? {
        Datum::Bit(b) => Some(i64::from(*b)),
        Datum::TinyInt(n) => Some(i64::from(*n)),
        Datum::SmallInt(n) => Some(i64::from(*n)),
        Datum::Int(n) => Some(i64::from(*n)),
        Datum::BigInt(n) => Some(*n),
        _ => None,
    }
}

fn refused(message: impl Into<String>) -> SqlError {
    SqlError::new(50000, 16, 1, message)
}
