//! A herder that records what it is asked for and answers what a Connect worker answered.

use std::sync::Mutex;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tributary_api::{
    ConfigKey, ConfigType, ConfigValue, DefaultValue as Fallback, Importance, PluginAnswer, PluginRequest, Props, Width,
};
use tributary_control::*;

/// What was asked, and the recorded answer to give.
pub(crate) struct Recorded {
    pub(crate) calls: Mutex<Vec<Value>>,
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Recorded {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { calls: Mutex::default(), status, body }
    }

    fn called(&self, call: Value) {
        self.calls.lock().unwrap().push(call);
    }

    /// The recorded answer as the type of the herder's interface, or the recorded refusal.
    fn answer<T: DeserializeOwned>(&self, body: impl FnOnce(&Value) -> Value) -> Result<T> {
        match self.refusal() {
            Some(error) => Err(error),
            None => Ok(serde_json::from_value(body(&self.body)).unwrap()),
        }
    }

    fn refusal(&self) -> Option<Error> {
        let message = self.body.get("error_code").and_then(|_| self.body["message"].as_str())?;
        let status = match self.status {
            400 => Status::BadRequest,
            403 => Status::Forbidden,
            404 => Status::NotFound,
            409 => Status::Conflict,
            503 => Status::Unavailable,
            _ => Status::Internal,
        };
        // Connect's /validate shows the refusal of another thread.
        match message.strip_prefix("org.apache.kafka.connect.runtime.rest.errors.BadRequestException: ") {
            Some(inner) => Some(Error::bad_request(inner)),
            None => Some(Error::new(status, message)),
        }
    }

    /// The answer of a `HEAD`, which has no body, can be anything.
    fn or_any(&self, any: Value) -> Value {
        if self.body.is_null() { any } else { self.body.clone() }
    }

    fn info(&self, name: &str) -> Result<ConnectorInfo> {
        self.answer(|body| match (body.get(name), body.get("tasks")) {
            (Some(expanded), _) => expanded["info"].clone(),
            (None, Some(_)) => body.clone(),
            (None, None) if body.is_null() => json!({"name": name, "config": {}, "tasks": [], "type": "source"}),
            (None, None) => json!({"name": name, "config": body, "tasks": [], "type": "source"}),
        })
    }

    /// The recorded answer of `/validate`, without what REST itself adds for nulls.
    fn validation(&self) -> ValidationResult {
        let none = Vec::new();
        let configs = self.body["configs"].as_array().unwrap_or(&none);
        let defined = || configs.iter().filter(|config| !config["definition"].is_null());
        let errors = |config: &Value| config["value"]["errors"].as_array().map_or(0, Vec::len);
        ValidationResult {
            name: self.body["name"].as_str().unwrap_or_default().to_owned(),
            error_count: defined().filter(|config| errors(config) > 0).count(),
            groups: serde_json::from_value(self.body["groups"].clone()).unwrap_or_default(),
            configs: defined().map(|config| (Some(key(&config["definition"])), value(&config["value"]))).collect(),
        }
    }
}

fn key(shown: &Value) -> ConfigKey {
    let read = |name: &str| shown[name].clone();
    let kind: ConfigType = serde_json::from_value(read("type")).unwrap();
    let mut key = ConfigKey::new(shown["name"].as_str().unwrap(), kind);
    key.default = match (shown["required"].as_bool().unwrap(), shown["default_value"].as_str()) {
        (true, _) => Fallback::Required,
        (false, None) => Fallback::Null,
        (false, Some(text)) => Fallback::Value(text.to_owned()),
    };
    key.importance = serde_json::from_value::<Importance>(read("importance")).unwrap();
    key.documentation = serde_json::from_value(read("documentation")).unwrap();
    key.group = serde_json::from_value(read("group")).unwrap();
    key.order = serde_json::from_value(read("order_in_group")).unwrap();
    key.width = serde_json::from_value::<Width>(read("width")).unwrap();
    key.display_name = serde_json::from_value(read("display_name")).unwrap();
    key.dependents = serde_json::from_value(read("dependents")).unwrap();
    key
}

fn value(shown: &Value) -> ConfigValue {
    let read = |name: &str| shown[name].clone();
    let mut value = ConfigValue::new(shown["name"].as_str().unwrap());
    value.value = serde_json::from_value(read("value")).unwrap();
    value.recommended_values = serde_json::from_value(read("recommended_values")).unwrap();
    value.errors = serde_json::from_value(read("errors")).unwrap();
    value.visible = read("visible").as_bool().unwrap();
    value
}

#[async_trait]
impl Herder for Recorded {
    fn worker_info(&self) -> WorkerInfo {
        self.called(json!(["worker_info"]));
        let any = json!({"version": "", "commit": "", "kafka_cluster_id": ""});
        serde_json::from_value(self.or_any(any)).unwrap()
    }

    async fn health(&self) -> Health {
        self.called(json!(["health"]));
        serde_json::from_value(self.body.clone()).unwrap()
    }

    async fn connectors(&self) -> Result<Vec<String>> {
        self.called(json!(["connectors"]));
        Ok(match self.or_any(json!([])) {
            Value::Object(expanded) => expanded.keys().cloned().collect(),
            names => serde_json::from_value(names).unwrap(),
        })
    }

    async fn connector(&self, name: &str) -> Result<ConnectorInfo> {
        self.called(json!(["connector", name]));
        self.info(name)
    }

    async fn create(&self, request: CreateRequest) -> Result<ConnectorInfo> {
        let CreateRequest { name, config, initial_state } = request;
        self.called(json!(["create", {"name": name, "config": config, "initial_state": initial_state}]));
        self.answer(|body| without_nulls(body.clone()))
    }

