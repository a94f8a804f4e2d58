use tributary_api::{
    ClientKind, ConfigIssue, Error, PluginKind, Props, Result, TopicClient, TopicClientOptions, TopicReaderOptions,
    TopicWriterOptions,
};
use tributary_control::TaskId;
use tributary_kafka::ClientConfig;

use crate::connector_config::{PREFIXES, Parts};
use crate::settings::{ExactlyOnce, WorkerSettings, with_prefix};
use crate::tasks::{reader_client, without_delivery_timeout, writer_clients};

/// Checks the client settings that a connector overrides as the client itself does, including the files that they name.
pub(super) fn check(
    props: &Props,
    kind: PluginKind,
    settings: &WorkerSettings,
    parts: &Parts,
    issues: &mut Vec<ConfigIssue>,
) {
    let processor = parts.processor.as_ref().and_then(|parsed| parsed.as_ref().ok());
    let task = TaskId::new(props.get("name").map_or("", String::as_str), 0);
    let is_override = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let inherited: Props = props.iter().filter(|(name, _)| !is_override(name)).map(copied).collect();
    for prefix in PREFIXES.into_iter().filter(|prefix| !with_prefix(props, prefix).is_empty()) {
        let client = |props: &Props| match processor {
            Some(own) if prefix == PREFIXES[0] => Some(own.producer(props, settings, &task)),
            _ => client(prefix, props, kind, settings),
        };
        let Some(Err(error)) = client(props).map(|client| client.validate()) else { continue };
        let setting = error.property().unwrap_or_default();
        let name = format!("{prefix}{setting}");
        let is_workers = || client(&inherited).is_some_and(|client| fails_at(&client, setting));
        if !issues.iter().any(|issue| issue.name == name) && (props.contains_key(&name) || !is_workers()) {
            issues.push(ConfigIssue::new(name, error.to_string()));
        }
    }
}

