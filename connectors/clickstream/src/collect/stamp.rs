use tributary_api::{ByteString, Datum, Record, Topic, Value};
use uuid::Uuid;

use crate::session::Session;

/// Fields that only the server sets. What a client sends under these names is dropped.
const RESERVED: [&str; 9] =
    ["received_at", "session_id", "device_id", "customer_id", "person_id", "dnt", "gpc", "source_id", CLOCK_CORRECTION];
/// By how many milliseconds `ts` was moved, because the client's clock was wrong.
const CLOCK_CORRECTION: &str = "ts_correction_ms";
const MAX_EVENT_ID_BYTES: usize = 64;
const MAX_TYPE_BYTES: usize = 64;
/// A key only selects the partition: a longer one would only make the record larger.
const MAX_KEY_BYTES: usize = 1024;
/// An event may have been queued in the browser for this long; an older time means a wrong clock.
const MAX_AGE_MS: i64 = 7 * 86_400_000;
/// A browser's clock may be ahead by this much; a later time means a wrong clock.
const MAX_AHEAD_MS: i64 = 5 * 60_000;
/// A difference up to this may be the network's, and is no wrong clock.
const CLOCK_TOLERANCE_MS: i64 = 5_000;

/// By how many milliseconds the clock is behind of a client that says when it has sent a request; 0 if it is right.
pub(super) fn clock_behind(sent_at: i64, received_at: i64) -> i64 {
    let behind = received_at.saturating_sub(sent_at);
    if (-CLOCK_TOLERANCE_MS..=CLOCK_TOLERANCE_MS).contains(&behind) { 0 } else { behind }
}

/// What applies to all events of a request.
#[derive(Clone, Debug)]
pub(super) struct RequestContext {
    pub(super) session: Session,
    pub(super) person: ByteString,
    /// When it arrived, in ms since the epoch.
    pub(super) received_at: i64,
    /// The request says `DNT: 1`.
    pub(super) dnt: bool,
    /// The request says `Sec-GPC: 1`.
    pub(super) gpc: bool,
    /// The client is a program that says so.
    pub(super) bot: bool,
    /// The source that the request proves to be of.
    pub(super) source: Option<ByteString>,
}

/// An invalid event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Invalid<'a> {
    /// Its beginning, if it is cut.
    pub(super) text: &'a [u8],
    pub(super) is_cut: bool,
    pub(super) reason: &'a str,
}

/// Makes records of events.
#[derive(Clone, Debug)]
pub(super) struct Stamper {
    pub(super) topic: Topic,
    pub(super) key_field: String,
}

impl Stamper {
    /// The record of an invalid event.
    pub(super) fn invalid(&self, topic: &Topic, invalid: Invalid<'_>, context: &RequestContext) -> Record {
        let Invalid { text, is_cut, reason } = invalid;
        let mut fields = Vec::with_capacity(7);
        push(&mut fields, "reason", ByteString::from(reason));
        push(&mut fields, "event", ByteString::from(String::from_utf8_lossy(text).into_owned()));
        if is_cut {
            push(&mut fields, "event_is_cut", true);
        }
        push(&mut fields, "received_at", Value::Int64(context.received_at));
        push(&mut fields, "session_id", context.session.id().clone());
        push(&mut fields, "person_id", context.person.clone());
        if let Some(source) = &context.source {
            push(&mut fields, "source_id", source.clone());
        }
        Record::new(topic.clone(), Datum::schemaless(Value::Map(fields)))
            .with_key(Datum::schemaless(context.person.clone()))
            .at(context.received_at)
    }

    /// The record of an event, or why it is invalid. `ts` is moved by as much as the client's clock is behind.
    pub(super) fn record(
        &self,
        event: Value,
        context: &RequestContext,
        clock_behind_ms: i64,
    ) -> Result<Record, String> {
        let Value::Map(mut fields) = event else { return Err("not an object".to_owned()) };
        fields.retain(|(name, _)| name.as_str().is_none_or(|name| !RESERVED.contains(&name)));
        check_type(find(&fields, "type"))?;
        fields.reserve_exact(11);
        if clock_behind_ms != 0
            && let Some(ts) = find(&fields, "ts").and_then(claimed_time)
        {
            fields.retain(|(name, _)| name.as_str() != Some("ts"));
            push(&mut fields, "ts", Value::Int64(ts.saturating_add(clock_behind_ms)));
            push(&mut fields, CLOCK_CORRECTION, Value::Int64(clock_behind_ms));
        }
        let timestamp = event_time(find(&fields, "ts"), context.received_at);

        let has_id = find(&fields, "event_id").and_then(Value::as_str).is_some_and(is_event_id);
        if !has_id {
            fields.retain(|(name, _)| name.as_str() != Some("event_id"));
            push(&mut fields, "event_id", ByteString::from(Uuid::now_v7().to_string()));
        }
        push(&mut fields, "received_at", Value::Int64(context.received_at));
        push(&mut fields, "session_id", context.session.id().clone());
        if let Some(device) = context.session.device() {
            push(&mut fields, "device_id", device.clone());
        }
        if let Some(customer) = context.session.customer() {
            push(&mut fields, "customer_id", customer.clone());
        }
        push(&mut fields, "person_id", context.person.clone());
        if context.dnt {
            push(&mut fields, "dnt", true);
        }
        if context.gpc {
            push(&mut fields, "gpc", true);
        }
        if context.bot {
            // A client may say so itself, and cannot deny it.
            fields.retain(|(name, _)| name.as_str() != Some("bot"));
            push(&mut fields, "bot", true);
        }
        if let Some(source) = &context.source {
            push(&mut fields, "source_id", source.clone());
        }
        let key = self.key(&fields, context);
        if key.len() > MAX_KEY_BYTES {
            return Err(format!("{} is the record's key, which has {MAX_KEY_BYTES} bytes at most", self.key_field));
        }
        Ok(Record::new(self.topic.clone(), Datum::schemaless(Value::Map(fields)))
            .with_key(Datum::schemaless(key))
            .at(timestamp))
    }

