//! The MongoDB sink: records become documents and are written as inserts, replacements, updates and deletes.
//!
//! Configurations of `com.mongodb.kafka.connect.MongoSinkConnector` mean here what they mean there.
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

use std::sync::Arc;

use tributary_api::{Factory, Plugin, SinkFactory};

/// The plugins of this crate.
pub fn plugins() -> Vec<Plugin> {
    let factory = SinkFactory {
        connector: Arc::new(|| Box::new(connector::MongoConnector::default())),
        task: Arc::new(|| Box::new(task::MongoTask::default())),
        task_class: "com.mongodb.kafka.connect.sink.MongoSinkTask".to_owned(),
    };
    let doc = "Writes records to MongoDB collections, as inserts, replacements, updates and deletes.";
    let class = "com.mongodb.kafka.connect.MongoSinkConnector";
    vec![Plugin::new(class, config::definition(), Factory::Sink(factory)).alias("tributary.MongoSink").doc(doc)]
}
