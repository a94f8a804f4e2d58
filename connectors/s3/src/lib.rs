//! The S3 sink: JSON lines or raw bytes under the object names that Confluent's S3 sink gives them.
//!
//! Guarantee: an offset is committed only when the object that holds its record is complete. The object's name holds
//! its first offset, so that with `flush.size` alone a replay writes the same objects again. Rotation by the clock is
//! at-least-once: an object that exists is never overwritten (conditional writes); reading goes on after it. Objects
//! sent in one request say in their metadata where they end, so that nothing comes twice; of one sent in parts that
//! cannot be known, and a replay that cuts it differently repeats its records.
//!
//! Unlike Confluent's sink it starts no new object when the schema of the records changes: lines of JSON need none.
#![forbid(unsafe_code)]

mod buffer;
mod client;
mod config;
mod connector;
mod format;
mod name;
mod object;
mod schedule;
mod task;
mod upload;
mod writer;

use std::sync::Arc;

use tributary_api::{Factory, Plugin, SinkFactory};

/// The plugins of this crate.
pub fn plugins() -> Vec<Plugin> {
    let factory = SinkFactory {
        connector: Arc::new(|| Box::new(connector::S3Connector::default())),
        task: Arc::new(|| Box::new(task::S3Task::default())),
        task_class: "io.confluent.connect.s3.S3SinkTask".to_owned(),
    };
    let doc = "Writes records to S3 as objects of JSON lines or raw bytes, one folder for each topic and partition.";
    let class = "io.confluent.connect.s3.S3SinkConnector";
    vec![Plugin::new(class, config::definition(), Factory::Sink(factory)).alias("tributary.S3Sink").doc(doc)]
}
