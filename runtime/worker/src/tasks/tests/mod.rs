#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod converters;
mod encoding;
pub(super) mod fakes;
mod lifecycle;
mod metrics;
mod transformation_chain;
