use flate2::Compression;
use tributary_api::ConfigType::{self, Boolean, Class, Int, List, Long, Password, String as Text};
use tributary_api::{
    Config, ConfigDef, ConfigIssue, ConfigKey, Importance, Props, Result, TopicPartition, Validator, list_items,
};

use crate::format::Format;
use crate::name::ObjectNames;
use crate::schedule::Schedule;

const CONNECTOR: &str = "Connector";
const STORAGE: &str = "Storage";
const S3: &str = "S3";
const NO_EFFECT: &str = "Accepted for compatibility; has no effect here.";

/// The canned ACLs that an object can have, and none.
const ACLS: &[&str] = &[
    "",
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
    "log-delivery-write",
];

/// All properties of Confluent's S3 sink.
pub(crate) fn definition() -> ConfigDef {
    let keys = [connector_keys(), storage_keys(), s3_keys(), later_keys()];
    ConfigDef::new(keys.into_iter().flatten()).check(check)
}

fn connector_keys() -> Vec<ConfigKey> {
    vec![
        key("format.class", Class, CONNECTOR)
            .required()
            .importance(Importance::High)
            .doc("The format of objects: JsonFormat (a line of JSON for each record) or ByteArrayFormat."),
        key("flush.size", Int, CONNECTOR)
            .required()
            .validator(Validator::AtLeast(1))
            .importance(Importance::High)
            .doc("Records of a partition in an object."),
        key("rotate.interval.ms", Long, CONNECTOR)
            .default(-1)
            .importance(Importance::High)
            .doc("Needs a time-based partitioner, which is not implemented yet: must be -1."),
        key("rotate.schedule.interval.ms", Long, CONNECTOR).default(-1).doc(
            "Completes objects at multiples of this many milliseconds since midnight, even without new records; -1: \
             never.",
        ),
        key("timezone", Text, CONNECTOR).default("").doc("The time zone of the schedule's midnight."),
        key("retry.backoff.ms", Long, CONNECTOR)
            .default(5_000)
            .validator(Validator::AtLeast(0))
            .importance(Importance::Low)
            .doc("Milliseconds to wait before a failed batch is retried."),
        key("behavior.on.null.values", Text, CONNECTOR)
            .default("fail")
            .validator(Validator::OneOfIgnoringCase(["ignore", "fail", "write"].map(str::to_owned).to_vec()))
            .importance(Importance::Low)
            .doc(
                "What to do with a record that has no value: skip it, or treat it as an error. write is not \
                 implemented yet.",
            ),
        key("report.null.values.to.dlq", Boolean, CONNECTOR).default(true).importance(Importance::Low).doc(
            "Whether a record without a value goes to the dead letter queue, if there is one, instead of failing.",
        ),
        key("filename.offset.zero.pad.width", Int, CONNECTOR)
            .default(10)
            .validator(Validator::Between(0, 64))
            .importance(Importance::Low)
            .doc("The minimum of digits of the offset in an object's name."),
        key("format.bytearray.extension", Text, CONNECTOR)
            .default(".bin")
            .importance(Importance::Low)
            .doc("The file name extension of objects of ByteArrayFormat."),
        key("format.bytearray.separator", Text, CONNECTOR)
            .default("\n")
            .importance(Importance::Low)
            .doc("The separator written after each record of ByteArrayFormat; a line end by default."),
    ]
}

fn storage_keys() -> Vec<ConfigKey> {
    vec![
        key("storage.class", Class, STORAGE)
            .default("io.confluent.connect.s3.storage.S3Storage")
            .importance(Importance::Low)
            .doc(NO_EFFECT),
        key("topics.dir", Text, STORAGE).default("topics").doc(
            "The first folder; none when blank. The next has the name of the consumed topic, even if transforms rename \
             it.",
        ),
        key("store.url", Text, STORAGE).doc("The endpoint, if it is not AWS's; https when it names no scheme."),
        key("directory.delim", Text, STORAGE).default("/").doc("The separator of folders."),
        key("file.delim", Text, STORAGE).default("+").doc("The separator of the parts of an object's file name."),
        key("partitioner.class", Class, STORAGE)
            .default("io.confluent.connect.storage.partitioner.DefaultPartitioner")
            .doc("How folders are chosen: DefaultPartitioner, by Kafka's partition."),
    ]
}

