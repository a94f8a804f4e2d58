use tributary_api::{ConfigIssue, PluginKind, Props};
use tributary_kafka::ClientConfig;

use crate::connector_config::PREFIXES;
use crate::processor;
use crate::settings::{WorkerSettings, with_prefix};
use crate::tasks::without_delivery_timeout;

/// Checks the client settings that a connector overrides as the client itself does, including the files that they name.
pub(super) fn check(props: &Props, kind: PluginKind, settings: &WorkerSettings, issues: &mut Vec<ConfigIssue>) {
    for (prefix, client) in clients(props, kind, settings) {
        let Err(error) = client.validate() else { continue };
        // A wrong setting of the worker's is not an error of the connector's property.
        let name = format!("{prefix}{}", error.property().unwrap_or_default());
        if props.contains_key(&name) && !issues.iter().any(|issue| issue.name == name) {
            issues.push(ConfigIssue::new(name, error.to_string()));
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
        let own = match kind {
            PluginKind::Processor => processor::producer(props, settings).ok(),
            _ => None,
        };
        clients.push((producer, own.unwrap_or_else(|| without_delivery_timeout(settings.producer(name, 0, props)))));
    }
    if wanted(consumer) && kind != PluginKind::Source {
        clients.push((consumer, settings.consumer(name, 0, props)));
    }
    if wanted(admin) {
        clients.push((admin, settings.admin(name, 0, props)));
    }
    clients
}
