//! Connectors by the worker's REST API, as far as the tests need it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use crate::{setup::TestSetup, topics::WAIT_LIMIT};

/// A connector that runs; its drop removes it.
pub(crate) struct Connector<'a> {
    pub(crate) name: String,
    setup: &'a TestSetup,
    config: Map<String, Value>,
}

impl TestSetup {
    /// Starts a connector of this name, which also is the prefix of its topics, with settings of its own.
    pub(crate) fn connector(&self, name: &str, settings: &[(&str, &str)]) -> Connector<'_> {
        let connector = self.posted(name, settings);
        connector.wait_until_running();
        connector
    }

    /// The same, and waits for nothing.
    pub(crate) fn posted(&self, name: &str, settings: &[(&str, &str)]) -> Connector<'_> {
        let mut connector = Connector { name: name.to_owned(), setup: self, config: self.usual(name) };
        connector.configure(settings);
        connector
    }

    fn usual(&self, name: &str) -> Map<String, Value> {
        let (port, history) = (self.standin.address().port().to_string(), format!("history.{name}"));
        [
            ("connector.class", "io.debezium.connector.sqlserver.SqlServerConnector"),
            ("tasks.max", "1"),
            ("database.hostname", "127.0.0.1"),
            ("database.port", &port),
            ("database.user", sqlserver_standin::USER),
            ("database.password", self.standin.password()),
            ("database.names", &self.database),
            ("driver.encrypt", "false"),
            ("driver.applicationName", name),
            ("topic.prefix", name),
            ("schema.history.internal.kafka.bootstrap.servers", &self.rig.bootstrap),
            ("schema.history.internal.kafka.topic", &history),
            ("poll.interval.ms", "50"),
            ("retriable.restart.connector.wait.ms", "500"),
            ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("key.converter.schemas.enable", "false"),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("value.converter.schemas.enable", "false"),
        ]
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .into_iter()
        .collect()
    }
}

impl Connector<'_> {
    pub(crate) fn topic(&self, table: &str) -> String {
        format!("{}.{}.dbo.{table}", self.name, self.setup.database)
    }

    /// Changes settings; a connector that is stopped stays so.
    pub(crate) fn configure(&mut self, settings: &[(&str, &str)]) {
        self.config.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        let (status, answer) = self.request("PUT", "/config", Some(&Value::Object(self.config.clone())));
        assert!(status < 300, "the worker answers {status}: {answer}");
    }

    pub(crate) fn wait_until_running(&self) {
        let status = self.wait_for(|status| tasks(status) == ["RUNNING"] || tasks(status) == ["FAILED"]);
        assert_eq!(tasks(&status), ["RUNNING"], "{status}");
    }

    /// Waits until its task has failed: with what.
    pub(crate) fn wait_until_failed(&self) -> String {
        let status = self.wait_for(|status| tasks(status) == ["FAILED"]);
        status["tasks"][0]["trace"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn stop(&self) {
        self.request("PUT", "/stop", None);
        self.wait_for(|status| status["connector"]["state"] == "STOPPED" && tasks(status).is_empty());
    }

    pub(crate) fn resume(&self) {
        self.request("PUT", "/resume", None);
    }

    /// The only offset.
    pub(crate) fn offset(&self) -> Value {
        self.request("GET", "/offsets", None).1["offsets"][0]["offset"].clone()
    }

    /// Waits until its snapshot is complete, by the position that Kafka has: what changes in the tables while it reads them,
    /// it may read and then see as a change, too.
    pub(crate) fn wait_for_offset(&self) {
        let deadline = Instant::now() + WAIT_LIMIT;
        loop {
            let offset = self.offset();
            if offset.is_object() && offset["snapshot_completed"] != false {
                return;
            }
            assert!(Instant::now() < deadline, "{} stores no position", self.name);
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until it has read the structure of so many tables: from then on it misses no change. For those that read no
    /// rows.
    pub(crate) fn wait_for_schemas(&self, tables: usize) {
        self.setup.rig.topics.wait(&format!("history.{}", self.name), |records| records.len() >= tables);
    }

    fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + WAIT_LIMIT;
        loop {
            let (_, status) = self.request("GET", "/status", None);
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not come to what is waited for: {status}", self.name);
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks again while the worker is about to share out its work.
    fn request(&self, method: &str, what: &str, body: Option<&Value>) -> (u16, Value) {
        let path = format!("/connectors/{}{what}", self.name);
        let deadline = Instant::now() + WAIT_LIMIT;
        loop {
            match request(self.setup.rig.rest, method, &path, body) {
                (409, _) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
                answer => return answer,
            }
        }
    }
}

impl Drop for Connector<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.setup.rig.log(&self.name);
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
            eprintln!("the worker says of {}:\n{}", self.name, lines[lines.len().saturating_sub(20)..].join("\n"));
        }
        self.request("DELETE", "", None);
    }
}

fn tasks(status: &Value) -> Vec<&str> {
    status["tasks"].as_array().into_iter().flatten().filter_map(|task| task["state"].as_str()).collect()
}

fn request(port: u16, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let body = body.map_or_else(String::new, Value::to_string);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json");
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_default())
}
