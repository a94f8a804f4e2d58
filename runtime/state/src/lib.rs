//! Keyed state for stream processors.
//!
//! Each input partition owns one [`PartitionState`]: its keyed stores, its timers and an overlay of uncommitted
//! writes over a [`Store`]. The life of a batch:
//!
//! 1. transforms read and write through the overlay; a failed record is undone with [`PartitionState::rollback`];
//! 2. [`PartitionState::changes`] gives the changed keys, each once, to write to the changelog topics;
//! 3. once changelog, outputs and input offsets are committed, [`PartitionState::commit`] applies the overlay and the
//!    [`Positions`] to the store in one atomic batch. If they are not, [`PartitionState::abort`] drops the overlay.
//!
//! So the store is older than the changelog or equal to it, never newer: after a crash only the changelog's tail is
//! read again, from [`Positions::changelog`] on.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod disk;
mod memory;
mod overlay;
mod partition;
mod store;
mod table;
mod timers;

pub use disk::DiskStore;
pub use memory::MemoryStore;
pub use overlay::Savepoint;
pub use partition::PartitionState;
pub use store::{Batch, Layout, Positions, STORE_FORMAT, Slot, Store, Visit};
pub use table::GlobalTable;
