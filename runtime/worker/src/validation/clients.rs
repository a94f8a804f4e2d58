use tributary_api::{ConfigIssue, PluginKind, Props};
use tributary_kafka::ClientConfig;

use crate::connector_config::PREFIXES;
use crate::settings::{WorkerSettings, with_prefix};

/// What a client would refuse of the settings that the connector overrides. It reads the files that they name.
pub(super) fn check(props: &Props, kind: PluginKind, settings: &WorkerSettings, issues: &mut Vec<ConfigIssue>) {
    for (prefix, client) in clients(props, kind, settings) {
        let Err(error) = client.validate() else { continue };
        let message = error.to_string();
        // It names the setting first.
        let setting = message.split(' ').next().unwrap_or_default();
        let name = format!("{prefix}{setting}");
        if props.contains_key(&name) && !issues.iter().any(|issue| issue.name == name) {
            issues.push(ConfigIssue::new(name, message));
        }
    }
}

/// The clients that some override is for, as the connector's tasks will have them.
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
