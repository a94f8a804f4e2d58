//! The properties of the sink, their checks, and the typed settings parsed from them.

mod classes;
mod definition;
mod overrides;
mod rules;
mod settings;
mod topic;

pub(crate) use self::definition::definition;
pub(crate) use self::settings::{RetrySettings, Settings, Store};
pub(crate) use self::topic::{Duplicates, Timeseries, Tolerance, TopicSettings};

#[cfg(test)]
mod tests;
