//! The contract battery for connectors, and fakes of what the runtime does for a plugin.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod battery;
mod fakes;
pub mod restarts;

pub use self::fakes::{FakeConnectorHost, FakeSinkHost, FakeSourceHost, ManualClock, MemoryTransformHost};
