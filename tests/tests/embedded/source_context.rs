//! What a worker does for a source task beside its records: topics of its own, and offsets of many partitions at once.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use tributary_api::{
    Config, ConfigDef, Connector, Datum, NewTopic, OffsetMap, Plugin, Props, Record, SourceConnector, SourcePartition,
    SourceTask, SourceTaskContext, TopicReaderOptions, TopicRecord, TopicWriter, TopicWriterOptions, async_trait,
};
use tributary_control::TaskId;
use tributary_embedded::{Broker, BrokerOptions, BrokerStorage};
use tributary_tests::{consume_all, wait_until};

use super::isolation::{put, start};

const LIMIT: Duration = Duration::from_secs(120);
const TABLES: i64 = 20;

/// The positions that each start of the task has found.
type Found = Arc<Mutex<Vec<Vec<Option<i64>>>>>;

struct Tables;

#[async_trait]
impl Connector for Tables {
    async fn task_configs(&mut self, _config: &Config, _max_tasks: usize) -> tributary_api::Result<Vec<Props>> {
        Ok(vec![Props::new()])
    }
}

impl SourceConnector for Tables {}

/// What each start of the task has read of its topic; none where there was no topic.
type Read = Arc<Mutex<Vec<Option<Vec<(i64, TopicRecord)>>>>>;

/// Sends one record for each table but the last, and says so in a topic of its own before it does.
struct TablesTask {
    cx: SourceTaskContext,
    history: Box<dyn TopicWriter>,
    sent: bool,
}

impl TablesTask {
    async fn start(cx: SourceTaskContext, found: Found, read: Read) -> tributary_api::Result<Self> {
        let of_before = read_history(&cx).await?;
        read.lock().unwrap().push(of_before);
        let tables: Vec<SourcePartition> = (0..TABLES).map(table).collect();
        let offsets = cx.offsets(&tables).await?.into_iter();
        let positions = offsets.map(|offset| offset.and_then(|offset| offset.int("position"))).collect();
        found.lock().unwrap().push(positions);
        let topic = NewTopic::new("history").partitions(1).replication_factor(1);
        let history = cx.topic_writer(TopicWriterOptions::default().topic(topic)).await?;
        Ok(Self { cx, history, sent: false })
    }
}

#[async_trait]
impl SourceTask for TablesTask {
    async fn poll(&mut self) -> tributary_api::Result<Vec<Record>> {
        if std::mem::replace(&mut self.sent, true) {
            tokio::select! {
                () = self.cx.stopping().cancelled() => return Ok(Vec::new()),
                () = pending() => {}
            }
        }
        self.history.write(vec![TopicRecord::new("history").key("schema").value("tables")]).await?;
        let record = |number: i64| {
            let offset = OffsetMap::new([("position", (number * 10).into())]);
            Record::new("rows", Datum::schemaless(number.to_string())).from_source(&table(number), offset)
        };
        Ok((0..TABLES - 1).map(record).collect())
    }
}

/// All that is there now, in steps of one record.
async fn read_history(cx: &SourceTaskContext) -> tributary_api::Result<Option<Vec<(i64, TopicRecord)>>> {
    let Some(mut reader) = cx.topic_reader(TopicReaderOptions::new("history", 0)).await? else { return Ok(None) };
    let mut records = Vec::new();
    loop {
        let some = reader.read(1).await?;
        if some.is_empty() {
            assert_eq!(reader.look_for_end().await?, reader.end());
            return Ok(Some(records));
        }
        records.extend(some);
    }
}

fn table(number: i64) -> SourcePartition {
    OffsetMap::new([("table", number.into())])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_task_writes_a_topic_of_its_own_and_finds_all_its_offsets_again() -> Result<()> {
    let storage = BrokerStorage::Memory;
    let broker = Broker::start(BrokerOptions { storage, preferred_port: 0, cluster_id: "context".to_owned() }).await?;
    let (found, read) = (Found::default(), Read::default());
    let of_tasks = (Arc::clone(&found), Arc::clone(&read));
    let start_task = move |cx, _| TablesTask::start(cx, Arc::clone(&of_tasks.0), Arc::clone(&of_tasks.1));
    let plugin = Plugin::source("test.Tables", "1", ConfigDef::default(), || Tables, start_task);
    let bootstrap = broker.bootstrap();
    let worker = start(&bootstrap, "60000", vec![plugin]).await?;
    let herder = worker.herder();
    for life in 1..=2 {
        put(&*herder, "tables", &[("connector.class", "test.Tables")]).await?;
        let rows = life * (usize::try_from(TABLES)? - 1);
        let count = |topic: &'static str| {
            let bootstrap = &bootstrap;
            async move { consume_all(bootstrap, topic, false).await.map_or(0, |records| records.len()) }
        };
        let sent = || async { count("rows").await == rows && count("history").await == life };
        wait_until(LIMIT, "rows and history", sent).await?;
        // An orderly end stores the offsets of what was acknowledged.
        herder.delete("tables").await.map_err(|error| anyhow::anyhow!("{}", error.message))?;
        let gone = || async { herder.task_status(&TaskId::new("tables", 0)).await.is_err() };
        wait_until(LIMIT, "the end of the connector", gone).await?;
    }
    let found = found.lock().unwrap().clone();
    let [first, second] = &found[..] else { panic!("two starts") };
    assert_eq!(*first, vec![None; TABLES as usize]);
    let stored = (0..TABLES).map(|number| (number < TABLES - 1).then_some(number * 10));
    assert_eq!(*second, stored.collect::<Vec<_>>(), "in the order of the tables");
    let read = read.lock().unwrap().clone();
    let [None, Some(history)] = &read[..] else { panic!("no topic at first, then one: {read:?}") };
    let [(0, record)] = &history[..] else { panic!("one record: {history:?}") };
    assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(&b"schema"[..]), Some(&b"tables"[..])));
    worker.stop().await;
    broker.shutdown().await;
    Ok(())
}
