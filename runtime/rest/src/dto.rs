use serde::Serialize;
use tributary_api::{ConfigKey, ConfigType, ConfigValue, DefaultValue, Importance, Width};
use tributary_control::ValidationResult;

/// A property as Connect shows it.
#[derive(Serialize)]
pub(crate) struct ConfigKeyInfo {
    name: String,
    #[serde(rename = "type")]
    kind: ConfigType,
    required: bool,
    default_value: Option<String>,
    importance: Importance,
    documentation: String,
    group: Option<String>,
    order_in_group: i32,
    width: Width,
    display_name: String,
    dependents: Vec<String>,
}

impl From<&ConfigKey> for ConfigKeyInfo {
    fn from(key: &ConfigKey) -> Self {
        Self {
            name: key.name.clone(),
            kind: key.kind,
            required: key.default == DefaultValue::Required,
            default_value: default_value(key),
            importance: key.importance,
            documentation: key.documentation.clone(),
            group: key.group.clone(),
            order_in_group: key.order,
            width: key.width,
            display_name: key.display_name.clone(),
            dependents: key.dependents.clone(),
        }
    }
}

fn default_value(key: &ConfigKey) -> Option<String> {
    match &key.default {
        DefaultValue::Required | DefaultValue::Null => None,
        DefaultValue::Value(_) if key.is_secret() => Some("[hidden]".to_owned()),
        DefaultValue::Value(text) => Some(text.clone()),
    }
}

/// A property's value as Connect shows it.
#[derive(Serialize)]
struct ConfigValueInfo {
    name: String,
    value: Option<String>,
    recommended_values: Vec<String>,
    errors: Vec<String>,
    visible: bool,
}

impl From<ConfigValue> for ConfigValueInfo {
    fn from(value: ConfigValue) -> Self {
        let ConfigValue { name, value, recommended_values, errors, visible, .. } = value;
        Self { name, value, recommended_values, errors, visible }
    }
}

#[derive(Serialize)]
struct ConfigInfo {
    definition: Option<ConfigKeyInfo>,
    value: ConfigValueInfo,
}

/// The answer of `/validate`.
#[derive(Serialize)]
pub(crate) struct ConfigInfos {
    name: String,
    error_count: usize,
    groups: Vec<String>,
    configs: Vec<ConfigInfo>,
}

impl From<ValidationResult> for ConfigInfos {
    fn from(result: ValidationResult) -> Self {
        let shown = result.configs.into_iter().filter(|(key, _)| !key.as_ref().is_some_and(|key| key.internal));
        let configs = shown
            .map(|(key, value)| ConfigInfo { definition: key.as_ref().map(ConfigKeyInfo::from), value: value.into() });
        Self { name: result.name, error_count: result.error_count, groups: result.groups, configs: configs.collect() }
    }
}
