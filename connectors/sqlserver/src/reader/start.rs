//! Decides how a reader starts: with a snapshot, or from its stored offset, and checks that what it needs still exists.

use tributary_api::Error;

use super::Reader;
use crate::catalog::lost_instances;
use crate::config::{HistorySettings, SnapshotMode, Step};
use crate::failure::Failure;

impl Reader {
    pub(super) async fn first_step(&mut self) -> Result<Step, Failure> {
        let mode = self.settings.snapshot_mode;
        if mode == SnapshotMode::Recovery && self.offset.is_none() {
            let message =
                "snapshot.mode=recovery needs a stored offset to continue from, and there is none: set another mode";
            return Err(Error::config_at("snapshot.mode", message).into());
        }
        let step = mode.first_step(self.offset, self.started);
        let step = match step {
            Step::Stream => self.recovered(mode)?,
            other => other,
        };
        if !matches!(step, Step::Stream | Step::Structure) {
            return Ok(step);
        }
        match (self.removed().await?, mode.when_lost()) {
            (Some(what), Some(instead)) => {
                tracing::warn!(database = %self.database, what, "changes were removed while the connector was stopped: a snapshot is taken");
                Ok(instead)
            }
            (Some(what), None) => Err(Failure::Lost(what)),
            (None, _) => Ok(step),
        }
    }

    /// If a schema history is kept: whether it has the structure of the tables at the stored position.
    fn recovered(&self, mode: SnapshotMode) -> Result<Step, Failure> {
        let missing = self.known.as_ref().is_some_and(|known| !known.exists);
        // An earlier attempt of this run has already sent the structure.
        if !missing || self.started || self.offset.is_none() {
            return Ok(Step::Stream);
        }
        if mode.replaces_history() {
            tracing::warn!(database = %self.database, "the schema history is missing: the structure of tables is read from the database");
            return Ok(Step::Structure);
        }
        let topic = self.settings.history.as_ref().map_or("", |history| &history.topic);
        let message = format!(
            "the schema history topic {topic} is missing or empty, and there is a stored offset: check {}, or set \
             snapshot.mode=recovery for one start to write it anew from the current tables",
            HistorySettings::TOPIC
        );
        Err(Error::config_at(HistorySettings::TOPIC, message).into())
    }

    /// Describes changes after the stored position that were removed; `None` if there are none.
    pub(super) async fn removed(&self) -> Result<Option<String>, Failure> {
        let read = self.offset.and_then(|offset| offset.commit);
        let Some(position) = read.max(self.empty_to) else { return Ok(None) };
        let mut client = self.pool.take().await?;
        let lost = lost_instances(&mut client, &self.database, position).await?;
        client.give_back();
        let lost = self.settings.tables.captured(lost, |table| &table.source)?;
        Ok(lost.into_iter().next().map(|table| {
            let start = table.start.map(|lsn| lsn.to_string()).unwrap_or_default();
            format!(
                "the capture instance {} of {} now begins at {start}, but was read only up to {position}",
                table.instance, table.source
            )
        }))
    }
}
