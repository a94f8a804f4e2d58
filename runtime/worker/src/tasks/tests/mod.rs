#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod chain;
mod converters;
mod encoding;
pub(super) mod fakes;
mod life;
mod metrics;