    async fn put_config(&self, name: &str, config: Props) -> Result<Created> {
        self.called(json!(["put_config", name, config]));
        let info = self.answer(|body| without_nulls(body.clone()))?;
        Ok(Created { created: self.status == 201, info })
    }

    async fn patch_config(&self, name: &str, patch: ConnectorPatch) -> Result<ConnectorInfo> {
        self.called(json!(["patch_config", name, patch]));
        self.info(name)
    }

    async fn delete(&self, name: &str) -> Result<()> {
        self.called(json!(["delete", name]));
        self.refusal().map_or(Ok(()), Err)
    }

    async fn status(&self, name: &str) -> Result<ConnectorStatus> {
        self.called(json!(["status", name]));
        self.answer(|body| body.get(name).map_or_else(|| body.clone(), |expanded| expanded["status"].clone()))
    }

    async fn processing(&self, name: &str) -> Result<Processing> {
        self.called(json!(["processing", name]));
        self.answer(Value::clone)
    }

    async fn progress(&self, name: &str) -> Result<Progress> {
        self.called(json!(["progress", name]));
        self.answer(Value::clone)
    }

    async fn transform_request(&self, name: &str, alias: &str, request: PluginRequest) -> Result<PluginAnswer> {
        let PluginRequest { method, path, body, .. } = request;
        self.called(json!([
            "transform_request",
            name,
            alias,
            format!("{method:?}"),
            path,
            String::from_utf8_lossy(&body)
        ]));
        self.refusal().map_or(Ok(PluginAnswer::refused(self.status, "of the plugin")), Err)
    }

    async fn tasks(&self, name: &str) -> Result<Vec<TaskInfo>> {
        self.called(json!(["tasks", name]));
        self.answer(Value::clone)
    }

    async fn task_status(&self, task: &TaskId) -> Result<TaskStatus> {
        self.called(json!(["task_status", task.connector, task.task]));
        self.answer(Value::clone)
    }

    async fn restart_task(&self, task: &TaskId) -> Result<()> {
        self.called(json!(["restart_task", task.connector, task.task]));
        self.refusal().map_or(Ok(()), Err)
    }

    async fn restart(&self, name: &str, request: RestartRequest) -> Result<Option<ConnectorStatus>> {
        self.called(json!(["restart", name, request.include_tasks, request.only_failed]));
        self.answer(Value::clone)
    }

    async fn set_target_state(&self, name: &str, state: TargetState) -> Result<()> {
        self.called(json!(["set_target_state", name, state]));
        self.refusal().map_or(Ok(()), Err)
    }

    async fn offsets(&self, name: &str) -> Result<ConnectorOffsets> {
        self.called(json!(["offsets", name]));
        self.answer(Value::clone)
    }

    async fn alter_offsets(&self, name: &str, offsets: ConnectorOffsets) -> Result<String> {
        self.called(json!(["alter_offsets", name, offsets]));
        self.answer(|body| body["message"].clone())
    }

    async fn reset_offsets(&self, name: &str) -> Result<String> {
        self.called(json!(["reset_offsets", name]));
        self.answer(|body| body["message"].clone())
    }

    async fn topics(&self, name: &str) -> Result<ActiveTopics> {
        self.called(json!(["topics", name]));
        self.answer(|body| body[name].clone())
    }

    async fn reset_topics(&self, name: &str) -> Result<()> {
        self.called(json!(["reset_topics", name]));
        self.refusal().map_or(Ok(()), Err)
    }

    async fn plugins(&self, connectors_only: bool) -> Result<Vec<PluginInfo>> {
        self.called(json!(["plugins", connectors_only]));
        self.answer(Value::clone)
    }

    async fn plugin_config(&self, plugin: &str, version: Option<&str>) -> Result<Vec<ConfigKey>> {
        let mut call = vec!["plugin_config", plugin];
        call.extend(version);
        self.called(json!(call));
        match self.refusal() {
            Some(error) => Err(error),
            // Before a write with nulls: `file` is the property that the plugin has.
            None if !self.body.is_array() => Ok(vec![ConfigKey::new("file", ConfigType::String)]),
            None => Ok(self.body.as_array().unwrap().iter().map(key).collect()),
        }
    }

    async fn validate(&self, plugin: &str, config: Props) -> Result<ValidationResult> {
        self.called(json!(["validate", plugin, config]));
        match (self.refusal(), &self.body["message"]) {
            (Some(_), Value::String(message)) if message.contains("Null value") => Ok(ValidationResult {
                name: plugin.to_owned(),
                error_count: 0,
                groups: Vec::new(),
                configs: Vec::new(),
            }),
            (Some(error), _) => Err(error),
            (None, _) => Ok(self.validation()),
        }
    }

    async fn loggers(&self) -> Result<Loggers> {
        self.called(json!(["loggers"]));
        if self.refusal().is_some() {
            return Ok(Loggers::new());
        }
        // The answer for one logger does not say which.
        Ok(match self.body.get("level") {
            Some(_) => {
                let level: LoggerLevel = serde_json::from_value(self.body.clone()).unwrap();
                Loggers::from_iter(
                    ["root", "org.apache.kafka.connect.golden"].map(|name| (name.to_owned(), level.clone())),
                )
            }
            None => serde_json::from_value(self.body.clone()).unwrap(),
        })
    }

    async fn set_logger(&self, logger: &str, level: &str, cluster: bool) -> Result<Vec<String>> {
        self.called(json!(["set_logger", logger, level, cluster]));
        self.answer(|body| if body.is_null() { json!([]) } else { body.clone() })
    }
}

/// Of a connector whose configuration Connect keeps with nulls.
fn without_nulls(mut info: Value) -> Value {
    if let Some(config) = info["config"].as_object_mut() {
        config.retain(|_, value| !value.is_null());
    }
    info
}