fn s3_keys() -> Vec<ConfigKey> {
    vec![
        key("s3.bucket.name", Text, S3)
            .required()
            .validator(Validator::NonEmpty)
            .importance(Importance::High)
            .doc("The bucket; it must exist."),
        key("s3.region", Text, S3).default("us-west-2").doc("The bucket's region."),
        key("aws.access.key.id", Text, S3)
            .default("")
            .importance(Importance::High)
            .doc("The access key; AWS's default chain of providers when empty."),
        key("aws.secret.access.key", Password, S3).importance(Importance::High).doc("The secret of the access key."),
        key("s3.part.size", Int, S3)
            .default(26_214_400)
            .validator(Validator::Between(5_242_880, i32::MAX.into()))
            .doc("The size in bytes from which an object is uploaded in parts; a smaller one is sent in one request."),
        key("s3.part.retries", Int, S3)
            .default(3)
            .validator(Validator::AtLeast(0))
            .doc("Attempts of a request before the whole batch is retried."),
        key("s3.retry.backoff.ms", Long, S3)
            .default(200)
            .validator(Validator::AtLeast(0))
            .importance(Importance::Low)
            .doc("Milliseconds before the second attempt of a request; they double, with jitter."),
        key("s3.path.style.access.enabled", Boolean, S3)
            .default(true)
            .importance(Importance::Low)
            .doc("Whether the bucket is part of the path of the URL instead of its host."),
        key("s3.ssea.name", Text, S3)
            .default("")
            .one_of(&["", "AES256", "aws:kms"])
            .importance(Importance::Low)
            .doc("Encryption at rest: AES256, aws:kms, or none."),
        key("s3.sse.kms.key.id", Text, S3).default("").importance(Importance::Low).doc("The key of aws:kms."),
        key("s3.acl.canned", Text, S3).one_of(ACLS).importance(Importance::Low).doc("A canned ACL for objects."),
        key("s3.compression.type", Text, S3)
            .default("none")
            .one_of(&["none", "gzip"])
            .importance(Importance::Low)
            .doc("Whether objects are compressed; their names then end in .gz."),
        key("s3.compression.level", Int, S3)
            .default(-1)
            .validator(Validator::Between(-1, 9))
            .importance(Importance::Low)
            .doc("The compression level, up to 9; -1: the default."),
        key("enable.conditional.writes", Boolean, S3)
            .default(true)
            .importance(Importance::Low)
            .doc("Whether, with a schedule, existing objects are never overwritten."),
    ]
}

/// Properties whose other values are not implemented (they are refused, see [`refused`]) or have no effect.
fn later_keys() -> Vec<ConfigKey> {
    let plain = |name: &str, kind: ConfigType, default: &str| {
        key(name, kind, "Compatibility").default(default).importance(Importance::Low)
    };
    let refused = |name: &str, kind: ConfigType, default: &str| {
        let doc = format!("Not implemented yet: any value but the default, {default:?}, is refused.");
        plain(name, kind, default).doc(doc)
    };
    let idle = |name: &str, kind: ConfigType, default: &str| plain(name, kind, default).doc(NO_EFFECT);
    let mut keys: Vec<ConfigKey> = REFUSED.iter().map(|(name, kind, default)| refused(name, *kind, default)).collect();
    keys.extend(IDLE.iter().map(|(name, kind, default)| idle(name, *kind, default)));
    keys.push(key("s3.proxy.password", Password, "Compatibility").importance(Importance::Low).doc(NO_EFFECT));
    keys.push(
        key("s3.sse.customer.key", Password, "Compatibility")
            .importance(Importance::Low)
            .doc("Not implemented yet: refused when set."),
    );
    keys
}

