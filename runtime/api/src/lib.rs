//! The plugin contract of Tributary.
//!
//! A connector, transform, predicate, converter or configuration provider is written against this crate and
//! nothing else. The names follow Kafka Connect: a [`Connector`] plans work, its tasks ([`SourceTask`],
//! [`SinkTask`]) do it, a [`Transformation`] changes records on their way, a [`Converter`] turns them into bytes.
//!
//! The runtime gives every plugin: delivery guarantees, offset storage, retries, a dead letter queue, REST
//! management, metrics and supervision. What it asks in return is written on the traits.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod backoff;
mod config;
mod connector;
mod context;
mod converter;
mod deferred;
mod display;
mod error;
mod java_regex;
pub mod json;
mod metrics;
mod offsets;
mod plugin;
mod plugin_request;
mod record;
mod registry;
mod schema;
mod schema_cache;
mod simple_connector;
mod sink;
mod small_file;
mod source;
pub mod stable_hash;
pub mod time;
mod topic_client;
mod topic_reader;
mod topic_writer;
mod transaction;
mod transform;
mod value;

/// Types used in the signatures of this crate are re-exported, so that an author needs no other dependency for them.
pub use async_trait::async_trait;
pub use backoff::Backoff;
pub use bytes::Bytes;
pub use bytestring::ByteString;
pub use config::{
    Config, ConfigDef, ConfigIssue, ConfigKey, ConfigProvider, ConfigType, ConfigValue, CustomValidator, DefaultValue,
    Importance, KeyNames, NameMatch, Props, Recommendation, Secret, Validator, Width, Wording, check_topic_name,
    list_items,
};
pub use connector::{Connector, ExactlyOnceSupport, SinkConnector, SourceConnector};
pub use context::{ConnectorContext, ConnectorHost, SinkHost, SinkTaskContext, SourceHost, SourceTaskContext};
pub use converter::{Converter, ConverterOptions, DecodeContext, EncodeContext, HeaderConverter, RawHeaders};
pub use error::{Error, ErrorKind, Result};
pub use java_regex::{JavaRegex, JavaReplacement};
pub use metrics::{Counter, Gauge, GaugeFunction, MetricSample, PluginMetrics, Sensor};
pub use num_bigint::BigInt;
pub use offsets::{OffsetMap, OffsetValue, Offsets, SourceOffset, SourcePartition, TopicPartition};
pub use plugin::{
    API_VERSION, ConfigProviderFactory, ConverterFactory, Factory, HeaderConverterFactory, KAFKA_VERSION, Plugin,
    PluginDescription, PluginKind, PredicateFactory, SinkFactory, SourceFactory, TransformationFactory,
};
pub use plugin_request::{
    PluginAnswer, PluginRequest, RequestHandler, RequestHandlerFactory, RequestHost, RequestMethod,
};
pub use record::{Datum, Header, Headers, Origin, Record, Records, TimestampType, Topic};
pub use registry::PluginRegistry;
pub use schema::{Field, Schema, SchemaRef, SchemaType};
pub use schema_cache::SchemaCache;
pub use simple_connector::SimpleConnector;
pub use sink::SinkTask;
pub use small_file::read_small_file;
pub use source::{Ack, AckListener, RecordMetadata, SourceTask};
pub use tokio_util::sync::CancellationToken;
pub use topic_client::{ClientKind, TopicClient, TopicClientOptions};
pub use topic_reader::{RawTopicReader, TopicReader, TopicReaderOptions};
pub use topic_writer::{NewTopic, TopicRecord, TopicWriter, TopicWriterOptions};
pub use transaction::{TransactionContext, TransactionEnd, TransactionRequest};
pub use transform::{
    Predicate, Requirements, StoreId, StoreSpec, TableId, TableSpec, Timer, TransformContext, TransformHost,
    TransformTables, Transformation,
};
pub use value::{Decimal, Struct, Value};