fn copied((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

/// Whether a client is refused for a setting: if it is without what the connector adds to it, the setting is the worker's.
fn fails_at(client: &ClientConfig, setting: &str) -> bool {
    client.validate().is_err_and(|error| error.property() == Some(setting))
}

/// Checks the settings of the clients that the connector's tasks open themselves as the clients do, including the files that
/// they name.
pub(super) fn check_topic_clients(
    opened: &[TopicClient],
    props: &Props,
    settings: &WorkerSettings,
    issues: &mut Vec<ConfigIssue>,
) {
    let id = TaskId::new(props.get("name").map_or("", String::as_str), 0);
    for client in opened {
        let mut reported: Option<String> = None;
        for (kind, used, inherited) in clients_of(client, &id, props, settings) {
            let Err(error) = used.validate() else { continue };
            let setting = error.property().unwrap_or_default();
            let name = client.property(kind, setting, props).unwrap_or_else(|| "connector.class".to_owned());
            // The client that creates topics has the producer's access, and so its errors.
            let is_producers = reported.as_deref() == Some(setting) && !props.contains_key(&name);
            if is_producers || fails_at(&inherited, setting) {
                continue;
            }
            reported = Some(setting.to_owned());
            if !issues.iter().any(|issue| issue.name == name) {
                issues.push(ConfigIssue::new(name, error.to_string()));
            }
        }
    }
}

/// The settings of the clients, and what they are where the connector gives none for them.
fn clients_of(
    client: &TopicClient,
    id: &TaskId,
    props: &Props,
    settings: &WorkerSettings,
) -> Vec<(ClientKind, ClientConfig, ClientConfig)> {
    match client.options() {
        TopicClientOptions::Writer(options) => {
            let (producer, admin) = writer_clients(id, settings, props, options);
            let (own_producer, own_admin) = writer_clients(id, settings, props, &TopicWriterOptions::default());
            vec![(ClientKind::Producer, producer, own_producer), (ClientKind::Admin, admin, own_admin)]
        }
        TopicClientOptions::Reader(options) => {
            let none = TopicReaderOptions::new(options.topic.clone(), options.partition);
            let consumer = |options: &TopicReaderOptions| reader_client(id, settings, props, &options.consumer);
            vec![(ClientKind::Consumer, consumer(options), consumer(&none))]
        }
        _ => Vec::new(),
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

/// The settings of the client whose overrides have a prefix, as the connector's tasks will use them.
fn client(prefix: &str, props: &Props, kind: PluginKind, settings: &WorkerSettings) -> Option<ClientConfig> {
    let [producer, consumer, admin] = PREFIXES;
    let name = props.get("name").map(String::as_str).unwrap_or_default();
    if prefix == producer {
        let is_transactional = kind == PluginKind::Source && settings.exactly_once == ExactlyOnce::Enabled;
        Some(without_delivery_timeout(match is_transactional {
            true => settings.transactional_producer(name, 0, props),
            false => settings.producer(name, 0, props),
        }))
    } else if prefix == consumer {
        (kind != PluginKind::Source).then(|| settings.consumer(name, 0, props))
    } else {
        (prefix == admin).then(|| settings.admin(name, 0, props))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::connector_config;
    use crate::fixtures::{props, worker_settings};

    fn check_source(props: &Props, settings: &WorkerSettings, issues: &mut Vec<ConfigIssue>) {
        let kind = PluginKind::Source;
        check(props, kind, settings, &connector_config::check(props, kind, settings).0, issues);
    }

    #[tokio::test]
    async fn overrides_that_a_transaction_cannot_have_are_refused_where_sources_write_in_transactions() {
        let refused = |settings: &WorkerSettings, name: &str, value: &str| {
            let mut issues = Vec::new();
            check_source(&props(&[("name", "lines"), (name, value)]), settings, &mut issues);
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
    async fn an_override_that_lacks_another_setting_names_that_setting() {
        let mut issues = Vec::new();
        let lines = props(&[("name", "lines"), ("producer.override.security.protocol", "SASL_SSL")]);
        check_source(&lines, &worker_settings(&[]), &mut issues);
        assert_eq!(issues.len(), 1, "{issues:?}");
        assert!(issues[0].name.starts_with("producer.override.sasl."), "{issues:?}");
    }

    #[tokio::test]
    async fn clients_that_tasks_open_are_checked_under_the_names_of_their_properties() {
        let refused = |given: &[(&str, &str)]| {
            let given = props(&[&[("name", "lines")], given].concat());
            let under = |prefix: &str| with_prefix(&given, prefix);
            let writer =
                TopicWriterOptions::default().producer(under("reports.producer.")).admin(under("reports.admin."));
            let reader = TopicReaderOptions::new("signals", 0).consumer(under("signals.consumer."));
            let opened = [
                TopicClient::writer(writer)
                    .prefix(ClientKind::Producer, "reports.producer.")
                    .prefix(ClientKind::Admin, "reports.admin.")
                    .named("bootstrap.servers", "reports.servers"),
                TopicClient::reader(reader).prefix(ClientKind::Consumer, "signals.consumer."),
            ];
            let mut issues = Vec::new();
            check_topic_clients(&opened, &given, &worker_settings(&[]), &mut issues);
            issues.into_iter().map(|issue| issue.name).collect::<Vec<_>>()
        };
        assert_eq!(refused(&[("reports.producer.linger.ms", "5"), ("signals.consumer.fetch.min.bytes", "1")]), [""; 0]);
        for name in
            ["reports.producer.linger.ms", "reports.admin.default.api.timeout.ms", "signals.consumer.fetch.min.bytes"]
        {
            assert_eq!(refused(&[(name, "many")]), [name]);
        }
        let access = refused(&[("reports.producer.security.protocol", "SASL_SSL")]);
        assert_eq!(access.len(), 1, "not of the client that creates topics too: {access:?}");
        assert!(access[0].starts_with("reports.producer.sasl."), "{access:?}");
        // What the connector's override is wrong in is reported by that.
        assert_eq!(refused(&[("producer.override.linger.ms", "many"), ("reports.producer.acks", "all")]), [""; 0]);
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