/// Properties that would change what is written: refused.
const REFUSED: &[(&str, ConfigType, &str)] = &[
    ("store.kafka.keys", Boolean, "false"),
    ("store.kafka.headers", Boolean, "false"),
    ("s3.object.tagging", Boolean, "false"),
    ("s3.schema.partition.affix.type", Text, "NONE"),
    ("s3.wan.mode", Boolean, "false"),
    ("s3.proxy.url", Text, ""),
    ("s3.credentials.provider.class", Class, "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"),
    ("json.decimal.format", Text, "BASE64"),
    ("schema.compatibility", Text, "NONE"),
];

const IDLE: &[(&str, ConfigType, &str)] = &[
    ("schemas.cache.config", Int, "1000"),
    ("enhanced.avro.schema.support", Boolean, "true"),
    ("connect.meta.data", Boolean, "true"),
    ("shutdown.timeout.ms", Long, "3000"),
    ("avro.codec", Text, "null"),
    ("parquet.codec", Text, "snappy"),
    ("allow.optional.map.keys", Boolean, "false"),
    ("partition.field.name", List, ""),
    ("partition.duration.ms", Long, "-1"),
    ("path.format", Text, ""),
    ("locale", Text, ""),
    ("timestamp.extractor", Text, "Wallclock"),
    ("timestamp.field", Text, "timestamp"),
    ("s3.send.digest", Boolean, "false"),
    ("s3.http.send.expect.continue", Boolean, "true"),
    ("s3.proxy.user", Text, ""),
    ("keys.format.class", Class, "io.confluent.connect.s3.format.avro.AvroFormat"),
    ("headers.format.class", Class, "io.confluent.connect.s3.format.avro.AvroFormat"),
    ("tombstone.encoded.partition", Text, "tombstone"),
    ("s3.object.tagging.key.value.pairs", List, ""),
    ("s3.object.behavior.on.tagging.error", Text, "ignore"),
    ("s3.elastic.buffer.enable", Boolean, "false"),
    ("s3.elastic.buffer.init.capacity", Int, "131072"),
    ("max.write.duration.ms", Long, "9223372036854775807"),
    ("rotate.file.on.partition.change", Boolean, "true"),
];

/// What several properties make together.
fn check(config: &Config) -> Result<Vec<ConfigIssue>> {
    let issues = refused(config.originals());
    if !issues.is_empty() {
        return Ok(issues);
    }
    let settings = Settings::new(config)?;
    // Topics that a pattern finds are looked at when they are read.
    let mut topics = list_items(config.originals(), "topics");
    topics.find_map(|topic| settings.names.fit(&TopicPartition::new(topic, 0)).err()).map_or(Ok(Vec::new()), Err)
}

/// Issues for properties that are set but not implemented: they are refused, never ignored.
fn refused(props: &Props) -> Vec<ConfigIssue> {
    let mut issues = Vec::new();
    let mut refuse = |name: &str, value: &str, what: &str| {
        issues.push(ConfigIssue::new(name, format!("Invalid value {value} for configuration {name}: {what}")));
    };
    let simple = |name: &str| props.get(name).map(|class| class.rsplit('.').next().unwrap_or(class));
    for (name, _, default) in REFUSED {
        if let Some(value) = props.get(*name).filter(|value| !value.trim().eq_ignore_ascii_case(default)) {
            refuse(name, value, &format!("not built yet; leave it out, or set it to {default:?}"));
        }
    }
    if let Some(class) = simple("format.class").filter(|class| !["JsonFormat", "ByteArrayFormat"].contains(class)) {
        refuse("format.class", class, "not built yet; there are JsonFormat and ByteArrayFormat");
    }
    if let Some(class) = simple("partitioner.class").filter(|class| *class != "DefaultPartitioner") {
        refuse("partitioner.class", class, "not built yet; there is DefaultPartitioner");
    }
    if props.get("rotate.interval.ms").is_some_and(|value| value.trim().parse().is_ok_and(|ms: i64| ms > 0)) {
        let what = "needs a time-based partitioner, which is not built yet; use rotate.schedule.interval.ms";
        refuse("rotate.interval.ms", &props["rotate.interval.ms"], what);
    }
    if props.get("behavior.on.null.values").is_some_and(|value| value.eq_ignore_ascii_case("write")) {
        refuse("behavior.on.null.values", "write", "not built yet; use ignore or fail");
    }
    if props.contains_key("s3.sse.customer.key") {
        refuse("s3.sse.customer.key", "[hidden]", "not built yet; use s3.ssea.name");
    }
    issues
}

