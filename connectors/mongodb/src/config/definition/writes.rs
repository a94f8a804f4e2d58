use tributary_api::{ConfigKey, ConfigType, Importance, Validator, Width};

use super::{PACKAGE, flag, key, text};

const NAMESPACE: &str = "Namespace";
const MAPPING: &str = "Namespace mapping";
const WRITES: &str = "Writes";
const ERRORS: &str = "Errors";
const SERIES: &str = "Time series";

pub(super) fn keys() -> Vec<ConfigKey> {
    let mut keys = namespaces();
    keys.extend(writes());
    keys.extend(errors());
    keys.extend(time_series());
    keys
}

fn namespaces() -> Vec<ConfigKey> {
    let field = |order, name: &str| text(MAPPING, order, name);
    let with = "With FieldPathNamespaceMapper: the path of the field";
    vec![
        key(NAMESPACE, 1, "database", ConfigType::String)
            .required()
            .validator(Validator::NonEmpty)
            .importance(Importance::High)
            .display_name("Database")
            .doc("The database to write to."),
        text(NAMESPACE, 2, "collection")
            .importance(Importance::High)
            .display_name("Collection")
            .doc("The collection to write to. Empty: the one with the topic's name."),
        key(MAPPING, 1, "namespace.mapper", ConfigType::String)
            .default(format!("{PACKAGE}namespace.mapping.DefaultNamespaceMapper"))
            .importance(Importance::High)
            .width(Width::Long)
            .display_name("Namespace mapper")
            .doc(
                "What selects database and collection of a record: …namespace.mapping.DefaultNamespaceMapper \
                  (database and collection as configured) or …FieldPathNamespaceMapper (fields of the record name \
                  them).",
            ),
        field(2, "namespace.mapper.key.database.field")
            .display_name("Field of the key with the database")
            .doc(format!("{with} of the key that names the database.")),
        field(3, "namespace.mapper.key.collection.field")
            .display_name("Field of the key with the collection")
            .doc(format!("{with} of the key that names the collection.")),
        field(4, "namespace.mapper.value.database.field")
            .display_name("Field of the value with the database")
            .doc(format!("{with} of the value that names the database.")),
        field(5, "namespace.mapper.value.collection.field")
            .display_name("Field of the value with the collection")
            .doc(format!("{with} of the value that names the collection.")),
        flag(MAPPING, 6, "namespace.mapper.error.if.invalid", false)
            .display_name("Refuse records that name no namespace")
            .doc(
                "Whether a record whose field is missing or is not a string is an error. Otherwise it is written to \
                  database and collection.",
            ),
    ]
}

fn writes() -> Vec<ConfigKey> {
    let number =
        |order, name: &str| key(WRITES, order, name, ConfigType::Int).default(0).validator(Validator::AtLeast(0));
    vec![
        flag(WRITES, 1, "delete.on.null.values", false)
            .display_name("Delete on null values")
            .doc("Whether a record without a value deletes the document that its key names. Otherwise it is an error."),
        key(WRITES, 2, "writemodel.strategy", ConfigType::String)
            .default(format!("{PACKAGE}writemodel.strategy.DefaultWriteModelStrategy"))
            .importance(Importance::Low)
            .display_name("Write strategy")
            .doc("How a document is written, a class of …sink.writemodel.strategy: DefaultWriteModelStrategy (the next, or an \
                  insert for time series), ReplaceOneDefaultStrategy, ReplaceOneBusinessKeyStrategy, \
                  InsertOneDefaultStrategy, UpdateOneDefaultStrategy, UpdateOneTimestampsStrategy, \
                  UpdateOneBusinessKeyTimestampStrategy, DeleteOneDefaultStrategy, DeleteOneBusinessKeyStrategy."),
        key(WRITES, 3, "delete.writemodel.strategy", ConfigType::String)
            .default(format!("{PACKAGE}writemodel.strategy.DeleteOneDefaultStrategy"))
            .importance(Importance::Low)
            .display_name("Delete strategy")
            .doc("How a record without a value deletes a document, with delete.on.null.values: \
                  …sink.writemodel.strategy.DeleteOneDefaultStrategy (the one whose _id is made of the key) or \
                  …DeleteOneTombstoneBusinessKeyStrategy (the one that has the fields of the key)."),
        number(4, "max.batch.size")
            .display_name("Most records in a bulk")
            .doc("The maximum of records written in one bulk. 0: as many as the server accepts."),
        flag(WRITES, 5, "bulk.write.ordered", true)
            .display_name("Ordered bulks")
            .doc("Whether the writes of a bulk are executed in order and end at the first refused one. Otherwise all \
                  are tried, in any order."),
        number(6, "rate.limiting.timeout")
            .importance(Importance::Low)
            .display_name("Wait between bulks")
            .doc("Milliseconds to wait after every rate.limiting.every.n bulks. 0: none."),
        number(7, "rate.limiting.every.n")
            .importance(Importance::Low)
            .display_name("Bulks between waits")
            .doc("After how many bulks there is a wait of rate.limiting.timeout. 0: never."),
    ]
}

