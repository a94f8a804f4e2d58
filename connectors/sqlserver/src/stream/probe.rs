//! The request that each poll sends to find out how far the log was captured, and which tables have changes.

use std::fmt::Write;

use tributary_api::Result;

use super::instance::Instance;
use crate::lsn::Lsn;
use crate::sql::{Client, Parameter, classified, is_missing_object, quoted};

/// Tables that one statement asks about. What a server takes to compile one grows faster than the number of its parts, and
/// of some thousand parts it refuses to; all statements are one request.
const TABLES: usize = 100;

/// What an error of these statements prevented.
const LOOK: &str = "cannot look for changes";

/// The position that was reached before a poll.
#[derive(Debug)]
pub(super) struct Probe<'a> {
    pub(super) database: &'a str,
    /// All changes up to this position were read.
    pub(super) last: Option<Lsn>,
    /// The first position that was not read.
    pub(super) low: Lsn,
    /// The most transactions to read. `None`: no limit.
    pub(super) most: Option<i32>,
}

#[derive(Debug)]
pub(super) struct ProbeResult {
    /// The position to read up to; `None` if the log has no transactions.
    pub(super) to: Option<Lsn>,
    /// The newest captured position, of a transaction or of an idle entry. It is read before `to` is looked for, so
    /// `to` has taken account of all changes up to it.
    pub(super) newest: Option<Lsn>,
    /// Change table and first position of each capture instance of the database.
    starts: Vec<(i64, Option<Lsn>)>,
    /// Indexes of the instances that have changes.
    pub(super) changed: Vec<usize>,
    /// Whether an instance no longer exists.
    pub(super) missing: bool,
}

impl Probe<'_> {
    /// The newest captured position, as [`ProbeResult::newest`], and nothing else: while it stays the same, nothing was captured, and
    /// there is no need to look at the instances.
    pub(super) async fn newest(&self, client: &mut Client) -> Result<Option<Lsn>> {
        let sql = format!("SELECT MAX(start_lsn) FROM {}.cdc.lsn_time_mapping", quoted(self.database));
        let results = client.try_results(&sql, Vec::new()).await;
        let mut rows = results.map_err(|error| classified(&error, LOOK))?.into_iter().flatten();
        rows.next().map_or(Ok(None), |mut row| row.lsn())
    }

    /// Runs the statements in one round trip, whatever the number of instances.
    pub(super) async fn run(&self, client: &mut Client, instances: &[Instance]) -> Result<ProbeResult> {
        let parameters = || -> Vec<Parameter> {
            vec![
                self.last.unwrap_or(Lsn::ZERO).into(),
                self.low.into(),
                self.most.map_or(0, |most| most.saturating_add(1)).into(),
            ]
        };
        let (results, missing) = match client.try_results(&self.sql(instances), parameters()).await {
            // An instance was disabled since the last poll: listing the instances again will show which one.
            Err(error) if is_missing_object(&error) => (client.results(&self.sql(&[]), parameters()).await?, true),
            other => (other.map_err(|error| classified(&error, LOOK))?, false),
        };
        let mut results = results.into_iter();
        let mut position = || match results.next().and_then(|mut rows| rows.pop()) {
            Some(mut row) => row.lsn(),
            None => Ok(None),
        };
        let (newest, to) = (position()?, position()?);
        let mut starts = Vec::new();
        for mut row in results.next().unwrap_or_default() {
            starts.push((row.required_int()?, row.lsn()?));
        }
        let mut changed = Vec::new();
        for mut row in results.flatten() {
            changed.push(usize::try_from(row.required_int()?).unwrap_or(usize::MAX));
        }
        changed.sort_unstable();
        Ok(ProbeResult { to, newest, starts, changed, missing })
    }

    fn sql(&self, instances: &[Instance]) -> String {
        let database = quoted(self.database);
        let newest = match self.most {
            Some(_) => format!(
                "SELECT @to = MAX(next_lsns.start_lsn) FROM (SELECT TOP (@P3) start_lsn FROM {database}.cdc.lsn_time_mapping WHERE \
                 start_lsn >= @P1 AND tran_id <> 0x00 ORDER BY start_lsn) AS next_lsns"
            ),
            None => format!(
                "SELECT @to = MAX(all_lsns.start_lsn) FROM {database}.cdc.lsn_time_mapping AS all_lsns WHERE tran_id <> 0x00 AND @P3 = 0 AND @P1 <= start_lsn"
            ),
        };
        let mut sql = format!(
            "SELECT MAX(newest.start_lsn) FROM {database}.cdc.lsn_time_mapping AS newest; DECLARE @to binary(10); {newest}; SELECT @to; SELECT object_id, start_lsn FROM {database}.cdc.change_tables"
        );
        for (place, instance) in instances.iter().enumerate() {
            let table = quoted(&format!("{}_CT", instance.table.instance));
            let before = if place % TABLES == 0 { "; " } else { " UNION ALL " };
            // Writing into a String cannot fail.
            let _ = write!(
                sql,
                "{before}SELECT {place} WHERE EXISTS (SELECT 1 FROM {database}.cdc.{table} WHERE [__$start_lsn] >= @P2 AND \
                 [__$start_lsn] <= @to)"
            );
        }
        if instances.is_empty() {
            // The statement must use all of its parameters.
            sql.push_str("; SELECT 0 WHERE @P2 IS NULL");
        }
        sql
    }
}

impl ProbeResult {
    /// Whether changes of an instance from `low` on may have been removed.
    pub(super) fn lost(&self, instance: &Instance, low: Lsn) -> bool {
        was_cleaned_up(instance.table.start, self.start(instance), low)
    }

    /// As [`lost`](Self::lost), for an instance that was listed after this statement ran.
    pub(super) fn lost_since(&self, instance: &Instance, low: Lsn) -> bool {
        was_cleaned_up(self.start(instance), instance.table.start, low)
    }

    /// The end of the log if it is before what was read, which means that the database was replaced, for example by a
    /// backup.
    pub(super) fn ends_before(&self, last: Option<Lsn>) -> Option<Lsn> {
        self.newest.filter(|newest| Some(*newest) < last)
    }

    fn start(&self, instance: &Instance) -> Option<Lsn> {
        self.starts.iter().find(|(object, _)| *object == instance.table.object).and_then(|(_, start)| *start)
    }

    /// The change tables of the instances that begin at or before `to`.
    pub(super) fn begun(&self, to: Lsn) -> Vec<i64> {
        let begun = self.starts.iter().filter(|(_, start)| start.is_some_and(|start| start <= to));
        let mut begun: Vec<i64> = begun.map(|(object, _)| *object).collect();
        begun.sort_unstable();
        begun
    }
}

/// Whether a cleanup has gone beyond `low`. It raises an instance's first position before it removes the rows below it.
pub(super) fn was_cleaned_up(known: Option<Lsn>, now: Option<Lsn>, low: Lsn) -> bool {
    matches!((known, now), (Some(known), Some(now)) if now > known && now > low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_ends_before_what_was_read_was_restored() {
        let lsn = |number| Lsn::from_bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 0, number]);
        let probed = |newest| ProbeResult { to: None, newest, starts: Vec::new(), changed: Vec::new(), missing: false };
        assert_eq!(probed(lsn(4)).ends_before(lsn(5)), lsn(4));
        assert_eq!(probed(lsn(5)).ends_before(lsn(5)), None);
        assert_eq!(probed(lsn(5)).ends_before(None), None, "nothing was read yet");
        assert_eq!(probed(None).ends_before(lsn(5)), None, "a cleanup may have removed all of it");
    }
}
