//! The sink: pushes records to the browsers of the person they are addressed to.
//!
//! [`Hub`](hub) keeps the last messages of each person in a ring and wakes the subscriptions; the rings are the only
//! queues, so a slow browser needs no memory of its own. When a browser resumes at a message that is no longer in the
//! ring, [`CatchUp`](catch_up) reads it from Kafka again, while the browser already receives new messages.

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
    person_id, else by the field session_id, else by the record's key. Browsers subscribe by server-sent events, \
    WebSocket or long poll, authorised by the signed session token; a person's records are sent to that person only. \
    Every message has an id; a subscription with Last-Event-ID (or the query parameter after) continues after it, from \
    memory or from Kafka. Delivery is at least once: an offset is committed replay.window.ms after its record was \
    read, so that after a restart pages that were disconnected get it again. Key the topic by person, so that a \
    person's records are in order in one partition and a resume finds all of them.";
