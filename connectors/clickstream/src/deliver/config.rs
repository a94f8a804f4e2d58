use std::time::Duration;

use tributary_api::{Config, ConfigDef, ConfigIssue, ConfigKey, ConfigType, Importance, Result, Validator, Width};

use super::hub::HubLimits;
use super::sse::CURSOR_EVENT;
use crate::http::{self, HttpSettings};

const SSE_PATH: &str = "sse.path";
const WS_PATH: &str = "websocket.path";
const POLL_PATH: &str = "poll.path";
/// The properties of [`Paths::all`].
pub(super) const PATHS: [&str; 3] = [SSE_PATH, WS_PATH, POLL_PATH];
const EVENT_NAME: &str = "event.name";
const WINDOW: &str = "replay.window.ms";
const RESUME_RECORDS: &str = "resume.max.records";
const HEARTBEAT: &str = "heartbeat.ms";
const RETRY: &str = "sse.retry.ms";
const SUBSCRIBERS: &str = "subscribers.max";
const PER_PERSON: &str = "subscribers.max.per.person";
const PER_CLIENT: &str = "subscribers.max.per.client";
const PEOPLE: &str = "ring.max.people";
const MESSAGES: &str = "ring.max.messages";
const BYTES: &str = "ring.max.bytes";
const SLOW: &str = "slow.subscribers";

/// The parsed configuration of the sink.
#[derive(Clone, Debug)]
pub(super) struct DeliverSettings {
    pub(super) http: HttpSettings,
    pub(super) paths: Paths,
    pub(super) event_name: String,
    pub(super) heartbeat: Duration,
    pub(super) sse_retry: Duration,
    pub(super) resume_records: usize,
    pub(super) hub: HubLimits,
}

#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) sse: String,
    pub(super) websocket: String,
    pub(super) poll: String,
}

impl DeliverSettings {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let path = |name| config.string(name).map(str::to_owned);
        let millis = |name| config.int(name).map(Duration::from_millis);
        Ok(Self {
            http: HttpSettings::new(config)?,
            paths: Paths { sse: path(SSE_PATH)?, websocket: path(WS_PATH)?, poll: path(POLL_PATH)? },
            event_name: config.string(EVENT_NAME)?.to_owned(),
            heartbeat: millis(HEARTBEAT)?,
            sse_retry: millis(RETRY)?,
            resume_records: config.int(RESUME_RECORDS)?,
            hub: HubLimits {
                subscribers: config.int(SUBSCRIBERS)?,
                subscribers_per_person: config.int(PER_PERSON)?,
                subscribers_per_client: config.int(PER_CLIENT)?,
                people: config.int(PEOPLE)?,
                messages: config.int(MESSAGES)?,
                bytes: config.int(BYTES)?,
                window: millis(WINDOW)?,
                disconnect_slow: config.string(SLOW)? == "disconnect",
            },
        })
    }
}

impl Paths {
    pub(super) fn all(&self) -> [&str; 3] {
        [&self.sse, &self.websocket, &self.poll]
    }
}

/// What the types of the properties cannot say.
fn check(config: &Config) -> Result<Vec<ConfigIssue>> {
    let mut issues = http::check(config, &PATHS)?;
    let name = config.string(EVENT_NAME)?;
    if name == CURSOR_EVENT {
        issues
            .push(ConfigIssue::new(EVENT_NAME, format!("{CURSOR_EVENT} is the event that brings an id and no record")));
    }
    if name.contains(|letter: char| letter.is_control()) {
        issues.push(ConfigIssue::new(EVENT_NAME, "a name is one line of text"));
    }
    Ok(issues)
}

fn number(name: &str, default: i64, max: i64) -> ConfigKey {
    ConfigKey::new(name, ConfigType::Long)
        .default(default)
        .validator(Validator::Between(1, max))
        .importance(Importance::Low)
        .width(Width::Short)
}

fn path(name: &str, default: &str, what: &str) -> ConfigKey {
    ConfigKey::new(name, ConfigType::String)
        .default(default)
        .importance(Importance::Medium)
        .width(Width::Medium)
        .display_name(format!("Path of {what}"))
        .doc(format!("The path for subscriptions by {what}."))
}

