//! The two connectors on a real listener, with in-memory hosts instead of a worker.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use reqwest::RequestBuilder;
use tokio_util::sync::CancellationToken;
use tributary_api::{
    Ack, AckListener, Config, Datum, Error, Factory, Origin, Plugin, Props, Record, RecordMetadata, SinkConnector,
    SinkTask, SourceConnector, SourceTask, TopicPartition, json,
};
use tributary_clickstream::session::{Session, Signer};
use tributary_clickstream::{Listeners, plugins_on};
use tributary_testkit::{FakeConnectorHost, FakeSinkHost, FakeSourceHost};

pub(crate) const SECRET: &str = "a secret for tests only, of 32 bytes or more";
pub(crate) const LISTEN: &str = "127.0.0.1:0";
pub(crate) const ORIGIN: &str = "http://shop.example.com";

pub(crate) fn props(pairs: &[(&str, &str)]) -> Props {
    let base = [("http.listen", LISTEN), ("session.secret", SECRET), ("cors.allowed.origins", ORIGIN)];
    base.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn far_future() -> i64 {
    4_000_000_000_000
}

pub(crate) fn token(customer: Option<&str>) -> (Session, String) {
    let session = match customer {
        Some(customer) => Session::of_customer(customer.to_owned(), far_future()).unwrap(),
        None => Session::anonymous(far_future()),
    };
    let token = Signer::new(SECRET).unwrap().issue(&session);
    (session, token)
}

pub(crate) fn with_cookie(request: RequestBuilder, token: &str) -> RequestBuilder {
    request.header("cookie", format!("tributary_session={token}"))
}

/// Both plugins on one set of listeners.
pub(crate) struct Site {
    pub(crate) listeners: Listeners,
    pub(crate) plugins: Vec<Plugin>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let listeners = Listeners::new();
        Self { plugins: plugins_on(listeners.clone()), listeners }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listeners.local_addr(LISTEN).expect("a connector runs"))
    }

    /// The plugin of the source.
    pub(crate) fn source_plugin(&self) -> &Plugin {
        &self.plugins[0]
    }

    /// A configuration of the source.
    pub(crate) fn config(&self, pairs: &[(&str, &str)]) -> Config {
        self.plugins[0].description.config.parse(&props(pairs)).unwrap()
    }

    /// A configuration of the sink.
    pub(crate) fn sink_config(&self, pairs: &[(&str, &str)]) -> Config {
        self.plugins[1].description.config.parse(&props(pairs)).unwrap()
    }

    pub(crate) fn source(&self) -> (Box<dyn SourceConnector>, Box<dyn SourceTask>) {
        match &self.plugins[0].factory {
            Factory::Source(factory) => ((factory.connector)(), (factory.task)()),
            _ => panic!("another kind of plugin"),
        }
    }

    pub(crate) fn sink(&self) -> (Box<dyn SinkConnector>, Box<dyn SinkTask>) {
        match &self.plugins[1].factory {
            Factory::Sink(factory) => ((factory.connector)(), (factory.task)()),
            _ => panic!("another kind of plugin"),
        }
    }
}

/// A running source. The test acknowledges what it polls.
pub(crate) struct Source {
    pub(crate) connector: Box<dyn SourceConnector>,
    pub(crate) task: Box<dyn SourceTask>,
    pub(crate) acks: Arc<dyn AckListener>,
    pub(crate) stopping: CancellationToken,
}

impl Source {
    pub(crate) async fn start(site: &Site, pairs: &[(&str, &str)]) -> Self {
        let (mut connector, mut task) = site.source();
        let config = site.config(pairs);
        connector.start(FakeConnectorHost::new().context("clicks"), &config).await.unwrap();
        let configs = connector.task_configs(&config, 5).await.unwrap();
        assert_eq!(configs.len(), 1);
        let stopping = CancellationToken::new();
        let host = FakeSourceHost::new();
        let cx = tributary_api::SourceTaskContext::new("clicks", 0, stopping.clone(), host);
        task.start(cx, &configs[0]).await.unwrap();
        let acks = task.ack_listener().expect("the collector answers by acknowledgements");
        Self { connector, task, acks, stopping }
    }

    /// The next events.
    pub(crate) async fn poll(&mut self) -> Vec<Record> {
        tokio::time::timeout(Duration::from_secs(60), self.task.poll()).await.expect("events come").unwrap()
    }

    pub(crate) fn acknowledge(&self, records: &[Record]) {
        let result = Ok(Some(RecordMetadata::new(0, 0)));
        let acks: Vec<_> = records.iter().map(|record| Ack::new(&record.origin, result)).collect();
        self.acks.acknowledged(&acks);
    }

    pub(crate) fn fail(&self, records: &[Record], error: &Error) {
        let acks: Vec<_> = records.iter().map(|record| Ack::new(&record.origin, Err(error))).collect();
        self.acks.acknowledged(&acks);
    }

    /// Acknowledges all records until the task stops.
    pub(crate) async fn run(mut self) -> Self {
        while !self.stopping.is_cancelled() {
            let records = self.task.poll().await.unwrap();
            self.acknowledge(&records);
        }
        self
    }

    pub(crate) async fn stop(mut self) {
        self.task.stop().await.unwrap();
        self.connector.stop().await.unwrap();
    }
}

/// A running sink over one partition of `offers`.
pub(crate) struct Sink {
    pub(crate) connector: Box<dyn SinkConnector>,
    pub(crate) task: Box<dyn SinkTask>,
    pub(crate) host: Arc<FakeSinkHost>,
}

impl Sink {
    pub(crate) async fn start(site: &Site, pairs: &[(&str, &str)], host: Arc<FakeSinkHost>) -> Self {
        let (mut connector, mut task) = site.sink();
        let config = site.sink_config(pairs);
        connector.start(FakeConnectorHost::new().context("test"), &config).await.unwrap();
        let configs = connector.task_configs(&config, 5).await.unwrap();
        assert_eq!(configs.len(), 1);
        host.assign(&[partition()]);
        task.start(host.context(&CancellationToken::new()), &configs[0]).await.unwrap();
        task.open(&[partition()]).await.unwrap();
        Self { connector, task, host }
    }

    /// Writes records to the topic and hands them to the task.
    pub(crate) async fn put(&mut self, records: &[Record]) {
        records.iter().for_each(|record| self.host.append(record));
        self.task.put(records).await.unwrap();
    }

    pub(crate) async fn stop(mut self) {
        self.task.stop().await.unwrap();
        self.connector.stop().await.unwrap();
    }
}

pub(crate) fn partition() -> TopicPartition {
    TopicPartition::new("offers", 0)
}

/// An offer for a person as the delivery sink gets it.
pub(crate) fn offer(person: &str, offset: i64) -> Record {
    let value = format!(r#"{{"offer_id":"o-{offset}","person_id":"{person}","code":"SAVE10"}}"#);
    record(person, &value, offset)
}

pub(crate) fn record(key: &str, value: &str, offset: i64) -> Record {
    let value = Datum::schemaless(json::from_slice(value.as_bytes()).unwrap());
    let mut record = Record::new("offers", value).with_key(Datum::schemaless(key));
    record.origin = Origin::Kafka { topic: "offers".into(), partition: 0, offset };
    record
}
