//! Workers to be tested: in this process, or in one that can be killed.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child as Process, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tributary_api::{PluginRegistry, Props};
use tributary_control::{ConnectorOffsets, Error, InstanceState, TargetState, TaskId};
use tributary_tests::unique;
use tributary_worker::{NoLoggers, Redaction, Worker, WorkerOptions, stream_processor};

use super::broker::Broker;
use super::counting;

const CHILD: &str = "TRIBUTARY_TEST_CHILD";
const NAME: &str = "name";
/// Set to see what workers of the test's own process log.
const LOG: &str = "TRIBUTARY_TEST_LOG";

/// Names and settings of one test.
pub(crate) struct Setup {
    pub(crate) input: String,
    pub(crate) output: String,
    pub(crate) table: String,
    worker: Props,
    connector: Props,
    folder: TempDir,
}

impl Setup {
    pub(crate) fn new(broker: &Broker, stem: &str, partitions: i32) -> Self {
        let group = unique(stem);
        let name = |part: &str| format!("{group}-{part}");
        let folder = tempfile::tempdir().unwrap();
        let (input, output, table) = (name("in"), name("out"), name("table"));
        broker.create(&input, partitions, &[]);
        let worker = props(&[
            ("bootstrap.servers", &broker.bootstrap),
            ("group.id", &group),
            ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("config.storage.topic", &name("configs")),
            ("offset.storage.topic", &name("offsets")),
            ("status.storage.topic", &name("status")),
            ("config.storage.replication.factor", "1"),
            ("offset.storage.replication.factor", "1"),
            ("status.storage.replication.factor", "1"),
            ("offset.storage.partitions", "1"),
            ("status.storage.partitions", "1"),
        ]);
        let connector = props(&[
            // All processors of a name are one consumer group of the broker, which tests share.
            (NAME, &group),
            ("connector.class", "tributary.StreamProcessor"),
            ("topics", &input),
            ("transforms", "count"),
            ("transforms.count.type", "test.Count"),
            ("transforms.count.output", &output),
            ("transforms.count.table", &table),
            ("state.dir", folder.path().to_str().unwrap()),
            // The shortest that the broker allows: the tests wait for it.
            ("consumer.override.session.timeout.ms", "6000"),
            ("transaction.timeout.ms", "5000"),
            // A task that fails is to be seen as failed.
            ("errors.restart.max.attempts", "0"),
        ]);
        Self { input, output, table, worker, connector, folder }
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.connector.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn changelog(&self) -> String {
        format!("{}-{}-counts-changelog", self.worker["group.id"], self.connector[NAME])
    }

    /// Fails with the end of what the child workers logged.
    pub(crate) fn wait(&self, what: &str, timeout: Duration, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + timeout;
        while !done() {
            assert!(Instant::now() < deadline, "{what} did not happen in time\n{}", self.last_of_log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether the child workers have logged this.
    pub(crate) fn has_logged(&self, text: &str) -> bool {
        std::fs::read_to_string(self.log()).unwrap_or_default().contains(text)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("children.log")
    }

    fn last_of_log(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(100)..].join("\n")
    }
}

fn props(entries: &[(&str, &str)]) -> Props {
    entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn start(worker: Props, connector: Props) -> Worker {
    let plugins = tributary_converters::plugins().into_iter().chain([stream_processor(), counting::plugin()]);
    let options = WorkerOptions {
        props: worker,
        plugins: PluginRegistry::new(plugins).unwrap(),
        worker_id: "127.0.0.1:1".to_owned(),
        embedded_broker: false,
        loggers: Arc::new(NoLoggers),
        redaction: Redaction::default(),
        providers: Vec::new(),
    };
    let worker = Worker::start(options).await.unwrap();
    let herder = worker.herder();
    let name = connector[NAME].clone();
    if !herder.connectors().await.unwrap().contains(&name) {
        herder.put_config(&name, connector).await.unwrap();
    }
    worker
}

/// A worker of this process.
pub(crate) struct InProcess {
    runtime: Runtime,
    worker: Worker,
    connector: String,
}

impl InProcess {
    pub(crate) fn start(setup: &Setup) -> Self {
        if std::env::var_os(LOG).is_some() {
            let _ = tracing_subscriber::fmt().with_ansi(false).try_init();
        }
        let runtime = Runtime::new().unwrap();
        let worker = runtime.block_on(start(setup.worker.clone(), setup.connector.clone()));
        Self { runtime, worker, connector: setup.connector[NAME].clone() }
    }

    pub(crate) fn wait_for_state(&self, state: InstanceState) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let task = TaskId { connector: self.connector.clone(), task: 0 };
            let status = self.runtime.block_on(self.worker.herder().task_status(&task));
            match status {
                Ok(status) if status.state == state => return status.trace.unwrap_or_default(),
                other => assert!(Instant::now() < deadline, "not {state} but {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The states of all tasks, with the traces of those that failed.
    pub(crate) fn states(&self) -> Vec<(InstanceState, String)> {
        let herder = self.worker.herder();
        let status = |task| {
            let task = TaskId { connector: self.connector.clone(), task };
            self.runtime.block_on(herder.task_status(&task)).ok()
        };
        (0..).map_while(status).map(|status| (status.state, status.trace.unwrap_or_default())).collect()
    }

    pub(crate) fn assert_none_failed(&self) {
        let states = self.states();
        assert!(states.iter().all(|(state, _)| *state != InstanceState::Failed), "{states:?}");
    }

    /// Stops the connector, and waits until its offsets may be changed to these.
    pub(crate) fn stop_connector(&self, offsets: &ConnectorOffsets) {
        self.target(TargetState::Stopped);
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = self.alter_offsets(offsets.clone()) {
            assert!(Instant::now() < deadline, "the connector does not stop: {error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn alter_offsets(&self, offsets: ConnectorOffsets) -> Result<String, Error> {
        self.runtime.block_on(self.worker.herder().alter_offsets(&self.connector, offsets))
    }

    pub(crate) fn reset_offsets(&self) -> Result<String, Error> {
        self.runtime.block_on(self.worker.herder().reset_offsets(&self.connector))
    }

    pub(crate) fn pause(&self) {
        self.target(TargetState::Paused);
    }

    pub(crate) fn resume(&self) {
        self.target(TargetState::Started);
    }

    fn target(&self, state: TargetState) {
        self.runtime.block_on(self.worker.herder().set_target_state(&self.connector, state)).unwrap();
    }

    pub(crate) fn stop(self) {
        self.runtime.block_on(self.worker.stop());
    }
}

/// A worker in a process of its own.
pub(crate) struct Child(Process);

impl Child {
    pub(crate) fn start(setup: &Setup) -> Self {
        let settings = serde_json::to_string(&(&setup.worker, &setup.connector)).unwrap();
        let log = || Stdio::from(File::options().create(true).append(true).open(setup.log()).unwrap());
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["processor::child_worker", "--exact", "--ignored", "--nocapture"])
            .env(CHILD, settings)
            .stdout(log())
            .stderr(log())
            .spawn();
        Self(process.unwrap())
    }

    /// At once, as a crash of the machine would.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run_child() {
    let Ok(settings) = std::env::var(CHILD) else { return };
    let (worker, connector): (Props, Props) = serde_json::from_str(&settings).unwrap();
    tracing_subscriber::fmt().with_ansi(false).init();
    let parent = std::os::unix::process::parent_id();
    let runtime = Runtime::new().unwrap();
    let _worker = runtime.block_on(start(worker, connector));
    while std::os::unix::process::parent_id() == parent {
        std::thread::sleep(Duration::from_millis(200));
    }
}
