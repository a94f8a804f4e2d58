//! The source: accepts events over HTTP and answers 200 when the broker has acknowledged them.
//!
//! A request stays one unit: its events are parsed and stamped together, wait in [`PendingRequests`](pending) as one
//! batch, and the request is answered when the last of them is acknowledged. Its memory is reserved in the
//! [`Budget`](budget) as the body arrives and is parsed. An invalid event does not affect the others: [`split`] finds
//! the end of each event before any is parsed.

mod admission;
mod body;
mod body_reader;
mod bots;
mod budget;
mod config;
mod connector;
mod encoding;
mod endpoint;
mod envelope;
mod event_schema;
#[cfg(test)]
mod fuzz;
mod json;
mod new_session_limit;
mod parse;
mod pending;
mod pixel;
mod requests;
mod sources;
mod split;
mod stamp;
mod surrogates;
mod task;

pub(crate) use self::config::config_def;
pub(crate) use self::connector::ClickstreamSource;
pub(crate) use self::task::ClickstreamTask;

/// The paragraph of the generated documentation.
pub(crate) const DOC: &str = "Takes events of browsers over HTTP: one JSON object, an array, an envelope \
    {batch: [...], sent_at} or one object a line, plain or as gzip, deflate, br or zstd, also as text/plain by sendBeacon. It answers 200 when the broker has acknowledged every event of the \
    request, and 503 with Retry-After when the client should send the events again, with the same event_id. Every \
    event gets event_id (kept when the client sends one), received_at, session_id, device_id, customer_id if logged \
    in, and person_id (the customer, else anon: and the device, or the session); a client can set only event_id itself. \
    Requests with DNT: 1 or Sec-GPC: 1 are marked by the boolean fields dnt and gpc and have no device; the connector \
    treats them like others otherwise. Delivery is at \
    least once: an event may be in the topic twice, with the same event_id.";
