//! Whose events are taken, and which of them: sources and their rates, bots, and the schema of events.

use std::path::Path;

use tributary_api::{Config, ConfigIssue, ConfigKey, ConfigType, Error, Importance, Result, Validator, Width};

use super::bots::{self, Bots};
use super::event_schema::EventSchema;
use super::sources::{SourceSettings, Sources};

const KEYS: &str = "api.keys";
const SIGNATURE_KEYS: &str = "signature.keys";
const SIGNATURE_AGE: &str = "signature.max.age.ms";
const REQUIRED: &str = "source.required";
const RATE: &str = "source.max.events.per.second";
const BOTS: &str = "bot.user.agents";
const SCHEMA: &str = "event.schema.file";
const GROUP: &str = "Admission";

/// What is asked of each request and event.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) sources: Sources,
    pub(super) bots: Bots,
    pub(super) schema: Option<EventSchema>,
}

impl Admission {
    pub(super) fn new(config: &Config) -> Result<Self> {
        Ok(Self { sources: sources(config)?, bots: bots(config)?, schema: schema(config)? })
    }
}

/// What types cannot say; reads no file.
pub(super) fn check(config: &Config) -> Vec<ConfigIssue> {
    let issue = |error: Option<Error>| error.map(|error| ConfigIssue::of_error(&error, KEYS));
    [sources(config).err(), bots(config).err()].into_iter().filter_map(issue).collect()
}

/// What is wrong with the file of the schema.
pub(super) fn check_file(config: &Config) -> Option<ConfigIssue> {
    schema(config).err().map(|error| ConfigIssue::of_error(&error, SCHEMA))
}

fn sources(config: &Config) -> Result<Sources> {
    let settings = SourceSettings {
        required: config.boolean(REQUIRED)?,
        signature_age_ms: config.int(SIGNATURE_AGE)?,
        events_per_second: config.optional_int(RATE)?.unwrap_or(0),
    };
    let keys = config.list(KEYS)?;
    let secrets = config.secret(SIGNATURE_KEYS)?.map_or("", |secrets| secrets.expose());
    if settings.required && keys.is_empty() && secrets.is_empty() {
        return Err(Error::config_at(REQUIRED, format!("no source is known: set {KEYS} or {SIGNATURE_KEYS}")));
    }
    Sources::new(keys, secrets, settings).map_err(|(is_key, error)| {
        let name = if is_key { KEYS } else { SIGNATURE_KEYS };
        error.context(name).with_property(name)
    })
}

fn bots(config: &Config) -> Result<Bots> {
    let unusable = |error| Error::config_at(BOTS, "these parts cannot be searched for: use fewer").cause(&error);
    Bots::new(config.list(BOTS)?).map_err(unusable)
}

fn schema(config: &Config) -> Result<Option<EventSchema>> {
    let Some(path) = config.optional_string(SCHEMA)? else { return Ok(None) };
    EventSchema::read(Path::new(path)).map(Some).map_err(|error| error.context(SCHEMA).with_property(SCHEMA))
}

/// The properties.
pub(super) fn config_keys() -> impl Iterator<Item = ConfigKey> {
    let keys = [
        ConfigKey::new(KEYS, ConfigType::List)
            .default("")
            .width(Width::Long)
            .display_name("API keys")
            .doc(
                "Sources and the SHA-256 of their API keys in hexadecimal digits, such as app=5e88…: a key is sent as \
                 X-Api-Key, X-Write-Key, the name of basic authentication, or, by a beacon, the query parameter key. Its \
                 events get the source's name as source_id. A source may have several keys. An API key in a page is no \
                 secret: it says who sends, not who visits.",
            ),
        ConfigKey::new(SIGNATURE_KEYS, ConfigType::Password)
            .width(Width::Long)
            .display_name("Signature keys")
            .doc(
                "Sources and their secrets of 32 bytes or more, such as till=SECRET: the header X-Signature: \
                 source=NAME,t=MS,v1=HEX holds the HMAC-SHA256 of t, a full stop and the body as it is sent.",
            ),
        ConfigKey::new(SIGNATURE_AGE, ConfigType::Long)
            .default(300_000_i64)
            .validator(Validator::Between(1, 86_400_000))
            .width(Width::Short)
            .display_name("Age of a signature (ms)")
            .doc("How far the time of a signature may be from this server's clock."),
        ConfigKey::new(REQUIRED, ConfigType::Boolean)
            .default(false)
            .width(Width::Short)
            .display_name("Source required")
            .doc("Whether requests without an API key or a signature are refused with 401."),
        ConfigKey::new(RATE, ConfigType::Int)
            .validator(Validator::Between(1, 1_000_000_000))
            .width(Width::Short)
            .display_name("Most events of a source a second")
            .doc(
                "More events of one of the sources are answered with 429 and Retry-After; a single request may have more, \
                 and the next one then waits. Without it there is no limit.",
            ),
        ConfigKey::new(BOTS, ConfigType::List)
            .default(bots::DEFAULT)
            .width(Width::Long)
            .display_name("User agents of bots")
            .doc(
                "Events of a client whose User-Agent has one of these parts, in upper or lower case, get the field bot = \
                 true and are treated like others: the personalization does not answer them. Empty recognises none.",
            ),
        ConfigKey::new(SCHEMA, ConfigType::String)
            .validator(Validator::NonEmpty)
            .width(Width::Long)
            .display_name("Schema of events")
            .doc(
                "A file with a JSON Schema (draft 2020-12 unless it says so) that each event must have as it is sent; \
                 others are invalid events. It refers to nothing outside itself. It is read when the connector starts.",
            ),
    ];
    keys.into_iter().map(|key| key.importance(Importance::Medium).group(GROUP))
}
