use std::time::Duration;

use tributary_api::{Config, ConfigIssue, Error, Props, Result, Secret};

use super::classes::invalid;
use super::overrides;
use super::topic::TopicSettings;

/// A task's settings: those of the connection, and the properties from which those of each topic are parsed.
pub(crate) struct Settings {
    /// `connection.uri`.
    pub(crate) uri: Secret,
    /// `connection.ssl.truststore` with its password: the authorities that are trusted.
    pub(crate) trust_store: Option<Store>,
    /// `connection.ssl.keystore` with its password: the client's certificate.
    pub(crate) key_store: Option<Store>,
    /// `server.api.*`, when a version is given.
    pub(crate) server_api: Option<ServerApi>,
    /// `provider`: the connector's provider, for the client's metadata.
    pub(crate) provider: Option<String>,
    /// `retry.*`.
    pub(crate) retry: RetrySettings,
    /// `exactly.once.offsets.collection`: the collection in `database` in which offsets are stored with the documents.
    /// None: at least once.
    pub(crate) offsets_collection: Option<String>,
    /// `database`.
    pub(crate) database: String,
    originals: Props,
}

/// A file of keys or certificates, with its password.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) path: String,
    pub(crate) password: Option<Secret>,
}

/// The declared version of the server's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerApi {
    pub(crate) version: String,
    pub(crate) strict: bool,
    pub(crate) deprecation_errors: bool,
}

/// How long to retry when the server does not answer.
#[derive(Clone, Debug)]
pub(crate) struct RetrySettings {
    /// `retry.backoff.ms`: the first wait; it doubles.
    pub(crate) backoff: Duration,
    /// `retry.backoff.max.ms`: the longest wait.
    pub(crate) backoff_max: Duration,
    /// `retry.timeout.ms`: after this the task fails.
    pub(crate) timeout: Duration,
}

impl Settings {
    /// A task's settings; the definition has checked those of every named topic.
    ///
    /// # Errors
    /// `Config`, of a property that is not there.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let given = |name: &str| Ok(config.optional_string(name)?.filter(|text| !text.is_empty()).map(str::to_owned));
        let time = |name: &str| Ok(Duration::from_millis(config.int(name)?));
        let store = |name: &str, password: &str| -> Result<Option<Store>> {
            let password = config.secret(password)?.filter(|secret| !secret.expose().is_empty()).cloned();
            Ok(given(name)?.map(|path| Store { path, password }))
        };
        let version = given("server.api.version")?;
        let (strict, deprecation_errors) =
            (config.boolean("server.api.strict")?, config.boolean("server.api.deprecation.errors")?);
        warn_of_obsolete(config.originals());
        Ok(Self {
            uri: config.secret("connection.uri")?.cloned().unwrap_or_else(|| Secret::new("")),
            trust_store: store("connection.ssl.truststore", "connection.ssl.truststorePassword")?,
            key_store: store("connection.ssl.keystore", "connection.ssl.keystorePassword")?,
            server_api: version.map(|version| ServerApi { version, strict, deprecation_errors }),
            provider: given("provider")?,
            retry: RetrySettings {
                backoff: time("retry.backoff.ms")?,
                backoff_max: time("retry.backoff.max.ms")?,
                timeout: time("retry.timeout.ms")?,
            },
            offsets_collection: given("exactly.once.offsets.collection")?,
            database: config.string("database")?.to_owned(),
            originals: config.originals().clone(),
        })
    }

    /// The settings of a topic, overrides applied.
    ///
    /// # Errors
    /// `Config`, with all errors.
    pub(crate) fn topic(&self, topic: &str) -> Result<TopicSettings> {
        TopicSettings::new(topic, &self.originals).map_err(|issues| error(&issues))
    }

    /// What is wrong with the settings of a named topic, each issue with its property, and what is not supported.
    pub(crate) fn issues(props: &Props) -> Vec<ConfigIssue> {
        let mut issues = not_supported(props);
        let mut topics = overrides::named_topics(props);
        if topics.is_empty() {
            // With topics.regex: checks the settings of an arbitrary topic, whose name must be a valid collection name.
            topics.insert("any".to_owned());
        }
        for topic in topics {
            for issue in TopicSettings::new(&topic, props).err().unwrap_or_default() {
                if !issues.contains(&issue) {
                    issues.push(issue);
                }
            }
        }
        issues
    }
}

fn error(issues: &[ConfigIssue]) -> Error {
    let messages: Vec<&str> = issues.iter().map(|issue| issue.message.as_str()).collect();
    let message = messages.join("; ");
    match issues.first() {
        Some(first) => Error::config_at(&first.name, message),
        None => Error::config(message),
    }
}

/// Refuses what is not supported, instead of ignoring it.
fn not_supported(props: &Props) -> Vec<ConfigIssue> {
    let encryption = "not supported: the client cannot encrypt fields; encrypt them before the topic";
    let credentials = "not supported: a Java class cannot be loaded; put the credentials in connection.uri";
    let transformer = "not supported: a Java class cannot be loaded; use a transform of the connector";
    let mut issues = Vec::new();
    for (name, reason) in [("csfle.enabled", encryption), ("mongo.custom.auth.mechanism.enable", credentials)] {
        if props.get(name).is_some_and(|text| text.trim().eq_ignore_ascii_case("true")) {
            issues.push(invalid(name, "true", reason));
        }
    }
    if let Some(class) = props.get("field.value.transformer").filter(|class| !class.trim().is_empty()) {
        issues.push(invalid("field.value.transformer", class, transformer));
    }
    let template = "topic.override.%s.%s";
    if let Some(value) = props.get(template).filter(|value| !value.is_empty()) {
        let reason = "it is a pattern for properties such as topic.override.orders.collection: set one of those";
        issues.push(invalid(template, value, reason));
    }
    issues
}

fn warn_of_obsolete(props: &Props) {
    for name in ["max.num.retries", "retries.defer.timeout"] {
        if props.contains_key(name) {
            tracing::warn!(property = name, "the property has had no effect since 1.7.0: use retry.timeout.ms");
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.originals.keys();
        f.debug_struct("Settings").field("database", &self.database).field("properties", &names).finish_non_exhaustive()
    }
}
