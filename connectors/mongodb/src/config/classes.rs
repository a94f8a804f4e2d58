use tributary_api::ConfigIssue;

use super::definition::PACKAGE;
use crate::mapping::cdc::Handler;
use crate::mapping::models::WriteStrategy;

/// An invalid value, with Kafka's message, which clients match.
pub(super) fn invalid(name: &str, value: &str, reason: &str) -> ConfigIssue {
    ConfigIssue::new(name, format!("Invalid value {value} for configuration {name}: {reason}"))
}

/// The class of a name among those of a package of the Java connector.
fn find<T: Copy>(property: &str, class: &str, package: &str, classes: &[(&str, T)]) -> Result<T, ConfigIssue> {
    let simple = class.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix(package));
    let found = classes.iter().find(|(name, _)| Some(*name) == simple).map(|(_, found)| *found);
    found.ok_or_else(|| {
        let names: Vec<&str> = classes.iter().map(|(name, _)| *name).collect();
        let reason = format!(
            "Class not found: {class}. Java classes cannot be loaded; there are {PACKAGE}{package} with {}",
            names.join(", ")
        );
        invalid(property, class, &reason)
    })
}

/// `writemodel.strategy`; the default depends on whether the collection is a time series.
pub(super) fn write_strategy(class: &str, time_series: bool) -> Result<WriteStrategy, ConfigIssue> {
    let default = if time_series { WriteStrategy::InsertOne } else { WriteStrategy::ReplaceOne };
    strategy("writemodel.strategy", class, default, WriteStrategy::DeleteOneByKey)
}

/// `delete.writemodel.strategy`.
pub(super) fn delete_strategy(class: &str, time_series: bool) -> Result<WriteStrategy, ConfigIssue> {
    let default = if time_series { WriteStrategy::InsertOne } else { WriteStrategy::ReplaceOne };
    strategy("delete.writemodel.strategy", class, default, WriteStrategy::DeleteOneById)
}

fn strategy(
    property: &str,
    class: &str,
    default: WriteStrategy,
    delete: WriteStrategy,
) -> Result<WriteStrategy, ConfigIssue> {
    let classes = [
        ("DefaultWriteModelStrategy", default),
        ("InsertOneDefaultStrategy", WriteStrategy::InsertOne),
        ("ReplaceOneDefaultStrategy", WriteStrategy::ReplaceOne),
        ("ReplaceOneBusinessKeyStrategy", WriteStrategy::ReplaceOneBusinessKey),
        ("UpdateOneDefaultStrategy", WriteStrategy::UpdateOne),
        ("UpdateOneTimestampsStrategy", WriteStrategy::UpdateOneTimestamps),
        ("UpdateOneBusinessKeyTimestampStrategy", WriteStrategy::UpdateOneBusinessKeyTimestamp),
        ("DeleteOneDefaultStrategy", delete),
        ("DeleteOneBusinessKeyStrategy", WriteStrategy::DeleteOneBusinessKey),
        ("DeleteOneTombstoneBusinessKeyStrategy", WriteStrategy::DeleteOneTombstoneBusinessKey),
    ];
    find(property, class, "writemodel.strategy.", &classes)
}

/// A class of `document.id.strategy`, before it is configured.
#[derive(Clone, Copy, Debug)]
pub(super) enum IdClass {
    BsonOid,
    KafkaMetaData,
    FullKey,
    PartialKey,
    PartialValue,
    ProvidedInKey,
    ProvidedInValue,
    Uuid,
    UuidProvidedInKey,
    UuidProvidedInValue,
}

/// `document.id.strategy`.
pub(super) fn id_class(class: &str) -> Result<IdClass, ConfigIssue> {
    let classes = [
        ("BsonOidStrategy", IdClass::BsonOid),
        ("KafkaMetaDataStrategy", IdClass::KafkaMetaData),
        ("FullKeyStrategy", IdClass::FullKey),
        ("PartialKeyStrategy", IdClass::PartialKey),
        ("PartialValueStrategy", IdClass::PartialValue),
        ("ProvidedInKeyStrategy", IdClass::ProvidedInKey),
        ("ProvidedInValueStrategy", IdClass::ProvidedInValue),
        ("UuidStrategy", IdClass::Uuid),
        ("UuidProvidedInKeyStrategy", IdClass::UuidProvidedInKey),
        ("UuidProvidedInValueStrategy", IdClass::UuidProvidedInValue),
    ];
    find("document.id.strategy", class, "processor.id.strategy.", &classes)
}

/// A class of `post.processor.chain`, before it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProcessorClass {
    DocumentIdAdder,
    KafkaMetaAdder,
    NullFieldValueRemover,
    ProjectKey { keeps: bool },
    ProjectValue { keeps: bool },
    RenameByMapping,
    RenameByRegExp,
}

/// One of `post.processor.chain`.
pub(super) fn processor_class(class: &str) -> Result<ProcessorClass, ConfigIssue> {
    let classes = [
        ("DocumentIdAdder", ProcessorClass::DocumentIdAdder),
        ("KafkaMetaAdder", ProcessorClass::KafkaMetaAdder),
        ("NullFieldValueRemover", ProcessorClass::NullFieldValueRemover),
        ("AllowListKeyProjector", ProcessorClass::ProjectKey { keeps: true }),
        ("AllowListValueProjector", ProcessorClass::ProjectValue { keeps: true }),
        ("BlockListKeyProjector", ProcessorClass::ProjectKey { keeps: false }),
        ("BlockListValueProjector", ProcessorClass::ProjectValue { keeps: false }),
        ("field.renaming.RenameByMapping", ProcessorClass::RenameByMapping),
        ("field.renaming.RenameByRegExp", ProcessorClass::RenameByRegExp),
        // Their former names.
        ("WhitelistKeyProjector", ProcessorClass::ProjectKey { keeps: true }),
        ("WhitelistValueProjector", ProcessorClass::ProjectValue { keeps: true }),
        ("BlacklistKeyProjector", ProcessorClass::ProjectKey { keeps: false }),
        ("BlacklistValueProjector", ProcessorClass::ProjectValue { keeps: false }),
    ];
    find("post.processor.chain", class, "processor.", &classes)
}

/// `change.data.capture.handler`.
pub(super) fn handler(class: &str) -> Result<Handler, ConfigIssue> {
    let classes = [
        ("debezium.rdbms.RdbmsHandler", Handler::DebeziumRdbms),
        ("debezium.rdbms.mysql.MysqlHandler", Handler::DebeziumRdbms),
        ("debezium.rdbms.postgres.PostgresHandler", Handler::DebeziumRdbms),
        ("debezium.mongodb.MongoDbHandler", Handler::DebeziumOplog),
        ("debezium.mongodb.ChangeStreamHandler", Handler::DebeziumChangeStream),
        ("mongodb.ChangeStreamHandler", Handler::ChangeStream),
        ("qlik.rdbms.RdbmsHandler", Handler::QlikRdbms),
    ];
    find("change.data.capture.handler", class, "cdc.", &classes)
}

/// `namespace.mapper`: whether fields name the namespace.
pub(super) fn maps_by_fields(class: &str) -> Result<bool, ConfigIssue> {
    let classes = [("DefaultNamespaceMapper", false), ("FieldPathNamespaceMapper", true)];
    find("namespace.mapper", class, "namespace.mapping.", &classes)
}
