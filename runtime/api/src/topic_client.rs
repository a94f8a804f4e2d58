use crate::{Props, TopicReaderOptions, TopicWriterOptions};

/// Which client of Kafka's a setting is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientKind {
    /// The producer of a topic writer.
    Producer,
    /// The client with which a topic writer creates topics.
    Admin,
    /// The consumer of a topic reader.
    Consumer,
}

/// A topic writer or reader that a connector's tasks open with settings from its configuration, and the properties from
/// which the settings come: `/validate` checks the settings as the clients do, without a network, and shows what is wrong on
/// the property.
///
/// ```
/// use tributary_api::{ClientKind, Config, Props, Result, TopicClient, TopicReaderOptions};
///
/// fn topic_clients(config: &Config) -> Result<Vec<TopicClient>> {
///     const PREFIX: &str = "signals.consumer.";
///     let own = config.originals().iter().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value)));
///     let settings: Props = own.map(|(name, value)| (name.to_owned(), value.clone())).collect();
///     let reader = TopicReaderOptions::new("signals", 0).consumer(settings);
///     Ok(vec![TopicClient::reader(reader).prefix(ClientKind::Consumer, PREFIX)])
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TopicClient {
    options: TopicClientOptions,
    prefixes: Vec<(ClientKind, String)>,
    named: Vec<(String, String)>,
}

/// How a [`TopicClient`] is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TopicClientOptions {
    /// By `topic_writer` of the task's context.
    Writer(TopicWriterOptions),
    /// By `topic_reader` of the task's context.
    Reader(TopicReaderOptions),
}

impl TopicClient {
    /// A writer with these options.
    pub fn writer(options: TopicWriterOptions) -> Self {
        Self::new(TopicClientOptions::Writer(options))
    }

    /// A reader with these options.
    pub fn reader(options: TopicReaderOptions) -> Self {
        Self::new(TopicClientOptions::Reader(options))
    }

    fn new(options: TopicClientOptions) -> Self {
        Self { options, prefixes: Vec::new(), named: Vec::new() }
    }

    /// The same, where settings of one of its clients come from properties that begin with this.
    #[must_use]
    pub fn prefix(mut self, kind: ClientKind, prefix: impl Into<String>) -> Self {
        self.prefixes.push((kind, prefix.into()));
        self
    }

    /// The same, where a setting comes from a property with another name.
    #[must_use]
    pub fn named(mut self, setting: impl Into<String>, property: impl Into<String>) -> Self {
        self.named.push((setting.into(), property.into()));
        self
    }

    /// How it is opened.
    pub fn options(&self) -> &TopicClientOptions {
        &self.options
    }

    /// The property of a setting: the one by which it is given; the one by which it would be, where it is not.
    pub fn property(&self, kind: ClientKind, setting: &str, given: &Props) -> Option<String> {
        let prefix = self.prefixes.iter().find(|(of, _)| *of == kind).map(|(_, prefix)| prefix);
        let prefixed = prefix.map(|prefix| format!("{prefix}{setting}"));
        let named = self.named.iter().find(|(name, _)| name == setting).map(|(_, property)| property.clone());
        match (prefixed, named) {
            (Some(prefixed), Some(named)) => Some(if given.contains_key(&prefixed) { prefixed } else { named }),
            (prefixed, named) => prefixed.or(named),
        }
    }
}
