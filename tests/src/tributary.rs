use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::folder::RunFolder;
use crate::kafka::Kafka;
use crate::port::free_port;
use crate::process::{self, ProcessGuard, Usage};
use crate::rest::RestClient;
use crate::s3::S3;
use crate::wait::wait_for;

/// The built binary; without it the one of the same build as the test.
const BINARY: &str = "TRIBUTARY_BIN";
const TRIBUTARY: &str = "tributary";
const LOG_TAIL: usize = 40;
/// The ports of embedded servers, which workers of tests must not share.
const BROKER_PORT: &str = "embedded.broker.port";
const STORE_PORT: &str = "embedded.store.port";
const SHOP_PORT: &str = "demo.shop.port";
const STORE_KEYS: &str = "data/s3.credentials";
const COLLECT_LISTEN: &str = "shared.collect.listen";

/// How to start a Tributary worker.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    properties: BTreeMap<String, String>,
    configs: Option<PathBuf>,
    connectors: Vec<(String, Value)>,
    environment: BTreeMap<String, String>,
    max_descriptors: Option<u32>,
    ready_within: Duration,
    stop_within: Duration,
    binary: String,
}

impl WorkerOptions {
    /// A worker on this broker, with `group.id` and the internal topics named like those of a Java worker of the rig:
    /// `GROUP-configs`, `GROUP-offsets`, `GROUP-status`.
    pub fn on(bootstrap: &str, group: &str) -> Self {
        let string = "org.apache.kafka.connect.storage.StringConverter";
        let mut options = Self::embedded()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", group)
            .set("key.converter", string)
            .set("value.converter", string);
        for store in ["config", "offset", "status"] {
            let topic = if store == "status" { format!("{group}-status") } else { format!("{group}-{store}s") };
            options = options
                .set(format!("{store}.storage.topic"), topic)
                .set(format!("{store}.storage.replication.factor"), "1");
        }
        options
    }

    /// A worker with its own embedded servers; nothing is set but ports.
    pub fn embedded() -> Self {
        Self {
            properties: BTreeMap::new(),
            configs: None,
            connectors: Vec::new(),
            environment: BTreeMap::new(),
            max_descriptors: None,
            ready_within: Duration::from_secs(120),
            stop_within: Duration::from_secs(60),
            binary: TRIBUTARY.to_owned(),
        }
    }

    /// [`on`](Self::on) a broker of the rig.
    pub fn on_kafka(kafka: &Kafka, group: &str) -> Self {
        Self::on(&kafka.bootstrap(), group)
    }

    /// A line of worker.properties. REST and each embedded server whose port is not set get a free one.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }

    /// A folder like the project's `configs/`, of which a copy is taken. A worker.properties in it is read first, and
    /// [`set`](Self::set) adds to it.
    pub fn configs(mut self, folder: impl Into<PathBuf>) -> Self {
        self.configs = Some(folder.into());
        self
    }

    /// A file `connectors/NAME.json`.
    pub fn connector(mut self, name: impl Into<String>, config: Value) -> Self {
        self.connectors.push((name.into(), config));
        self
    }

    /// A variable of the worker's environment, for example `CONNECT_OFFSET_FLUSH_INTERVAL_MS`.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// How many files it may have open (as many as the test).
    pub fn max_descriptors(mut self, limit: u32) -> Self {
        self.max_descriptors = Some(limit);
        self
    }

    /// How long the start may take until `GET /` is answered (120 s).
    pub fn ready_within(mut self, limit: Duration) -> Self {
        self.ready_within = limit;
        self
    }

    /// How long an orderly stop may take (60 s).
    pub fn stop_within(mut self, limit: Duration) -> Self {
        self.stop_within = limit;
        self
    }

    /// Another binary of the same build than `tributary`: a worker with plugins of its own.
    pub fn binary(mut self, name: impl Into<String>) -> Self {
        self.binary = name.into();
        self
    }

    fn choose_ports(&mut self) -> Result<()> {
        let ports = [BROKER_PORT, STORE_PORT, SHOP_PORT].map(|name| (name, ""));
        for (name, address) in
            [("listeners", "http://127.0.0.1:"), (COLLECT_LISTEN, "127.0.0.1:")].into_iter().chain(ports)
        {
            if !self.properties.contains_key(name) {
                self.properties.insert(name.to_owned(), format!("{address}{}", free_port()?));
            }
        }
        Ok(())
    }
}

