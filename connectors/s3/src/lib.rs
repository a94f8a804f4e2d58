//! The S3 sink: JSON lines or raw bytes under the object names that Confluent's S3 sink gives them.
//!
//! Guarantee: an offset is committed only when the object that holds its record is complete. The object's name holds
//! its first offset, so that with `flush.size` alone a replay writes the same objects again. Rotation by the clock is
//! at-least-once: an existing object is never overwritten (conditional writes); reading continues after it. The
//! metadata of objects sent in one request holds their last offset, so that no record is written twice; an object sent
//! in parts has no such metadata, and a replay that cuts objects differently repeats its records.
//!
//! Unlike Confluent's sink it does not start a new object when the schema of the records changes, which JSON lines do
//! not need.
#![forbid(unsafe_code)]

mod buffer;
mod client;
mod config;
mod connector;
mod format;
mod name;
mod object;
mod retry;
mod schedule;
mod task;
mod upload;
mod writer;

use tributary_api::Plugin;

use self::connector::S3Connector;
use self::task::S3Task;

/// The plugins of this crate.
pub fn plugins() -> Vec<Plugin> {
    let doc = "Writes records to S3 as objects of JSON lines or raw bytes, one folder for each topic and partition.";
    let class = "io.confluent.connect.s3.S3SinkConnector";
    vec![
        Plugin::sink(class, env!("CARGO_PKG_VERSION"), config::definition(), || S3Connector, S3Task::start)
            .alias("tributary.S3Sink")
            .doc(doc),
    ]
}
