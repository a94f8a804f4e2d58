//! The connector's task, driven as a worker drives it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tributary_api::{
    CancellationToken, Error, Factory, Origin, PluginMetrics, PluginRegistry, Props, Record, SourceTask, Value,
};
use tributary_testkit::FakeSourceHost;

use crate::server::{DATABASE, PASSWORD, Server, USER};

/// How long a test waits for what it expects.
pub(crate) const WAIT_LIMIT: Duration = Duration::from_secs(90);

/// The schema change topic.
pub(crate) const STRUCTURES: &str = "server";

pub(crate) struct Task {
    task: Box<dyn SourceTask>,
    stopping: CancellationToken,
    metrics: PluginMetrics,
    /// Records that were read while the test waited for the start.
    ahead: Vec<Record>,
}

impl Task {
    pub(crate) async fn start(server: &Server, host: &Arc<FakeSourceHost>, settings: &[(&str, &str)]) -> Task {
        let registry = PluginRegistry::new(tributary_sqlserver::plugins()).unwrap();
        let plugin = registry.find("io.debezium.connector.sqlserver.SqlServerConnector", |_| true).unwrap();
        let Factory::Source(factory) = &plugin.factory else { panic!("not a source") };
        let mut task = (factory.task)();
        let stopping = CancellationToken::new();
        let metrics = PluginMetrics::new([("connector", "test")]);
        let cx = host.context(&stopping).with_metrics(metrics.clone());
        task.start(cx, &props(server, settings)).await.unwrap();
        Task { task, stopping, metrics, ahead: Vec::new() }
    }

    /// Starts without offsets and waits until the structure of all tables was read: no change after this is missed.
    pub(crate) async fn first(server: &Server, host: &Arc<FakeSourceHost>, settings: &[(&str, &str)]) -> Task {
        let mut task = Task::start(server, host, settings).await;
        let mut told = 0;
        while told < server.tables {
            let (structures, others): (Vec<_>, Vec<_>) =
                task.poll().await.unwrap().into_iter().partition(|record| &*record.topic == STRUCTURES);
            told += structures.len();
            task.ahead.extend(others);
        }
        task
    }

    /// Polls for this many records. The last batch must not have more.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Record> {
        let mut records = std::mem::take(&mut self.ahead);
        while records.len() < count {
            let read = self.poll().await.unwrap();
            records.extend(read.into_iter().filter(|record| &*record.topic != STRUCTURES));
        }
        assert_eq!(records.len(), count, "{:#?}", records.iter().map(brief).collect::<Vec<_>>());
        records
    }

    pub(crate) async fn poll(&mut self) -> Result<Vec<Record>, Error> {
        timeout(WAIT_LIMIT, self.task.poll()).await.expect("something to come")
    }

    /// Captures and reads until the records are what is waited for.
    pub(crate) async fn take_until(&mut self, server: &mut Server, done: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        let mut records = std::mem::take(&mut self.ahead);
        let end = tokio::time::Instant::now() + WAIT_LIMIT;
        while !done(&records) {
            assert!(tokio::time::Instant::now() < end, "{:#?}", records.iter().map(brief).collect::<Vec<_>>());
            server.scan().await;
            if let Ok(read) = timeout(Duration::from_millis(50), self.task.poll()).await {
                records.extend(read.unwrap().into_iter().filter(|record| &*record.topic != STRUCTURES));
            }
        }
        records
    }

    /// A metric of the snapshot or of streaming.
    pub(crate) fn metric(&self, context: &str, name: &str) -> Option<f64> {
        let tag = ("context".to_owned(), context.to_owned());
        let mut samples = self.metrics.samples().into_iter();
        samples.find(|sample| sample.name == name && sample.tags.contains(&tag)).map(|sample| sample.value)
    }

    /// What a metric says whose text is a tag.
    pub(crate) fn shown(&self, name: &str) -> Option<String> {
        let sample = self.metrics.samples().into_iter().find(|sample| sample.name == name)?;
        sample.tags.into_iter().find(|(tag, _)| tag == "value").map(|(_, text)| text)
    }

    /// Polls until the task fails.
    pub(crate) async fn failure(&mut self) -> Error {
        let failure = async {
            loop {
                if let Err(error) = self.poll().await {
                    return error;
                }
            }
        };
        timeout(WAIT_LIMIT, failure).await.expect("the task to fail")
    }

    pub(crate) async fn stop(mut self) {
        self.stopping.cancel();
        self.task.stop().await.unwrap();
    }
}

pub(crate) fn props(server: &Server, settings: &[(&str, &str)]) -> Props {
    let port = server.port.to_string();
    let usual = [
        ("database.hostname", "127.0.0.1"),
        ("database.port", &port),
        ("database.user", USER),
        ("database.password", PASSWORD),
        ("database.names", DATABASE),
        ("topic.prefix", "server"),
        ("driver.encrypt", "false"),
        ("driver.applicationName", "reader"),
        ("poll.interval.ms", "5"),
        ("retriable.restart.connector.wait.ms", "5"),
        ("schema.history.internal.store.only.captured.tables.ddl", "true"),
        ("snapshot.mode", "no_data"),
    ];
    usual.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Operation, before and after as text; a tombstone is `-`.
pub(crate) fn brief(record: &Record) -> String {
    if record.value.value.is_null() {
        return "-".to_owned();
    }
    let part = |name: &str| record.value.value.get(name).map(text).unwrap_or_default();
    format!("{} {} {}", part("op").trim_matches('"'), part("before"), part("after"))
}

pub(crate) fn briefs(records: &[Record]) -> Vec<String> {
    records.iter().map(brief).collect()
}

pub(crate) fn text(value: &Value) -> String {
    String::from_utf8(tributary_api::json::to_vec(value).unwrap()).unwrap()
}

pub(crate) fn offset(record: &Record) -> String {
    let Origin::Source { offset: Some(offset), .. } = &record.origin else { panic!("no offset") };
    serde_json::to_string(offset).unwrap()
}

pub(crate) fn source(record: &Record, field: &str) -> Value {
    record.value.value.path(&format!("source.{field}")).cloned().unwrap_or_default()
}
