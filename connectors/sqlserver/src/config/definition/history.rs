use tributary_api::{ConfigKey, ConfigType, Importance};

use super::{key, optional_topic};

pub(super) fn keys() -> Vec<ConfigKey> {
    let group = |order, name: &str, kind| key("History Storage", order, name, kind);
    let internal = |name: &str, kind| key("History Storage", 9, name, kind).internal();
    vec![
        group(1, "schema.history.internal", ConfigType::Class).default("io.debezium.storage.kafka.history.KafkaSchemaHistory").importance(Importance::Low).doc("Where the structure that tables had at each position is stored. With another class than the default, or without schema.history.internal.kafka.topic, no history is kept: the structure is read from the database at each start."),
        group(2, "schema.history.internal.skip.unparseable.ddl", ConfigType::Boolean).default("false").importance(Importance::Low).doc("How statements that cannot be parsed are handled. Has no effect: no statements are parsed."),
        group(3, "schema.history.internal.store.only.captured.tables.ddl", ConfigType::Boolean).default("false").importance(Importance::Low).doc("Whether the structure is recorded of captured tables only."),
        group(4, "schema.history.internal.store.only.captured.databases.ddl", ConfigType::Boolean).default("false").importance(Importance::Low).doc("Whether the history has the captured databases only. Has no effect: it never has other databases."),
        internal("schema.history.internal.kafka.topic", ConfigType::String).validator(optional_topic()).doc("The topic of the schema history. It is created with one partition and unlimited retention."),
        internal("schema.history.internal.kafka.bootstrap.servers", ConfigType::String).doc("The brokers of the schema history; by default those of the worker."),
        internal("schema.history.internal.consumer.*", ConfigType::Password).name_begins("schema.history.internal.consumer.").doc("Settings of the client that reads the schema history."),
        internal("schema.history.internal.producer.*", ConfigType::Password).name_begins("schema.history.internal.producer.").doc("Settings of the client that writes the schema history."),
    ]
}
