//! Limits that depend on each other.

use tributary_api::{ConfigIssue, PluginKind, Props};
use tributary_kafka::ClientConfig;

use super::ClientLimits;
use crate::settings::WorkerSettings;
use crate::tasks::without_delivery_timeout;

/// Java's defaults.
const MAX_REQUEST_SIZE: i64 = 1 << 20;
const REQUEST_TIMEOUT_MS: i64 = 30_000;
const MAX_POLL_INTERVAL_MS: i64 = 300_000;

/// Limits of the connector's clients that contradict each other, whether the worker or the connector sets them.
pub(super) fn check(
    props: &Props,
    kind: PluginKind,
    settings: &WorkerSettings,
    clients: &ClientLimits,
    issues: &mut Vec<ConfigIssue>,
) {
    if kind != PluginKind::Source {
        session(&settings.consumer("", 0, props), issues);
    }
    let writes = kind != PluginKind::Sink || props.contains_key("errors.deadletterqueue.topic.name");
    if writes {
        let producer = without_delivery_timeout(settings.producer("", 0, props));
        sizes(&producer, clients.buffer_memory, issues);
        times(&producer, issues);
    }
}

fn number(client: &ClientConfig, name: &str, default: i64) -> i64 {
    client.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A record larger than the whole buffer would wait without end.
fn sizes(producer: &ClientConfig, memory: usize, issues: &mut Vec<ConfigIssue>) {
    let request = number(producer, "max.request.size", MAX_REQUEST_SIZE);
    if usize::try_from(request).is_ok_and(|request| request > memory) {
        let message = format!(
            "max.request.size is {request}, but buffer.memory is {memory}: a record of that size would never find room, \
             lower the one or raise the other"
        );
        issues.push(ConfigIssue::new("producer.override.max.request.size", message));
    }
}

/// A consumer that may be silent for less long than its session lasts is refused when it is made.
fn session(consumer: &ClientConfig, issues: &mut Vec<ConfigIssue>) {
    let poll = number(consumer, "max.poll.interval.ms", MAX_POLL_INTERVAL_MS);
    let session = number(consumer, "session.timeout.ms", 0);
    // In the new protocol the broker says how long a session lasts.
    if poll < session && consumer.get("group.protocol") != Some("consumer") {
        let message = format!(
            "max.poll.interval.ms is {poll}, but session.timeout.ms is {session}: raise the one or lower the other"
        );
        issues.push(ConfigIssue::new("consumer.override.max.poll.interval.ms", message));
    }
}

/// Java's producer refuses this too, when it is created.
fn times(producer: &ClientConfig, issues: &mut Vec<ConfigIssue>) {
    let delivery = number(producer, "delivery.timeout.ms", i64::from(i32::MAX));
    let linger = number(producer, "linger.ms", 0);
    let request = number(producer, "request.timeout.ms", REQUEST_TIMEOUT_MS);
    if delivery < linger.saturating_add(request) {
        let message = format!(
            "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms, but {delivery} is \
             less than {linger} + {request}"
        );
        issues.push(ConfigIssue::new("producer.override.delivery.timeout.ms", message));
    }
}

/// The properties for the plugin's `validate`: with `producer.override.max.request.size`, which limits its records,
/// also where the worker sets it.
pub(crate) fn with_limits(props: &Props, settings: &WorkerSettings) -> Props {
    let mut props = props.clone();
    if let Some(limit) = settings.producer("", 0, &props).get("max.request.size") {
        props.insert("producer.override.max.request.size".to_owned(), limit.to_owned());
    }
    props
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixtures::{props, worker_settings as settings};

    fn issues(worker: &[(&str, &str)], connector: &[(&str, &str)]) -> Vec<(String, String)> {
        let (mut issues, connector, worker) = (Vec::new(), props(connector), settings(worker));
        let clients = ClientLimits::parse(&connector, &worker, &mut Vec::new());
        check(&connector, PluginKind::Source, &worker, &clients, &mut issues);
        issues.into_iter().map(|issue| (issue.name, issue.message)).collect()
    }

    #[tokio::test]
    async fn limits_that_do_not_agree_are_refused_with_both_numbers() {
        assert_eq!(issues(&[], &[]), []);
        assert_eq!(issues(&[], &[("producer.override.max.request.size", "5000000")]), []);
        for (worker, connector) in [
            (vec![], vec![("producer.override.max.request.size", "50000000")]),
            (vec![("producer.max.request.size", "50000000")], vec![]),
        ] {
            let found = issues(&worker, &connector);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].1.contains("50000000") && found[0].1.contains("33554432"), "{found:?}");
        }
        let raised =
            [("producer.override.max.request.size", "50000000"), ("producer.override.buffer.memory", "60000000")];
        assert_eq!(issues(&[], &raised), []);
        let hasty = issues(&[], &[("producer.override.delivery.timeout.ms", "1000")]);
        assert!(hasty[0].1.ends_with("1000 is less than 0 + 30000"), "{hasty:?}");
    }

    #[tokio::test]
    async fn a_plugin_sees_the_size_limit_of_its_records_wherever_it_was_set() {
        let name = "producer.override.max.request.size";
        assert_eq!(with_limits(&props(&[]), &settings(&[])).get(name), None);
        let worker = settings(&[("producer.max.request.size", "100000")]);
        assert_eq!(with_limits(&props(&[]), &worker)[name], "100000");
        assert_eq!(with_limits(&props(&[(name, "7000000")]), &worker)[name], "7000000");
    }
}