/// The properties of the sink.
pub(crate) fn config_def() -> ConfigDef {
    let delivery = [
        path(SSE_PATH, "/events", "server-sent events"),
        path(WS_PATH, "/ws", "WebSocket"),
        path(POLL_PATH, "/poll", "long poll"),
        ConfigKey::new(EVENT_NAME, ConfigType::String)
            .default("offer")
            .validator(Validator::NonEmpty)
            .importance(Importance::Medium)
            .width(Width::Medium)
            .display_name("Event name")
            .doc("The name of the server-sent events, for which a page adds its listener."),
        number(WINDOW, 30_000, 86_400_000).importance(Importance::Medium).display_name("Replay window (ms)").doc(
            "A page that subscribes without a cursor also gets its person's records of this last period, so that \
             records written between two page views are not lost. For the same reason offsets are committed this much \
             later.",
        ),
        number(RESUME_RECORDS, 10_000, 10_000_000)
            .display_name("Most records of a resume")
            .doc("The maximum of records read from Kafka for a resume that cannot be served from memory."),
        number(HEARTBEAT, 15_000, 600_000)
            .display_name("Heartbeat (ms)")
            .doc("An idle connection gets a comment or a ping this often, so that no proxy closes it."),
        number(RETRY, 2_000, 600_000)
            .display_name("Reconnect (ms)")
            .doc("The time after which browsers reconnect (the field retry of server-sent events)."),
    ];
    let bounds = [
        number(SUBSCRIBERS, 10_000, 1_000_000)
            .importance(Importance::Medium)
            .display_name("Most subscriptions")
            .doc("The maximum of simultaneous subscriptions; more are answered with 503."),
        number(PER_PERSON, 32, 10_000)
            .display_name("Most subscriptions of a person")
            .doc("The maximum of simultaneous subscriptions of one person; more are answered with 429."),
        number(PER_CLIENT, 2_500, 1_000_000).display_name("Most subscriptions of a client").doc(
            "The maximum of simultaneous subscriptions from one address (IPv6: one /64 network); more are answered \
             with 429. Raise it where many visitors share an address.",
        ),
        number(PEOPLE, 20_000, 10_000_000)
            .display_name("Most people")
            .doc("The maximum of people whose last records are kept in memory; the least recently used are evicted."),
        number(MESSAGES, 64, 100_000)
            .display_name("Most records of a person")
            .doc("Records kept in memory for a person; older ones are read from Kafka when a browser resumes."),
        number(BYTES, 64 << 20, 1 << 40).display_name("Most bytes").doc(
            "The maximum memory of all these records, in \
                                                                         bytes.",
        ),
        ConfigKey::new(SLOW, ConfigType::String)
            .default("disconnect")
            .one_of(&["disconnect", "drop_oldest"])
            .importance(Importance::Low)
            .width(Width::Short)
            .display_name("Slow subscribers")
            .doc(
                "What happens to a subscription so slow that records it has not got were evicted from memory: it is \
                 disconnected and resumes from Kafka, or continues with the oldest record in memory.",
            ),
    ];
    let delivery = delivery.map(|key| key.group("Delivery"));
    let bounds = bounds.map(|key| key.group("Bounds"));
    ConfigDef::new(http::config_keys().into_iter().chain(delivery).chain(bounds)).check(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue_of(pairs: &[(&str, &str)]) -> Option<String> {
        let secret = [("session.secret", "0123456789abcdef0123456789abcdef")];
        let props = secret.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        config_def().parse(&props).err()?.property().map(str::to_owned)
    }

    #[test]
    fn paths_and_names_are_checked() {
        assert_eq!(issue_of(&[]), None);
        for (name, value) in [("poll.path", "/ws"), ("event.name", "a\nb"), ("event.name", "cursor")] {
            assert_eq!(issue_of(&[(name, value)]).as_deref(), Some(name), "{value:?}");
        }
    }
}
