use tributary_api::{Error, Result, Value};

/// A clock on the client's side is believed if it is not further than this ahead of the server's, in milliseconds.
const MAX_AHEAD_MS: i64 = 5 * 60_000;
/// Nor further than this behind: events may have waited in the browser.
const MAX_BEHIND_MS: i64 = 24 * 3_600_000;

/// A page of a product was opened.
pub(crate) const PRODUCT_VIEW: &str = "product_view";
/// A page was opened.
pub(crate) const PAGE_VIEW: &str = "page_view";
/// A page is looked at, told from time to time.
pub(crate) const HEARTBEAT: &str = "heartbeat";
/// Made by a timer: nothing was heard since a product's page was opened.
pub(crate) const DWELL_TIMER: &str = "dwell_timer";

/// What is read of a click.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    pub(crate) id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) person: &'a str,
    /// Empty when unknown.
    pub(crate) session: &'a str,
    pub(crate) customer: Option<&'a str>,
    pub(crate) page: Option<&'a str>,
    pub(crate) product: Option<&'a str>,
    /// When it happened, by the client's clock if that can be believed; milliseconds since the epoch.
    pub(crate) at: i64,
    /// When the collector took it: the clock of the decision.
    pub(crate) received_at: i64,
    pub(crate) value: &'a Value,
}

impl<'a> Event<'a> {
    /// Reads a click; `timestamp` stands in for a missing `received_at`.
    pub(crate) fn read(value: &'a Value, timestamp: i64) -> Result<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let needed = |name: &str| text(name).ok_or_else(|| Error::data(format!("click has no text in field {name}")));
        let received_at = value.get("received_at").and_then(Value::as_i64).unwrap_or(timestamp);
        let told = value.get("ts").and_then(Value::as_i64);
        let plausible = |at: &i64| (received_at - MAX_BEHIND_MS..=received_at + MAX_AHEAD_MS).contains(at);
        Ok(Self {
            id: needed("event_id")?,
            kind: needed("type")?,
            person: needed("person_id")?,
            session: text("session_id").unwrap_or_default(),
            customer: text("customer_id"),
            page: text("page_id"),
            product: text("product_id"),
            at: told.filter(plausible).unwrap_or(received_at),
            received_at,
            value,
        })
    }

    /// Whether a field says true.
    pub(crate) fn flag(&self, path: &str) -> bool {
        self.value.path(path).and_then(Value::as_bool).unwrap_or(false)
    }
}
