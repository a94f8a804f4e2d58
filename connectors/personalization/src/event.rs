use tributary_api::{Error, Result, Value};

/// A client's timestamp is used if it is at most this far ahead of the server's clock, in milliseconds.
const MAX_AHEAD_MS: i64 = 5 * 60_000;
/// And at most this far in the past: events may have been queued in the browser.
const MAX_BEHIND_MS: i64 = 24 * 3_600_000;

/// The longest id or type, in bytes: some of them are kept with the person.
pub(crate) const MAX_ID: usize = 256;
/// Times beyond the year 9999 are ignored, in either direction, so that adding a pack's durations cannot overflow.
const MAX_TIME_MS: i64 = 253_402_300_799_999;

/// A page of a product was opened.
pub(crate) const PRODUCT_VIEW: &str = "product_view";
/// A page was opened.
pub(crate) const PAGE_VIEW: &str = "page_view";
/// The page is still open and in view; sent at intervals.
pub(crate) const HEARTBEAT: &str = "heartbeat";
/// Something was bought. A row of a table of orders is enough: it has no other person than its customer.
pub(crate) const ORDER: &str = "order";
/// The person agrees to purposes, or no longer: in the field `consent`.
pub(crate) const CONSENT: &str = "consent";
/// A page has rendered an offer.
pub(crate) const OFFER_SHOWN: &str = "offer_shown";
/// Created by a timer when no event came after a product's page was opened.
pub(crate) const DWELL_TIMER: &str = "dwell_timer";

/// The fields of a click that are used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    pub(crate) id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) person: &'a str,
    /// Empty when unknown.
    pub(crate) session: &'a str,
    pub(crate) customer: Option<&'a str>,
    /// Of the browser, if it is known.
    pub(crate) device: Option<&'a str>,
    pub(crate) page: Option<&'a str>,
    pub(crate) product: Option<&'a str>,
    /// When it happened, by the client's clock if that is plausible; milliseconds since the epoch.
    pub(crate) at: i64,
    /// When the collector received it: the clock of the decision.
    pub(crate) received_at: i64,
    /// Whether a timer sent it.
    pub(crate) by_timer: bool,
    pub(crate) value: &'a Value,
}

impl<'a> Event<'a> {
    /// Reads a click; `timestamp` replaces a missing `received_at`.
    pub(crate) fn read(value: &'a Value, timestamp: i64) -> Result<Self> {
        let text = |name: &str| -> Result<Option<&'a str>> {
            let text = value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            text.map_or(Ok(None), |text| if text.len() <= MAX_ID { Ok(Some(text)) } else { Err(too_long(name, text)) })
        };
        let needed = |name: &str| -> Result<&'a str> {
            text(name)?.ok_or_else(|| Error::data(format!("click has no text in field {name}")))
        };
        let received_at = value.get("received_at").and_then(Value::as_i64).unwrap_or(timestamp);
        if !(-MAX_TIME_MS..=MAX_TIME_MS).contains(&received_at) {
            return Err(Error::data(format!("click was received at {received_at}: that is no time in milliseconds")));
        }
        let claimed = value.get("ts").and_then(Value::as_i64);
        let (id, kind) = (needed("event_id")?, needed("type")?);
        let session = text("session_id")?.unwrap_or_default();
        let is_order = kind == ORDER && session.is_empty();
        // An order's time is the shop's own, and may be long ago.
        let earliest = if is_order { -MAX_TIME_MS } else { received_at - MAX_BEHIND_MS };
        let plausible = |at: &i64| (earliest..=received_at + MAX_AHEAD_MS).contains(at);
        let person = match text("person_id")? {
            None if is_order => needed("customer_id")?,
            _ => needed("person_id")?,
        };
        if person.contains('\0') {
            return Err(Error::data("click has a person_id with a NUL"));
        }
        Ok(Self {
            id,
            kind,
            person,
            session,
            customer: text("customer_id")?,
            device: text("device_id")?,
            page: text("page_id")?,
            product: text("product_id")?,
            at: claimed.filter(plausible).unwrap_or(received_at),
            received_at,
            by_timer: false,
            value,
        })
    }

    /// Whether it is a row of a table of orders. A browser's event, which has a session, is none: nobody can buy by claiming to.
    pub(crate) fn is_order(&self) -> bool {
        self.kind == ORDER && self.session.is_empty()
    }

    /// Whether its type is one that no browser may send. Such an event is no more than a sign of life.
    pub(crate) fn is_forged(&self) -> bool {
        match self.kind {
            DWELL_TIMER => !self.by_timer,
            ORDER => !self.is_order(),
            _ => false,
        }
    }

    /// The purposes in the field `consent`, with true for those that are agreed to.
    pub(crate) fn consents(&self) -> impl Iterator<Item = (&'a str, bool)> {
        let said = match self.value.get("consent") {
            Some(Value::Map(said)) => said.as_slice(),
            _ => &[],
        };
        said.iter().filter_map(|(purpose, granted)| Some((purpose.as_str()?, granted.as_bool()?)))
    }

    /// Whether a field is `true`.
    pub(crate) fn flag(&self, path: &str) -> bool {
        self.value.path(path).and_then(Value::as_bool).unwrap_or(false)
    }
}

#[cold]
fn too_long(name: &str, text: &str) -> Error {
    Error::data(format!("click has {} bytes in field {name}: at most {MAX_ID} are allowed", text.len()))
}
