//! A Kafka-protocol broker and an S3 endpoint inside this process, for first runs and for tests without servers.
//!
//! [`Broker`] is composed of the parts of Tansu 0.6 (storage engines, group coordinator, request handlers) with
//! Tributary's own listener; [`ObjectStore`] serves a folder over the S3 protocol. Both listen on 127.0.0.1 only.
//!
//! They are not replicated, highly available, or exactly once. Records of an aborted transaction stay visible to
//! `read_committed` readers, so this broker gives at-least-once delivery.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod broker;
mod error;
mod listen;
mod object_store;
mod private;

pub use self::broker::{Broker, BrokerOptions, BrokerStorage};
pub use self::error::Error;
pub use self::object_store::{ObjectStore, ObjectStoreOptions};
pub use self::private::{close_to_others, private_folder};

/// What the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
