//! Plugins that never return, in a worker of this process: they affect no other connector (I7, I10).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use async_trait::async_trait;
use tributary_api::{
    Bytes, Config, ConfigDef, ConfigKey, ConfigType, Connector, Converter, Datum, DecodeContext, EncodeContext,
    Factory, Plugin, PluginRegistry, Props, Record, SinkConnector, SinkFactory, SinkTask, SinkTaskContext,
    SourceConnector, SourceFactory, SourceTask, SourceTaskContext,
};
use tributary_control::{Herder, InstanceState, TaskId};
use tributary_embedded::{Broker, BrokerOptions, BrokerStorage};
use tributary_tests::wait_until;
use tributary_worker::{NoLoggers, Redaction, Worker, WorkerOptions};

const LIMIT: Duration = Duration::from_secs(120);
/// Of each kind: in a source's start, in its poll, in its converter (a registry that does not answer), in a sink's put.
const BLOCKED: [(&str, usize); 4] = [("start", 3), ("poll", 3), ("convert", 3), ("put", 4)];
const TICKING: usize = 3;
const TICKS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_that_block_in_start_poll_or_put_affect_no_other_connector() -> Result<()> {
    let storage = BrokerStorage::Memory;
    let broker =
        Broker::start(BrokerOptions { storage, preferred_port: 0, cluster_id: "isolation".to_owned() }).await?;
    let plugin = Arc::<Shared>::default();
    let worker = start(&broker.bootstrap(), "1000", plugins(&plugin)).await?;
    let herder = worker.herder();
    for number in 0..TICKING {
        put(&*herder, &format!("ticking-{number}"), &[("connector.class", "test.Source"), ("block", "never")]).await?;
    }
    for (place, count) in BLOCKED {
        for number in 0..count {
            let config: &[_] = match place {
                "put" => &[("connector.class", "test.Sink"), ("topics", "ticks")],
                "convert" => {
                    &[("connector.class", "test.Source"), ("block", "never"), ("value.converter", "test.Converter")]
                }
                place => &[("connector.class", "test.Source"), ("block", place)],
            };
            put(&*herder, &format!("{place}-{number}"), config).await?;
        }
    }
    let blocked: usize = BLOCKED.iter().map(|(_, count)| count).sum();
    let all = || async { plugin.blocked.load(Ordering::SeqCst) == blocked };
    wait_until(LIMIT, "all plugins to block", all).await?;

    let before = plugin.ticks.load(Ordering::SeqCst);
    let ticked = || async { plugin.ticks.load(Ordering::SeqCst) >= before + TICKING * TICKS };
    let mut slowest = Duration::ZERO;
    let asked = async {
        loop {
            let begun = Instant::now();
            assert!(herder.connectors().await.is_ok_and(|names| names.len() >= blocked));
            slowest = slowest.max(begun.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = asked => {}
        ticked = wait_until(LIMIT, "the other tasks to go on", ticked) => ticked?,
    }
    // One that comes now starts, runs and ends like any other.
    put(&*herder, "late", &[("connector.class", "test.Source"), ("block", "never")]).await?;
    let late = TaskId::new("late", 0);
    let runs = || async { herder.task_status(&late).await.is_ok_and(|status| status.state == InstanceState::Running) };
    wait_until(LIMIT, "a connector that comes later to run", runs).await?;
    herder.delete("late").await?;
    let gone = || async { herder.task_status(&late).await.is_err() };
    wait_until(LIMIT, "it to end", gone).await?;
    // A blocked one has ended except for its thread.
    herder.delete("poll-0").await?;
    let gone = || async { herder.task_status(&TaskId::new("poll-0", 0)).await.is_err() };
    wait_until(LIMIT, "a blocked one to be given up", gone).await?;

    let gap = *plugin.longest_gap.lock().unwrap();
    eprintln!("slowest answer {slowest:?}, longest time between two polls of a task {gap:?}");
    plugin.open_gate();
    worker.stop().await;
    broker.shutdown().await;
    Ok(())
}

/// What the plugins share with the test.
#[derive(Default)]
struct Shared {
    open: Mutex<bool>,
    changed: Condvar,
    blocked: AtomicUsize,
    ticks: AtomicUsize,
    longest_gap: Mutex<Duration>,
}

impl Shared {
    /// Keeps the thread, as a call into a library that hangs does.
    fn block(&self) {
        self.blocked.fetch_add(1, Ordering::SeqCst);
        drop(self.changed.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
    }

    fn open_gate(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

struct Test {
    shared: Arc<Shared>,
    props: Props,
    last: Option<Instant>,
}

#[async_trait]
impl Connector for Test {
    async fn task_configs(&mut self, config: &Config, _max_tasks: usize) -> tributary_api::Result<Vec<Props>> {
        Ok(config.for_tasks(1))
    }
}

impl SourceConnector for Test {}
impl SinkConnector for Test {}

#[async_trait]
impl SourceTask for Test {
    async fn start(&mut self, _cx: SourceTaskContext, props: &Props) -> tributary_api::Result<()> {
        self.props = props.clone();
        if self.props["block"] == "start" {
            self.shared.block();
        }
        Ok(())
    }

    async fn poll(&mut self) -> tributary_api::Result<Vec<Record>> {
        if self.props["block"] == "poll" {
            self.shared.block();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            let mut longest = self.shared.longest_gap.lock().unwrap();
            *longest = longest.max(now - last);
        }
        self.shared.ticks.fetch_add(1, Ordering::SeqCst);
        Ok(vec![Record::new("ticks", Datum::schemaless("tick"))])
    }
}

#[async_trait]
impl SinkTask for Test {
    async fn start(&mut self, _cx: SinkTaskContext, _props: &Props) -> tributary_api::Result<()> {
        Ok(())
    }

    async fn put(&mut self, records: &[Record]) -> tributary_api::Result<()> {
        if !records.is_empty() {
            self.shared.block();
        }
        Ok(())
    }
}

/// Waits for something that never comes.
struct Waiting(Arc<Shared>);

impl Converter for Waiting {
    fn from_connect_data(
        &mut self,
        _cx: &mut EncodeContext<'_>,
        _datum: &Datum,
    ) -> tributary_api::Result<Option<Bytes>> {
        self.0.block();
        Ok(None)
    }

    fn to_connect_data(&mut self, _cx: &DecodeContext<'_>, _bytes: Option<Bytes>) -> tributary_api::Result<Datum> {
        Ok(Datum::NULL)
    }
}

fn plugins(shared: &Arc<Shared>) -> Vec<Plugin> {
    fn made<T: ?Sized + 'static>(
        shared: &Arc<Shared>,
        cast: fn(Box<Test>) -> Box<T>,
    ) -> impl Fn() -> Box<T> + Send + Sync + 'static + use<T> {
        let shared = Arc::clone(shared);
        move || cast(Box::new(Test { shared: Arc::clone(&shared), props: Props::new(), last: None }))
    }
    let source = SourceFactory::new(
        made::<dyn SourceConnector>(shared, |test| test),
        made::<dyn SourceTask>(shared, |test| test),
        "test.Task",
    );
    let sink = SinkFactory::new(
        made::<dyn SinkConnector>(shared, |test| test),
        made::<dyn SinkTask>(shared, |test| test),
        "test.Task",
    );
    let block = ConfigDef::new([ConfigKey::new("block", ConfigType::String).default("never")]);
    let of_converters = Arc::clone(shared);
    let converter = move |_: &Config, _| Ok(Waiting(Arc::clone(&of_converters)));
    vec![
        Plugin::converter("test.Converter", "1", ConfigDef::default(), converter),
        Plugin::new("test.Source", "1", block.clone(), Factory::Source(source)),
        Plugin::new("test.Sink", "1", block, Factory::Sink(sink)),
    ]
}

/// `graceful_ms` is how long a task may take to end in order before it is given up.
pub(super) async fn start(bootstrap: &str, graceful_ms: &str, plugins: Vec<Plugin>) -> Result<Worker> {
    let string = "org.apache.kafka.connect.storage.StringConverter";
    let props = [
        ("bootstrap.servers", bootstrap),
        ("group.id", "isolation"),
        ("key.converter", string),
        ("value.converter", string),
        ("config.storage.topic", "configs"),
        ("offset.storage.topic", "offsets"),
        ("status.storage.topic", "statuses"),
        ("task.shutdown.graceful.timeout.ms", graceful_ms),
    ];
    let worker = Worker::start(WorkerOptions {
        props: props.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        plugins: PluginRegistry::new(tributary_converters::plugins().into_iter().chain(plugins)).unwrap(),
        worker_id: "127.0.0.1:1".to_owned(),
        embedded_broker: true,
        loggers: Arc::new(NoLoggers),
        redaction: Redaction::default(),
        providers: Vec::new(),
    });
    Ok(worker.await?)
}

pub(super) async fn put(herder: &dyn Herder, name: &str, config: &[(&str, &str)]) -> Result<()> {
    let mut props: Props = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    props.insert("name".to_owned(), name.to_owned());
    for setting in ["partitions", "replication.factor"] {
        props.insert(format!("topic.creation.default.{setting}"), "1".to_owned());
    }
    herder.put_config(name, props).await.map_err(|error| anyhow::anyhow!("{}", error.message))?;
    Ok(())
}
