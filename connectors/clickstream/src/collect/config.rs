use std::time::Duration;

use tributary_api::{
    Config, ConfigDef, ConfigIssue, ConfigKey, ConfigType, Importance, Result, Topic, Validator, Width,
};

use super::admission;
use super::budget::BudgetLimits;
use super::parse::MAX_VALUES;
use crate::http::{self, HttpSettings};

const TOPIC: &str = "topic";
pub(super) const PATH: &str = "http.path";
pub(super) const PIXEL_PATH: &str = "http.pixel.path";
const ACKNOWLEDGEMENT: &str = "acknowledgement";
const KEY_FIELD: &str = "key.field";
const SESSION_TTL: &str = "session.ttl.ms";
const TIMEOUT: &str = "request.timeout.ms";
const MAX_BYTES: &str = "request.max.bytes";
const MAX_INFLATED: &str = "request.max.inflated.bytes";
const MAX_RATIO: &str = "request.max.inflated.ratio";
const MAX_EVENTS: &str = "request.max.events";
const EVENT_BYTES: &str = "event.max.bytes";
const NEW_SESSIONS: &str = "session.max.new.per.minute";
const CLIENT_BYTES: &str = "queue.max.bytes.per.client";
const INVALID: &str = "invalid.events";
const INVALID_TOPIC: &str = "invalid.events.topic";
const QUEUE_EVENTS: &str = "queue.max.events";
const QUEUE_BYTES: &str = "queue.max.bytes";
const POLL_RECORDS: &str = "poll.max.records";
const PRODUCER_BYTES: &str = "producer.override.max.request.size";

/// The default maximum record size of the worker's producer.
const PRODUCER_DEFAULT_BYTES: usize = 1 << 20;
/// How much larger a record is than its event: the fields set here, its key, and the overhead of the producer and the
/// batch.
const RECORD_BYTES: usize = 4 << 10;
/// The average number of values of an event in a full request, including nested ones.
const VALUES_PER_EVENT: usize = 32;

/// The parsed configuration of the source.
#[derive(Clone, Debug)]
pub(super) struct CollectSettings {
    pub(super) http: HttpSettings,
    pub(super) path: String,
    /// Where images are served that bring an event.
    pub(super) pixel_path: Option<String>,
    pub(super) topic: Topic,
    pub(super) key_field: String,
    pub(super) session_ttl_ms: i64,
    pub(super) request_timeout: Duration,
    pub(super) limits: Limits,
    pub(super) invalid: InvalidEvents,
    /// Whether requests are answered before their events are stored.
    pub(super) answers_early: bool,
    /// How many new sessions one client may start in a minute.
    pub(super) new_sessions: u32,
    pub(super) budget: BudgetLimits,
    pub(super) poll_records: usize,
}

/// What is done with invalid events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InvalidEvents {
    /// The whole request is refused.
    Reject,
    /// They are left out.
    Skip,
    /// They are written to this topic.
    Topic(Topic),
}

/// The limits of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) wire_bytes: usize,
    pub(super) inflated_bytes: usize,
    /// How many times as long as its compressed form a text may be.
    pub(super) ratio: usize,
    pub(super) events: usize,
    pub(super) event_bytes: usize,
    /// Values of all events, including nested ones.
    pub(super) values: usize,
}

impl CollectSettings {
    /// The paths that are served, with the properties that name them.
    pub(super) fn paths(&self) -> (Vec<&str>, &'static [&'static str]) {
        match &self.pixel_path {
            Some(pixel) => (vec![&self.path, pixel], &[PATH, PIXEL_PATH]),
            None => (vec![&self.path], &[PATH]),
        }
    }

    pub(super) fn new(config: &Config) -> Result<Self> {
        let events: usize = config.int(MAX_EVENTS)?;
        Ok(Self {
            http: HttpSettings::new(config)?,
            path: config.string(PATH)?.to_owned(),
            pixel_path: config.optional_string(PIXEL_PATH)?.map(str::to_owned),
            topic: config.string(TOPIC)?.into(),
            key_field: config.string(KEY_FIELD)?.to_owned(),
            session_ttl_ms: config.int(SESSION_TTL)?,
            request_timeout: Duration::from_millis(config.int(TIMEOUT)?),
            limits: Limits {
                wire_bytes: config.int(MAX_BYTES)?,
                inflated_bytes: config.int(MAX_INFLATED)?,
                ratio: config.int(MAX_RATIO)?,
                events,
                event_bytes: config.int(EVENT_BYTES)?,
                values: events.saturating_mul(VALUES_PER_EVENT).max(MAX_VALUES),
            },
            invalid: match (config.string(INVALID)?, config.optional_string(INVALID_TOPIC)?) {
                ("topic", Some(topic)) => InvalidEvents::Topic(topic.into()),
                ("skip", _) => InvalidEvents::Skip,
                _ => InvalidEvents::Reject,
            },
            answers_early: config.string(ACKNOWLEDGEMENT)? == "accepted",
            new_sessions: config.int(NEW_SESSIONS)?,
            budget: BudgetLimits {
                events: config.int(QUEUE_EVENTS)?,
                bytes: config.int(QUEUE_BYTES)?,
                bytes_per_client: config.int(CLIENT_BYTES)?,
            },
            poll_records: config.int(POLL_RECORDS)?,
        })
    }
}