fn errors() -> Vec<ConfigKey> {
    vec![
        key(ERRORS, 2, "mongo.errors.tolerance", ConfigType::String)
            .default("none")
            .validator(Validator::OneOfIgnoringCase(["none", "data", "all"].map(str::to_owned).to_vec()))
            .width(Width::Short)
            .display_name("Tolerance")
            .doc(
                "Replaces errors.tolerance for this connector. none: any error fails the task. data: records that \
                  cannot be mapped, and writes that the server refuses, are reported and skipped, but an unreachable \
                  server fails the task. all: every error is reported and its record skipped.",
            ),
        key(ERRORS, 4, "mongo.errors.log.enable", ConfigType::Boolean)
            .default(false)
            .width(Width::Short)
            .display_name("Log errors")
            .doc("Replaces errors.log.enable for this connector: whether tolerated errors are logged."),
        key(ERRORS, 5, "errors.tolerance.duplicate.key", ConfigType::String)
            .default("fail")
            .validator(Validator::OneOfIgnoringCase(["fail", "ignore"].map(str::to_owned).to_vec()))
            .width(Width::Short)
            .display_name("Duplicate keys")
            .doc(
                "What happens when the server refuses a write because of a unique index. fail: it is an error like \
                  any other. ignore: it counts as written before; for inserts that may be repeated. Specific to \
                  Tributary.",
            ),
    ]
}

fn time_series() -> Vec<ConfigKey> {
    let series = |order, name: &str| text(SERIES, order, name).importance(Importance::Low);
    let granularities = ["", "seconds", "minutes", "hours"].map(str::to_owned).to_vec();
    vec![
        series(1, "timeseries.timefield").display_name("Time field").doc(
            "The field with the time. If set, a missing collection is created as a time series, and \
                  DefaultWriteModelStrategy inserts. Needs MongoDB 5.0.",
        ),
        series(2, "timeseries.metafield").display_name("Meta field").doc("The field that identifies a series."),
        key(SERIES, 3, "timeseries.expire.after.seconds", ConfigType::Long)
            .default(0)
            .validator(Validator::AtLeast(0))
            .importance(Importance::Low)
            .display_name("Seconds to keep")
            .doc("After how many seconds the server removes a document. 0: never."),
        series(4, "timeseries.granularity")
            .validator(Validator::OneOfIgnoringCase(granularities))
            .display_name("Granularity")
            .doc("The approximate interval between the times of one series. Empty: the server's default, seconds."),
        flag(SERIES, 5, "timeseries.timefield.auto.convert", false)
            .importance(Importance::Low)
            .display_name("Convert the time field")
            .doc(
                "Whether a time field that is a number (milliseconds since 1970) or a string becomes a date. Other \
                  values are unchanged.",
            ),
        key(SERIES, 6, "timeseries.timefield.auto.convert.date.format", ConfigType::String)
            .default(DATE_FORMAT)
            .importance(Importance::Low)
            .display_name("Pattern of times in text")
            .doc(
                "The pattern of times in strings, in the syntax of Java's DateTimeFormatter. Without a zone they are \
                  UTC, without a time the start of the day. Names of months and days are English.",
            ),
        series(7, "timeseries.timefield.auto.convert.locale.language.tag")
            .display_name("Language of times in text")
            .doc(
                "The language of times in strings, such as en. Only English is supported; for others use a pattern of \
                  numbers.",
            ),
    ]
}

/// ISO dates; times with or without fractions; an offset, a zone's name, both or none.
const DATE_FORMAT: &str = "yyyy-MM-dd[['T'][ ]][HH:mm:ss[[.][SSSSSS][SSS]][ ]VV[ ]'['VV']'][HH:mm:ss[[.][SSSSSS][SSS]][ ]X]\
                           [HH:mm:ss[[.][SSSSSS][SSS]]]";
