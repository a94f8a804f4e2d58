use std::fmt;

use tributary_api::{ClientKind, Config, Error, Props, Result, TopicClient, TopicReaderOptions, TopicWriterOptions};

const CLASS: &str = "schema.history.internal";
const KAFKA: &str = "io.debezium.storage.kafka.history.KafkaSchemaHistory";
const SERVERS: &str = "schema.history.internal.kafka.bootstrap.servers";
const CONSUMER: &str = "schema.history.internal.consumer.";
const PRODUCER: &str = "schema.history.internal.producer.";

/// The topic of the schema history and the clients' settings for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistorySettings {
    pub(crate) topic: String,
    servers: Option<String>,
    consumer: Props,
    producer: Props,
}

impl HistorySettings {
    pub(crate) const TOPIC: &'static str = "schema.history.internal.kafka.topic";

    /// `None` if no topic is configured, or another class than the one for Kafka topics. Then the structure is read
    /// from the database at each start.
    pub(super) fn new(config: &Config) -> Result<Option<Self>> {
        let given = |name: &str| config.originals().get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
        let servers = given(SERVERS).map(str::to_owned);
        if config.string(CLASS)? != KAFKA {
            return Ok(None);
        }
        let Some(topic) = given(Self::TOPIC) else {
            return match servers {
                None => Ok(None),
                Some(_) => Err(Error::config_at(
                    Self::TOPIC,
                    format!("{} is missing: write the topic that {SERVERS} is for", Self::TOPIC),
                )),
            };
        };
        let client = |prefix: &str| -> Props {
            let named = config.originals().iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
            // Names of Java classes have no meaning here.
            let named = named.filter(|(name, _)| !name.ends_with("serializer"));
            let mut props: Props = named.map(|(name, value)| (name.to_owned(), value.clone())).collect();
            if let Some(servers) = &servers {
                props.entry("bootstrap.servers".to_owned()).or_insert_with(|| servers.clone());
            }
            props
        };
        let (consumer, producer) = (client(CONSUMER), client(PRODUCER));
        Ok(Some(Self { topic: topic.to_owned(), servers, consumer, producer }))
    }

    /// How a partition of the topic is read.
    pub(crate) fn reader(&self, partition: i32) -> TopicReaderOptions {
        TopicReaderOptions::new(&*self.topic, partition).consumer(self.consumer.clone())
    }

    /// How the topic is written; it is not created by these options.
    pub(crate) fn writer(&self) -> TopicWriterOptions {
        TopicWriterOptions::default().producer(self.producer.clone())
    }

    /// The clients for the topic, with the properties that their settings come from.
    pub(crate) fn topic_clients(&self) -> [TopicClient; 2] {
        let reader = TopicClient::reader(self.reader(0)).prefix(ClientKind::Consumer, CONSUMER);
        let writer = TopicClient::writer(self.writer()).prefix(ClientKind::Producer, PRODUCER);
        // What the client that creates the topic is refused for comes from the producer's settings.
        let writer = writer.prefix(ClientKind::Admin, PRODUCER);
        [reader, writer].map(|client| client.named("bootstrap.servers", SERVERS))
    }
}

impl fmt::Display for HistorySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", Self::TOPIC, self.topic)?;
        match &self.servers {
            Some(servers) => write!(f, ", {SERVERS}={servers}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn settings(props: &[(&str, &str)]) -> Result<Option<HistorySettings>> {
        let required = [("topic.prefix", "p"), ("database.names", "d"), ("database.hostname", "h")];
        let props = required.iter().chain(props).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        HistorySettings::new(&crate::config::properties().parse(&props.collect())?)
    }

    #[test]
    fn clients_have_their_own_settings_and_the_servers() {
        let topic = ("schema.history.internal.kafka.topic", "history");
        let servers = ("schema.history.internal.kafka.bootstrap.servers", "broker:9092");
        let given = settings(&[
            topic,
            servers,
            ("schema.history.internal.consumer.security.protocol", "SSL"),
            ("schema.history.internal.consumer.key.deserializer", "a.Java.Class"),
        ]);
        let given = given.unwrap().unwrap();
        let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let consumer = [("bootstrap.servers", "broker:9092"), ("security.protocol", "SSL")];
        assert_eq!(given.consumer, consumer.map(text).into());
        assert_eq!(given.producer, [("bootstrap.servers", "broker:9092")].map(text).into());
        assert_eq!(settings(&[topic]).unwrap().unwrap().consumer, Props::new(), "the worker's own");
    }

    #[test]
    fn without_a_topic_there_is_no_history_and_servers_alone_are_refused() {
        assert_eq!(settings(&[]).unwrap(), None);
        let servers = ("schema.history.internal.kafka.bootstrap.servers", "broker:9092");
        assert_eq!(settings(&[servers]).unwrap_err().property(), Some("schema.history.internal.kafka.topic"));
        let memory = ("schema.history.internal", "io.debezium.relational.history.MemorySchemaHistory");
        assert_eq!(settings(&[servers, memory]).unwrap(), None);
    }
}
