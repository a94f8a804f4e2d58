//! Guards and helpers for the tiers of tests that need servers, and for the benchmarks.
//!
//! A guard starts a real server ([`Kafka`], [`Connect`], [`Minio`], [`Mongo`], [`Moto`]) or the built worker
//! ([`Tributary`]) on a free loopback port with a folder of its own, and ends it when dropped. It also ends when the
//! test process does, however that ends: the process holds a [guard](process). Tests that a machine cannot run are
//! skipped by [`require`].
//!
//! A test that shares a server ([`Kafka::shared`]) keeps apart from the others by names from [`unique`].

mod bento;
mod browser;
mod connect;
mod experiment;
mod folder;
mod kafka;
mod lambda_peer;
mod minio;
mod mongo;
mod moto;
mod open_page;
mod pipeline;
mod port;
pub mod process;
mod proxy;
mod require;
mod rest;
mod rig;
mod s3;
mod sql_pipeline;
mod sqlserver;
mod topics;
mod traffic;
mod tributary;
mod wait;

pub use self::bento::Bento;
pub use self::browser::Browser;
pub use self::connect::{Connect, ConnectMode, ConnectOptions};
pub use self::experiment::Experiment;
pub use self::folder::RunFolder;
pub use self::kafka::Kafka;
pub use self::lambda_peer::LambdaPeer;
pub use self::minio::Minio;
pub use self::mongo::Mongo;
pub use self::moto::{Moto, Queue};
pub use self::open_page::OpenPage;
pub use self::pipeline::{Pipeline, customer, visit};
pub use self::port::{free_port, free_ports};
pub use self::process::Usage;
pub use self::proxy::KafkaProxy;
pub use self::require::{Tier, require};
pub use self::rest::{Answer, RestClient};
pub use self::s3::S3;
pub use self::sql_pipeline::SqlPipeline;
pub use self::sqlserver::{SqlClient, SqlServer};
pub use self::topics::{
    Message, committed_offsets, consume_all, create_topic, create_topic_on, create_topic_with, end_offsets, leader,
    produce, unique,
};
pub use self::traffic::{Flow, Traffic, event_ids, event_ids_in};
pub use self::tributary::{Tributary, WorkerOptions, binary};
pub use self::wait::{wait_for, wait_until};
