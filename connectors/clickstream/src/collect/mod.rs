//! The source: takes events over HTTP and answers 200 when the broker has them.
//!
//! A request is one unit all the way: its events are parsed and stamped together, wait in [`PendingRequests`](pending)
//! as one batch, and its answer is given when the last of them is acknowledged. What a request holds in memory is
//! reserved in the [`Budget`](budget) as it comes and as it is read. What is wrong with one event is that event's fault:
//! [`split`] finds where each ends before any is read.

mod body;
mod budget;
mod config;
mod connector;
mod endpoint;
#[cfg(test)]
mod fuzz;
mod json;
mod newcomers;
mod parse;
mod pending;
mod reading;
mod requests;
mod split;
mod stamp;
mod surrogates;
mod task;

pub(crate) use self::config::config_def;
pub(crate) use self::connector::ClickstreamSource;
pub(crate) use self::task::ClickstreamTask;

/// The paragraph of the generated documentation.
pub(crate) const DOC: &str = "Takes events of browsers over HTTP: one JSON object, an array or one object a line, gzip \
    or not, also as text/plain by sendBeacon. It answers 200 when the broker has acknowledged every event of the request; \
    503 with Retry-After asks to send again what may not have arrived, under the same event_id. Every event gets \
    event_id (kept when the client sends one), received_at, session_id, customer_id if logged in, and person_id (the \
    customer, else anon: and the session); a client cannot set these itself, but for event_id. Requests with DNT: 1 or \
    Sec-GPC: 1 are marked by the boolean fields dnt and gpc; what follows from that is for the pipeline to decide. At \
    least once: an event may be in the topic twice, under one event_id.";
