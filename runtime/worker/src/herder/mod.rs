//! The herder: requests on one side, the configuration topic in the middle, one runner for each connector on the other.
//!
//! Requests only write what is wanted. Runners compare it with what runs and make the difference good; they call plugins,
//! so a request never waits for one, but to validate.

mod context;
mod instance;
mod message;
mod offsets;
mod requests;
mod restarts;
mod runner;
mod runners;
mod stages;
mod status_writer;
mod task_set;

pub(crate) use context::HerderContext;
pub(crate) use requests::ClusterHerder;
pub(crate) use runners::Runners;
pub(crate) use stages::Stages;
pub(crate) use status_writer::StatusWriter;
