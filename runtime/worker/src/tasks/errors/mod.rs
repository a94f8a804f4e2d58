//! What happens to a record that cannot be handled: repeated, skipped and counted, logged, sent to the dead letter
//! queue, or the end of the task, as the connector's `errors.*` properties say.

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

/// What was being done with a record, as dead letter headers and logs name it.
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
    /// On the way to Kafka.
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

/// An error with one record, and where it happened.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    /// The class at work.
    pub(crate) class: Arc<str>,
    pub(crate) error: Error,
}

impl Failure {
    #[cold]
    pub(crate) fn new(stage: Stage, class: &Arc<str>, error: Error) -> Self {
        Self { stage, class: Arc::clone(class), error }
    }

    /// Whether the record may be given up for the sake of the others.
    fn is_tolerable(&self) -> bool {
        matches!(self.stage, Stage::TaskPut | Stage::KafkaProduce)
            || matches!(self.error.kind(), ErrorKind::Data | ErrorKind::Retriable)
    }
}
