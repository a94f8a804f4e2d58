//! The herder: requests on one side, the configuration topic in the middle, one runner for each connector on the other.
//!
//! Requests only write what is wanted. Runners compare it with what runs and make the difference good; they call plugins,
//! so a request never waits for one, but to validate.

mod instance;
mod offsets;
mod requests;
mod restarts;
mod roster;
mod runner;
mod stages;
mod statuses;
mod task_set;

pub(crate) use requests::ClusterHerder;
pub(crate) use roster::Roster;
pub(crate) use runner::Shared;
pub(crate) use stages::Stages;
pub(crate) use statuses::Statuses;
