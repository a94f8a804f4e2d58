#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod creation;
mod flow;
mod tracker;
