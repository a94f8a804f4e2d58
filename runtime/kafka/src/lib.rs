//! The Kafka clients of Tributary, and the only place that names one.
//!
//! [`Producer`], [`Consumer`] and [`Admin`] speak in batches and in the terms of the plugin contract; settings are
//! Java's ([`ClientConfig`]). [`CompactedLog`] is a small table kept in a topic.
//!
//! Sending and polling block where they have to wait; [`Consumer::ready`] waits for what a poll that does not wait will find,
//! without a thread. Admin and log are asynchronous.
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod admin;
mod config;
mod consumer;
mod error;
mod log;
#[allow(unsafe_code, reason = "librdkafka is a C library; see the module for what makes each call sound")]
mod native;
mod producer;
mod records;
mod transaction;

pub use admin::{Admin, Created, GroupMember, NewTopic, TopicDescription};
pub use config::{ClientConfig, Role};
pub use consumer::{Consumer, ConsumerWaker, Polled, Position, Starts};
pub use error::is_denied;
pub use log::{CompactedLog, LogOptions, LogRecord};
pub use producer::{Delivery, DeliveryListener, Producer, ProducerOptions, ProducerRecord, Token};
pub use records::RawRecord;
pub use transaction::{GroupMetadata, TransactionError};
pub use tributary_api::{Offsets, RecordMetadata, TimestampType, TopicPartition};
