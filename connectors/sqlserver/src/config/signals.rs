use std::path::PathBuf;
use std::time::Duration;

use tributary_api::{ClientKind, Config, Error, Props, Result, TopicClient, TopicReaderOptions};

use crate::incremental::parse_id;
use crate::table::TableId;

const TABLES: &str = "signal.data.collection";
const CHANNELS: &str = "signal.enabled.channels";
const CONSUMER: &str = "signal.consumer.";
const SERVERS: &str = "signal.kafka.bootstrap.servers";
const GROUP: &str = "group.id";
const NOTIFIED: &str = "notification.enabled.channels";
const NOTIFICATION_TOPIC: &str = "notification.sink.topic.name";

/// How rows in the signal table mark the bounds of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watermarks {
    /// Two rows are inserted.
    InsertInsert,
    /// One row is inserted, and deleted at the end.
    InsertDelete,
}

/// The signal topic and the client's settings for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicSettings {
    pub(crate) topic: String,
    pub(crate) consumer: Props,
}

impl TopicSettings {
    /// How the topic is read from an offset on: its first partition.
    pub(crate) fn reader(&self, offset: i64) -> TopicReaderOptions {
        TopicReaderOptions::new(&*self.topic, 0).from(offset).consumer(self.consumer.clone())
    }

    /// The client for the topic, with the properties that its settings come from.
    pub(crate) fn topic_client(&self) -> TopicClient {
        TopicClient::reader(self.reader(0))
            .prefix(ClientKind::Consumer, CONSUMER)
            .named("bootstrap.servers", SERVERS)
            .named(GROUP, "signal.kafka.groupId")
    }
}

/// The enabled channels of signals, and how incremental snapshots read rows.
#[derive(Clone, Debug)]
pub(crate) struct SignalSettings {
    tables: Vec<TableId>,
    /// Whether rows of the signal table are signals.
    pub(crate) source: bool,
    pub(crate) topic: Option<TopicSettings>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) interval: Duration,
    /// The number of rows of a chunk.
    pub(crate) chunk: usize,
    pub(crate) recompile: bool,
    pub(crate) watermarks: Watermarks,
}

impl SignalSettings {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let given = |name: &str| config.originals().get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
        let mut tables = Vec::new();
        for name in config.list(TABLES)?.iter().filter(|name| !name.trim().is_empty()) {
            let wrong = || Error::config_at(TABLES, format!("{TABLES} has {name:?}: write database.schema.table"));
            tables.push(parse_id(name).ok_or_else(wrong)?);
        }
        let channels: Vec<String> = config.list(CHANNELS)?.iter().map(|name| name.trim().to_lowercase()).collect();
        let known = ["", "source", "kafka", "file", "jmx"];
        if let Some(other) = channels.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(Error::config_at(
                CHANNELS,
                format!("{CHANNELS} has {other:?}: write some of source, kafka, file"),
            ));
        }
        let enabled = |name: &str| channels.iter().any(|channel| channel == name);
        let consumer =
            config.originals().iter().filter_map(|(name, value)| Some((name.strip_prefix(CONSUMER)?, value)));
        // Names of Java classes have no meaning here.
        let consumer = consumer.filter(|(name, _)| !name.ends_with("deserializer"));
        let mut consumer: Props = consumer.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        if let Some(servers) = given(SERVERS) {
            consumer.entry("bootstrap.servers".to_owned()).or_insert_with(|| servers.to_owned());
        }
        let group = config.string("signal.kafka.groupId")?;
        consumer.entry(GROUP.to_owned()).or_insert_with(|| group.to_owned());
        let topic = match given("signal.kafka.topic") {
            Some(topic) => topic.to_owned(),
            None => format!("{}-signal", config.string("topic.prefix")?),
        };
        Ok(Self {
            tables,
            source: enabled("source"),
            topic: enabled("kafka").then_some(TopicSettings { topic, consumer }),
            file: enabled("file").then(|| given("signal.file").unwrap_or("file-signals.txt").into()),
            interval: Duration::from_millis(config.int("signal.poll.interval.ms")?),
            chunk: config.int("incremental.snapshot.chunk.size")?,
            recompile: config.boolean("incremental.snapshot.option.recompile")?,
            watermarks: match config.string("incremental.snapshot.watermarking.strategy")?.to_lowercase().as_str() {
                "insert_delete" => Watermarks::InsertDelete,
                _ => Watermarks::InsertInsert,
            },
        })
    }

    /// The signal table of a database.
    pub(crate) fn table_of(&self, database: &str) -> Option<&TableId> {
        self.tables.iter().find(|table| table.database.eq_ignore_ascii_case(database))
    }

    /// Whether a table is a signal table.
    pub(crate) fn is_table(&self, id: &TableId) -> bool {
        self.table_of(&id.database).is_some_and(|table| {
            table.schema.eq_ignore_ascii_case(&id.schema) && table.name.eq_ignore_ascii_case(&id.name)
        })
    }

    pub(super) fn tables(&self) -> &[TableId] {
        &self.tables
    }
}

