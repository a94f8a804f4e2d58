#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::json;
use tributary_api::ConfigKey;
use tributary_control::{
    ActiveTopics, ConnectorInfo, ConnectorOffsets, ConnectorPatch, ConnectorStatus, ConnectorType, Created, Error,
    Health, Loggers, PluginInfo, Processing, Progress, RestartRequest, Result, TaskId, TaskInfo, TaskStatus,
    ValidationResult, WorkerInfo,
};

use super::*;

/// Keeps connectors in memory; a class `Bad` is refused.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, (Props, Option<TargetState>)>>);

impl Memory {
    fn config(&self, name: &str) -> Props {
        self.0.lock().unwrap()[name].0.clone()
    }
}

fn info(name: &str, config: &Props) -> ConnectorInfo {
    ConnectorInfo { name: name.to_owned(), config: config.clone(), tasks: Vec::new(), kind: ConnectorType::Source }
}

fn not_asked<T>() -> Result<T> {
    Err(Error::internal("the loader does not ask this"))
}

#[async_trait]
impl Herder for Memory {
    fn worker_info(&self) -> WorkerInfo {
        WorkerInfo { version: String::new(), commit: String::new(), kafka_cluster_id: String::new() }
    }
    async fn health(&self) -> Health {
        Health { status: tributary_control::HealthStatus::Healthy, message: String::new() }
    }
    async fn connectors(&self) -> Result<Vec<String>> {
        not_asked()
    }
    async fn connector(&self, name: &str) -> Result<ConnectorInfo> {
        let connectors = self.0.lock().unwrap();
        connectors.get(name).map(|(config, _)| info(name, config)).ok_or_else(|| Error::not_found("none"))
    }
    async fn create(&self, request: CreateRequest) -> Result<ConnectorInfo> {
        let CreateRequest { name, config, initial_state } = request;
        if config["connector.class"] == "Bad" {
            return Err(Error::bad_request("Missing required configuration \"topic\" which has no default value."));
        }
        let answer = info(&name, &config);
        self.0.lock().unwrap().insert(name, (config, initial_state));
        Ok(answer)
    }
    async fn put_config(&self, name: &str, config: Props) -> Result<Created> {
        let answer = info(name, &config);
        self.0.lock().unwrap().insert(name.to_owned(), (config, None));
        Ok(Created { created: false, info: answer })
    }
    async fn patch_config(&self, _: &str, _: ConnectorPatch) -> Result<ConnectorInfo> {
        not_asked()
    }
    async fn delete(&self, _: &str) -> Result<()> {
        not_asked()
    }
    async fn status(&self, _: &str) -> Result<ConnectorStatus> {
        not_asked()
    }
    async fn processing(&self, _: &str) -> Result<Processing> {
        not_asked()
    }
    async fn progress(&self, _: &str) -> Result<Progress> {
        not_asked()
    }
    async fn tasks(&self, _: &str) -> Result<Vec<TaskInfo>> {
        not_asked()
    }
    async fn task_status(&self, _: &TaskId) -> Result<TaskStatus> {
        not_asked()
    }
    async fn restart_task(&self, _: &TaskId) -> Result<()> {
        not_asked()
    }
    async fn restart(&self, _: &str, _: RestartRequest) -> Result<Option<ConnectorStatus>> {
        not_asked()
    }
    async fn set_target_state(&self, _: &str, _: TargetState) -> Result<()> {
        not_asked()
    }
    async fn offsets(&self, _: &str) -> Result<ConnectorOffsets> {
        not_asked()
    }
    async fn alter_offsets(&self, _: &str, _: ConnectorOffsets) -> Result<String> {
        not_asked()
    }
    async fn reset_offsets(&self, _: &str) -> Result<String> {
        not_asked()
    }
    async fn topics(&self, _: &str) -> Result<ActiveTopics> {
        not_asked()
    }
    async fn reset_topics(&self, _: &str) -> Result<()> {
        not_asked()
    }
    async fn plugins(&self, _: bool) -> Result<Vec<PluginInfo>> {
        not_asked()
    }
    async fn plugin_config(&self, _: &str, _: Option<&str>) -> Result<Vec<ConfigKey>> {
        not_asked()
    }
    async fn validate(&self, _: &str, _: Props) -> Result<ValidationResult> {
        not_asked()
    }
    async fn loggers(&self) -> Result<Loggers> {
        not_asked()
    }
    async fn set_logger(&self, _: &str, _: &str, _: bool) -> Result<Vec<String>> {
        not_asked()
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    async fn load(&self, herder: &Memory, override_existing: bool) -> FileReport {
        ConnectorFiles { folders: vec![self.0.path().to_owned()], override_existing }.load(herder).await
    }
}

#[tokio::test]
async fn flat_and_posted_files_are_created_in_order() {
    let posted = json!({"name": "p", "config": {"connector.class": "C", "tasks.max": 2}, "initial_state": "paused"});
    let folder = Folder::new(&[
        ("b.json", r#"{"name":"named","connector.class":"C","flag":true}"#),
        ("a.json", r#"{"connector.class":"C"}"#),
        ("c.json", &posted.to_string()),
        ("notes.txt", "not a connector"),
    ]);
    let herder = Memory::default();
    let report = folder.load(&herder, false).await;
    assert_eq!((report.created, report.failed), (["a", "named", "p"].map(str::to_owned).to_vec(), Vec::new()));
    assert_eq!(herder.config("named")["flag"], "true");
    assert_eq!(herder.config("p")["tasks.max"], "2");
    assert_eq!(herder.config("p")["name"], "p");
    assert_eq!(herder.0.lock().unwrap()["p"].1, Some(TargetState::Paused));
}

#[tokio::test]
async fn a_file_takes_the_place_of_that_of_an_earlier_folder() {
    let first = Folder::new(&[("a.json", r#"{"connector.class":"C"}"#), ("b.json", r#"{"connector.class":"Bad"}"#)]);
    let second = Folder::new(&[("b.json", r#"{"connector.class":"D"}"#)]);
    let folders = [&first, &second].map(|folder| folder.0.path().to_owned()).to_vec();
    let herder = Memory::default();
    let report = ConnectorFiles { folders, override_existing: false }.load(&herder).await;
    assert_eq!((report.created, report.failed), (["a", "b"].map(str::to_owned).to_vec(), Vec::new()));
    assert_eq!(herder.config("b")["connector.class"], "D");
}

#[tokio::test]
async fn what_rest_changed_stays_unless_files_win() {
    let folder = Folder::new(&[("a.json", r#"{"connector.class":"C","topic":"file"}"#)]);
    let herder = Memory::default();
    assert_eq!(folder.load(&herder, false).await.created, ["a"]);
    herder.0.lock().unwrap().get_mut("a").unwrap().0.insert("topic".to_owned(), "rest".to_owned());
    assert_eq!(folder.load(&herder, false).await.kept, ["a"]);
    assert_eq!(herder.config("a")["topic"], "rest");
    assert_eq!(folder.load(&herder, true).await.updated, ["a"]);
    assert_eq!(herder.config("a")["topic"], "file");
    assert_eq!(folder.load(&herder, true).await.kept, ["a"]);
}

#[tokio::test]
async fn a_bad_file_is_reported_with_its_key_and_stops_no_other() {
    let folder = Folder::new(&[
        ("a.json", "{"),
        ("b.json", r#"{"connector.class":"C","nested":{"x":1}}"#),
        ("c.json", r#"{"name":"c","config":{"connector.class":"C","gone":null}}"#),
        ("d.json", r#"{"name":"d","config":{"connector.class":"C"},"tasks":[]}"#),
        ("e.json", r#"{"name":"e","config":{"connector.class":"C","name":"other"}}"#),
        ("f.json", r#"{"topic":"t"}"#),
        ("g.json", r#"{"connector.class":"Bad"}"#),
        ("h.json", r#"{"name":"h","config":{"connector.class":"C"},"initial_state":"asleep"}"#),
        ("i.json", "[]"),
        ("y.json", r#"{"connector.class":"C"}"#),
        ("z.json", r#"{"name":"y","connector.class":"C"}"#),
    ]);
    let report = folder.load(&Memory::default(), false).await;
    let issue = |file: &str| {
        let failure = report.failed.iter().find(|failure| failure.file.ends_with(file)).unwrap();
        failure.reason.clone()
    };
    assert_eq!(report.created, ["y"]);
    assert!(issue("a.json").contains("line 1"), "{}", issue("a.json"));
    assert!(issue("b.json").starts_with("nested: "));
    assert!(issue("c.json").starts_with("config.gone: "));
    assert!(issue("d.json").starts_with("tasks: "));
    assert!(issue("e.json").starts_with("config.name: "));
    assert!(issue("f.json").starts_with("connector.class: "));
    assert!(issue("g.json").contains("\"topic\""));
    assert!(issue("h.json").starts_with("initial_state: "));
    assert!(issue("i.json").contains("no JSON object"));
    assert!(issue("z.json").starts_with("name: "));
}

#[tokio::test]
async fn a_file_that_never_ends_or_is_too_long_stops_no_other() {
    let good = r#"{"connector.class": "Good"}"#;
    let files = Folder::new(&[("a.json", good), ("z.json", good), ("long.json", &" ".repeat(MAX_BYTES as usize + 1))]);
    std::os::unix::fs::symlink("/dev/zero", files.0.path().join("endless.json")).unwrap();
    let report = files.load(&Memory::default(), false).await;
    assert_eq!(report.created, ["a", "z"]);
    let failed: Vec<&str> = report.failed.iter().map(|failure| failure.reason.as_str()).collect();
    assert_eq!(failed, ["cannot be read: it is not a regular file", "cannot be read: it has more than 1048576 bytes"]);
}

#[tokio::test]
async fn no_folder_is_no_files() {
    let files = ConnectorFiles { folders: vec!["/nowhere/at/all".into()], override_existing: false };
    assert_eq!(files.load(&Memory::default()).await, FileReport::default());
}