/// A running Tributary worker: the built binary in a folder of its own, which is its working directory. In the folder:
/// `configs/`, `data/` if it makes one, and `tributary.log` with all that it has printed.
#[derive(Debug)]
pub struct Tributary {
    options: WorkerOptions,
    rest: RestClient,
    child: Option<Child>,
    guard: Option<ProcessGuard>,
    pid: u32,
    startup: Duration,
    folder: RunFolder,
}

impl Tributary {
    /// Starts it; returns when `GET /` is answered with 200.
    pub async fn start(mut options: WorkerOptions) -> Result<Self> {
        let folder = RunFolder::new("worker")?;
        options.choose_ports()?;
        write_configs(&folder.path().join("configs"), &options)?;
        // Of several listeners the first one.
        let rest = RestClient::new(options.properties["listeners"].split(',').next().unwrap_or_default());
        let mut worker = Self { options, rest, child: None, guard: None, pid: 0, startup: Duration::ZERO, folder };
        worker.start_again().await?;
        Ok(worker)
    }

    /// A client of its REST API.
    pub fn rest(&self) -> RestClient {
        self.rest.clone()
    }

    /// Its broker's `host:port`: that of `bootstrap.servers`, or the embedded one.
    pub fn bootstrap(&self) -> String {
        let properties = &self.options.properties;
        let embedded = || format!("127.0.0.1:{}", properties[BROKER_PORT]);
        properties.get("bootstrap.servers").cloned().unwrap_or_else(embedded)
    }

    /// The port of its demo shop.
    pub fn shop_port(&self) -> &str {
        &self.options.properties[SHOP_PORT]
    }

    /// The URL of its embedded S3 endpoint.
    pub fn embedded_s3_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.options.properties[STORE_PORT])
    }

    /// A client of its embedded S3 endpoint, with the keys that the worker has made.
    pub fn embedded_s3(&self) -> Result<S3> {
        let keys = fs::read_to_string(self.folder().join(STORE_KEYS)).context("read the keys of the S3 endpoint")?;
        let key = |name: &str| {
            let found = keys.lines().filter_map(|line| line.split_once(" = ")).find(|(key, _)| *key == name);
            found.map(|(_, value)| value).with_context(|| format!("no {name} in {STORE_KEYS}"))
        };
        Ok(S3::new(&self.embedded_s3_endpoint(), key("aws_access_key_id")?, key("aws_secret_access_key")?, "us-east-1"))
    }

    /// The process id; another one after a restart.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// From the start of the process to the first answer of `GET /`, to within a few milliseconds.
    pub fn startup(&self) -> Duration {
        self.startup
    }

    /// Its working directory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All that it has printed, over all its starts.
    pub fn log(&self) -> String {
        fs::read(self.log_file()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Memory and processor time up to now.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Ends it at once, and waits until it is gone.
    pub fn kill9(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().context("kill the worker")?;
            child.wait().context("wait for the killed worker")?;
        }
        self.guard = None;
        Ok(())
    }

    /// Ends it with SIGTERM; fails if it takes longer than its limit or ends with an error.
    pub async fn stop(&mut self) -> Result<()> {
        self.stop_by("TERM").await
    }

    /// [`stop`](Self::stop) with another signal, for example `INT`.
    pub async fn stop_by(&mut self, signal: &str) -> Result<()> {
        process::signal(self.pid, signal)?;
        let status = self.wait_for_exit(self.options.stop_within).await?;
        if !status.success() {
            bail!("the worker ended with {status} after SIG{signal}\n{}", self.log_tail());
        }
        Ok(())
    }

    /// Waits until it ends by itself, or after a signal.
    pub async fn wait_for_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let mut child = self.child.take().context("the worker does not run")?;
        let exit = wait_for(limit, "the end of the worker", || {
            let status = child.try_wait().ok().flatten();
            async move { status }
        });
        match exit.await {
            Ok(status) => {
                self.guard = None;
                Ok(status)
            }
            Err(error) => {
                self.child = Some(child);
                Err(error.context(self.log_tail()))
            }
        }
    }

    /// Starts it again in the same folder with the same options; stops it first if it runs.
    pub async fn restart(&mut self) -> Result<()> {
        if self.is_running() {
            self.stop().await?;
        }
        self.start_again().await
    }

    async fn start_again(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new().append(true).create(true).open(self.log_file())?;
        let properties = self.folder().join("configs/worker.properties");
        let binary = binary(&self.options.binary)?;
        let begun = Instant::now();
        let child = program(&binary, self.options.max_descriptors)
            .arg(&properties)
            .current_dir(self.folder())
            .envs(&self.options.environment)
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            .spawn()
            .with_context(|| format!("run {}", binary.display()))?;
        self.pid = child.id();
        self.child = Some(child);
        self.guard = Some(ProcessGuard::attach(self.pid, &properties, self.folder())?);
        self.wait_until_ready().await?;
        self.startup = begun.elapsed();
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let rest = self.rest();
        let begun = Instant::now();
        while begun.elapsed() < self.options.ready_within {
            if !self.is_running() {
                bail!("the worker ended while it started\n{}", self.log_tail());
            }
            // One that asks for a password is ready too.
            if rest.get("/").await.is_ok_and(|answer| [200, 401].contains(&answer.status)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        bail!("the worker did not answer GET / within {:?}\n{}", self.options.ready_within, self.log_tail())
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("tributary.log")
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }
}

impl Drop for Tributary {
    fn drop(&mut self) {
        if let Err(error) = self.kill9() {
            eprintln!("could not end the worker: {error}");
        }
    }
}

/// A shell lowers the limit and then executes the worker.
fn program(binary: &Path, max_descriptors: Option<u32>) -> Command {
    let Some(limit) = max_descriptors else { return Command::new(binary) };
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]).arg(binary);
    shell
}

