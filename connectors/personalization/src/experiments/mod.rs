//! Experiments: what is recorded of them, and what they brought.
//!
//! The transform writes exposures and orders to one topic, in the same transaction as its decisions. A report reads that
//! topic: who was exposed first to which arm, and what they ordered within the attribution window after that.

mod attribution;
mod log;
mod page;
mod report;
mod requests;
mod statistics;
mod text;

#[cfg(test)]
mod tests;

pub use page::page;
pub use report::{Advice, Arm, Comparison, Point, Report, SampleRatio};
pub use statistics::Effect;
pub use text::text;

pub(crate) use attribution::Periods;
pub(crate) use log::ExperimentLog;
pub(crate) use requests::answer;
