//! All properties, in groups.
//!
//! `topics`, `topics.regex`, `errors.tolerance` and `errors.log.enable` are defined by the worker for every sink, and
//! read here too.

mod connection;
mod documents;
mod writes;

use tributary_api::{ConfigDef, ConfigKey, ConfigType, Importance, Width};

use super::Settings;

/// Where the classes of the Java connector are.
pub(crate) const PACKAGE: &str = "com.mongodb.kafka.connect.sink.";

/// All properties, with the checks of what must go together, for every topic that the configuration names.
pub(crate) fn definition() -> ConfigDef {
    properties().check(|config| Ok(Settings::issues(config.originals())))
}

/// All properties, each for itself.
pub(super) fn properties() -> ConfigDef {
    ConfigDef::new(connection::keys().into_iter().chain(writes::keys()).chain(documents::keys()))
}

/// A property of medium importance without a validator.
fn key(group: &str, order: i32, name: &str, kind: ConfigType) -> ConfigKey {
    ConfigKey::new(name, kind).group(group).order(order).width(Width::Medium)
}

fn text(group: &str, order: i32, name: &str) -> ConfigKey {
    key(group, order, name, ConfigType::String).default("")
}

fn flag(group: &str, order: i32, name: &str, default: bool) -> ConfigKey {
    key(group, order, name, ConfigType::Boolean).default(default)
}

/// A property that is defined only so that a configuration that uses it is refused instead of ignored.
fn refused(group: &str, order: i32, name: &str, what: &str) -> ConfigKey {
    text(group, order, name).importance(Importance::Low).doc(format!("Not supported: {what}"))
}
