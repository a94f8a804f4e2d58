use tributary_api::{ConfigIssue, PluginKind, Props};
use tributary_kafka::ClientConfig;

use crate::connector_config::PREFIXES;
use crate::settings::{WorkerSettings, with_prefix};

/// Checks the client settings that a connector overrides as the client itself does, including the files that they name.
pub(super) fn check(props: &Props, kind: PluginKind, settings: &WorkerSettings, issues: &mut Vec<ConfigIssue>) {
    for (prefix, client) in clients(props, kind, settings) {
        let Err(error) = client.validate() else { continue };
        let message = error.to_string();
        // The client's message begins with the name of the setting.
        let setting = message.split(' ').next().unwrap_or_default();
        let name = format!("{prefix}{setting}");
        if props.contains_key(&name) && !issues.iter().any(|issue| issue.name == name) {
            issues.push(ConfigIssue::new(name, message));
        }
    }
}

/// The clients for which the connector overrides a setting, with the settings that its tasks will use.
fn clients(props: &Props, kind: PluginKind, settings: &WorkerSettings) -> Vec<(&'static str, ClientConfig)> {
    let [producer, consumer, admin] = PREFIXES;
    let name = props.get("name").map(String::as_str).unwrap_or_default();
    let wanted = |prefix: &str| !with_prefix(props, prefix).is_empty();
    let mut clients = Vec::new();
    if wanted(producer) {
        clients.push((producer, settings.producer(name, 0, props)));
    }
    if wanted(consumer) && kind != PluginKind::Source {
        clients.push((consumer, settings.consumer(name, 0, props)));
    }
    if wanted(admin) {
        clients.push((admin, settings.admin(name, 0, props)));
    }
    clients
}
