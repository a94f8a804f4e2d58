//! In-memory implementations of the runtime's side of the plugin interfaces.

mod connector;
mod sink;
mod source;
mod topics;
mod transform;

pub use self::connector::{FakeConnectorHost, validate};
pub use self::sink::FakeSinkHost;
pub use self::source::FakeSourceHost;
pub use self::transform::{ManualClock, MemoryTransformHost};
