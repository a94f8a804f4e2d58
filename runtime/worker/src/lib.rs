//! The engine: it stores the wanted state in three compacted topics and runs connectors and tasks accordingly.
//!
//! [`Worker::start`] opens the stores and starts the herder; [`Worker::herder`] is its interface.
#![forbid(unsafe_code)]

mod blocking_pool;
mod clients;
mod config_transformer;
mod connector_config;
mod definitions;
mod executor;
#[cfg(test)]
mod fixtures;
mod herder;
mod loggers;
mod membership;
mod plugins;
mod processor;
mod prometheus;
mod redaction;
mod settings;
mod stores;
mod supervision;
mod tasks;
mod validation;
mod versions;
mod worker;

pub use config_transformer::ConfigTransformer;
pub use definitions::{MAX_TASKS, sink_definition, source_definition};
pub use loggers::{LoggerControl, LoggerRefusal, NoLoggers};
pub use processor::stream_processor;
pub use redaction::Redaction;
pub use settings::WorkerSettings;
pub use worker::{Worker, WorkerOptions};
