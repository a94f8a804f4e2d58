//! Settings of Kafka clients: Java's names in, librdkafka's out.

mod defaults;
mod java;
mod sasl;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::time::Duration;

use tributary_api::{Error, Props, Result};
use tributary_librdkafka::{Client, Setting};

use self::java::Rule;

/// The role of a client: settings of other roles are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Writes records.
    Producer,
    /// Reads records.
    Consumer,
    /// Creates and describes topics and groups.
    Admin,
}

/// Settings of one client under the names of Java's clients, translated when the client is made.
///
/// A setting that only librdkafka has can be written with the prefix `librdkafka.`.
///
/// ```
/// use tributary_api::Props;
/// use tributary_kafka::{ClientConfig, Role};
/// let java = Props::from([("bootstrap.servers".to_owned(), "127.0.0.1:9092".to_owned())]);
/// let config = ClientConfig::new(Role::Producer, &java).set("interceptor.classes", "com.example.Audit");
/// assert_eq!(config.ignored(), ["interceptor.classes"]);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientConfig {
    role: Role,
    java: Props,
    native: Props,
}

impl ClientConfig {
    /// The settings of a client of this role, under Java's names.
    pub fn new(role: Role, java: &Props) -> Self {
        Self { role, java: java.clone(), native: Props::new() }
    }

    /// The same settings with one more, under Java's name.
    #[must_use]
    pub fn set(mut self, java_name: &str, value: impl ToString) -> Self {
        self.java.insert(java_name.to_owned(), value.to_string());
        self
    }

    /// The same settings with one more unless it is set already. A blank value counts as not set.
    #[must_use]
    pub fn set_default(self, java_name: &str, value: impl ToString) -> Self {
        if self.get(java_name).is_some() { self } else { self.set(java_name, value) }
    }

    /// The same settings with one more, under librdkafka's name. It takes precedence over translated settings.
    #[must_use]
    pub fn set_native(mut self, name: &str, value: impl ToString) -> Self {
        self.native.insert(name.to_owned(), value.to_string());
        self
    }

    /// What the client is for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// A setting under Java's name, as it was written.
    pub fn get(&self, java_name: &str) -> Option<&str> {
        self.java.get(java_name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Settings without effect: those that exist only in Java (serializers, interceptors, reporters) and unknown ones.
    /// They are reason for a warning, not for an error.
    pub fn ignored(&self) -> Vec<String> {
        self.java.keys().filter(|name| matches!(java::rule(name), None | Some(Rule::Ignored))).cloned().collect()
    }

    /// Checks what can be checked without a broker.
    ///
    /// # Errors
    /// `Config`, of the setting under Java's name.
    pub fn validate(&self) -> Result<()> {
        Client::check(&self.translate()?)?;
        // What librdkafka is not given, because the clients of this crate follow it themselves.
        match self.role {
            Role::Producer => self.max_block().map(drop),
            Role::Consumer => self.api_timeout().and_then(|_| self.poll_interval()).map(drop),
            Role::Admin => self.api_timeout().and_then(|_| self.request_timeout()).map(drop),
        }
    }

    /// A duration in milliseconds under Java's name.
    fn millis(&self, java_name: &str, default: Duration) -> Result<Duration> {
        let Some(text) = self.get(java_name) else { return Ok(default) };
        let millis: i64 = text.parse().map_err(|_| not_a_number(java_name, text))?;
        Ok(u64::try_from(millis).map_or(Duration::MAX, Duration::from_millis))
    }

    /// How long a record waits for room in the producer's queue (`max.block.ms`).
    pub(crate) fn max_block(&self) -> Result<Duration> {
        self.millis("max.block.ms", Duration::from_secs(60))
    }

    /// The longest time between two polls (`max.poll.interval.ms`).
    pub(crate) fn poll_interval(&self) -> Result<Duration> {
        self.millis("max.poll.interval.ms", Duration::from_secs(300))
    }

    /// The timeout of a call (`default.api.timeout.ms`).
    pub(crate) fn api_timeout(&self) -> Result<Duration> {
        let timeout = self.millis("default.api.timeout.ms", Duration::from_secs(60))?;
        Ok(timeout.clamp(Duration::from_millis(100), Duration::from_secs(3600)))
    }

    /// The timeout of one request, after which it is sent again (`request.timeout.ms`).
    pub(crate) fn request_timeout(&self) -> Result<Duration> {
        let timeout = self.millis("request.timeout.ms", Duration::from_secs(30))?;
        Ok(timeout.max(Duration::from_millis(100)))
    }

    /// All settings under librdkafka's names.
    pub(crate) fn translate(&self) -> Result<Vec<Setting>> {
        let mut native = Native { role: self.role, settings: Vec::new() };
        for (name, value) in &self.java {
            let value = value.trim();
            if value.is_empty() && name != "ssl.endpoint.identification.algorithm" {
                continue;
            }
            match java::rule(name) {
                Some(rule) if rule.concerns(self.role) => rule.apply(name, value, &mut native)?,
                _ => {}
            }
        }
        sasl::translate(self, &mut native)?;
        tls::translate(self, &mut native)?;
        defaults::complete(self, &mut native)?;
        for (name, value) in &self.native {
            native.put(name, value, name);
        }
        Ok(native.settings)
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = |props: &Props| -> Props {
            let mask = |(name, value): (&String, &String)| {
                (name.clone(), if is_secret(name) { "[hidden]".to_owned() } else { value.clone() })
            };
            props.iter().map(mask).collect()
        };
        f.debug_struct("ClientConfig")
            .field("role", &self.role)
            .field("java", &masked(&self.java))
            .field("native", &masked(&self.native))
            .finish()
    }
}

/// Settings on their way to librdkafka, each name once.
struct Native {
    role: Role,
    settings: Vec<Setting>,
}

impl Native {
    /// Sets a value, known to the user under the name `shown`.
    fn put(&mut self, name: &str, value: impl ToString, shown: &str) {
        let setting = Setting {
            name: name.to_owned(),
            value: value.to_string(),
            shown: shown.to_owned(),
            secret: is_secret(name) || is_secret(shown),
        };
        match self.settings.iter_mut().find(|setting| setting.name == name) {
            Some(there) => *there = setting,
            None => self.settings.push(setting),
        }
    }

    /// Sets a default unless the user has set a value.
    fn put_default(&mut self, name: &str, value: impl ToString) {
        if self.get(name).is_none() {
            self.put(name, value, name);
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|setting| setting.name == name).map(|setting| setting.value.as_str())
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    fn remove(&mut self, name: &str) {
        self.settings.retain(|setting| setting.name != name);
    }
}

/// Whether a value must never be shown. Unknown names are shown only if nothing in them hints at a secret.
fn is_secret(name: &str) -> bool {
    const HINTS: [&str; 9] = [
        "password",
        "secret",
        "jaas",
        "token",
        "passphrase",
        "credential",
        "keystore.key",
        "key.pem",
        "oauthbearer.config",
    ];
    let name = name.to_ascii_lowercase();
    let harmless = name.ends_with(".url") || name.ends_with("client.id");
    !harmless && HINTS.iter().any(|hint| name.contains(hint))
}

#[cold]
fn not_a_number(name: &str, text: &str) -> Error {
    Error::config_at(name, format!("{name} is {text:?}: write a whole number"))
}
