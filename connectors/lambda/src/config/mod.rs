//! Parses two sets of properties, Confluent's and Nordstrom's, into the same settings.

mod confluent;
mod from_confluent;
mod from_nordstrom;
mod nordstrom;
mod read;
mod settings;

use tributary_api::{ConfigKey, ConfigType};

pub(crate) use self::confluent::definition as confluent;
pub(crate) use self::nordstrom::definition as nordstrom;
pub(crate) use self::settings::{
    Access, AccessProperties, Credentials, Flavour, Functions, Limits, Mode, OnError, Proxy, Report, Reports, Retries,
    Role, Settings, Text,
};

/// The maximum size of an event in bytes, for synchronous invocations.
pub(crate) const SYNC_LIMIT: usize = 6 * 1024 * 1024;
/// The maximum size of an event in bytes, for asynchronous invocations.
pub(crate) const ASYNC_LIMIT: usize = 1024 * 1024;
/// Longer than any function may run (15 minutes), so that the function's own time-out is the one that ends it.
pub(crate) const LONGER_THAN_ANY: std::time::Duration = std::time::Duration::from_secs(930);

fn key(name: &str, kind: ConfigType, group: &str) -> ConfigKey {
    ConfigKey::new(name, kind).group(group)
}
