//! Debezium's transforms for the records of its connectors.

mod extract;
mod field_reference;
mod router;
mod schemas;

use tributary_api::{Plugin, Record};

/// The plugins of this module.
pub(crate) fn plugins() -> [Plugin; 2] {
    [extract::plugin(), router::plugin()]
}

/// Whether a record has a change in Debezium's format. Other records pass unchanged.
fn has_envelope(record: &Record) -> bool {
    let name = record.value.schema.as_ref().and_then(|schema| schema.name.as_ref());
    name.is_some_and(|name| name.ends_with(".Envelope"))
}