/// What the types of the properties cannot say.
fn check(config: &Config) -> Result<Vec<ConfigIssue>> {
    let has_pixel = config.optional_string(PIXEL_PATH)?.is_some();
    let mut issues = http::check(config, if has_pixel { &[PATH, PIXEL_PATH] } else { &[PATH] })?;
    issues.extend(admission::check(config));
    if config.string(INVALID)? == "topic" && config.optional_string(INVALID_TOPIC)?.is_none() {
        issues.push(ConfigIssue::new(INVALID_TOPIC, format!("{INVALID} is topic: name the topic of invalid events")));
    }
    // Each limit with the one that must not be smaller.
    let fits = [
        (MAX_EVENTS, QUEUE_EVENTS),
        (MAX_INFLATED, CLIENT_BYTES),
        (MAX_BYTES, CLIENT_BYTES),
        (CLIENT_BYTES, QUEUE_BYTES),
        (EVENT_BYTES, MAX_BYTES),
        (EVENT_BYTES, MAX_INFLATED),
    ];
    for (name, within) in fits {
        let (value, limit) = (config.int::<i64>(name)?, config.int::<i64>(within)?);
        if value > limit {
            let message =
                format!("{value} never fits into {within}, which is {limit}: lower the one or raise the other");
            issues.push(ConfigIssue::new(name, message));
        }
    }
    Ok(issues)
}

/// An event that the producer would refuse once it is a record. Asked with what the connector is validated with, where
/// the producer's property is given also when the worker sets it.
pub(super) fn beyond_producer(config: &Config) -> Result<Option<ConfigIssue>> {
    let event_bytes: usize = config.int(EVENT_BYTES)?;
    let configured = config.originals().get(PRODUCER_BYTES).map(|size| size.trim().parse::<usize>());
    let limit = match configured {
        None => PRODUCER_DEFAULT_BYTES,
        Some(Ok(limit)) => limit,
        // Reported by the check that parses it.
        Some(Err(_)) => return Ok(None),
    };
    let message = || {
        format!(
            "{event_bytes} and {RECORD_BYTES} for the fields added to an event do not fit into {PRODUCER_BYTES}, which \
             is {limit}: lower the one or raise the other, and max.message.bytes of the topic too"
        )
    };
    Ok((event_bytes.saturating_add(RECORD_BYTES) > limit).then(|| ConfigIssue::new(EVENT_BYTES, message())))
}

fn number(name: &str, default: i64, max: i64) -> ConfigKey {
    ConfigKey::new(name, ConfigType::Long).default(default).validator(Validator::Between(1, max)).width(Width::Short)
}

