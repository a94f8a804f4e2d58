use tributary_api::{ConfigKey, ConfigType, Importance, Validator};

use super::{PACKAGE, flag, key, refused, text};

const PROCESSING: &str = "Post Processing";
const IDS: &str = "Id Strategies";
const CHANGES: &str = "Change Data Capture";

pub(super) fn keys() -> Vec<ConfigKey> {
    let mut keys = processing();
    keys.extend(ids());
    keys.extend(changes());
    keys
}

fn kinds(values: &[&str]) -> Validator {
    Validator::OneOfIgnoringCase(values.iter().map(|&value| value.to_owned()).collect())
}

const LISTS: [&str; 5] = ["none", "blacklist", "whitelist", "allowlist", "blocklist"];

fn processing() -> Vec<ConfigKey> {
    let low = |order, name: &str| text(PROCESSING, order, name).importance(Importance::Low);
    let kind = |order, name: &str, side: &str| {
        let doc = format!(
            "Whether PartialKeyStrategy or PartialValueStrategy keeps the listed fields of the {side} (allowlist) or \
             leaves them out (blocklist), unless the strategy has its own list."
        );
        low(order, name).default("none").validator(kinds(&LISTS)).doc(doc)
    };
    let list = |order, name: &str, side: &str| {
        let doc = format!(
            "Paths of fields of the {side}, separated by commas, for the projectors of post.processor.chain. * matches \
             one level, ** all levels below, name* all fields with this prefix."
        );
        low(order, name).doc(doc)
    };
    vec![
        key(PROCESSING, 1, "post.processor.chain", ConfigType::List)
            .default(format!("{PACKAGE}processor.DocumentIdAdder"))
            .importance(Importance::Low)
            .display_name("Post processors")
            .doc("The post processors of each document, in order: classes of …sink.processor, separated by commas: \
                  DocumentIdAdder (first if not given), KafkaMetaAdder, NullFieldValueRemover, AllowListKeyProjector, \
                  AllowListValueProjector, BlockListKeyProjector, BlockListValueProjector, \
                  field.renaming.RenameByMapping, field.renaming.RenameByRegExp."),
        kind(2, "key.projection.type", "key").display_name("Kind of the key's list"),
        list(3, "key.projection.list", "key").display_name("Fields of the key"),
        kind(4, "value.projection.type", "value").display_name("Kind of the value's list"),
        list(5, "value.projection.list", "value").display_name("Fields of the value"),
        low(6, "field.renamer.mapping").default("[]").display_name("New names of fields").doc(
            "For RenameByMapping: a JSON array of objects with oldName, the path of a field of the key or the value such as \
             value.address.zip, and newName, its new name.",
        ),
        low(7, "field.renamer.regexp").default("[]").display_name("Patterns of new names").doc(
            "For RenameByRegExp: a JSON array of objects with regexp, which the path of a field must match as a whole, \
             pattern, a part of its name, and replace, what to put in the place of that part.",
        ),
        refused(PROCESSING, 8, "field.value.transformer", "a Java class cannot be loaded; use a transform of the connector."),
        text(PROCESSING, 9, "field.value.transformer.fields")
            .importance(Importance::Low)
            .doc("Without effect: it belongs to field.value.transformer, which is not supported."),
    ]
}

fn ids() -> Vec<ConfigKey> {
    let own = ["", "none", "blacklist", "whitelist", "allowlist", "blocklist"];
    let low = |order, name: &str| text(IDS, order, name).importance(Importance::Low);
    let kind = |order, side: &str| {
        let class = if side == "key" { "PartialKeyStrategy" } else { "PartialValueStrategy" };
        low(order, &format!("document.id.strategy.partial.{side}.projection.type"))
            .validator(kinds(&own))
            .display_name(format!("Kind of the list for {class}"))
            .doc(format!(
                "Whether {class} keeps the listed fields (allowlist) or leaves them out (blocklist). Empty: as \
                          {side}.projection.type says."
            ))
    };
    let list = |order, side: &str| {
        let class = if side == "key" { "PartialKeyStrategy" } else { "PartialValueStrategy" };
        low(order, &format!("document.id.strategy.partial.{side}.projection.list"))
            .display_name(format!("Fields for {class}"))
            .doc(format!("The fields for {class}, separated by commas. Empty: those of {side}.projection.list."))
    };
    vec![
        key(IDS, 1, "document.id.strategy", ConfigType::String)
            .default(format!("{PACKAGE}processor.id.strategy.BsonOidStrategy"))
            .importance(Importance::High)
            .display_name("Id strategy")
            .doc(
                "Where the _id of a document comes from, a class of …sink.processor.id.strategy: BsonOidStrategy (a \
                  new ObjectId: a repeated record becomes a second document), KafkaMetaDataStrategy (topic, partition \
                  and offset), FullKeyStrategy, PartialKeyStrategy, PartialValueStrategy, ProvidedInKeyStrategy, \
                  ProvidedInValueStrategy, UuidStrategy, UuidProvidedInKeyStrategy, UuidProvidedInValueStrategy.",
            ),
        flag(IDS, 2, "document.id.strategy.overwrite.existing", false)
            .importance(Importance::High)
            .display_name("Overwrite an _id")
            .doc("Whether the strategy's _id replaces an _id that the value already has."),
        text(IDS, 3, "document.id.strategy.uuid.format")
            .default("string")
            .validator(kinds(&["string", "binary"]))
            .importance(Importance::High)
            .display_name("Format of new UUIDs")
            .doc("Whether UuidStrategy makes text (string) or binary of subtype 4 (binary)."),
        kind(4, "key"),
        list(5, "key"),
        kind(6, "value"),
        list(7, "value"),
    ]
}

fn changes() -> Vec<ConfigKey> {
    vec![
        text(CHANGES, 1, "change.data.capture.handler")
            .importance(Importance::Low)
            .display_name("Handler of change events")
            .doc(
                "If set, records are change events that are applied to the collection: a class of …sink.cdc: \
                  debezium.rdbms.RdbmsHandler (also for SQL Server and Oracle), debezium.rdbms.mysql.MysqlHandler, \
                  debezium.rdbms.postgres.PostgresHandler, debezium.mongodb.MongoDbHandler, \
                  debezium.mongodb.ChangeStreamHandler, mongodb.ChangeStreamHandler, qlik.rdbms.RdbmsHandler. \
                  Properties of post processing, id strategies and write strategies then have no effect.",
            ),
        flag(CHANGES, 2, "change.data.capture.handler.remove.null.values", false)
            .importance(Importance::Low)
            .display_name("Leave out null fields")
            .doc("Whether fields that are null are left out of what a change event writes."),
    ]
}