    fn key(&self, fields: &[(Value, Value)], context: &RequestContext) -> ByteString {
        match find(fields, &self.key_field) {
            Some(Value::String(text)) => text.clone(),
            Some(simple @ (Value::Boolean(_) | Value::Int64(_) | Value::Float64(_))) => simple.to_string().into(),
            _ => context.person.clone(),
        }
    }
}

fn find<'a>(fields: &'a [(Value, Value)], name: &str) -> Option<&'a Value> {
    fields.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
}

fn push(fields: &mut Vec<(Value, Value)>, name: &'static str, value: impl Into<Value>) {
    fields.push((Value::String(ByteString::from_static(name)), value.into()));
}

fn check_type(value: Option<&Value>) -> Result<(), String> {
    match value.and_then(Value::as_str) {
        Some(kind) if !kind.is_empty() && kind.len() <= MAX_TYPE_BYTES => Ok(()),
        Some(_) => Err(format!("type has no or more than {MAX_TYPE_BYTES} bytes")),
        None => Err("type is missing: name what happened, such as page_view".to_owned()),
    }
}

fn is_event_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=MAX_EVENT_ID_BYTES).contains(&id.len()) && id.bytes().all(is_plain)
}

fn claimed_time(ts: &Value) -> Option<i64> {
    match ts {
        Value::Int64(ms) => Some(*ms),
        #[allow(clippy::cast_possible_truncation)] // a cast saturates, and the ends are not sane
        Value::Float64(ms) => Some(*ms as i64),
        _ => None,
    }
}

