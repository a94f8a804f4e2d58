//! The definition of the worker's properties, for parsing and documentation, and a check for properties without one.

use std::collections::BTreeSet;

use tracing::{info, warn};
use tributary_api::{ConfigDef, ConfigKey, ConfigType, Props, Validator};
use tributary_rest::RestOptions;
use tributary_worker::WorkerSettings;

const FILES: &str = "Connector files";
const EMBEDDED: &str = "Embedded servers";
const SHOP: &str = "Demo shop";

/// The properties that Kafka Connect 4.3.1 and Kafka's clients define, one on each line.
const KAFKAS: &str = include_str!("kafka_properties.txt");

/// Prefixes of settings that are not the worker's own: any name may follow.
const PREFIXES: [&str; 9] = [
    "config.providers.",
    "config.storage.",
    "header.converter.",
    "key.converter.",
    "metrics.context.",
    "offset.storage.",
    "shared.",
    "status.storage.",
    "value.converter.",
];
/// Prefixes of client and TLS settings.
const CLIENTS: [&str; 5] = ["producer.", "consumer.", "admin.", "listeners.https.", "admin.listeners.https."];

/// All properties that the worker reads.
pub(crate) fn definition() -> ConfigDef {
    let parts = [WorkerSettings::definition(), RestOptions::definition(), process()];
    parts.iter().fold(ConfigDef::default(), |all, part| all.embed("", None, part))
}

/// The properties that this process reads, in addition to the engine's.
pub(crate) fn process() -> ConfigDef {
    let text = |name: &str| ConfigKey::new(name, ConfigType::String);
    let flag = |name: &str| ConfigKey::new(name, ConfigType::Boolean);
    let port = |name: &str, default: u16| {
        ConfigKey::new(name, ConfigType::Int).default(default).validator(Validator::Between(0, 65_535))
    };
    let ms = |name: &str, default: u32| {
        ConfigKey::new(name, ConfigType::Long).default(default).validator(Validator::AtLeast(0))
    };
    let keys = [
        (FILES, ConfigKey::new("config.files.folders", ConfigType::List).default("connectors").doc(
            "Folders of connector files, in the configs folder. A file takes the place of the one of the same name in an \
             earlier folder.",
        )),
        (FILES, flag("config.files.override").default(false).doc(
            "Whether connector files also replace existing connectors, instead of only creating missing ones.",
        )),
        (EMBEDDED, port("embedded.broker.port", 9092).doc(
            "Port of the embedded broker on 127.0.0.1; a free one if it is in use. The broker starts if \
             bootstrap.servers is not set.",
        )),
        (EMBEDDED, flag("embedded.store.enable").doc(
            "Whether the embedded S3 endpoint starts. By default it starts together with the embedded broker. It never \
             starts if shared.s3.endpoint is set to another.",
        )),
        (EMBEDDED, port("embedded.store.port", 9000).doc(
            "Port of the embedded S3 endpoint on 127.0.0.1; a free one if it is in use.",
        )),
        (EMBEDDED, ConfigKey::new("embedded.store.buckets", ConfigType::List).default("raw,enriched").doc(
            "Buckets that the embedded S3 endpoint creates at its start.",
        )),
        (SHOP, flag("demo.shop.enable").doc(
            "Whether the demo shop starts. By default it starts together with the embedded broker if the configs \
             folder has its files in demo/.",
        )),
        (SHOP, text("demo.shop.host").default("127.0.0.1").doc("IP address that the shop listens on; 0.0.0.0 for all.")),
        (SHOP, port("demo.shop.port", 8080).doc("Port of the shop; a free one if it is in use.")),
        (SHOP, text("demo.shop.collector.url").doc(
            "The collector's URL for browsers. The default is http:// and the address shared.collect.listen.",
        )),
        (SHOP, ms("demo.shop.heartbeat.ms", 10_000).doc("Milliseconds of engagement between two heartbeats of a page.")),
        (SHOP, ms("demo.shop.min.visit.ms", 5_000).doc(
            "Milliseconds of engagement until the first heartbeat of a page: what counts as a visit.",
        )),
        (SHOP, ms("demo.shop.linger.ms", 20_000).doc(
            "Milliseconds of engagement after which, according to the pages' text, a voucher is offered; the rule \
             itself is in rules/demo.yaml.",
        )),
    ];
    ConfigDef::new(keys.map(|(group, key)| key.group(group)))
}

