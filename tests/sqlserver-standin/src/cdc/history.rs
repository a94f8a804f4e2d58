//! What the server reports about its log scans: `sys.dm_cdc_log_scan_sessions` and `sys.dm_cdc_errors`. It is kept while the
//! server runs only.

use std::collections::VecDeque;

use super::{capture::Scan, lsn::Lsn};
use crate::data::{Collation, Column, DateTime, Datum, Length, SqlError, Type};

/// As many sessions and errors as SQL Server remembers.
const KEPT: usize = 32;

#[derive(Debug, Default)]
pub(super) struct History {
    last_session: i32,
    sessions: VecDeque<Session>,
    errors: VecDeque<Error>,
}

/// One scan, or several in a row that found nothing.
#[derive(Debug, Clone)]
struct Session {
    id: i32,
    started: DateTime,
    ended: DateTime,
    scan: Scan,
    latency: i32,
    empty: i32,
    failed: i32,
}

#[derive(Debug, Clone)]
struct Error {
    session: i32,
    at: DateTime,
    error: SqlError,
}

impl History {
    pub(super) fn scanned(&mut self, started: DateTime, ended: DateTime, scan: Scan) {
        if scan.transactions == 0
            && let Some(last) = self.sessions.back_mut().filter(|s| s.empty > 0)
        {
            last.empty += 1;
            last.ended = ended;
            return;
        }
        let latency = scan.last_commit.map_or(0, |commit| seconds(commit, ended));
        let empty = i32::from(scan.transactions == 0);
        self.add(Session { id: 0, started, ended, scan, latency, empty, failed: 0 });
    }

    pub(super) fn failed(&mut self, started: DateTime, ended: DateTime, error: SqlError) {
        self.add(Session { id: 0, started, ended, scan: Scan::default(), latency: 0, empty: 0, failed: 1 });
        self.errors.push_back(Error { session: self.last_session, at: ended, error });
        while self.errors.len() > KEPT {
            self.errors.pop_front();
        }
    }

    fn add(&mut self, session: Session) {
        self.last_session += 1;
        self.sessions.push_back(Session { id: self.last_session, ..session });
        while self.sessions.len() > KEPT {
            self.sessions.pop_front();
        }
    }

    pub(super) fn session_rows(&self) -> Vec<Vec<Datum>> {
        self.sessions.iter().map(Session::row).collect()
    }

    pub(super) fn error_rows(&self) -> Vec<Vec<Datum>> {
        let none = || Datum::Text(shown(Lsn::ZERO));
        let row = |e: &Error| {
            vec![
                Datum::Int(e.session),
                Datum::Int(1),
                Datum::DateTime(e.at),
                Datum::Int(e.error.number),
                Datum::Int(i32::from(e.error.class)),
                Datum::Int(i32::from(e.error.state)),
                Datum::Text(e.error.message.clone()),
                none(),
                none(),
                none(),
            ]
        };
        self.errors.iter().map(row).collect()
    }
}

impl Session {
    fn row(&self) -> Vec<Datum> {
        let (first, last) = self.scan.range.unwrap_or_default();
        let lsn = |lsn| Datum::Text(shown(lsn));
        let count = |n: u64| Datum::BigInt(i64::try_from(n).unwrap_or(i64::MAX));
        let commit = self.scan.last_commit.map_or(Datum::Null, Datum::DateTime);
        vec![
            Datum::Int(self.id),
            Datum::DateTime(self.started),
            Datum::DateTime(self.ended),
            Datum::Int(seconds(self.started, self.ended)),
            Datum::Text(if self.failed > 0 { "Aborted" } else { "Done" }.to_owned()),
            Datum::Int(self.failed),
            lsn(first),
            lsn(last),
            lsn(last),
            count(self.scan.transactions),
            lsn(last),
            commit.clone(),
            count(self.scan.records),
            Datum::Int(0),
            count(self.scan.commands),
            lsn(first),
            lsn(last),
            commit,
            Datum::Int(self.latency),
            Datum::Int(self.empty),
            Datum::Int(self.failed),
        ]
    }
}

pub(super) fn session_columns() -> Vec<Column> {
    let (int, bigint, time, lsn) = (|| Type::Int, || Type::BigInt, || Type::DateTime, || text(23));
    [
        ("session_id", int()),
        ("start_time", time()),
        ("end_time", time()),
        ("duration", int()),
        ("scan_phase", text(200)),
        ("error_count", int()),
        ("start_lsn", lsn()),
        ("current_lsn", lsn()),
        ("end_lsn", lsn()),
        ("tran_count", bigint()),
        ("last_commit_lsn", lsn()),
        ("last_commit_time", time()),
        ("log_record_count", bigint()),
        ("schema_change_count", int()),
        ("command_count", bigint()),
        ("first_begin_cdc_lsn", lsn()),
        ("last_commit_cdc_lsn", lsn()),
        ("last_commit_cdc_time", time()),
        ("latency", int()),
        ("empty_scan_count", int()),
        ("failed_sessions_count", int()),
    ]
    .map(|(name, r#type)| Column::new(name, r#type))
    .into()
}

pub(super) fn error_columns() -> Vec<Column> {
    [
        ("session_id", Type::Int),
        ("phase_number", Type::Int),
        ("entry_time", Type::DateTime),
        ("error_number", Type::Int),
        ("error_severity", Type::Int),
        ("error_state", Type::Int),
        ("error_message", text(1024)),
        ("start_lsn", text(23)),
        ("begin_lsn", text(23)),
        ("sequence_value", text(23)),
    ]
    .map(|(name, r#type)| Column::new(name, r#type))
    .into()
}

fn text(length: u16) -> Type {
    Type::NVarChar { length: Length::Limited(length), collation: Collation::DEFAULT }
}

/// As these views show it: with the zero that ends a string in C.
fn shown(lsn: Lsn) -> String {
    format!("{lsn}\0")
}

fn seconds(from: DateTime, to: DateTime) -> i32 {
    let ticks = |t: DateTime| i64::from(t.days) * 86_400 * 300 + i64::from(t.ticks);
    i32::try_from((ticks(to) - ticks(from)).max(0) / 300).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime = DateTime { days: 45_000, ticks: 0 };

    #[test]
    fn empty_scans_in_a_row_are_one_session_that_begins_nowhere() {
        let mut history = History::default();
        for _ in 0..3 {
            history.scanned(NOW, NOW, Scan::default());
        }
        let rows = history.session_rows();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].len(), session_columns().len());
        assert_eq!(rows[0][6], Datum::Text("00000000:00000000:0000\0".to_owned()));
        assert_eq!(rows[0][19], Datum::Int(3));
    }

    #[test]
    fn a_failed_scan_is_a_session_and_an_error() {
        let mut history = History::default();
        history.failed(NOW, NOW, SqlError::new(22859, 16, 1, "no"));
        assert_eq!((history.session_rows().len(), history.error_rows()[0].len()), (1, error_columns().len()));
        assert_eq!(history.error_rows()[0][0], Datum::Int(1));
    }

    #[test]
    fn only_the_last_sessions_are_kept() {
        let mut history = History::default();
        for _ in 0..100 {
            history.scanned(NOW, NOW, Scan { transactions: 1, ..Scan::default() });
        }
        assert_eq!(history.session_rows().len(), KEPT);
        assert_eq!(history.session_rows()[KEPT - 1][0], Datum::Int(100));
    }
}