/// S3's maximum number of parts of an object.
const MAX_PARTS: usize = 10_000;

/// A task's settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) bucket: String,
    pub(crate) names: ObjectNames,
    pub(crate) format: Format,
    pub(crate) gzip: Option<Compression>,
    pub(crate) flush_size: usize,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) conditional: bool,
    pub(crate) part_size: usize,
    /// The maximum number of parts of an object.
    pub(crate) max_parts: usize,
    pub(crate) skip_nulls: bool,
    pub(crate) report_nulls: bool,
    pub(crate) retry_backoff: std::time::Duration,
    pub(crate) encryption: Option<String>,
    pub(crate) kms_key: Option<String>,
    pub(crate) acl: Option<String>,
}

impl Settings {
    /// Reads a task's settings.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let text = |name: &str| config.string(name).map(str::to_owned);
        let given = |name: &str| Ok(config.optional_string(name)?.filter(|value| !value.is_empty()).map(str::to_owned));
        let json = config.string("format.class")?.ends_with("JsonFormat");
        let gzip = config.string("s3.compression.type")? == "gzip";
        let schedule = Schedule::new(config.int("rotate.schedule.interval.ms")?, config.string("timezone")?)?;
        // Kafka Connect trims values; a separator of white space must not be trimmed.
        let separator = config.originals().get("format.bytearray.separator").map_or("\n", String::as_str);
        Ok(Self {
            bucket: text("s3.bucket.name")?,
            names: ObjectNames {
                folder: text("topics.dir")?,
                directory: text("directory.delim")?,
                file: text("file.delim")?,
                zeros: config.int("filename.offset.zero.pad.width")?,
                extension: format!(
                    "{}{}",
                    if json { ".json" } else { config.string("format.bytearray.extension")? },
                    if gzip { ".gz" } else { "" }
                ),
            },
            format: if json { Format::Json } else { Format::Bytes { separator: separator.as_bytes().to_vec() } },
            gzip: gzip.then_some(match config.int::<i64>("s3.compression.level")? {
                level @ 0..=9 => Compression::new(u32::try_from(level).unwrap_or_default()),
                _ => Compression::default(),
            }),
            flush_size: config.int("flush.size")?,
            conditional: schedule.is_some() && config.boolean("enable.conditional.writes")?,
            schedule,
            part_size: config.int("s3.part.size")?,
            max_parts: MAX_PARTS,
            skip_nulls: config.string("behavior.on.null.values")?.eq_ignore_ascii_case("ignore"),
            report_nulls: config.boolean("report.null.values.to.dlq")?,
            retry_backoff: std::time::Duration::from_millis(config.int("retry.backoff.ms")?),
            encryption: given("s3.ssea.name")?,
            kms_key: given("s3.sse.kms.key.id")?,
            acl: given("s3.acl.canned")?,
        })
    }
}

fn key(name: &str, kind: ConfigType, group: &str) -> ConfigKey {
    ConfigKey::new(name, kind).group(group)
}
