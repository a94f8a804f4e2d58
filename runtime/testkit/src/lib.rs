//! The contract battery for plugins, in-memory hosts to run plugins without a runtime, and a fuzzer for parsers.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod battery;
mod fakes;
mod fuzz;
pub mod restarts;

pub use self::fakes::{FakeConnectorHost, FakeSinkHost, FakeSourceHost, ManualClock, MemoryTransformHost, validate};
pub use self::fuzz::fuzz;
