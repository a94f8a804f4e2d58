//! All properties of Debezium's connector, with its defaults.

mod connector;
mod events;
mod history;
mod server;

use tributary_api::{ConfigDef, ConfigKey, ConfigType, Validator};

use super::OTHER_TASKS;

/// The definition that `/validate` and the documentation use.
pub(crate) fn definition() -> ConfigDef {
    let keys = [server::keys(), events::keys(), history::keys(), connector::keys(), unlisted()];
    ConfigDef::new(keys.into_iter().flatten())
}

/// Properties that Debezium reads without defining them.
fn unlisted() -> Vec<ConfigKey> {
    let text = |name: &str, default: &str, doc: &str| {
        ConfigKey::new(name, ConfigType::String).default(default).internal().doc(doc)
    };
    let driver = |name: &str, kind, doc: &str| ConfigKey::new(format!("driver.{name}"), kind).internal().doc(doc);
    vec![
        text("field.name.adjustment.mode", "none", "As schema.name.adjustment.mode, for names of fields.")
            .validator(one_of(&["none", "avro", "avro_unicode"])),
        text("snapshot.locking.mode", "exclusive", "How a snapshot locks tables while it reads their structure.")
            .validator(one_of(&["exclusive", "none"])),
        text("topic.delimiter", ".", "The separator between the parts of a topic's name."),
        text("topic.transaction", "transaction", "The end of the name of the topic of transactions."),
        text(
            "signal.kafka.topic",
            "",
            "The topic by which signals come, of which the first partition is read; topic.prefix with -signal without it.",
        ),
        text("signal.kafka.bootstrap.servers", "", "The brokers of the signal topic; the worker's own without it."),
        text("signal.file", "file-signals.txt", "The file by which signals come. It is emptied when they are read."),
        text(
            "signal.kafka.groupId",
            "kafka-signal",
            "The consumer group whose committed offset is where the signal topic is read from if the connector has no offset of its own. \
             It gets the place up to which all signals are followed.",
        ),
        ConfigKey::new("signal.kafka.poll.timeout.ms", ConfigType::Int)
            .default("0")
            .internal()
            .doc("Has no effect: signal.poll.interval.ms decides."),
        ConfigKey::new("signal.consumer.*", ConfigType::Password)
            .name_begins("signal.consumer.")
            .internal()
            .doc("Settings of the client that reads the signal topic."),
        ConfigKey::new("skip.messages.without.change", ConfigType::Boolean)
            .default("false")
            .internal()
            .doc("Whether updates that change no column that records have are left out."),
        text("topic.heartbeat.prefix", "__debezium-heartbeat", "As heartbeat.topics.prefix."),
        text("topic.heartbeat.name", "", "The whole name of the topic of heartbeats."),
        text(
            "unavailable.value.placeholder",
            "__debezium_unavailable_value",
            "The placeholder for a large value that an update does not change.",
        ),
        text("task.id", "0", "The number of the task; set by the connector."),
        text(OTHER_TASKS, "", "The databases of the connector's other tasks; set by the connector."),
        driver("encrypt", ConfigType::String, "Encryption: true, false (of the login alone) or strict."),
        driver("trustServerCertificate", ConfigType::String, "Whether any certificate of the server is accepted."),
        driver("serverCertificate", ConfigType::String, "A file with the certificate to trust, in PEM."),
        driver("hostNameInCertificate", ConfigType::String, "The name that the server's certificate must have."),
        driver("applicationName", ConfigType::String, "The name that the server sees."),
        driver("applicationIntent", ConfigType::String, "ReadOnly to be sent to a readable replica."),
        driver("multiSubnetFailover", ConfigType::String, "Whether all addresses of the server are tried at once."),
        driver("loginTimeout", ConfigType::String, "Seconds that a login may take."),
        driver(
            "packetSize",
            ConfigType::String,
            "Bytes of a packet, 512 to 32767, with encryption at most 16383; by default 16000.",
        ),
        driver("authentication", ConfigType::String, "SqlPassword; other ways to log in are not supported yet."),
        driver(
            "authenticationScheme",
            ConfigType::String,
            "nativeAuthentication; Windows logins are not supported yet.",
        ),
        driver("integratedSecurity", ConfigType::String, "false; Windows logins are not supported yet."),
        driver("accessToken", ConfigType::Password, "An Entra token instead of a login."),
    ]
}

fn key(group: &str, order: i32, name: &str, kind: ConfigType) -> ConfigKey {
    ConfigKey::new(name, kind).group(group).order(order)
}

fn one_of(values: &[&str]) -> Validator {
    Validator::OneOfIgnoringCase(values.iter().map(|&value| value.to_owned()).collect())
}

fn at_least(least: i64) -> Validator {
    Validator::AtLeast(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_properties_of_debezium_are_there_and_say_what_they_do() {
        let definition = definition();
        let listed: Vec<&ConfigKey> = definition.keys().filter(|key| !key.internal).collect();
        assert_eq!(listed.len(), 98);
        assert!(listed.iter().all(|key| !key.documentation.is_empty()));
    }
}
