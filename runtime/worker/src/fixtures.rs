//! What the tests of several modules begin with.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tributary_api::Props;

use crate::settings::WorkerSettings;

pub(crate) fn props(pairs: &[(&str, &str)]) -> Props {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The properties that a worker requires, and more.
pub(crate) fn worker_props(more: &[(&str, &str)]) -> Props {
    let least = [
        ("bootstrap.servers", "127.0.0.1:1"),
        ("group.id", "workers"),
        ("key.converter", "TextConverter"),
        ("value.converter", "TextConverter"),
        ("config.storage.topic", "configs"),
        ("offset.storage.topic", "offsets"),
        ("status.storage.topic", "statuses"),
    ];
    props(&[&least[..], more].concat())
}

/// The settings of a worker on a Kafka cluster.
pub(crate) fn worker_settings(more: &[(&str, &str)]) -> Arc<WorkerSettings> {
    WorkerSettings::parse(&worker_props(more), "worker:8083".to_owned(), false).unwrap()
}
