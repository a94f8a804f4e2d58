//! Connectors that are configured by files: those of `connectors/*.json`, or of other folders, are created at the start, if absent.
//!
//! A file holds a flat map of properties, or the body of `POST /connectors`. An existing connector is not changed,
//! because it may have been changed over REST; with `config.files.override=true` the file takes precedence. A file that
//! cannot be used is reported with its name and the error, and does not affect others.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tracing::{error, info};
use tributary_api::{Props, read_small_file};
use tributary_control::{CreateRequest, Herder, Status, TargetState};

/// The maximum length of a file, that of a request's body.
const MAX_BYTES: u64 = 1 << 20;

/// Folders of connector files.
#[derive(Clone, Debug)]
pub struct ConnectorFiles {
    /// The folders; they need not exist. A file takes the place of the one of the same name in an earlier folder.
    pub folders: Vec<PathBuf>,
    /// Whether a file replaces the worker's configuration.
    pub override_existing: bool,
}

/// The outcome of the files, by connector name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileReport {
    /// Not there before.
    pub created: Vec<String>,
    /// Existed, and was updated from the file.
    pub updated: Vec<String>,
    /// Existed, and was not changed.
    pub kept: Vec<String>,
    /// Could not be used.
    pub failed: Vec<FileFailure>,
}

/// A file that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFailure {
    /// The file.
    pub file: PathBuf,
    /// Why, and what to do.
    pub reason: String,
}

enum Outcome {
    Created,
    Updated,
    Kept,
}

impl ConnectorFiles {
    /// Reads all files in the order of their names and creates or updates their connectors.
    pub async fn load(&self, herder: &dyn Herder) -> FileReport {
        let mut report = FileReport::default();
        let mut files = BTreeMap::new();
        for folder in &self.folders {
            match json_files(folder) {
                Ok(found) => files.extend(found),
                Err(error) => report.fail(folder, format!("cannot be read: {error}")),
            }
        }
        let mut seen: Vec<String> = Vec::new();
        for file in files.into_values() {
            let request = match read(&file) {
                Ok(request) if seen.contains(&request.name) => {
                    report.fail(&file, format!("name: another file has a connector {} already", request.name));
                    continue;
                }
                Ok(request) => request,
                Err(reason) => {
                    report.fail(&file, reason);
                    continue;
                }
            };
            seen.push(request.name.clone());
            let name = request.name.clone();
            match self.apply(herder, request).await {
                Ok(outcome) => report.succeed(outcome, name),
                Err(error) => report.fail(&file, error.message),
            }
        }
        report
    }

    async fn apply(&self, herder: &dyn Herder, request: CreateRequest) -> tributary_control::Result<Outcome> {
        let existing = match herder.connector(&request.name).await {
            Ok(info) => Some(info),
            Err(error) if error.status == Status::NotFound => None,
            Err(error) => return Err(error),
        };
        match existing {
            None => herder.create(request).await.map(|_| Outcome::Created),
            Some(info) if info.config == request.config || !self.override_existing => {
                if info.config != request.config {
                    info!(
                        connector = request.name,
                        "the worker's configuration differs from the file and is kept; set config.files.override=true \
                         to replace it by the file"
                    );
                }
                Ok(Outcome::Kept)
            }
            Some(_) => herder.put_config(&request.name, request.config).await.map(|_| Outcome::Updated),
        }
    }
}

impl FileReport {
    fn succeed(&mut self, outcome: Outcome, name: String) {
        match outcome {
            Outcome::Created => self.created.push(name),
            Outcome::Updated => self.updated.push(name),
            Outcome::Kept => self.kept.push(name),
        }
    }

    fn fail(&mut self, file: &Path, reason: String) {
        error!(file = %file.display(), reason, "connector file not used");
        self.failed.push(FileFailure { file: file.to_owned(), reason });
    }
}

/// By their names.
fn json_files(folder: &Path) -> std::io::Result<BTreeMap<OsString, PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
    let files = paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    Ok(files.filter_map(|path| Some((path.file_name()?.to_owned(), path))).collect())
}

fn read(file: &Path) -> Result<CreateRequest, String> {
    let bytes = read_small_file(file, MAX_BYTES).map_err(|error| format!("cannot be read: {error}"))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| format!("is no JSON: {error}"))?;
    let Value::Object(fields) = value else { return Err("holds no JSON object: write {\"name\":...}".to_owned()) };
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if fields.get("config").is_some_and(Value::is_object) { posted(fields) } else { flat(fields, stem) }
}

/// The body of `POST /connectors`.
fn posted(fields: Map<String, Value>) -> Result<CreateRequest, String> {
    let (mut name, mut config, mut initial_state) = (None, Props::new(), None);
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("config", Value::Object(fields)) => config = props(fields, "config.")?,
            ("name", value) => name = Some(text("name", value)?),
            ("initial_state", value) => initial_state = Some(target_state(&text("initial_state", value)?)?),
            (other, _) => return Err(format!("{other}: unknown key; there are name, config and initial_state")),
        }
    }
    let name = name.or_else(|| config.get("name").cloned()).ok_or("name: missing; name the connector")?;
    named(name, config, initial_state)
}

/// A map of properties; without `name` the connector is named after the file.
fn flat(fields: Map<String, Value>, stem: String) -> Result<CreateRequest, String> {
    let config = props(fields, "")?;
    let name = config.get("name").cloned().unwrap_or(stem);
    named(name, config, None)
}

fn named(name: String, mut config: Props, initial_state: Option<TargetState>) -> Result<CreateRequest, String> {
    let name = name.trim().to_owned();
    if let Some(other) = config.insert("name".to_owned(), name.clone()).filter(|other| other.trim() != name) {
        return Err(format!("config.name: is {other}, but the connector's name is {name}; write one of them"));
    }
    if !config.contains_key("connector.class") {
        return Err("connector.class: missing; name the connector's class".to_owned());
    }
    Ok(CreateRequest { name, config, initial_state })
}

fn props(fields: Map<String, Value>, prefix: &str) -> Result<Props, String> {
    fields.into_iter().map(|(key, value)| Ok((key.clone(), text(&format!("{prefix}{key}"), value)?))).collect()
}

fn text(key: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null => Err(format!("{key}: is null; give it a value or remove it")),
        Value::Array(_) | Value::Object(_) => Err(format!("{key}: is no text; write a text, number or boolean")),
    }
}

fn target_state(state: &str) -> Result<TargetState, String> {
    TargetState::of_initial_state(state)
        .ok_or_else(|| format!("initial_state: is {state}; write RUNNING, PAUSED or STOPPED"))
}

#[cfg(test)]
mod tests;
