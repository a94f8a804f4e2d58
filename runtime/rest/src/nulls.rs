//! Nulls in a configuration. A null for a property that its connector defines counts as not set; one for any other
//! property is an error. (Connect keeps the former, and the connector fails later because of it.)

use std::collections::BTreeSet;

use tributary_api::{ConfigValue, Props};
use tributary_control::{Herder, ValidationResult};

use crate::error::ApiError;
use crate::jackson::RawConfig;

const NULL_VALUE: &str = "Null value can not be supplied as the configuration value.";

/// The properties that have a value, and the names of those that have none.
pub(crate) fn split(config: RawConfig) -> (Props, BTreeSet<String>) {
    let (mut props, mut nulls) = (Props::new(), BTreeSet::new());
    for (name, value) in config {
        match value {
            Some(value) => drop(props.insert(name, value)),
            None => drop(nulls.insert(name)),
        }
    }
    (props, nulls)
}

/// The configuration without nulls, if all of them may be left out.
pub(crate) async fn without(herder: &dyn Herder, config: RawConfig) -> Result<Props, ApiError> {
    let (props, nulls) = split(config);
    let class = props.get("connector.class").filter(|_| !nulls.is_empty());
    let Some(class) = class else { return Ok(props) };
    // The properties of the class are known without a validation, which asks the connector's target system; the caller
    // validates the configuration. Only properties of transforms and predicates need a validation of their own.
    let keys = herder.plugin_config(class, None).await.unwrap_or_default();
    if nulls.iter().all(|name| keys.iter().any(|key| key.name == *name)) {
        return Ok(props);
    }
    let mut result = herder.validate(class, props.clone()).await?;
    if add(&mut result, &nulls) == 0 {
        return Ok(props);
    }
    Err(ApiError::bad_request(invalid(&result)))
}

/// Adds an error for each null of an undefined property; returns how many.
pub(crate) fn add(result: &mut ValidationResult, nulls: &BTreeSet<String>) -> usize {
    let defined = |name: &str| result.configs.iter().any(|(key, _)| key.as_ref().is_some_and(|key| key.name == name));
    let unknown: Vec<String> = nulls.iter().filter(|name| !defined(name)).cloned().collect();
    result.error_count += unknown.len();
    let count = unknown.len();
    let errors = unknown.into_iter().map(|name| {
        let errors = vec![NULL_VALUE.to_owned()];
        let mut value = ConfigValue::new(name);
        value.errors = errors;
        (None, value)
    });
    result.configs.splice(0..0, errors);
    count
}

/// The error for an invalid configuration, with Connect's message.
fn invalid(result: &ValidationResult) -> String {
    let errors: Vec<&str> = result.configs.iter().flat_map(|(_, value)| &value.errors).map(String::as_str).collect();
    format!(
        "Connector configuration is invalid and contains the following {} error(s):\n{}\nYou can also find the above \
         list of errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`",
        result.error_count,
        errors.join("\n")
    )
}