/// The destinations of notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotificationSettings {
    pub(crate) log: bool,
    pub(crate) topic: Option<String>,
}

impl NotificationSettings {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let channels: Vec<String> = config.list(NOTIFIED)?.iter().map(|name| name.trim().to_lowercase()).collect();
        if let Some(other) = channels.iter().find(|name| !["", "sink", "log", "jmx"].contains(&name.as_str())) {
            return Err(Error::config_at(NOTIFIED, format!("{NOTIFIED} has {other:?}: write sink, log or both")));
        }
        let enabled = |name: &str| channels.iter().any(|channel| channel == name);
        let topic = config.optional_string(NOTIFICATION_TOPIC)?.map(str::trim).filter(|topic| !topic.is_empty());
        if enabled("sink") && topic.is_none() {
            let message = "Notification topic name must be provided when kafka notification channel is enabled";
            return Err(Error::config_at(NOTIFICATION_TOPIC, message));
        }
        Ok(Self { log: enabled("log"), topic: topic.filter(|_| enabled("sink")).map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn config(props: &[(&str, &str)]) -> Config {
        let required = [("topic.prefix", "p"), ("database.names", "d"), ("database.hostname", "h")];
        let props = required.iter().chain(props).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        crate::config::properties().parse(&props.collect()).unwrap()
    }

    fn signals(props: &[(&str, &str)]) -> Result<SignalSettings> {
        SignalSettings::new(&config(props))
    }

    #[test]
    fn each_database_may_have_a_signal_table() {
        let signals = signals(&[(TABLES, "shop.dbo.signals, [other].[dbo].[s]")]).unwrap();
        let id = |name| parse_id(name).unwrap();
        assert_eq!(signals.table_of("Other"), Some(&id("other.dbo.s")));
        assert!(signals.is_table(&id("shop.dbo.Signals")) && !signals.is_table(&id("shop.dbo.s")));
        assert!(signals.source && signals.topic.is_none() && signals.file.is_none());
    }

    #[test]
    fn a_topic_has_a_name_of_its_own_and_the_settings_of_its_client() {
        let kafka = (CHANNELS, "source,kafka");
        let topic = |props: &[(&str, &str)]| signals(&[&[kafka], props].concat()).unwrap().topic.unwrap();
        let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let consumer = [(GROUP, "kafka-signal")].map(text).into();
        assert_eq!(topic(&[]), TopicSettings { topic: "p-signal".to_owned(), consumer });
        let given = topic(&[
            ("signal.kafka.topic", "signals"),
            ("signal.kafka.bootstrap.servers", "broker:9092"),
            ("signal.kafka.groupId", "group"),
            ("signal.consumer.security.protocol", "SSL"),
            ("signal.consumer.key.deserializer", "a.Java.Class"),
        ]);
        let consumer = [("bootstrap.servers", "broker:9092"), (GROUP, "group"), ("security.protocol", "SSL")];
        let consumer = consumer.map(text).into();
        assert_eq!(given, TopicSettings { topic: "signals".to_owned(), consumer });
    }

    #[test]
    fn what_is_wrong_names_its_property() {
        assert_eq!(signals(&[(TABLES, "dbo.signals")]).unwrap_err().property(), Some(TABLES));
        assert_eq!(signals(&[(CHANNELS, "mail")]).unwrap_err().property(), Some(CHANNELS));
        let notified = |props: &[(&str, &str)]| NotificationSettings::new(&config(props));
        assert_eq!(notified(&[(NOTIFIED, "mail")]).unwrap_err().property(), Some(NOTIFIED));
        assert_eq!(notified(&[(NOTIFIED, "sink")]).unwrap_err().property(), Some(NOTIFICATION_TOPIC));
        let both = notified(&[(NOTIFIED, "sink,log"), (NOTIFICATION_TOPIC, "notifications")]).unwrap();
        assert_eq!(both, NotificationSettings { log: true, topic: Some("notifications".to_owned()) });
    }
}