/// The event's own time if it is plausible, otherwise the time it was received.
fn event_time(ts: Option<&Value>, received_at: i64) -> i64 {
    let Some(claimed) = ts.and_then(claimed_time) else { return received_at };
    let sane = received_at.saturating_sub(MAX_AGE_MS)..=received_at.saturating_add(MAX_AHEAD_MS);
    if sane.contains(&claimed) { claimed } else { received_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn context(session: Session) -> RequestContext {
        let person = session.person();
        RequestContext { session, person, received_at: NOW, dnt: false, gpc: false, bot: false, source: None }
    }

    fn record(event: &str, change: impl FnOnce(&mut RequestContext)) -> Result<Record, String> {
        let mut context = context(Session::of_customer("c-1", NOW).unwrap());
        change(&mut context);
        let stamper = Stamper { topic: "clicks.raw".into(), key_field: "person_id".to_owned() };
        stamper.record(tributary_api::json::from_slice(event.as_bytes()).unwrap(), &context, 0)
    }

    fn text<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
        record.value.value.get(name)?.as_str()
    }

    #[test]
    fn an_event_gets_the_servers_fields() {
        let record = record(r#"{"event_id":"e-1","type":"page_view","ts":1799999999000}"#, |_| ()).unwrap();
        assert_eq!(record.key.value.as_str(), Some("c-1"));
        assert_eq!(record.timestamp, Some(NOW - 1000));
        assert_eq!(text(&record, "event_id"), Some("e-1"));
        assert_eq!(text(&record, "customer_id"), Some("c-1"));
        assert_eq!(text(&record, "person_id"), Some("c-1"));
        assert_eq!(record.value.value.get("received_at"), Some(&Value::Int64(NOW)));
        assert!(text(&record, "session_id").is_some_and(|id| id.len() == 36));
        assert_eq!(record.value.value.get("dnt"), None);
    }

    #[test]
    fn a_client_cannot_set_its_own_identity() {
        let forged = r#"{"type":"x","session_id":"s","device_id":"d","customer_id":"c-2","person_id":"c-2","received_at":1,"dnt":false}"#;
        let session = Session::anonymous(NOW);
        let person = session.person();
        let known = record(forged, |_| ()).unwrap();
        assert_eq!(text(&known, "customer_id"), Some("c-1"));
        let anonymous = record(forged, |context| {
            context.person = person.clone();
            context.session = session;
            context.dnt = true;
            context.gpc = true;
        });
        let anonymous = anonymous.unwrap();
        assert_eq!((text(&anonymous, "customer_id"), text(&anonymous, "device_id")), (None, None));
        assert_eq!(text(&anonymous, "person_id"), Some(&*person));
        assert_eq!(anonymous.value.value.get("received_at"), Some(&Value::Int64(NOW)));
        assert_eq!(anonymous.value.value.get("dnt"), Some(&Value::Boolean(true)));
        assert_eq!(anonymous.value.value.get("gpc"), Some(&Value::Boolean(true)));
    }

    #[test]
    fn bots_and_sources_are_marked_by_the_server() {
        let forged = r#"{"type":"x","bot":false,"source_id":"till"}"#;
        let plain = record(forged, |_| ()).unwrap();
        assert_eq!((text(&plain, "source_id"), plain.value.value.get("bot")), (None, Some(&Value::Boolean(false))));
        let marked = record(forged, |context| {
            context.bot = true;
            context.source = Some("app".into());
        });
        let marked = marked.unwrap();
        assert_eq!(
            (text(&marked, "source_id"), marked.value.value.get("bot")),
            (Some("app"), Some(&Value::Boolean(true)))
        );
    }

    #[test]
    fn a_bad_event_id_is_replaced() {
        for id in ["\"\"", "7", "\"a b\"", "\"<x>\"", &format!("\"{}\"", "a".repeat(65))] {
            let record = record(&format!(r#"{{"event_id":{id},"type":"x"}}"#), |_| ()).unwrap();
            let uuid = Uuid::parse_str(text(&record, "event_id").unwrap()).unwrap();
            assert_eq!(uuid.get_version_num(), 7);
        }
    }

    #[test]
    fn a_wrong_clock_is_not_believed() {
        for ts in ["0", "-5", "1e300", "9999999999999999", "\"x\"", &(NOW + MAX_AHEAD_MS + 1).to_string()] {
            let record = record(&format!(r#"{{"type":"x","ts":{ts}}}"#), |_| ()).unwrap();
            assert_eq!(record.timestamp, Some(NOW), "{ts}");
        }
    }

    #[test]
    fn a_clock_that_is_wrong_when_the_request_is_sent_was_wrong_for_its_events() {
        let context = context(Session::anonymous(NOW));
        let stamper = Stamper { topic: "t".into(), key_field: "person_id".to_owned() };
        let record = |sent_at: i64| {
            let event = format!(r#"{{"type":"x","ts":{},"ts_correction_ms":7}}"#, sent_at - 1_000);
            let event = tributary_api::json::from_slice(event.as_bytes()).unwrap();
            stamper.record(event, &context, clock_behind(sent_at, NOW)).unwrap()
        };
        let correction = |record: &Record| record.value.value.get(CLOCK_CORRECTION).and_then(Value::as_i64);
        for hours in [-48, -1, 1, 240] {
            let wrong = record(NOW + hours * 3_600_000);
            assert_eq!(wrong.timestamp, Some(NOW - 1_000), "{hours} h");
            assert_eq!(wrong.value.value.get("ts"), Some(&Value::Int64(NOW - 1_000)));
            assert_eq!(correction(&wrong), Some(-hours * 3_600_000));
        }
        let right = record(NOW - CLOCK_TOLERANCE_MS);
        assert_eq!((right.timestamp, correction(&right)), (Some(NOW - CLOCK_TOLERANCE_MS - 1_000), None));
        for absurd in [i64::MIN, i64::MAX - 1_000] {
            assert!(clock_behind(absurd, NOW) != 0);
        }
    }

    #[test]
    fn invalid_events_are_reported() {
        for (bad, reason) in [("1", "object"), ("[]", "object"), ("{}", "type"), (r#"{"type":""}"#, "type")] {
            assert!(record(bad, |_| ()).unwrap_err().contains(reason));
        }
    }

    #[test]
    fn the_key_is_the_field_that_is_named() {
        let context = context(Session::anonymous(NOW));
        let stamper = Stamper { topic: "t".into(), key_field: "page_id".to_owned() };
        let key = |event: &str| {
            let event = tributary_api::json::from_slice(event.as_bytes()).unwrap();
            stamper.record(event, &context, 0).unwrap().key.value
        };
        assert_eq!(key(r#"{"type":"x","page_id":"p"}"#).as_str(), Some("p"));
        assert_eq!(key(r#"{"type":"x","page_id":7}"#).as_str(), Some("7"));
        assert_eq!(key(r#"{"type":"x","page_id":{}}"#).as_str(), Some(&*context.person));
        let long = format!(r#"{{"type":"x","page_id":"{}"}}"#, "x".repeat(MAX_KEY_BYTES + 1));
        let long = tributary_api::json::from_slice(long.as_bytes()).unwrap();
        assert!(stamper.record(long, &context, 0).unwrap_err().contains("page_id"));
    }
}
