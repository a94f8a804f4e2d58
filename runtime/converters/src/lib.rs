//! Kafka Connect's own converters, header converters and configuration providers, under their Java class names.
//!
//! Their input and output is compared, case by case, with recordings of Apache Kafka's own (`tests/golden`).
//!
//! The configuration providers (`providers`) live here too: like converters they belong to Kafka's own jars, and they
//! do not depend on the worker.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod as_header;
mod boolean;
mod byte_array;
mod entries;
mod json;
mod number;
mod providers;
mod simple_header;
mod string;
mod timestamps;
mod utf8;

use tributary_api::{ConfigDef, ConfigKey, ConfigType, Importance, Plugin};

/// The converters, header converters and configuration providers of this crate.
pub fn plugins() -> Vec<Plugin> {
    let mut plugins = number::plugins();
    plugins.extend(boolean::plugins());
    plugins.extend(byte_array::plugins());
    plugins.extend(string::plugins());
    plugins.extend(json::plugins());
    plugins.push(simple_header::plugin());
    plugins.extend(providers::plugins());
    plugins
}

/// The property that Connect sets on every converter it makes: what the converter is for.
fn converter_type(default: &str) -> ConfigDef {
    ConfigDef::new([ConfigKey::new("converter.type", ConfigType::String)
        .default(default)
        .one_of(&["key", "value", "header"])
        .importance(Importance::Low)
        .doc("What the converter is used for; set by the worker.")])
}
