//! The contract battery for connectors, fakes of what the runtime does for a plugin, and a fuzzer for parsers.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod battery;
mod fakes;
mod fuzz;
pub mod restarts;

pub use self::fakes::{FakeConnectorHost, FakeSinkHost, FakeSourceHost, ManualClock, MemoryTransformHost, validate};
pub use self::fuzz::fuzz;
