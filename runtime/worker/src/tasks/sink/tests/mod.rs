#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod flow;
mod rebalancing;
mod reporting;
mod rig;
mod subscribing;
