//! The sink: pushes records to the browsers of the person they are for.
//!
//! [`Hub`](hub) keeps the last messages of each person in a ring and wakes the subscriptions; the rings are the only
//! queue, so that a slow browser costs no memory of its own. What a ring no longer holds when a browser resumes is read
//! from Kafka again by [`CatchUp`](catch_up), while the browser listens already.

mod address;
mod catch_up;
mod config;
mod connector;
mod endpoints;
#[cfg(test)]
mod fuzz;
mod hub;
mod long_poll;
mod message;
mod replay_window;
mod ring;
mod rings;
mod sse;
mod subscriber;
mod subscription;
mod task;
mod websocket;

pub(crate) use self::config::config_def;
pub(crate) use self::connector::SessionDelivery;
pub(crate) use self::task::DeliveryTask;

/// The paragraph of the generated documentation.
pub(crate) const DOC: &str = "Pushes each record to the open pages of the person it is for: named by the field \
    person_id, else by the field session_id, else by the record's key. Browsers listen by server-sent events, WebSocket or \
    long poll, each authorised by the signed session token; nobody can listen to another one's records. Every message has \
    an id; Last-Event-ID (or the query parameter after) goes on after it, from memory or from Kafka. At least once: an \
    offset is committed once a record was held for replay.window.ms, so that a restart shows it again to who was away. \
    Key the topic by person: then a person's records have one order, and a resume finds all of them.";
