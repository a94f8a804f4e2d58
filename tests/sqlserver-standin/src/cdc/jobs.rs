//! The jobs of CDC and `msdb.dbo.cdc_jobs`: their settings are kept in the database that they are for.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::{
    Capture, ChangeData, Procedure, ProcedureContext, System, View, agent,
    arguments::{Arguments, sysname, text},
    enable::check_enabled,
    sqlite,
};
use crate::{
    cdc::answer::answer_rows,
    data::{Column, Datum, SqlError, Type},
};

/// How much a capture job reads at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CaptureLimits {
    pub(super) max_transactions: u32,
    pub(super) max_scans: u32,
}

#[derive(Debug, Clone, PartialEq)]
struct Job {
    capture: bool,
    id: Uuid,
    max_transactions: i64,
    max_scans: i64,
    continuous: bool,
    /// Seconds.
    polling_interval: i64,
    /// Minutes.
    retention: i64,
    threshold: i64,
}

impl Job {
    fn capture(pause: Capture) -> Job {
        let polling_interval = match pause {
            Capture::Every(pause) => i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
            Capture::Stepped => 5,
        };
        Job {
            capture: true,
            id: Uuid::new_v4(),
            max_transactions: 500,
            max_scans: 10,
            continuous: true,
            polling_interval,
            retention: 0,
            threshold: 0,
        }
    }

    fn cleanup() -> Job {
        Job {
            capture: false,
            max_transactions: 0,
            max_scans: 0,
            continuous: false,
            polling_interval: 0,
            retention: 4320,
            threshold: 5000,
            ..Job::capture(Capture::Stepped)
        }
    }

    fn kind(&self) -> &'static str {
        if self.capture { "capture" } else { "cleanup" }
    }

    fn name(&self, database: &str) -> String {
        format!("cdc.{database}_{}", self.kind())
    }

    /// As `sp_cdc_help_jobs` shows it.
    fn row(&self, database: &str) -> Vec<Datum> {
        let mut row = vec![
            Datum::Guid(self.id.into_bytes()),
            Datum::Text(self.kind().to_owned()),
            Datum::Text(self.name(database)),
        ];
        row.extend(self.settings());
        row
    }

    /// As `msdb.dbo.cdc_jobs` holds it.
    fn stored_row(&self, database_id: i32) -> Vec<Datum> {
        let mut row =
            vec![Datum::Int(database_id), Datum::Text(self.kind().to_owned()), Datum::Guid(self.id.into_bytes())];
        row.extend(self.settings());
        row
    }

    /// The values of [`settings_columns`].
    fn settings(&self) -> [Datum; 6] {
        [
            Datum::Int(i32::try_from(self.max_transactions).unwrap_or(i32::MAX)),
            Datum::Int(i32::try_from(self.max_scans).unwrap_or(i32::MAX)),
            Datum::Bit(self.continuous),
            Datum::BigInt(self.polling_interval),
            Datum::BigInt(self.retention),
            Datum::BigInt(self.threshold),
        ]
    }
}

fn table(system: &dyn System) -> String {
    format!("{}.standin_cdc_jobs", system.cdc_file())
}

/// Makes the table of jobs, empty.
pub(super) fn create_table(system: &dyn System) -> Result<(), SqlError> {
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {} (capture INTEGER PRIMARY KEY, id BLOB NOT NULL, max_transactions INTEGER NOT NULL,
             max_scans INTEGER NOT NULL, continuous INTEGER NOT NULL, polling_interval INTEGER NOT NULL,
             retention INTEGER NOT NULL, threshold INTEGER NOT NULL);",
        table(system)
    );
    system.connection().execute_batch(&create).map_err(sqlite)
}

fn has_table(system: &dyn System) -> Result<bool, SqlError> {
    let query = format!("SELECT count(*) > 0 FROM {}.sqlite_master WHERE name = 'standin_cdc_jobs'", system.cdc_file());
    system.connection().query_row(&query, [], |row| row.get(0)).map_err(sqlite)
}

pub(super) fn drop_table(system: &dyn System) -> Result<(), SqlError> {
    system.connection().execute_batch(&format!("DROP TABLE IF EXISTS {};", table(system))).map_err(sqlite)
}

/// Makes both jobs with their usual settings, unless they are there. Whether it did.
pub(super) fn create(system: &dyn System, capture: Capture) -> Result<bool, SqlError> {
    if !all(system)?.is_empty() {
        return Ok(false);
    }
    save(system, &Job::capture(capture))?;
    save(system, &Job::cleanup())?;
    Ok(true)
}

