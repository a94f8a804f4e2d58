//! The engine: it keeps what operators want in three compacted topics and makes it so.
//!
//! [`Worker::start`] opens the stores, starts the herder and answers its [`Herder`](tributary_control::Herder).
#![forbid(unsafe_code)]

mod apart;
mod backoff;
mod clients;
mod connector_config;
mod definitions;
mod executor;
mod herder;
mod loggers;
mod membership;
mod metrics;
mod processor;
mod redaction;
mod settings;
mod stores;
mod supervision;
mod tasks;
mod validation;
mod variables;
mod versions;
mod worker;

pub use definitions::{MAX_TASKS, sink_definition, source_definition};
pub use loggers::{LoggerControl, LoggerRefusal, NoLoggers};
pub use processor::stream_processor;
pub use redaction::Redaction;
pub use settings::WorkerSettings;
pub use variables::Variables;
pub use worker::{Worker, WorkerOptions};