/// The program of a name: `tributary`, or one that is built beside it.
///
/// # Errors
/// When it is not built.
pub fn binary(name: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(BINARY).filter(|_| name == TRIBUTARY) {
        return Ok(path.into());
    }
    // A test is target/PROFILE/deps/NAME-HASH, another binary is target/PROFILE/NAME.
    let this = std::env::current_exe()?;
    let beside = this.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    beside.with_context(|| {
        format!("build {name} (cargo build --release --workspace) or set {BINARY} to the path of {TRIBUTARY}")
    })
}

fn write_configs(folder: &Path, options: &WorkerOptions) -> Result<()> {
    if let Some(template) = &options.configs {
        copy_folder(template, folder)?;
    }
    fs::create_dir_all(folder.join("connectors"))?;
    for (name, config) in &options.connectors {
        fs::write(folder.join(format!("connectors/{name}.json")), config.to_string())?;
    }
    let file = folder.join("worker.properties");
    let mut properties = fs::read_to_string(&file).unwrap_or_default();
    // Of two lines with one name the last one wins.
    for (name, value) in &options.properties {
        properties.push_str(&format!("\n{name}={value}"));
    }
    properties.push('\n');
    fs::write(file, properties).context("write worker.properties")
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_win_over_the_copied_folder() {
        let template = tempfile::tempdir().unwrap();
        fs::create_dir_all(template.path().join("rules")).unwrap();
        fs::write(template.path().join("rules/a.yaml"), "a: 1").unwrap();
        fs::write(template.path().join("worker.properties"), "group.id=old").unwrap();
        let target = tempfile::tempdir().unwrap();
        let options = WorkerOptions::embedded()
            .configs(template.path())
            .set("group.id", "new")
            .connector("copy", serde_json::json!({"name": "copy"}));
        write_configs(target.path(), &options).unwrap();
        let properties = fs::read_to_string(target.path().join("worker.properties")).unwrap();
        assert_eq!(properties.lines().collect::<Vec<_>>(), ["group.id=old", "group.id=new"]);
        assert!(target.path().join("rules/a.yaml").is_file());
        assert!(target.path().join("connectors/copy.json").is_file());
    }

    #[test]
    fn internal_topics_are_named_like_a_java_workers() {
        let options = WorkerOptions::on("127.0.0.1:1", "g");
        assert_eq!(options.properties["config.storage.topic"], "g-configs");
        assert_eq!(options.properties["offset.storage.topic"], "g-offsets");
        assert_eq!(options.properties["status.storage.topic"], "g-status");
    }
}
