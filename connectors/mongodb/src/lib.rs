//! The MongoDB sink: records become documents and are written as inserts, replacements, updates and deletes.
//!
//! Configurations of `com.mongodb.kafka.connect.MongoSinkConnector` have the same meaning here.
#![forbid(unsafe_code)]

mod batch;
mod client;
mod config;
mod connector;
mod exactly_once;
mod mapping;
mod model;
mod retry_policy;
mod server;
mod task;
mod timeseries;
mod write;

use tributary_api::Plugin;

use self::connector::MongoConnector;
use self::task::MongoTask;

/// The plugins of this crate.
pub fn plugins() -> Vec<Plugin> {
    let doc = "Writes records to MongoDB collections, as inserts, replacements, updates and deletes.";
    let class = "com.mongodb.kafka.connect.MongoSinkConnector";
    vec![
        Plugin::sink(class, env!("CARGO_PKG_VERSION"), config::definition(), || MongoConnector, MongoTask::start)
            .alias("tributary.MongoSink")
            .task_class("com.mongodb.kafka.connect.sink.MongoSinkTask")
            .doc(doc),
    ]
}