/// Logs properties that are not used: one line for each kind, and one for each name that looks misspelt.
pub(crate) fn log_unread(props: &Props) {
    let unread = UnreadProperties::of(props);
    if !unread.of_connect.is_empty() {
        info!(names = unread.of_connect.join(", "), "settings of Kafka Connect that have no effect here");
    }
    if !unread.unknown.is_empty() {
        info!(names = unread.unknown.join(", "), "these settings were supplied but are not used");
    }
    for (name, known) in unread.misspelt {
        warn!("{name} is not a setting of the worker: did you mean {known}?");
    }
}

/// Properties that are not used.
#[derive(Debug, Default, PartialEq, Eq)]
struct UnreadProperties {
    /// Kafka Connect's own, which have no effect here.
    of_connect: Vec<String>,
    /// Unknown names, possibly of a Java plugin.
    unknown: Vec<String>,
    /// Unknown names that are close to a known one.
    misspelt: Vec<(String, String)>,
}

impl UnreadProperties {
    fn of(props: &Props) -> Self {
        let definition = definition();
        let own: BTreeSet<&str> = definition.keys().map(|key| key.name.as_str()).collect();
        let kafkas: BTreeSet<&str> = KAFKAS.lines().collect();
        let mut unread = Self::default();
        for name in props.keys().filter(|name| !own.contains(name.as_str())) {
            let client = CLIENTS.iter().find_map(|prefix| Some((*prefix, name.strip_prefix(prefix)?)));
            match client {
                Some((_, setting)) if kafkas.contains(setting) => {}
                None if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => {}
                None if kafkas.contains(name.as_str()) => {
                    if CONNECTS_ALONE.iter().any(|prefix| name.starts_with(prefix)) {
                        unread.of_connect.push(name.clone());
                    }
                }
                client => {
                    let (prefix, setting) = client.unwrap_or(("", name));
                    let known = own.iter().filter(|_| prefix.is_empty()).chain(&kafkas);
                    match closest(setting, known.copied()) {
                        Some(known) => unread.misspelt.push((name.clone(), format!("{prefix}{known}"))),
                        None => unread.unknown.push(name.clone()),
                    }
                }
            }
        }
        unread
    }
}

/// Prefixes of those names of [`KAFKAS`] that are not client settings and have no effect here.
const CONNECTS_ALONE: [&str; 8] = [
    "connect.protocol",
    "inter.worker.",
    "metric",
    "plugin.",
    "rebalance.timeout.ms",
    "scheduled.rebalance.max.delay.ms",
    "worker.sync.",
    "worker.unsync.",
];

/// The known name that differs in at most two letters, or only in its separators.
fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '-'], ".");
    let distances = known.map(|known| (strsim::osa_distance(&plain(name), known), known));
    distances.filter(|(distance, known)| *distance <= 2 && known.len() > 6).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unread(names: &[&str]) -> UnreadProperties {
        UnreadProperties::of(&names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect())
    }

    #[test]
    fn what_a_java_workers_file_has_is_known() {
        let names = [
            "group.id",
            "producer.compression.type",
            "consumer.max.poll.records",
            "admin.retries",
            "max.poll.records",
            "sasl.jaas.config",
            "ssl.keystore.location",
            "listeners.https.ssl.keystore.location",
            "config.storage.min.insync.replicas",
            "value.converter.schema.registry.url",
            "config.providers.file.param.x",
            "shared.anything",
            "metrics.context.a",
        ];
        assert_eq!(unread(&names), UnreadProperties::default());
    }

    #[test]
    fn connect_properties_misspelt_ones_and_unknown_ones_are_distinguished() {
        let of_connect = ["connect.protocol", "plugin.path"];
        assert_eq!(unread(&of_connect).of_connect, of_connect);
        let misspelt = |name: &str, meant: &str| {
            assert_eq!(unread(&[name]).misspelt, [(name.to_owned(), meant.to_owned())]);
        };
        misspelt("offset.flush.intervall.ms", "offset.flush.interval.ms");
        misspelt("demo.shop.prot", "demo.shop.port");
        misspelt("config_files_override", "config.files.override");
        misspelt("consumer.max.pol.records", "consumer.max.poll.records");
        let foreign = ["com.example.audit", "producer.confluent.monitoring.interceptor"];
        assert_eq!(unread(&foreign).unknown, foreign);
    }

    #[test]
    fn every_property_is_documented_under_a_heading() {
        for key in definition().keys() {
            assert!(!key.documentation.is_empty() && key.group.is_some(), "{}", key.name);
        }
    }
}