/// The properties of the source.
pub(crate) fn config_def() -> ConfigDef {
    let events = [
        ConfigKey::new(TOPIC, ConfigType::String)
            .default("clicks.raw")
            .validator(Validator::TopicName)
            .importance(Importance::High)
            .width(Width::Medium)
            .display_name("Topic")
            .doc("The topic that events are written to."),
        ConfigKey::new(KEY_FIELD, ConfigType::String)
            .default("person_id")
            .validator(Validator::NonEmpty)
            .importance(Importance::Medium)
            .width(Width::Medium)
            .display_name("Key field")
            .doc(
                "The field of an event that becomes the record's key. Text, numbers and booleans become text; an event \
                  without the field is keyed by person_id.",
            ),
        ConfigKey::new(INVALID, ConfigType::String)
            .default("reject")
            .one_of(&["reject", "skip", "topic"])
            .importance(Importance::Medium)
            .width(Width::Short)
            .display_name("Invalid events")
            .doc(
                "With reject, a request with an invalid event is answered with 400 and the list of invalid events, \
                  and none is written. With skip the valid ones are written and the response lists the invalid ones; \
                  it is 400 when none is valid. With topic the invalid ones are also written, to \
                  invalid.events.topic.",
            ),
        ConfigKey::new(INVALID_TOPIC, ConfigType::String)
            .validator(Validator::TopicName)
            .importance(Importance::Medium)
            .width(Width::Medium)
            .display_name("Topic of invalid events")
            .doc(
                "The topic of invalid events: each with its text (the first 16 KiB), the reason, and the time and the \
                  session of its request.",
            ),
        ConfigKey::new(ACKNOWLEDGEMENT, ConfigType::String)
            .default("durable")
            .one_of(&["durable", "accepted"])
            .importance(Importance::Medium)
            .width(Width::Short)
            .display_name("Acknowledgement")
            .doc(
                "With durable a request is answered with 200 when the broker has acknowledged its events. With accepted \
                  it is answered with 202 when they are in the queue: they are lost if the worker crashes before they \
                  are stored, and an event that the broker refuses is reported in the log only.",
            ),
        number(EVENT_BYTES, 128 << 10, 1 << 30)
            .importance(Importance::Medium)
            .display_name("Most bytes of an event")
            .doc(
                "A longer event is refused with 413, or left out with invalid.events=skip. It must fit into a record: \
                  beyond some 1,044,000 raise producer.override.max.request.size, max.message.bytes of the topic and \
                  the limits of its consumers too.",
            ),
        number(SESSION_TTL, 86_400_000, 31_536_000_000)
            .importance(Importance::Medium)
            .display_name("Session lifetime (ms)")
            .doc(
                "How long a session lasts that this connector starts for a request without a token. It is not \
                  extended: for sessions that end when idle, issue tokens in the site's own web server.",
            ),
        number(NEW_SESSIONS, 600, 1_000_000_000)
            .importance(Importance::Medium)
            .display_name("Most new sessions of a client")
            .doc(
                "New sessions per minute for requests without a token from one address (IPv6: one /64 network); more \
                  are answered with 429. Later stages of the pipeline keep state for every session. Raise it where \
                  many visitors share an address.",
            ),
    ];
    let limits = [
        ConfigKey::new(PATH, ConfigType::String)
            .default("/collect")
            .importance(Importance::Medium)
            .width(Width::Medium)
            .display_name("Path")
            .doc("The path that events are sent to."),
        ConfigKey::new(PIXEL_PATH, ConfigType::String)
            .importance(Importance::Low)
            .width(Width::Medium)
            .display_name("Path of the pixel")
            .doc(
                "A path such as /pixel.gif that serves an image of one pixel and takes the parameters of its address as \
                 an event, for pages and mails without scripts. Any site can show the image, also to log an event.",
            ),
        number(TIMEOUT, 10_000, 600_000).importance(Importance::Medium).display_name("Request timeout (ms)").doc(
            "A request is answered within this time: with 503 if the broker has not acknowledged its events by then.",
        ),
        number(MAX_BYTES, 1 << 20, 1 << 30)
            .importance(Importance::Medium)
            .display_name("Most bytes of a request")
            .doc("A longer body is answered with 413."),
        number(MAX_INFLATED, 4 << 20, 1 << 30)
            .importance(Importance::Low)
            .display_name("Most inflated bytes of a request")
            .doc("A body that is longer than this when decompressed is answered with 413."),
        number(MAX_RATIO, 200, 1_000_000)
            .importance(Importance::Low)
            .display_name("Most inflation of a request")
            .doc(
                "A body that becomes more than so many times as long when decompressed, and longer than 64 KiB, is \
                 answered with 413 as soon as it is.",
            ),
        number(MAX_EVENTS, 5_000, 1_000_000)
            .importance(Importance::Low)
            .display_name("Most events of a request")
            .doc("A request with more is answered with 413."),
        number(QUEUE_EVENTS, 50_000, 10_000_000)
            .importance(Importance::Medium)
            .display_name("Most events waiting")
            .doc(
                "The maximum of unacknowledged events of all requests; above it requests are answered with 503 and \
                  Retry-After.",
            ),
        number(QUEUE_BYTES, 128 << 20, 1 << 40).importance(Importance::Medium).display_name("Most bytes waiting").doc(
            "The maximum memory of all requests being read or not yet acknowledged; above it requests are answered \
             with 503 and Retry-After.",
        ),
        number(CLIENT_BYTES, 32 << 20, 1 << 40)
            .importance(Importance::Medium)
            .display_name("Most bytes waiting of a client")
            .doc(
                "The share of queue.max.bytes that requests from one address (of IPv6, one network of 64 bits) may \
                 use; above it requests are answered with 429 and Retry-After. Raise it where many visitors share an \
                 address.",
            ),
        number(POLL_RECORDS, 5_000, 1_000_000)
            .importance(Importance::Low)
            .display_name("Batch size")
            .doc("The maximum of events returned from one poll. A poll does not wait for a batch to fill."),
    ];
    let events = events.map(|key| key.group("Events"));
    let limits = limits.map(|key| key.group("Requests"));
    let keys = events.into_iter().chain(http::config_keys()).chain(limits).chain(admission::config_keys());
    ConfigDef::new(keys).check(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Config> {
        let secret = [("session.secret", "0123456789abcdef0123456789abcdef")];
        let props = secret.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        config_def().parse(&props)
    }

    fn config(pairs: &[(&str, &str)]) -> Config {
        parse(pairs).unwrap()
    }

    fn issue_of(pairs: &[(&str, &str)]) -> String {
        parse(pairs).unwrap_err().property().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(beyond_producer(&config(&[])).unwrap(), None);
        let settings = CollectSettings::new(&config(&[])).unwrap();
        assert_eq!(
            (&*settings.topic, &*settings.http.listen, &*settings.path),
            ("clicks.raw", "127.0.0.1:8081", "/collect")
        );
    }

    #[test]
    fn what_types_cannot_say_is_checked() {
        assert_eq!(issue_of(&[("session.secret", "short")]), "session.secret");
        assert_eq!(issue_of(&[("http.listen", "8081")]), "http.listen");
        assert_eq!(issue_of(&[("http.path", "collect")]), "http.path");
        assert_eq!(issue_of(&[("cors.allowed.origins", "*")]), "cors.allowed.origins");
        assert_eq!(issue_of(&[("request.max.events", "10"), ("queue.max.events", "9")]), "request.max.events");
        assert_eq!(issue_of(&[("session.cookie.name", "a b")]), "session.cookie.name");
        assert_eq!(issue_of(&[("http.pixel.path", "/collect")]), "http.pixel.path");
        assert_eq!(issue_of(&[("http.pixel.path", "pixel")]), "http.pixel.path");
        assert_eq!(issue_of(&[("invalid.events", "topic")]), "invalid.events.topic");
        assert_eq!(issue_of(&[("source.required", "true")]), "source.required");
        assert_eq!(issue_of(&[("api.keys", "app=key")]), "api.keys");
        assert_eq!(issue_of(&[("signature.keys", "till=short")]), "signature.keys");
    }

    #[test]
    fn contradictory_size_limits_are_refused_with_both_values() {
        let issue = |pairs: &[(&str, &str)]| {
            let error = parse(pairs).unwrap_err();
            format!("{}: {error}", error.property().unwrap_or_default())
        };
        let of_producer = |pairs: &[(&str, &str)]| beyond_producer(&config(pairs)).unwrap();
        let of_request = issue(&[("event.max.bytes", "70000"), ("request.max.bytes", "60000")]);
        assert!(of_request.starts_with("event.max.bytes: 70000 never fits into request.max.bytes, which is 60000"));
        let of_client = issue(&[("queue.max.bytes.per.client", "3000000")]);
        assert!(
            of_client.starts_with("request.max.inflated.bytes: 4194304 never fits into queue.max.bytes.per.client")
        );
        assert!(
            issue(&[("queue.max.bytes", "32000000")]).starts_with("queue.max.bytes.per.client: 33554432 never fits")
        );
        let raised = of_producer(&[("event.max.bytes", "1046000")]).unwrap();
        assert_eq!(raised.name, "event.max.bytes");
        assert!(raised.message.contains("1046000") && raised.message.contains("1048576"), "{raised:?}");
        let lowered = ("producer.override.max.request.size", "100000");
        let of_lowered = of_producer(&[lowered]).unwrap();
        assert!(of_lowered.message.contains("131072") && of_lowered.message.contains("100000"), "{of_lowered:?}");
        assert_eq!(of_producer(&[lowered, ("event.max.bytes", "90000")]), None);
        let both = [("event.max.bytes", "1046000"), ("producer.override.max.request.size", "1100000")];
        assert_eq!(of_producer(&both), None);
    }

    #[test]
    fn the_secret_is_not_printed() {
        assert!(!format!("{:?}", CollectSettings::new(&config(&[])).unwrap()).contains("0123456789abcdef"));
    }
}
