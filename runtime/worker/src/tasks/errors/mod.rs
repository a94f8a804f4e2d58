//! What happens to a record that fails: it is retried, skipped and counted, logged, sent to the dead letter queue, or
//! fails the task, as the connector's `errors.*` properties say.

mod config;
mod dead_letters;
mod failed_record;
mod operator;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tributary_api::{Error, ErrorKind};

pub(crate) use self::config::ErrorConfig;
pub(crate) use self::dead_letters::DeadLetters;
pub(crate) use self::failed_record::FailedRecord;
pub(crate) use self::operator::{ErrorOperator, Recovery};

/// The stage at which a record failed, under its name in dead letter headers and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// In a sink's `put`.
    TaskPut,
    /// In a transform or predicate.
    Transformation,
    /// In the key converter.
    KeyConverter,
    /// In the value converter.
    ValueConverter,
    /// In the header converter.
    HeaderConverter,
    /// In the producer.
    KafkaProduce,
}

impl Stage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TaskPut => "TASK_PUT",
            Self::Transformation => "TRANSFORMATION",
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::KafkaProduce => "KAFKA_PRODUCE",
        }
    }
}

/// The failure of one record, with the stage and the class.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    /// The class that failed.
    pub(crate) class: Arc<str>,
    pub(crate) error: Error,
}

impl Failure {
    #[cold]
    pub(crate) fn new(stage: Stage, class: &Arc<str>, error: Error) -> Self {
        Self { stage, class: Arc::clone(class), error }
    }

    /// Whether the record may be skipped under `errors.tolerance=all`.
    fn is_tolerable(&self) -> bool {
        matches!(self.stage, Stage::TaskPut | Stage::KafkaProduce)
            || matches!(self.error.kind(), ErrorKind::Data | ErrorKind::Retriable)
    }
}
