use tributary_api::{ConfigKey, ConfigType, Importance};

use super::key;

pub(super) fn keys() -> Vec<ConfigKey> {
    let group = |order, name: &str, kind| key("History Storage", order, name, kind);
    vec![
        group(1, "schema.history.internal", ConfigType::Class).default("io.debezium.storage.kafka.history.KafkaSchemaHistory").importance(Importance::Low).doc("Where the history of tables' structure is kept. Not supported yet: the structure is read from the database at each start."),
        group(2, "schema.history.internal.skip.unparseable.ddl", ConfigType::Boolean).default("false").importance(Importance::Low).doc("What becomes of statements that cannot be parsed. Has no effect: no statements are parsed."),
        group(3, "schema.history.internal.store.only.captured.tables.ddl", ConfigType::Boolean).default("false").importance(Importance::Low).doc("Whether only of captured tables is told what they look like."),
        group(4, "schema.history.internal.store.only.captured.databases.ddl", ConfigType::Boolean).default("false").importance(Importance::Low).doc("Whether the history has the captured databases only. Not supported yet."),
    ]
}
