//! The embedded servers as their clients see them: librdkafka and the AWS SDK over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod broker;
mod groups;
mod kafka;
mod measure;
mod object_store;
mod robustness;
mod transactions;
