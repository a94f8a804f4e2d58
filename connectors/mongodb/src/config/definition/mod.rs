//! All properties, in groups.
//!
//! `topics`, `topics.regex`, `errors.tolerance` and `errors.log.enable` are the worker's: it defines them for every sink,
//! and this one reads them too.

mod connection;
mod documents;
mod writes;

use tributary_api::{ConfigDef, ConfigKey, ConfigType, Importance, Width};

/// Where the classes of the Java connector are.
pub(crate) const PACKAGE: &str = "com.mongodb.kafka.connect.sink.";

/// All properties.
pub(crate) fn definition() -> ConfigDef {
    let keys = connection::keys().into_iter().chain(writes::keys()).chain(documents::keys());
    ConfigDef::new(keys)
}

/// A property of which there is nothing uncommon to say.
fn key(group: &str, order: i32, name: &str, kind: ConfigType) -> ConfigKey {
    ConfigKey::new(name, kind).group(group).order(order).width(Width::Medium)
}

fn text(group: &str, order: i32, name: &str) -> ConfigKey {
    key(group, order, name, ConfigType::String).default("")
}

fn flag(group: &str, order: i32, name: &str, default: bool) -> ConfigKey {
    key(group, order, name, ConfigType::Boolean).default(default)
}

/// One that exists so that a configuration which asks for what cannot be done is refused, and not done otherwise.
fn refused(group: &str, order: i32, name: &str, what: &str) -> ConfigKey {
    text(group, order, name).importance(Importance::Low).doc(format!("Not supported: {what}"))
}
