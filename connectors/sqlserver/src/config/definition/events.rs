use tributary_api::{ConfigKey, ConfigType, Importance};

use super::{at_least, key, optional_topic, topic_part};

pub(super) fn keys() -> Vec<ConfigKey> {
    let group = |order, name: &str, kind| key("Events", order, name, kind);
    vec![
        group(1, "converters", ConfigType::String).importance(Importance::Low).doc("Custom converters. Not supported: they are Java classes."),
        group(2, "post.processors", ConfigType::String).importance(Importance::Low).doc("Processors of records. Not supported: they are Java classes."),
        group(3, "tombstones.on.delete", ConfigType::Boolean).default("true").doc("Whether a record without a value follows a delete, so that compaction removes the key."),
        group(4, "heartbeat.interval.ms", ConfigType::Int).default("0").validator(at_least(0)).doc("Time between heartbeats: records that carry only an offset, so that it is stored while no captured table changes. 0: no heartbeats."),
        group(5, "heartbeat.topics.prefix", ConfigType::String).default("__debezium-heartbeat").validator(topic_part()).importance(Importance::Low).doc("The beginning of the name of the topic of heartbeats. topic.prefix follows."),
        group(6, "signal.data.collection", ConfigType::List).doc("The table by which signals come, as database.schema.table; of several databases one table each. It must be captured, and have three columns: id, type and data. Incremental snapshots need it."),
        group(7, "signal.poll.interval.ms", ConfigType::Long).default("5000").validator(at_least(1)).doc("Time between two looks at the signal topic or file."),
        group(8, "signal.enabled.channels", ConfigType::List).default("source").doc("The ways by which signals come: source (the signal table), kafka (signal.kafka.topic), file (signal.file). jmx has no effect."),
        group(9, "topic.naming.strategy", ConfigType::Class).default("io.debezium.schema.SchemaTopicNamingStrategy").doc("A Java class. Only the default is supported."),
        group(10, "notification.enabled.channels", ConfigType::List).doc("The channels that get notifications of snapshots: sink (notification.sink.topic.name), log, or both. jmx has no effect."),
        group(11, "notification.sink.topic.name", ConfigType::String).validator(optional_topic()).importance(Importance::High).doc("The topic of notifications; required for the channel sink."),
        group(12, "transaction.metadata.factory", ConfigType::Class).default("io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory").importance(Importance::Low).doc("A Java class. Only the default is supported."),
        group(13, "custom.metric.tags", ConfigType::List).importance(Importance::Low).doc("Tags that are added to metrics. Not supported yet."),
        group(14, "column.include.list", ConfigType::List).doc("The only columns that records have, as regular expressions of schema.table.column. Keys keep all of their columns."),
        group(15, "column.exclude.list", ConfigType::List).doc("Columns that are left out of records, as regular expressions of schema.table.column. Keys keep all of their columns."),
        group(16, "table.include.list", ConfigType::List).importance(Importance::High).doc("The only tables that are captured, as regular expressions of schema.table."),
        group(17, "table.exclude.list", ConfigType::List).doc("Tables that are not captured, as regular expressions of schema.table."),
        group(18, "table.ignore.builtin", ConfigType::Boolean).default("true").importance(Importance::Low).doc("Whether tables of the server itself are left out."),
        group(19, "message.key.columns", ConfigType::String).doc("Columns that are used as the key instead of the primary key: schema.table:column,column;schema.table:column, all as regular expressions."),
        group(20, "snapshot.select.statement.overrides", ConfigType::String).doc("Tables that a snapshot reads with a statement from the configuration, under the name snapshot.select.statement.overrides.schema.table. An asterisk in it is replaced by the columns, which keeps money exact."),
        group(21, "column.mask.hash.([^.]+).with.salt.(.+)", ConfigType::String).doc("Columns whose texts are replaced by their hash, as regular expressions. The property's name has the algorithm (MD5, SHA-1, SHA-224, SHA-256, SHA-384 or SHA-512) and the salt; with hash.v2 the text itself is hashed, otherwise its Java serialization."),
        group(22, "column.mask.with.(d+).chars", ConfigType::String).doc("Columns whose texts are replaced by asterisks, as regular expressions. The property's name has their number."),
        group(23, "column.truncate.to.(d+).chars", ConfigType::Int).doc("Columns whose values are cut, as regular expressions. The property's name has the number of characters or bytes that are left."),
        group(24, "include.schema.changes", ConfigType::Boolean).default("true").doc("Whether the structure of tables, and its changes, are written to the topic with the name topic.prefix."),
        group(25, "include.schema.comments", ConfigType::Boolean).default("false").doc("Whether comments of tables and columns are read. Not supported yet."),
        group(26, "column.propagate.source.type", ConfigType::List).doc("Columns whose schemas have the type and length of the source as parameters, as regular expressions of schema.table.column."),
        group(27, "datatype.propagate.source.type", ConfigType::List).doc("Types whose columns' schemas have the type and length of the source as parameters, as regular expressions of schema.table.type."),
        group(28, "internal.snapshot.scan.all.columns.force", ConfigType::Boolean).default("false").importance(Importance::Low).doc("Internal to Debezium. Has no effect."),
        group(29, "snapshot.tables.order.by.row.count", ConfigType::String).default("disabled").validator(super::one_of(&["disabled", "ascending", "descending"])).doc("Whether a snapshot reads small (ascending) or large (descending) tables first."),
        group(30, "heartbeat.action.query", ConfigType::String).importance(Importance::Low).doc("A statement that is run with each heartbeat, in the login's default database. It needs heartbeat.interval.ms."),
        group(31, "sourceinfo.struct.maker", ConfigType::Class).default("io.debezium.connector.sqlserver.SqlServerSourceInfoStructMaker").importance(Importance::Low).doc("A Java class. Only the default is supported."),
    ]
}
