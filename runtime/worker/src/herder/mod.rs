//! The herder: requests write to the configuration topic; one runner for each connector follows the topic.
//!
//! Requests only write the wanted state. Runners compare it with what is running and start and stop accordingly. Only
//! runners call plugins, so a request does not wait for a plugin, except to validate a configuration.

mod context;
mod fencing;
mod instance;
mod message;
mod offsets;
mod plugin_listing;
mod requests;
mod restart_requests;
mod restarts;
mod runner;
mod runners;
mod stages;
mod status_writer;
mod task_set;
mod transform_requests;

pub(crate) use context::HerderContext;
pub(crate) use requests::ClusterHerder;
pub(crate) use runners::Runners;
pub(crate) use stages::Stages;
pub(crate) use status_writer::StatusWriter;
