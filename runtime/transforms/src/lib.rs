//! Kafka's single message transforms and predicates under their Java class names, and `tributary.transforms.FromJson`.
//!
//! One file each. Shared parts are in `support`: the side of a record, a cache of changed schemas, and Java's regular
//! expressions.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod extract_field;
mod from_json;
mod hoist_field;
mod insert_field;
mod predicates;
mod regex_router;
mod replace_field;
mod support;
mod value_to_key;

use tributary_api::Plugin;

/// The transforms and predicates of this crate.
pub fn plugins() -> Vec<Plugin> {
    let mut plugins = vec![regex_router::plugin(), value_to_key::plugin()];
    plugins.extend(extract_field::plugins());
    plugins.extend(from_json::plugins());
    plugins.extend(hoist_field::plugins());
    plugins.extend(insert_field::plugins());
    plugins.extend(replace_field::plugins());
    plugins.extend(predicates::plugins());
    plugins
}
