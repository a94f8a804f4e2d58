//! Checks for sources and sinks alike: the configuration, and the connector without its tasks.

use std::time::Duration;

use tributary_api::{Config, Connector, DefaultValue, Factory, Importance, Plugin, Props};

use super::{Checked, call};
use crate::FakeConnectorHost;

/// A text that cannot occur by chance.
const SECRET: &str = "a-secret-that-must-not-be-seen";

pub(super) fn is_documented(plugin: &Plugin) -> Checked {
    let description = &plugin.description;
    if description.doc.is_empty() {
        return Err(format!("{} has no documentation", description.class));
    }
    for key in description.config.keys() {
        if key.documentation.is_empty() {
            return Err(format!("property {} has no documentation", key.name));
        }
        if key.default == DefaultValue::Required && key.importance == Importance::Low {
            return Err(format!("property {} is required but of low importance", key.name));
        }
    }
    Ok(())
}

pub(super) fn accepts_its_configuration(plugin: &Plugin, props: &Props) -> Checked {
    let values = plugin.description.config.validate(props);
    match values.iter().find(|value| !value.errors.is_empty()) {
        Some(wrong) => Err(format!("property {} of the valid configuration: {:?}", wrong.name, wrong.errors)),
        None => Ok(()),
    }
}

pub(super) fn rejects_a_missing_property(plugin: &Plugin, props: &Props) -> Checked {
    let config = &plugin.description.config;
    if let Some(name) = props.keys().find(|name| config.key(name).is_none()) {
        return Err(format!("property {name} of the valid configuration is not defined"));
    }
    for key in config.keys().filter(|key| key.default == DefaultValue::Required) {
        let without: Props = props.iter().filter(|(name, _)| **name != key.name).map(clone).collect();
        if config.parse(&without).is_ok() {
            return Err(format!("a configuration without {} is accepted", key.name));
        }
    }
    Ok(())
}

pub(super) async fn hides_secrets(plugin: &Plugin, props: &Props, call_timeout: Duration) -> Checked {
    let config = &plugin.description.config;
    let secrets: Vec<&str> = config.keys().filter(|key| key.is_secret()).map(|key| key.name.as_str()).collect();
    let mut props = props.clone();
    props.extend(secrets.iter().map(|name| ((*name).to_owned(), SECRET.to_owned())));
    let seen = |place: &str, text: String| {
        if text.contains(SECRET) { Err(format!("{place} shows a secret")) } else { Ok(()) }
    };
    seen("Debug of the configuration", format!("{:?}", config.parse(&props)))?;
    seen("validation", format!("{:?}", config.validate(&props)))?;
    seen("the masked configuration", format!("{:?}", config.mask(&props)))?;
    if secrets.is_empty() {
        return Ok(());
    }
    let Ok(config) = config.parse(&props) else { return Ok(()) };
    let mut connector = make(plugin)?;
    match connector.validate(&config).await {
        Ok(issues) => seen("an issue", format!("{issues:?}"))?,
        Err(error) => seen("the error of validate", format!("{error:?}"))?,
    }
    let host = FakeConnectorHost::new();
    if let Err(error) = connector.start(host.context("test"), &config).await {
        seen("the error of start", format!("{error:?}"))?;
    }
    call(call_timeout, "stop", connector.stop()).await
}

/// A property whose name suggests a secret must have the type Password: values of other types are shown.
pub(super) fn gives_secrets_the_type_password(plugin: &Plugin) -> Checked {
    let suspicious = ["password", "secret", "access.key", "private.key", "credentials"];
    // The name or the location of a secret is not secret.
    let harmless = ["id", "name", "path", "file", "class", "provider", "topic", "type"];
    for key in plugin.description.config.keys().filter(|key| !key.is_secret()) {
        let name = key.name.to_lowercase();
        let last = name.rsplit('.').next().unwrap_or(&name);
        if suspicious.iter().any(|suffix| name.ends_with(suffix)) && !harmless.contains(&last) {
            return Err(format!("property {} looks like a secret: give it the type Password", key.name));
        }
    }
    Ok(())
}

pub(super) async fn finds_no_issue_in_the_valid_configuration(
    plugin: &Plugin,
    props: &Props,
    call_timeout: Duration,
) -> Checked {
    let issues = call(call_timeout, "validate", make(plugin)?.validate(&parsed(plugin, props)?)).await?;
    if issues.is_empty() { Ok(()) } else { Err(format!("the valid configuration has issues: {issues:?}")) }
}

pub(super) async fn makes_no_more_tasks_than_allowed(
    plugin: &Plugin,
    props: &Props,
    call_timeout: Duration,
) -> Checked {
    let host = FakeConnectorHost::new();
    let (mut connector, config) = (make(plugin)?, parsed(plugin, props)?);
    call(call_timeout, "start", connector.start(host.context("test"), &config)).await?;
    for max_tasks in [1, 2, 7] {
        let configs = call(call_timeout, "task_configs", connector.task_configs(&config, max_tasks)).await?;
        if configs.is_empty() || configs.len() > max_tasks {
            return Err(format!("{} task configurations for at most {max_tasks} tasks", configs.len()));
        }
    }
    call(call_timeout, "stop", connector.stop()).await
}

pub(super) async fn stops_at_any_time(plugin: &Plugin, props: &Props, call_timeout: Duration) -> Checked {
    call(call_timeout, "stop before start", make(plugin)?.stop()).await?;
    let (host, config) = (FakeConnectorHost::new(), parsed(plugin, props)?);
    for _ in 0..2 {
        let mut connector = make(plugin)?;
        call(call_timeout, "start", connector.start(host.context("test"), &config)).await?;
        call(call_timeout, "stop", connector.stop()).await?;
        call(call_timeout, "the second stop", connector.stop()).await?;
    }
    Ok(())
}

fn make(plugin: &Plugin) -> std::result::Result<Box<dyn Connector>, String> {
    match &plugin.factory {
        Factory::Source(factory) => Ok((factory.connector)()),
        Factory::Sink(factory) => Ok((factory.connector)()),
        _ => Err(format!("{} is not a connector", plugin.description.class)),
    }
}

fn parsed(plugin: &Plugin, props: &Props) -> std::result::Result<Config, String> {
    plugin.description.config.parse(props).map_err(|error| format!("the valid configuration is refused: {error}"))
}

fn clone((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}
