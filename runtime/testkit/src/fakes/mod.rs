//! In-memory stand-ins for what the runtime does for a plugin.

mod connector;
mod sink;
mod source;
mod topics;
mod transform;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::connector::{FakeConnectorHost, validate};
pub use self::sink::FakeSinkHost;
pub use self::source::FakeSourceHost;
pub use self::transform::{ManualClock, MemoryTransformHost};

/// A fake stays readable after the test that held it panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
