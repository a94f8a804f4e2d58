use tributary_api::{ConfigIssue, Error, PluginKind, Props, Result};
use tributary_kafka::ClientConfig;

use crate::connector_config::PREFIXES;
use crate::processor;
use crate::settings::{ExactlyOnce, WorkerSettings, with_prefix};
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

/// Checks the client settings that all connectors get from the worker.
///
/// # Errors
/// `Config`, with every wrong one.
pub(crate) fn check_worker(settings: &WorkerSettings) -> Result<()> {
    let none = Props::new();
    let clients = [
        ("producer.", settings.producer("", 0, &none)),
        ("consumer.", settings.consumer("", 0, &none)),
        ("admin.", settings.admin("", 0, &none)),
    ];
    let wrong: Vec<(String, String)> = clients
        .into_iter()
        .filter_map(|(prefix, client)| {
            let error = client.validate().err()?;
            let setting = error.property().unwrap_or_default();
            let prefixed = format!("{prefix}{setting}");
            // Clients for administration inherit settings without a prefix.
            let name = if settings.defaults.contains_key(&prefixed) { prefixed } else { setting.to_owned() };
            Some((name.clone(), format!("{name}: {error}")))
        })
        .collect();
    let Some((first, _)) = wrong.first() else { return Ok(()) };
    let all: Vec<&str> = wrong.iter().map(|(_, message)| message.as_str()).collect();
    Err(Error::config_at(first.clone(), all.join(" ")))
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
            PluginKind::Source if settings.exactly_once == ExactlyOnce::Enabled => {
                Some(without_delivery_timeout(settings.transactional_producer(name, 0, props)))
            }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixtures::{props, worker_settings};

    #[tokio::test]
    async fn overrides_that_a_transaction_cannot_have_are_refused_where_sources_write_in_transactions() {
        let refused = |settings: &WorkerSettings, name: &str, value: &str| {
            let mut issues = Vec::new();
            check(&props(&[("name", "lines"), (name, value)]), PluginKind::Source, settings, &mut issues);
            issues.into_iter().map(|issue| issue.name).collect::<Vec<_>>()
        };
        let (ordinary, exactly_once) =
            (worker_settings(&[]), worker_settings(&[("exactly.once.source.support", "enabled")]));
        for (name, value) in [
            ("producer.override.acks", "1"),
            ("producer.override.retries", "0"),
            ("producer.override.max.in.flight.requests.per.connection", "6"),
        ] {
            assert_eq!(refused(&ordinary, name, value), [""; 0]);
            assert_eq!(refused(&exactly_once, name, value), [name]);
        }
    }

    #[tokio::test]
    async fn a_workers_own_wrong_client_settings_are_all_named() {
        assert!(check_worker(&worker_settings(&[("producer.linger.ms", "5")])).is_ok());
        let wrong = worker_settings(&[("producer.linger.ms", "soon"), ("consumer.fetch.min.bytes", "many")]);
        let error = check_worker(&wrong).unwrap_err();
        assert_eq!(error.property(), Some("producer.linger.ms"));
        let error = error.to_string();
        assert!(error.contains("producer.linger.ms: ") && error.contains("consumer.fetch.min.bytes: "), "{error}");
    }
}
