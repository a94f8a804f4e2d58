//! In-memory implementations of what the runtime does for a plugin.

mod connector;
mod sink;
mod source;
mod topics;
mod transform;

pub use self::connector::{FakeConnectorHost, validate};
pub use self::sink::FakeSinkHost;
pub use self::source::FakeSourceHost;
pub use self::transform::{ManualClock, MemoryTransformHost};
