//! The capture agent of a database: a thread that scans the log every so often and cleans up at night.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, Weak},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    Capture, ChangeData, System,
    capture::{self, Scan, ScanFault},
    change_data::{Database, lock},
    cleanup,
    enable::is_enabled,
    jobs, log,
    names::Names,
};
use crate::{
    data::{DateTime, Datum, SqlError, Type},
    sql::value::encode::from_sqlite,
};

/// After so long without changes the largest LSN moves on all the same.
const IDLE: i64 = 300;

/// When cleanup runs, in seconds since midnight.
const CLEANUP_AT: i64 = 2 * 3600;

/// The messages to the agent.
#[derive(Debug, Default)]
pub(super) struct Agent {
    orders: Mutex<Orders>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Orders {
    thread: Option<JoinHandle<()>>,
    stop: bool,
    paused: bool,
    fault: ScanFault,
    /// A transaction was committed since the last scan.
    committed: bool,
}

impl Agent {
    /// Ends the thread and waits for it, unless it is this one.
    pub(super) fn stop(&self) {
        let thread = {
            let mut orders = lock(&self.orders);
            orders.stop = true;
            self.changed.notify_all();
            orders.thread.take()
        };
        if let Some(thread) = thread.filter(|t| t.thread().id() != thread::current().id()) {
            // A panic of the agent has already been reported on standard error.
            let _ = thread.join();
        }
    }

    pub(super) fn is_running(&self) -> bool {
        lock(&self.orders).thread.is_some()
    }

    /// Keeps the agent and `sp_cdc_scan` from scanning, or lets them again.
    pub(super) fn pause(&self, paused: bool) {
        lock(&self.orders).paused = paused;
        self.changed.notify_all();
    }

    /// Makes each transaction take so long to capture.
    pub(super) fn slow_down(&self, by: Duration) {
        lock(&self.orders).fault.slow = by;
    }

    /// Makes the next scan fail at its end.
    pub(super) fn fail_next(&self) {
        lock(&self.orders).fault.fail = true;
    }

    /// An agent that does not rest between scans scans now.
    pub(super) fn committed(&self) {
        lock(&self.orders).committed = true;
        self.changed.notify_all();
    }

    fn fault(&self) -> ScanFault {
        let mut orders = lock(&self.orders);
        let fault = orders.fault.clone();
        orders.fault.fail = false;
        fault
    }

