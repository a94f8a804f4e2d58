use std::collections::BTreeMap;
use std::time::Duration;

use tributary_api::{ClientKind, Config, Props, Result, Secret, TopicClient, TopicWriterOptions};

use super::{from_confluent, from_nordstrom};
use crate::payload::Format;

/// The beginning of the properties for the producer of reports.
pub(super) const PRODUCER: &str = "reporter.producer.";
/// The beginning of the properties for the client that creates the topics of reports.
pub(super) const ADMIN: &str = "reporter.admin.";

/// The set of properties that a configuration uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Confluent's and, in addition, Tributary's own.
    Confluent,
    /// Nordstrom's.
    Nordstrom,
}

/// A task's settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) functions: Functions,
    pub(crate) mode: Mode,
    pub(crate) format: Format,
    pub(crate) limits: Limits,
    pub(crate) retries: Retries,
    pub(crate) on_error: OnError,
    pub(crate) log_tail: bool,
    pub(crate) access: Access,
    pub(crate) reports: Option<Reports>,
}

/// Whether functions are invoked synchronously.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Sync,
    Async,
}

/// What happens to records whose function failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnError {
    /// They are reported to the framework, which fails the task unless errors are tolerated.
    Fail,
    /// They are written to the log and the error topic.
    Log,
    /// They are skipped.
    Ignore,
}

/// The function for each topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Functions {
    pub(crate) default: String,
    pub(crate) of_topics: BTreeMap<String, String>,
}

/// The limits of an event, and how many may be in flight.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    pub(crate) window: Duration,
    pub(crate) concurrency: usize,
    /// Invocations a second; none: no limit.
    pub(crate) rate: Option<u32>,
}

/// What is retried, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Retries {
    /// Retries of requests that Lambda did not accept; none: until it does.
    pub(crate) requests: Option<u32>,
    /// The statuses after which a request is retried; none: those that mean a temporary failure.
    pub(crate) statuses: Option<Vec<u16>>,
    pub(crate) backoff: Duration,
    pub(crate) backoff_max: Duration,
    /// Retries of batches whose function failed.
    pub(crate) functions: u32,
    /// Retries of batches with failed records; none: answers are not parsed for these.
    pub(crate) items: Option<u32>,
    /// Whether a batch whose function failed is halved.
    pub(crate) bisect: bool,
}

/// How to connect to Lambda, and with which credentials.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) credentials: Credentials,
    pub(crate) role: Option<Role>,
    pub(crate) proxy: Option<Proxy>,
    /// The timeout of an invocation.
    pub(crate) timeout: Duration,
    pub(crate) application: Option<String>,
    /// The names of properties for error messages.
    pub(crate) properties: &'static AccessProperties,
}

/// The names of the connection properties in the configuration.
#[derive(Debug)]
pub(crate) struct AccessProperties {
    pub(crate) region: &'static str,
    pub(crate) proxy: &'static str,
    /// Which credentials are used.
    pub(crate) credentials: &'static str,
    /// The id of an access key.
    pub(crate) key_id: &'static str,
}

/// The credentials that sign requests, or the assumption of a role.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// AWS's default chain of providers.
    Chain,
    /// Static credentials.
    Static { id: Secret, secret: Secret },
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) session: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) region: Option<String>,
}

/// An HTTP proxy.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    pub(crate) user: Option<(String, Secret)>,
}

/// The topics for reports on the outcome of records.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    pub(crate) result: Option<Report>,
    pub(crate) error: Option<Report>,
    pub(crate) producer: Props,
    pub(crate) admin: Props,
}

impl Reports {
    /// How their topics are written; the topics themselves are not in it.
    pub(crate) fn writer(&self) -> TopicWriterOptions {
        TopicWriterOptions::default().producer(self.producer.clone()).admin(self.admin.clone())
    }

    /// The same, with the properties that the settings come from.
    pub(crate) fn topic_client(&self) -> TopicClient {
        TopicClient::writer(self.writer())
            .prefix(ClientKind::Producer, PRODUCER)
            .prefix(ClientKind::Admin, ADMIN)
            .named("bootstrap.servers", "reporter.bootstrap.servers")
    }
}

/// A topic for reports, and their format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// `${connector}` in it is replaced by the connector's name.
    pub(crate) topic: String,
    pub(crate) replication: i32,
    pub(crate) partitions: i32,
    pub(crate) key: Text,
    pub(crate) value: Text,
}

/// The format of a key or a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// Text as it is, JSON as it is.
    Plain,
    /// As JSON.
    Json,
    /// As JSON with a schema around it, which says that it is text.
    Schema,
}

impl Functions {
    /// The function of a topic.
    pub(crate) fn of(&self, topic: &str) -> &str {
        self.of_topics.get(topic).unwrap_or(&self.default)
    }

    /// All functions, each once.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        let mapped = self.of_topics.values().filter(|function| **function != self.default);
        std::iter::once(&self.default).chain(mapped).map(String::as_str)
    }
}

impl Settings {
    /// Reads a configuration of one of the two.
    ///
    /// # Errors
    /// `Config`, beginning with the name of the property that is wrong.
    pub(crate) fn new(flavour: Flavour, config: &Config) -> Result<Self> {
        match flavour {
            Flavour::Confluent => from_confluent::settings(config),
            Flavour::Nordstrom => from_nordstrom::settings(config),
        }
    }
}
