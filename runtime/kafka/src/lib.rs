//! The Kafka clients of Tributary. librdkafka itself is in `tributary-librdkafka`, which no other crate uses.
//!
//! [`Producer`], [`Consumer`] and [`Admin`] work in batches and with the types of the plugin contract; settings are
//! Java's ([`ClientConfig`]). [`CompactedLog`] is a small table stored in a topic.
//!
//! Sending and polling block the thread while they wait; [`Consumer::ready`] waits asynchronously until a poll without
//! a timeout will find something. Admin and log are asynchronous.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod admin;
mod config;
mod consumer;
mod denied;
mod log;
mod producer;
mod records;
mod transaction;

pub use admin::{Admin, Created, GroupMember, NewTopic, TopicDescription};
pub use config::{ClientConfig, Role};
pub use consumer::{Consumer, ConsumerWaker, Polled, Position, StartOffsets};
pub use denied::is_denied;
pub use log::{CompactedLog, LogOptions, LogRecord};
pub use producer::{Delivery, DeliveryListener, Producer, ProducerOptions, ProducerRecord, Token, Unconfirmed};
pub use records::RawRecord;
pub use transaction::{GroupMetadata, TransactionError};
pub use tributary_api::{Offsets, RecordMetadata, TimestampType, TopicPartition};