    /// Rests; false when it is to end.
    fn rest(&self, pause: Duration) -> bool {
        let deadline = Instant::now() + pause;
        let mut orders = lock(&self.orders);
        loop {
            if orders.stop {
                return false;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !orders.paused && (left.is_zero() || (pause.is_zero() && orders.committed)) {
                orders.committed = false;
                return true;
            }
            let left = if orders.paused { Duration::from_secs(3600) } else { left };
            orders = self.changed.wait_timeout(orders, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wait_while_paused(&self) {
        let mut orders = lock(&self.orders);
        while orders.paused && !orders.stop {
            orders = self.changed.wait(orders).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Starts the agent of an enabled database unless it runs, or the server scans only on request.
pub(super) fn start(changes: &Arc<ChangeData>, database: &Arc<Database>) -> Result<(), SqlError> {
    let Capture::Every(pause) = changes.options.capture else { return Ok(()) };
    let mut orders = lock(&database.agent.orders);
    if orders.thread.is_some() {
        return Ok(());
    }
    orders.stop = false;
    let (weak, database) = (Arc::downgrade(changes), Arc::clone(database));
    let thread = thread::Builder::new()
        .name(format!("capture-{}", database.name))
        .spawn(move || run(&weak, &database, pause))
        .map_err(|e| SqlError::new(22836, 16, 1, format!("Could not start the capture job: {e}.")))?;
    orders.thread = Some(thread);
    Ok(())
}

fn run(changes: &Weak<ChangeData>, database: &Database, pause: Duration) {
    let mut system = None;
    let mut cleaned = None;
    while database.agent.rest(pause) {
        let Some(changes) = changes.upgrade() else { return };
        if let Err(error) = turn(&changes, database, &mut system, &mut cleaned) {
            tracing::debug!(database = database.name, %error, "the log was not scanned");
            // The next turn begins with a new connection.
            system = None;
        }
    }
}

/// Captures all there is, and cleans up when it is time.
fn turn(
    changes: &ChangeData,
    database: &Database,
    system: &mut Option<Box<dyn System>>,
    cleaned: &mut Option<i64>,
) -> Result<(), SqlError> {
    let system = match system {
        Some(system) => system,
        none => none.insert(changes.system(&database.name)?),
    };
    // Disabled, or not yet enabled for others to see.
    if !is_enabled(&mut **system) {
        return Ok(());
    }
    let limits = jobs::capture(&mut **system)?;
    for _ in 0..limits.max_scans {
        if scan_once(changes, database, &**system, limits.max_transactions)?.transactions == 0 {
            break;
        }
    }
    if is_time_to_clean(changes, cleaned) {
        cleanup::by_retention(changes, &mut **system)?;
    }
    Ok(())
}

/// Scans until nothing is left; how many transactions were captured. For `sp_cdc_scan` and tests.
pub(super) fn scan_all(changes: &ChangeData, database: &Database) -> Result<u64, SqlError> {
    database.agent.wait_while_paused();
    let mut system = changes.system(&database.name)?;
    let limit = jobs::capture(&mut *system)?.max_transactions;
    let mut transactions = 0;
    loop {
        let scan = scan_once(changes, database, &*system, limit)?;
        transactions += scan.transactions;
        if scan.transactions == 0 {
            return Ok(transactions);
        }
    }
}

fn scan_once(changes: &ChangeData, database: &Database, system: &dyn System, limit: u32) -> Result<Scan, SqlError> {
    let _one_at_a_time = lock(&database.scanning);
    let started = changes.clock.local_datetime();
    let outcome = capture::scan(system, limit, &database.agent.fault());
    let ended = changes.clock.local_datetime();
    let mut history = lock(&database.history);
    match &outcome {
        Ok(scan) => history.scanned(started, ended, scan.clone()),
        Err(error) => history.failed(started, ended, error.clone()),
    }
    drop(history);
    let scan = outcome?;
    let names = Names::of(system)?;
    match scan.range {
        // A session that writes for long keeps this off: what is left is forgotten after a later scan.
        Some((_, last)) => {
            if let Err(error) = log::truncate(system.connection(), &names, last) {
                tracing::debug!(database = database.name, %error, "the log was not truncated");
            }
        }
        None => move_on(changes, database, system, &names)?,
    }
    Ok(scan)
}

/// Writes a row without a transaction if the last row is old.
fn move_on(changes: &ChangeData, database: &Database, system: &dyn System, names: &Names) -> Result<(), SqlError> {
    let now = changes.clock.local_datetime();
    let query = format!("SELECT tran_end_time FROM {} ORDER BY start_lsn DESC LIMIT 1", names.lsn_time_mapping);
    let last = system.connection().query_row(&query, [], |row| Ok(from_sqlite(row.get_ref(0)?, &Type::DateTime)));
    let last = match last {
        Ok(value) => value,
        // Nothing was captured yet.
        Err(rusqlite::Error::QueryReturnedNoRows) => return Ok(()),
        Err(error) => return Err(super::sqlite(error)),
    };
    if let Datum::DateTime(last) = last
        && seconds(now) - seconds(last) < IDLE
    {
        return Ok(());
    }
    let lsn = lock(&database.log).idle();
    if let Some(lsn) = lsn {
        capture::idle(system, lsn, now)?;
    }
    Ok(())
}

/// Once a day, after two in the morning.
fn is_time_to_clean(changes: &ChangeData, cleaned: &mut Option<i64>) -> bool {
    let day = (seconds(changes.clock.local_datetime()) - CLEANUP_AT).div_euclid(86_400);
    cleaned.replace(day).is_some_and(|last| last < day)
}

fn seconds(time: DateTime) -> i64 {
    i64::from(time.days) * 86_400 + i64::from(time.ticks / 300)
}
