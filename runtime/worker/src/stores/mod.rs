//! The three compacted topics, byte-compatible with a Java worker's.

mod config;
mod config_state;
mod connector_offsets;
mod log;
mod offset;
mod status;

pub(crate) use config::{ConfigEvent, ConfigStore, ConnectorWatch};
pub(crate) use config_state::{ConnectorEntry, TaskGeneration};
pub(crate) use connector_offsets::OffsetStores;
pub(crate) use offset::KafkaOffsetStore;
pub(crate) use status::{Status, StatusStore};
