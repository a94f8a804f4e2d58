use super::Reader;
use crate::catalog::lost_instances;
use crate::config::SnapshotMode;
use crate::failure::Failure;
use crate::offset::{Offset, Snapshot};

/// What a reader begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Snapshot { rows: bool },
    Stream,
    Nothing,
}

impl Reader {
    pub(super) async fn first_step(&mut self) -> Result<Step, Failure> {
        let mode = self.settings.snapshot_mode;
        let step = first_step(mode, self.offset, self.started);
        if step != Step::Stream {
            return Ok(step);
        }
        match self.lost().await? {
            Some(what) if mode == SnapshotMode::WhenNeeded => {
                tracing::warn!(database = %self.database, what, "changes were removed while the connector was stopped: a snapshot is taken");
                Ok(Step::Snapshot { rows: true })
            }
            Some(what) => Err(Failure::Lost(what)),
            None => Ok(Step::Stream),
        }
    }

    /// What was removed behind the stored position.
    async fn lost(&self) -> Result<Option<String>, Failure> {
        let Some(position) = self.offset.and_then(|offset| offset.commit) else { return Ok(None) };
        let mut client = self.pool.take().await?;
        let lost = lost_instances(&mut client, &self.database, position).await?;
        client.give_back();
        let lost = lost.into_iter().find(|table| self.settings.tables.captures(&table.source));
        Ok(lost.map(|table| {
            let start = table.start.map(|lsn| lsn.to_string()).unwrap_or_default();
            format!(
                "the capture instance {} of {} begins at {start} now, and was read up to {position}",
                table.instance, table.source
            )
        }))
    }
}

fn first_step(mode: SnapshotMode, offset: Option<Offset>, started: bool) -> Step {
    let rows = mode != SnapshotMode::NoData;
    let begun = offset.is_some_and(|offset| offset.snapshot != Snapshot::Running);
    match mode {
        SnapshotMode::Always if !started => Step::Snapshot { rows },
        _ if !begun => Step::Snapshot { rows },
        SnapshotMode::InitialOnly => Step::Nothing,
        _ => Step::Stream,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_taken_when_there_is_none_yet_or_the_last_one_was_broken_off() {
        let at = |snapshot| Some(Offset::of_snapshot(None, snapshot));
        let initial = |offset| first_step(SnapshotMode::Initial, offset, false);
        assert_eq!(initial(None), Step::Snapshot { rows: true });
        assert_eq!(initial(at(Snapshot::Running)), Step::Snapshot { rows: true });
        assert_eq!(initial(at(Snapshot::Completed)), Step::Stream);
        assert_eq!(initial(at(Snapshot::No)), Step::Stream);
    }

    #[test]
    fn modes_decide_what_follows() {
        let streamed = Some(Offset::of_snapshot(None, Snapshot::No));
        assert_eq!(first_step(SnapshotMode::NoData, None, false), Step::Snapshot { rows: false });
        assert_eq!(first_step(SnapshotMode::InitialOnly, streamed, false), Step::Nothing);
        assert_eq!(first_step(SnapshotMode::Always, streamed, false), Step::Snapshot { rows: true });
        // An error in between does not bring all rows again.
        assert_eq!(first_step(SnapshotMode::Always, streamed, true), Step::Stream);
    }
}
