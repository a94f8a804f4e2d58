//! All properties of Debezium's connector, with its defaults.

mod connector;
mod events;
mod history;
mod server;

use tributary_api::{ConfigDef, ConfigIssue, ConfigKey, ConfigType, Validator, check_topic_name};

use super::{OTHER_TASKS, Settings, not_supported};

/// The definition that `/validate` and the documentation use.
pub(crate) fn definition() -> ConfigDef {
    properties().check(|config| {
        let mut issues = not_supported(config.originals());
        issues.extend(Settings::new(config).err().map(|error| ConfigIssue::of_error(&error, "connector.class")));
        Ok(issues)
    })
}

/// The properties, without the checks of several together.
pub(crate) fn properties() -> ConfigDef {
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
        text("topic.delimiter", ".", "The separator between the parts of a topic's name.")
            .validator(topic_part()),
        text("topic.transaction", "transaction", "The end of the name of the topic of transactions.")
            .validator(topic_part()),
        text(
            "signal.kafka.topic",
            "",
            "The topic by which signals come, of which the first partition is read; topic.prefix with -signal without it.",
        )
        .validator(optional_topic()),
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
        text("topic.heartbeat.prefix", "__debezium-heartbeat", "As heartbeat.topics.prefix.")
            .validator(topic_part()),
        text("topic.heartbeat.name", "", "The whole name of the topic of heartbeats.").validator(optional_topic()),
        text(
            "unavailable.value.placeholder",
            "__debezium_unavailable_value",
            "The placeholder for a large value that an update does not change.",
        ),
        text("task.id", "0", "The number of the task; set by the connector."),
        text(OTHER_TASKS, "", "The databases of the connector's other tasks; set by the connector."),
        driver("encrypt", ConfigType::String, "Encryption: true, false (of the login alone) or strict.")
            .validator(one_of(&["", "true", "yes", "mandatory", "false", "no", "optional", "strict"])),
        driver("trustServerCertificate", ConfigType::String, "Whether any certificate of the server is accepted.")
            .validator(flag()),
        driver("serverCertificate", ConfigType::String, "A file with the certificate to trust, in PEM."),
        driver("hostNameInCertificate", ConfigType::String, "The name that the server's certificate must have."),
        driver("applicationName", ConfigType::String, "The name that the server sees."),
        driver("applicationIntent", ConfigType::String, "ReadOnly to be sent to a readable replica.")
            .validator(one_of(&["", "ReadOnly", "ReadWrite"])),
        driver("multiSubnetFailover", ConfigType::String, "Whether all addresses of the server are tried at once.")
            .validator(flag()),
        driver("loginTimeout", ConfigType::Int, "Seconds that a login may take.").validator(at_least(0)),
        driver(
            "packetSize",
            ConfigType::Int,
            "Bytes of a packet; with encryption at most 16383 are used. By default 16000.",
        )
        .validator(Validator::Between(512, 32_767)),
        driver("authentication", ConfigType::String, "SqlPassword; other ways to log in are not supported yet."),
        driver(
            "authenticationScheme",
            ConfigType::String,
            "nativeAuthentication; Windows logins are not supported yet.",
        ),
        driver("integratedSecurity", ConfigType::String, "false; Windows logins are not supported yet.")
            .validator(flag()),
        driver("accessToken", ConfigType::Password, "An Entra token instead of a login."),
    ]
}

fn key(group: &str, order: i32, name: &str, kind: ConfigType) -> ConfigKey {
    ConfigKey::new(name, kind).group(group).order(order)
}

fn one_of(values: &[&str]) -> Validator {
    Validator::OneOfIgnoringCase(values.iter().map(|&value| value.to_owned()).collect())
}

/// What is put together to the name of a topic. The text is Debezium's.
fn topic_part() -> Validator {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    Validator::custom("some of the characters that the name of a topic may have", move |text| {
        match !text.is_empty() && text.chars().all(is_legal) {
            true => Ok(()),
            false => Err(format!(
                "{text} has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)"
            )),
        }
    })
}

fn optional_topic() -> Validator {
    Validator::custom("what a topic can be called, or empty", |text| match text {
        "" => Ok(()),
        text => check_topic_name(text),
    })
}

/// As the JDBC driver reads it.
fn flag() -> Validator {
    one_of(&["", "true", "yes", "false", "no"])
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