fn save(system: &dyn System, job: &Job) -> Result<(), SqlError> {
    let insert = format!("INSERT OR REPLACE INTO {} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", table(system));
    system
        .connection()
        .execute(
            &insert,
            params![
                job.capture,
                job.id.as_bytes().as_slice(),
                job.max_transactions,
                job.max_scans,
                job.continuous,
                job.polling_interval,
                job.retention,
                job.threshold
            ],
        )
        .map_err(sqlite)?;
    Ok(())
}

fn all(system: &dyn System) -> Result<Vec<Job>, SqlError> {
    let query = format!("SELECT * FROM {} ORDER BY capture DESC", table(system));
    let mut query = system.connection().prepare(&query).map_err(sqlite)?;
    let jobs = query.query_map([], |row| {
        let id: Vec<u8> = row.get(1)?;
        Ok(Job {
            capture: row.get(0)?,
            id: Uuid::from_slice(&id).unwrap_or_default(),
            max_transactions: row.get(2)?,
            max_scans: row.get(3)?,
            continuous: row.get(4)?,
            polling_interval: row.get(5)?,
            retention: row.get(6)?,
            threshold: row.get(7)?,
        })
    });
    jobs.and_then(Iterator::collect).map_err(sqlite)
}

/// The capture job's limits; the usual ones if there is no job.
pub(super) fn capture(system: &mut dyn System) -> Result<CaptureLimits, SqlError> {
    let job = all(system)?.into_iter().find(|j| j.capture).unwrap_or_else(|| Job::capture(Capture::Stepped));
    let limit = |n: i64| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    Ok(CaptureLimits { max_transactions: limit(job.max_transactions), max_scans: limit(job.max_scans) })
}

