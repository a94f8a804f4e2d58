use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Config, RawTopicReader, Result, TopicReaderOptions, TopicWriter, TopicWriterOptions, Value};

/// Answers requests about a transform over REST, at `/connectors/{connector}/transforms/{alias}/...`.
///
/// Any worker answers, whether or not the connector runs there, so a handler has no access to tasks: what requests change is
/// in topics that the tasks follow. One is made for each request.
///
/// ```
/// use tributary_api::{
///     PluginAnswer, PluginRequest, RequestHandler, RequestHost, Result, TopicReaderOptions, Value, async_trait,
/// };
///
/// /// Says how many records a topic has got.
/// struct Count(String);
///
/// #[async_trait]
/// impl RequestHandler for Count {
///     async fn answer(&self, request: PluginRequest, host: &dyn RequestHost) -> Result<PluginAnswer> {
///         if request.path != ["count"] {
///             return Ok(PluginAnswer::refused(404, "there is count, and nothing else"));
///         }
///         let reader = host.topic_reader(TopicReaderOptions::new(self.0.as_str(), 0)).await?;
///         Ok(PluginAnswer::new(200, Value::map([("end", Value::Int64(reader.map_or(0, |reader| reader.end())))])))
///     }
/// }
/// ```
#[async_trait]
pub trait RequestHandler: Send + Sync {
    /// Answers one request. It may take 30 seconds, and must not block the thread for long.
    ///
    /// # Errors
    /// `Config` is answered with 400, any other with 500. For other statuses there is [`PluginAnswer::refused`].
    async fn answer(&self, request: PluginRequest, host: &dyn RequestHost) -> Result<PluginAnswer>;
}

/// Makes a handler from the transform's parsed configuration.
pub type RequestHandlerFactory = Arc<dyn Fn(&Config) -> Result<Box<dyn RequestHandler>> + Send + Sync>;

/// What the runtime does for a [`RequestHandler`].
#[async_trait]
pub trait RequestHost: Send + Sync {
    /// Makes a writer of topics.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used; when a topic cannot be created.
    async fn topic_writer(&self, options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>>;

    /// Makes a reader of a partition of any topic; none where there is no such partition.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used; `Retriable` when the broker does not answer.
    async fn topic_reader(&self, options: TopicReaderOptions) -> Result<Option<Box<dyn RawTopicReader>>>;
}

/// The methods that plugins answer. `POST` is none of them: a web page of any origin may send one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestMethod {
    /// To read.
    Get,
    /// To set.
    Put,
    /// To remove.
    Delete,
}

/// A request about a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginRequest {
    /// The method.
    pub method: RequestMethod,
    /// The segments of the path after the plugin's own, decoded.
    pub path: Vec<String>,
    /// The body; empty without one.
    pub body: Bytes,
}

impl PluginRequest {
    /// A request.
    pub fn new(method: RequestMethod, path: Vec<String>, body: impl Into<Bytes>) -> Self {
        Self { method, path, body: body.into() }
    }
}

/// The answer to a [`PluginRequest`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PluginAnswer {
    /// The HTTP status.
    pub status: u16,
    /// What is sent as JSON; null: no body.
    pub body: Value,
}

impl PluginAnswer {
    /// An answer.
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, body }
    }

    /// A refusal, in the form of Connect's.
    pub fn refused(status: u16, message: impl Into<String>) -> Self {
        let body = [("error_code", Value::Int32(status.into())), ("message", Value::string(message.into()))];
        Self::new(status, Value::map(body))
    }
}
