//! Kafka and the worker, by the scripts of tests/rig, once for all tests of this process. They end with it, however it
//! ends: it holds their guards.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use crate::topics::{Topics, WAIT_LIMIT};

/// Below the range from which the kernel takes ports for outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

const MEMORY: &str = "-Xms64m -Xmx768m";

pub(crate) struct Rig {
    pub(crate) bootstrap: String,
    /// The port of the worker's REST API.
    pub(crate) rest: u16,
    pub(crate) topics: Topics,
    worker: PathBuf,
    _guards: [ChildStdin; 2],
}

impl Rig {
    /// Started at the first call.
    pub(crate) fn shared() -> &'static Rig {
        // For its one slow start. Nobody drops a static: the guards end what it started.
        static RIG: OnceLock<Rig> = OnceLock::new();
        RIG.get_or_init(Rig::start)
    }

    fn start() -> Rig {
        // Also the controller's, the next one.
        let kafka = free_ports(2);
        let bootstrap = format!("127.0.0.1:{kafka}");
        let (_, broker_guard) = start("kafka.sh", kafka, &[], &[]);
        let rest = free_ports(1);
        let lines = ["offset.flush.interval.ms=500", "plugin.discovery=hybrid_warn"];
        let (worker, worker_guard) = start("debezium.sh", rest, &lines, &[("RIG_BOOTSTRAP", &bootstrap)]);
        let topics = Topics::follow(&bootstrap);
        Rig { bootstrap, rest, topics, worker, _guards: [broker_guard, worker_guard] }
    }

    /// What the worker has logged, of what one connector did; of an error only its first line.
    pub(crate) fn log(&self, connector: &str) -> String {
        let (log, mark) = (self.whole_log(), format!("[{connector}|"));
        log.lines().filter(|line| line.contains(&mark)).collect::<Vec<_>>().join("\n")
    }

    /// Waits until the worker has logged a text.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let deadline = Instant::now() + WAIT_LIMIT;
        while !self.whole_log().contains(text) {
            assert!(Instant::now() < deadline, "the worker has not logged: {text}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn whole_log(&self) -> String {
        fs::read_to_string(self.worker.join("server.log")).unwrap()
    }
}

/// Runs `SCRIPT start` and waits until the server is ready: its folder and its guard.
fn start(script: &str, port: u16, lines: &[&str], environment: &[(&str, &str)]) -> (PathBuf, ChildStdin) {
    // The guard removes it.
    let folder =
        tempfile::Builder::new().prefix(&format!("standin-{script}-")).disable_cleanup(true).tempdir().unwrap();
    let mut child = command(script)
        .arg("start")
        .arg(folder.path())
        .arg(port.to_string())
        .args(lines)
        .env("TRIBUTARY_RIG_GUARD", "1")
        .env("TRIBUTARY_RIG_JVM", MEMORY)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let guard = child.stdin.take().unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{script} ended with {status}");
    (folder.path().to_owned(), guard)
}

/// The folder of what a script fetches.
pub(crate) fn fetched(script: &str) -> PathBuf {
    let output = command(script).arg("fetch").stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{script} fetch ended with {}", output.status);
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn command(script: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../rig").join(script))
}

/// The first of this many consecutive free ports.
fn free_ports(count: u16) -> u16 {
    let free = |first: &u16| {
        let listeners: Result<Vec<_>, _> =
            (*first..first + count).map(|port| TcpListener::bind(("127.0.0.1", port))).collect();
        listeners.is_ok()
    };
    std::iter::repeat_with(|| rand::random_range(PORTS)).take(200).find(free).expect("no free port")
}
