use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The result of every fallible call in the contract.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the runtime should do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The same call may succeed later: the runtime repeats it with the same input.
    Retriable,
    /// One record is bad: tolerated, skipped or sent to the dead letter queue as configured.
    Data,
    /// The configuration is wrong: shown on the property it names.
    Config,
    /// Nothing the runtime can do helps: the task fails.
    Fatal,
}

/// The maximum length of a message, in bytes. A message may quote its input and is written to logs, statuses and
/// headers of dead letters, where it must not be as long as the input.
const LONGEST: usize = 8 * 1024;

/// The one error of the contract: a kind, a message, context and the chain of causes.
///
/// Messages are lower case, say what to do, and hold no secret. `Display` prints the whole chain on one line,
/// outermost context first: a [`source`](StdError::source) is there for its type, and its text is in the chain already. A
/// clone is cheap: one failure may be that of many records.
///
/// ```
/// use tributary_api::{Error, ErrorKind};
/// let error = Error::retriable("broker did not answer").context("cannot write batch");
/// assert_eq!(error.kind(), ErrorKind::Retriable);
/// assert_eq!(error.to_string(), "cannot write batch: broker did not answer");
/// ```
#[derive(Clone, PartialEq)]
pub struct Error(Arc<Inner>);

#[derive(Clone, PartialEq)]
struct Inner {
    kind: ErrorKind,
    /// Outermost first; the last one is the original message, what follows it are the causes.
    chain: Vec<String>,
    retry_after: Option<Duration>,
    class: Option<String>,
    property: Option<String>,
    source: Source,
}

/// The error that caused this one. It is not compared when errors are: its text is in the chain already.
#[derive(Clone, Default)]
struct Source(Option<Arc<dyn StdError + Send + Sync>>);

impl PartialEq for Source {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Error {
    /// An error of the given kind.
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            chain: vec![bounded(message.into())],
            retry_after: None,
            class: None,
            property: None,
            source: Source::default(),
        }))
    }

    /// The same call may succeed later.
    #[cold]
    pub fn retriable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Retriable, message)
    }

    /// One record is bad.
    #[cold]
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }

    /// The configuration is wrong.
    #[cold]
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// The configuration is wrong at a property, on which the error is shown. The message names it too, for it is also
    /// read alone.
    ///
    /// ```
    /// use tributary_api::Error;
    /// let error = Error::config_at("timezone", "timezone is missing: write one such as UTC").context("cannot start");
    /// assert_eq!(error.property(), Some("timezone"));
    /// ```
    #[cold]
    pub fn config_at(property: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::config(message);
        error.edit().property = Some(property.into());
        error
    }

    /// The task cannot go on.
    #[cold]
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Fatal, message)
    }

    /// Adds what was being attempted, in front of the message.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.edit().chain.insert(0, bounded(context.into()));
        self
    }

    /// Appends a cause and its own causes.
    #[must_use]
    pub fn cause(mut self, cause: &(dyn StdError + 'static)) -> Self {
        let chain = &mut self.edit().chain;
        let mut next = Some(cause);
        while let Some(error) = next {
            let text = error.to_string();
            // Many libraries print their source too: do not say it twice.
            if !chain.last().is_some_and(|last| last.contains(&text)) {
                chain.push(bounded(text));
            }
            next = error.source();
        }
        self
    }

    /// Appends a cause as [`cause`](Self::cause) does, and keeps it for who looks for its type.
    ///
    /// ```
    /// use std::error::Error as _;
    /// use std::io;
    /// use tributary_api::Error;
    /// let error = Error::retriable("cannot write").with_source(io::Error::from(io::ErrorKind::StorageFull));
    /// let source = error.source().and_then(|source| source.downcast_ref::<io::Error>()).unwrap();
    /// assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    /// assert!(error.to_string().starts_with("cannot write: "));
    /// ```
    #[must_use]
    pub fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        let mut error = self.cause(&source);
        error.edit().source = Source(Some(Arc::new(source)));
        error
    }

    /// Asks the runtime to wait at least this long before it repeats the call.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.edit().retry_after = Some(delay);
        self
    }

    /// Names the Java exception class under which the error is shown in traces and dead letter headers, so that
    /// alerts written for Kafka Connect go on matching.
    #[must_use]
    pub fn with_class(mut self, class: impl Into<String>) -> Self {
        self.edit().class = Some(class.into());
        self
    }

    /// The same error, of a property: of the name that it has in the configuration at large, if a part of that was parsed.
    #[must_use]
    pub fn with_property(mut self, property: impl Into<String>) -> Self {
        self.edit().property = Some(property.into());
        self
    }

    /// What the runtime should do.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        self.0.kind == ErrorKind::Retriable
    }

    /// The property that is wrong, if the error is of one.
    pub fn property(&self) -> Option<&str> {
        self.0.property.as_deref()
    }

    /// The wait requested by the other side, if any.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The Java exception class shown to operators; derived from the kind unless set.
    pub fn class(&self) -> &str {
        match (&self.0.class, self.0.kind) {
            (Some(class), _) => class,
            (None, ErrorKind::Retriable) => "org.apache.kafka.connect.errors.RetriableException",
            (None, ErrorKind::Data) => "org.apache.kafka.connect.errors.DataException",
            (None, ErrorKind::Config) => "org.apache.kafka.common.config.ConfigException",
            (None, ErrorKind::Fatal) => "org.apache.kafka.connect.errors.ConnectException",
        }
    }

    /// The messages, outermost context first.
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        self.0.chain.iter().map(String::as_str)
    }

    /// Copies it first if it is shared.
    fn edit(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// The error as Kafka Connect shows it in a status: class and message first, then one `Caused by` line each.
    pub fn trace(&self) -> String {
        let mut lines = self.chain();
        let mut trace = format!("{}: {}", self.class(), lines.next().unwrap_or_default());
        for line in lines {
            trace.push_str("\nCaused by: ");
            trace.push_str(line);
        }
        trace
    }
}

fn bounded(mut message: String) -> String {
    if message.len() > LONGEST {
        let end = message.floor_char_boundary(LONGEST);
        let rest = message.len() - end;
        message.truncate(end);
        message.push_str(&format!("... and {rest} bytes more"));
    }
    message
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.chain.join(": "))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} error: {self}", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.0.as_deref().map(|source| source as _)
    }
}
