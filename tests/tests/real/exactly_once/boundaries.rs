//! A connector that says where its transactions end, in a worker of this process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tributary_api::{
    Config, ConfigDef, Connector, Datum, ExactlyOnceSupport, OffsetMap, Plugin, PluginRegistry, Props, Record,
    SourceConnector, SourcePartition, SourceTask, SourceTaskContext, TransactionEnd, async_trait,
};
use tributary_control::TaskId;
use tributary_worker::{NoLoggers, Redaction, Worker};

use super::*;

const CLASS: &str = "test.Numbers";
const TOPIC_PROPERTY: &str = "topic";

/// Counts on by so many, and where a transaction ends within them.
type Step = (i64, Option<(usize, TransactionEnd)>);

/// What the test and the tasks share.
#[derive(Default)]
struct Script {
    steps: Mutex<VecDeque<Step>>,
    /// Where each start of the task went on from.
    starts: Mutex<Vec<i64>>,
}

impl Script {
    fn add(&self, steps: &[Step]) {
        self.steps.lock().unwrap().extend(steps);
    }
}

struct Numbers;

#[async_trait]
impl Connector for Numbers {
    async fn task_configs(&mut self, config: &Config, _max_tasks: usize) -> tributary_api::Result<Vec<Props>> {
        Ok(config.for_tasks(1))
    }
}

#[async_trait]
impl SourceConnector for Numbers {
    fn exactly_once_support(&self, _config: &Config) -> ExactlyOnceSupport {
        ExactlyOnceSupport::Supported
    }

    fn can_define_transaction_boundaries(&self, _config: &Config) -> bool {
        true
    }
}

struct NumbersTask {
    cx: SourceTaskContext,
    topic: String,
    script: Arc<Script>,
    next: i64,
}

fn partition() -> SourcePartition {
    OffsetMap::new([("numbers", "all".into())])
}

impl NumbersTask {
    async fn start(cx: SourceTaskContext, topic: String, script: Arc<Script>) -> tributary_api::Result<Self> {
        let next = cx.offset(&partition()).await?.and_then(|offset| offset.int("next")).unwrap_or(0);
        script.starts.lock().unwrap().push(next);
        Ok(Self { cx, topic, script, next })
    }
}

#[async_trait]
impl SourceTask for NumbersTask {
    async fn poll(&mut self) -> tributary_api::Result<Vec<Record>> {
        let step = self.script.steps.lock().unwrap().pop_front();
        let Some((count, end)) = step else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            return Ok(Vec::new());
        };
        let transaction = self.cx.transaction().expect("the connector defines the boundaries");
        match end {
            Some((after, TransactionEnd::Commit)) => transaction.commit_after(after),
            Some((after, TransactionEnd::Abort)) => transaction.abort_after(after),
            None => {}
        }
        let numbers = self.next..self.next + count;
        self.next = numbers.end;
        let record = |number: i64| {
            let offset = OffsetMap::new([("next", (number + 1).into())]);
            Record::new(&*self.topic, Datum::schemaless(format!("line {number}"))).from_source(&partition(), offset)
        };
        Ok(numbers.map(record).collect())
    }
}

async fn start(lines: &Lines, script: &Arc<Script>) -> Result<Worker> {
    let name = |part: &str| format!("{}-{part}", lines.group);
    let text = "org.apache.kafka.connect.storage.StringConverter";
    let props = [
        ("bootstrap.servers", lines.kafka.bootstrap()),
        ("group.id", lines.group.clone()),
        ("key.converter", text.to_owned()),
        ("value.converter", text.to_owned()),
        ("config.storage.topic", name("configs")),
        ("offset.storage.topic", name("offsets")),
        ("status.storage.topic", name("status")),
        ("config.storage.replication.factor", "1".to_owned()),
        ("offset.storage.replication.factor", "1".to_owned()),
        ("status.storage.replication.factor", "1".to_owned()),
        (SUPPORT, "enabled".to_owned()),
    ];
    let (script, topic) = (Arc::clone(script), lines.topic.clone());
    let start_task = move |cx, _| NumbersTask::start(cx, topic.clone(), Arc::clone(&script));
    let plugin = Plugin::source(CLASS, "1", ConfigDef::default(), || Numbers, start_task);
    let plugins = tributary_converters::plugins().into_iter().chain([plugin]);
    let worker = Worker::start(tributary_worker::WorkerOptions {
        props: props.map(|(name, value)| (name.to_owned(), value)).into(),
        plugins: PluginRegistry::new(plugins)?,
        worker_id: "127.0.0.1:1".to_owned(),
        embedded_broker: false,
        loggers: Arc::new(NoLoggers),
        redaction: Redaction::default(),
        providers: Vec::new(),
    });
    Ok(worker.await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connectors_own_boundaries_are_kept() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let (lines, script) = (Lines::new("boundaries").await?, Arc::<Script>::default());
    let worker = start(&lines, &script).await?;
    let herder = worker.herder();
    let config = [
        ("name", "numbers"),
        ("connector.class", CLASS),
        (TOPIC_PROPERTY, &lines.topic),
        ("exactly.once.support", "required"),
        ("transaction.boundary", "connector"),
    ];
    let config: Props = config.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let failed = |error: tributary_control::Error| anyhow::anyhow!("{}", error.message);
    herder.put_config("numbers", config).await.map_err(failed)?;
    let committed = |expected: Vec<u32>| {
        let lines = &lines;
        async move { wait_until(LIMIT, "what is committed", || async { lines.read(true).await == expected }).await }
    };

    // Behind some of a batch; the rest is open.
    script.add(&[(10, Some((7, TransactionEnd::Commit)))]);
    lines.wait_for(10, false).await?;
    committed((0..7).collect()).await?;
    // Given up, with what was open; the rest of the batch is another transaction, which an empty batch ends.
    script.add(&[(10, Some((5, TransactionEnd::Abort))), (0, Some((0, TransactionEnd::Commit)))]);
    committed((0..7).chain(15..20).collect()).await?;
    // What is open when the task ends is aborted, and comes again.
    script.add(&[(5, None)]);
    lines.wait_for(25, false).await?;
    herder.delete("numbers").await.map_err(failed)?;
    let gone = || async { herder.task_status(&TaskId::new("numbers", 0)).await.is_err() };
    wait_until(LIMIT, "the end of the task", gone).await?;
    worker.stop().await;

    let worker = start(&lines, &script).await?;
    script.add(&[(3, Some((3, TransactionEnd::Commit)))]);
    let config = [
        ("name", "numbers"),
        ("connector.class", CLASS),
        (TOPIC_PROPERTY, &lines.topic),
        ("transaction.boundary", "connector"),
    ];
    let config: Props = config.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    worker.herder().put_config("numbers", config).await.map_err(failed)?;
    committed((0..7).chain(15..23).collect()).await?;
    assert_eq!(*script.starts.lock().unwrap(), [0, 20]);
    worker.stop().await;
    Ok(())
}
