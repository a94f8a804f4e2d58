//! The cookie of a visitor's device.

use axum::http::request::Parts;

use super::SessionAuthenticator;
use crate::session::{CookieOptions, Session, cookie_value};

/// The cookie that outlives sessions.
#[derive(Clone, Debug)]
pub(crate) struct DeviceCookie {
    pub(crate) cookie: CookieOptions,
    pub(crate) max_age_seconds: i64,
}

/// Whether the browser asks not to be tracked. It then gets no device: what it does is known for a session only.
fn objects(parts: &Parts) -> bool {
    ["dnt", "sec-gpc"].into_iter().any(|name| says_yes(parts, name))
}

/// Whether a header is `1`.
pub(crate) fn says_yes(parts: &Parts, name: &str) -> bool {
    parts.headers.get(name).is_some_and(|value| value.as_bytes() == b"1")
}

impl SessionAuthenticator {
    /// The session on the device that the request's cookie names.
    pub(super) fn on_device(&self, session: Session, parts: &Parts, now: i64) -> Session {
        let device = self.device.as_ref().filter(|_| !objects(parts));
        let value = device.and_then(|device| cookie_value(&parts.headers, &device.cookie.name));
        match value.and_then(|value| self.signer.verify_device(value, now)) {
            Some(device) => session.on_device(device.id),
            None => session,
        }
    }

    /// The session on its device, and the `Set-Cookie` header by which the browser keeps it: for a browser that has none, or one
    /// from long ago. The first session of a device gives it its id, so that a browser that keeps its session but not this
    /// cookie is always the same person.
    pub(crate) fn keep_device(&self, session: Session, parts: &Parts, now: i64) -> (Session, Option<String>) {
        let Some(device) = self.device.as_ref().filter(|_| !objects(parts)) else { return (session, None) };
        let value = cookie_value(&parts.headers, &device.cookie.name);
        let known = value.and_then(|value| self.signer.verify_device(value, now));
        let is_kept = known.as_ref().is_some_and(|known| !known.is_old);
        let id = known.map_or_else(|| session.id().clone(), |known| known.id);
        let keep = || device.cookie.set(&self.signer.issue_device(&id, now), device.max_age_seconds);
        let cookie = (!is_kept).then(keep);
        (session.on_device(id), cookie)
    }
}
