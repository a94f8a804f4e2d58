use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::kafka::Kafka;
use crate::port::free_port;
use crate::process::Usage;
use crate::rest::RestClient;
use crate::rig::RigServer;
use crate::topics::unique;

/// How a Connect worker keeps its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectMode {
    /// In three topics.
    #[default]
    Distributed,
    /// Offsets in a file, nothing else.
    Standalone,
}

/// How to start a Java Connect worker.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    mode: ConnectMode,
    group: String,
    port: Option<u16>,
    settings: Vec<(String, String)>,
    jvm: Option<String>,
    mongo_kafka: bool,
    debezium: bool,
    basic_auth: Option<PathBuf>,
}

impl Default for ConnectOptions {
    /// A distributed worker in a group of its own that reads the service files of plugins only, which is the fastest.
    fn default() -> Self {
        Self {
            mode: ConnectMode::Distributed,
            group: unique("connect"),
            port: None,
            settings: vec![("plugin.discovery".into(), "service_load".into())],
            jvm: None,
            mongo_kafka: false,
            debezium: false,
            basic_auth: None,
        }
    }
}

impl ConnectOptions {
    /// A standalone worker.
    pub fn standalone(mut self) -> Self {
        self.mode = ConnectMode::Standalone;
        self
    }

    /// `group.id`; the internal topics are `GROUP-configs`, `GROUP-offsets` and `GROUP-status`.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// The port of REST, instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// A line of worker.properties; a later one wins.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// With MongoDB's own connectors, and a search for plugins that finds them.
    pub fn mongo_kafka(mut self) -> Self {
        self.mongo_kafka = true;
        self.set("plugin.discovery", "only_scan")
    }

    /// With Debezium's connector for SQL Server, and a search for plugins that finds it.
    pub fn debezium(mut self) -> Self {
        self.debezium = true;
        self.set("plugin.discovery", "hybrid_warn")
    }

    /// With the REST extension that asks for passwords, by this JAAS file.
    pub fn basic_auth(mut self, login: impl Into<PathBuf>) -> Self {
        self.basic_auth = Some(login.into());
        let extension = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
        self.set("rest.extension.classes", extension)
    }

    /// The JVM's flags, instead of `-Xms256m -Xmx2g`.
    pub fn jvm(mut self, flags: impl Into<String>) -> Self {
        self.jvm = Some(flags.into());
        self
    }
}

/// The Java Kafka Connect worker.
#[derive(Debug)]
pub struct Connect {
    server: RigServer,
}

impl Connect {
    /// Starts one on the broker; returns when it answers `GET /connectors`, which it does as a member of its group.
    pub async fn start(kafka: &Kafka, options: ConnectOptions) -> Result<Self> {
        let port = options.port.map_or_else(free_port, Ok)?;
        let mode = match options.mode {
            ConnectMode::Distributed => "distributed",
            ConnectMode::Standalone => "standalone",
        };
        let mut environment = vec![
            ("RIG_BOOTSTRAP".to_owned(), kafka.bootstrap()),
            ("RIG_CONNECT_GROUP".to_owned(), options.group),
            ("RIG_CONNECT_MODE".to_owned(), mode.to_owned()),
        ];
        environment.extend(options.mongo_kafka.then(|| ("RIG_MONGO_KAFKA".to_owned(), "1".to_owned())));
        let login = options.basic_auth.map(|file| file.to_string_lossy().into_owned());
        environment.extend(login.map(|file| ("RIG_BASIC_AUTH".to_owned(), file)));
        environment.extend(options.jvm.map(|flags| ("TRIBUTARY_RIG_JVM".to_owned(), flags)));
        let lines = options.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let script = if options.debezium { "debezium.sh" } else { "connect.sh" };
        Ok(Self { server: RigServer::start(script, port, lines, environment).await? })
    }

    /// A client of its REST API.
    pub fn rest(&self) -> RestClient {
        RestClient::new(format!("http://127.0.0.1:{}", self.server.port()))
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// From the start of the script to the first answer; the script asks twenty times a second.
    pub fn startup(&self) -> Duration {
        self.server.startup()
    }

    /// Its settings and logs; in standalone mode also its file of offsets.
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// Memory and processor time up to now.
    pub fn usage(&self) -> Result<Usage> {
        self.server.usage()
    }

    /// Ends it at once.
    pub async fn kill9(&mut self) -> Result<()> {
        self.server.stop(true).await
    }

    /// Ends it in order: it leaves its group and commits its offsets.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.stop(false).await
    }

    /// Starts it again with the same settings; stops it first if it runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.server.stop(false).await?;
        self.server.start_again().await
    }
}