/// The cleanup job's retention in minutes and the rows it deletes at a time; none without a job.
pub(super) fn cleanup(system: &dyn System) -> Result<Option<(i64, i64)>, SqlError> {
    let query = format!("SELECT retention, threshold FROM {} WHERE capture = 0", table(system));
    system.connection().query_row(&query, [], |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(sqlite)
}

pub(super) fn procedures(changes: &Arc<ChangeData>) -> Vec<Procedure> {
    let settings = || {
        vec![
            ("@job_type", sysname()),
            ("@start_job", Type::Bit),
            ("@maxtrans", Type::Int),
            ("@maxscans", Type::Int),
            ("@continuous", Type::Bit),
            ("@pollinginterval", Type::BigInt),
            ("@retention", Type::BigInt),
            ("@threshold", Type::BigInt),
        ]
    };
    let job_type = || vec![("@job_type", sysname())];
    let (add, start, stop) = (Arc::clone(changes), Arc::clone(changes), Arc::clone(changes));
    let procedure = |name, parameters, call| Procedure { schema: "sys", name, parameters, call };
    vec![
        procedure("sp_cdc_help_jobs", Vec::new(), Arc::new(|cx: &mut dyn ProcedureContext, _| help_jobs(cx))),
        procedure(
            "sp_cdc_add_job",
            settings(),
            Arc::new(move |cx: &mut dyn ProcedureContext, arguments| {
                check_enabled(cx)?;
                let arguments = Arguments::new("sp_cdc_add_job", arguments);
                let job = if is_capture(&arguments)? { Job::capture(add.options.capture) } else { Job::cleanup() };
                if all(cx)?.iter().any(|j| j.capture == job.capture) {
                    return Err(SqlError::new(
                        22841,
                        16,
                        1,
                        format!("A job of type '{}' already exists in the database '{}'.", job.kind(), cx.database()),
                    ));
                }
                save(cx, &changed(job, &arguments)?)?;
                Ok(0)
            }),
        ),
        procedure(
            "sp_cdc_change_job",
            settings().into_iter().filter(|(name, _)| *name != "@start_job").collect(),
            Arc::new(|cx: &mut dyn ProcedureContext, arguments| {
                check_enabled(cx)?;
                let arguments = Arguments::new("sp_cdc_change_job", arguments);
                let job = find(cx, &arguments)?;
                save(cx, &changed(job, &arguments)?)?;
                Ok(0)
            }),
        ),
        procedure(
            "sp_cdc_drop_job",
            job_type(),
            Arc::new(|cx: &mut dyn ProcedureContext, arguments| {
                check_enabled(cx)?;
                let job = find(cx, &Arguments::new("sp_cdc_drop_job", arguments))?;
                let delete = format!("DELETE FROM {} WHERE capture = ?1", table(cx));
                cx.connection().execute(&delete, [job.capture]).map_err(sqlite)?;
                Ok(0)
            }),
        ),
        procedure(
            "sp_cdc_start_job",
            job_type(),
            Arc::new(move |cx: &mut dyn ProcedureContext, arguments| {
                check_enabled(cx)?;
                let database = start.database(cx.database_id())?;
                if find(cx, &Arguments::new("sp_cdc_start_job", arguments))?.capture {
                    agent::start(&start, &database)?;
                } else {
                    super::cleanup::by_retention(&start, &mut *start.system(&database.name)?)?;
                }
                Ok(0)
            }),
        ),
        procedure(
            "sp_cdc_stop_job",
            job_type(),
            Arc::new(move |cx: &mut dyn ProcedureContext, arguments| {
                check_enabled(cx)?;
                if find(cx, &Arguments::new("sp_cdc_stop_job", arguments))?.capture {
                    stop.database(cx.database_id())?.agent.stop();
                }
                Ok(0)
            }),
        ),
    ]
}

fn help_jobs(cx: &mut dyn ProcedureContext) -> Result<i32, SqlError> {
    check_enabled(cx)?;
    let database = cx.database().to_owned();
    let rows: Vec<_> = all(cx)?.iter().map(|job| job.row(&database)).collect();
    let mut columns = vec![
        Column::new("job_id", Type::UniqueIdentifier),
        Column::new("job_type", sysname()),
        Column::new("job_name", sysname()),
    ];
    columns.extend(settings_columns());
    answer_rows(cx, &columns, &rows);
    Ok(0)
}

fn settings_columns() -> [Column; 6] {
    [
        ("maxtrans", Type::Int),
        ("maxscans", Type::Int),
        ("continuous", Type::Bit),
        ("pollinginterval", Type::BigInt),
        ("retention", Type::BigInt),
        ("threshold", Type::BigInt),
    ]
    .map(|(name, r#type)| Column::new(name, r#type))
}

/// `msdb.dbo.cdc_jobs`: what is committed of the jobs of every database. SQL Server makes the table when it is first
/// needed; here it is there while a database is enabled.
pub(super) fn table_of_jobs(changes: &Arc<ChangeData>) -> View {
    let mut columns = vec![
        Column::new("database_id", Type::Int).required(),
        Column::new("job_type", text(20)).required(),
        Column::new("job_id", Type::UniqueIdentifier),
    ];
    columns.extend(settings_columns());
    let changes = Arc::clone(changes);
    View {
        database: Some("msdb"),
        schema: "dbo",
        name: "cdc_jobs",
        columns,
        table: Some(-1),
        rows: Arc::new(move |_| of_every_database(&changes)),
    }
}

/// None while no database is enabled.
fn of_every_database(changes: &ChangeData) -> Result<Option<Vec<Vec<Datum>>>, SqlError> {
    let mut rows = None;
    for (id, database) in changes.all_databases() {
        let system = match changes.system(&database.name) {
            Ok(system) => system,
            // Dropped since.
            Err(error) if error.number == 911 => continue,
            Err(error) => return Err(error),
        };
        if !has_table(&*system)? {
            continue;
        }
        let rows = rows.get_or_insert_with(Vec::new);
        rows.extend(all(&*system)?.iter().map(|job| job.stored_row(id)));
    }
    Ok(rows)
}

fn is_capture(arguments: &Arguments<'_>) -> Result<bool, SqlError> {
    match arguments.text("@job_type").as_deref() {
        None | Some("capture") => Ok(true),
        Some("cleanup") => Ok(false),
        Some(other) => Err(SqlError::new(
            22838,
            16,
            1,
            format!("The job type '{other}' is not valid. It must be 'capture' or 'cleanup'."),
        )),
    }
}

fn find(cx: &dyn System, arguments: &Arguments<'_>) -> Result<Job, SqlError> {
    let capture = is_capture(arguments)?;
    all(cx)?.into_iter().find(|j| j.capture == capture).ok_or_else(|| {
        let kind = if capture { "capture" } else { "cleanup" };
        SqlError::new(22837, 16, 1, format!("No {kind} job exists for database '{}'.", cx.database()))
    })
}

fn changed(mut job: Job, arguments: &Arguments<'_>) -> Result<Job, SqlError> {
    let set = |field: &mut i64, name| {
        if let Some(value) = arguments.number(name) {
            *field = value;
        }
    };
    set(&mut job.max_transactions, "@maxtrans");
    set(&mut job.max_scans, "@maxscans");
    set(&mut job.polling_interval, "@pollinginterval");
    set(&mut job.retention, "@retention");
    set(&mut job.threshold, "@threshold");
    if let Some(continuous) = arguments.number("@continuous") {
        job.continuous = continuous != 0;
    }
    if job.capture && job.max_scans <= 0 {
        return Err(SqlError::new(
            22970,
            16,
            1,
            "The value for parameter @maxscans specified for the Change Data Capture job must be greater than 0.",
        ));
    }
    Ok(job)
}
