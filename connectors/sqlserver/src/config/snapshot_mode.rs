use tributary_api::{Config, Result};

use crate::offset::{Offset, Snapshot};

/// `snapshot.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotMode {
    Initial,
    Always,
    InitialOnly,
    NoData,
    Recovery,
    WhenNeeded,
    WhenNeededNoData,
    ConfigurationBased(Choices),
}

/// `snapshot.mode.configuration.based.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property")]
pub(crate) struct Choices {
    data: bool,
    schema: bool,
    stream: bool,
    on_schema_error: bool,
    on_data_error: bool,
}

/// What a reader does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Takes a snapshot of the tables' structure, with or without their rows.
    Snapshot {
        rows: bool,
    },
    /// Reads the current structure of the tables for changes from the stored position on.
    Structure,
    Stream,
    Nothing,
}

impl SnapshotMode {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let flag = |name: &str| config.boolean(&format!("snapshot.mode.configuration.based.{name}"));
        Ok(match config.string("snapshot.mode")?.to_lowercase().as_str() {
            "always" => Self::Always,
            "initial_only" => Self::InitialOnly,
            "no_data" => Self::NoData,
            "recovery" => Self::Recovery,
            "when_needed" => Self::WhenNeeded,
            "when_needed_no_data" => Self::WhenNeededNoData,
            "configuration_based" => Self::ConfigurationBased(Choices {
                data: flag("snapshot.data")?,
                schema: flag("snapshot.schema")?,
                stream: flag("start.stream")?,
                on_schema_error: flag("snapshot.on.schema.error")?,
                on_data_error: flag("snapshot.on.data.error")?,
            }),
            _ => Self::Initial,
        })
    }

    /// What a task does first, and what it does after a snapshot (`started`).
    pub(crate) fn first_step(self, offset: Option<Offset>, started: bool) -> Step {
        let begun = offset.is_some_and(|offset| offset.snapshot != Snapshot::Running);
        let onward = if self.streams() { Step::Stream } else { Step::Nothing };
        match self {
            Self::Always if !started => Step::Snapshot { rows: true },
            Self::Recovery if begun && !started => Step::Structure,
            Self::ConfigurationBased(choices) if !started => match choices {
                Choices { data: true, .. } => Step::Snapshot { rows: true },
                // A snapshot would move the position forward, and skip the changes since the stored one.
                Choices { schema: true, stream: true, .. } if begun => Step::Structure,
                Choices { schema: true, .. } => Step::Snapshot { rows: false },
                _ => onward,
            },
            Self::ConfigurationBased(_) => onward,
            Self::NoData | Self::WhenNeededNoData | Self::Recovery if !begun => Step::Snapshot { rows: false },
            _ if !begun => Step::Snapshot { rows: true },
            _ => onward,
        }
    }

    /// Whether changes are read.
    pub(crate) fn streams(self) -> bool {
        match self {
            Self::InitialOnly => false,
            Self::ConfigurationBased(choices) => choices.stream,
            _ => true,
        }
    }

    /// What to do if changes were removed before they were read; `None`: fail the task.
    pub(crate) fn when_lost(self) -> Option<Step> {
        match self {
            Self::WhenNeeded => Some(Step::Snapshot { rows: true }),
            Self::WhenNeededNoData => Some(Step::Snapshot { rows: false }),
            Self::ConfigurationBased(choices) if choices.on_data_error => Some(Step::Snapshot { rows: choices.data }),
            _ => None,
        }
    }

    /// Whether a missing schema history is replaced by the current structure of the tables.
    pub(crate) fn replaces_history(self) -> bool {
        match self {
            Self::Recovery => true,
            Self::ConfigurationBased(choices) => choices.on_schema_error,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(snapshot: Snapshot) -> Option<Offset> {
        Some(Offset::of_snapshot(None, snapshot))
    }

    #[test]
    fn a_snapshot_is_taken_when_there_is_none_yet_or_the_last_one_was_broken_off() {
        let initial = |offset| SnapshotMode::Initial.first_step(offset, false);
        assert_eq!(initial(None), Step::Snapshot { rows: true });
        assert_eq!(initial(at(Snapshot::Running)), Step::Snapshot { rows: true });
        assert_eq!(initial(at(Snapshot::Completed)), Step::Stream);
        assert_eq!(initial(at(Snapshot::No)), Step::Stream);
    }

    #[test]
    fn modes_decide_what_follows() {
        let streamed = at(Snapshot::No);
        let step = |mode: SnapshotMode, offset, started| mode.first_step(offset, started);
        assert_eq!(step(SnapshotMode::NoData, None, false), Step::Snapshot { rows: false });
        assert_eq!(step(SnapshotMode::InitialOnly, streamed, false), Step::Nothing);
        assert_eq!(step(SnapshotMode::Always, streamed, false), Step::Snapshot { rows: true });
        // A retry after an error does not take another snapshot.
        assert_eq!(step(SnapshotMode::Always, streamed, true), Step::Stream);
        assert_eq!(step(SnapshotMode::Recovery, streamed, false), Step::Structure);
        assert_eq!(step(SnapshotMode::Recovery, streamed, true), Step::Stream);
        assert_eq!(step(SnapshotMode::WhenNeededNoData, None, false), Step::Snapshot { rows: false });
        let choices =
            Choices { data: false, schema: true, stream: false, on_schema_error: false, on_data_error: false };
        let based = SnapshotMode::ConfigurationBased(choices);
        assert_eq!(step(based, streamed, false), Step::Snapshot { rows: false });
        assert_eq!(step(based, streamed, true), Step::Nothing);
        let based = SnapshotMode::ConfigurationBased(Choices { stream: true, ..choices });
        assert_eq!(step(based, None, false), Step::Snapshot { rows: false });
        assert_eq!(step(based, streamed, false), Step::Structure);
        assert_eq!(step(based, streamed, true), Step::Stream);
    }
}
