use axum::http::header::{AUTHORIZATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tributary_api::time::now_ms;

use super::device::DeviceCookie;
use super::{refuse, with_header};
use crate::session::{CookieOptions, Session, Signer, TokenError, cookie_value};

/// Reads the session from a request's token.
#[derive(Clone, Debug)]
pub(crate) struct SessionAuthenticator {
    pub(crate) signer: Signer,
    pub(crate) cookie: CookieOptions,
    /// None when devices get no cookie.
    pub(crate) device: Option<DeviceCookie>,
    /// Whether the token may come as the query parameter `token`.
    pub(crate) query_token: bool,
}

/// A request without a valid session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It has no token.
    Absent,
    /// Its token is not valid.
    Invalid { error: TokenError, from_cookie: bool },
}

impl SessionAuthenticator {
    /// The session of a request: from `Authorization: Bearer`, otherwise the query parameter `token`, otherwise the
    /// cookie. It has a device if the request has its cookie.
    pub(crate) fn session(&self, parts: &Parts) -> Result<Session, Denied> {
        let in_query = || query(parts, "token").filter(|_| self.query_token);
        let (token, from_cookie) = match bearer(&parts.headers).or_else(in_query) {
            Some(token) => (token, false),
            None => (cookie_value(&parts.headers, &self.cookie.name).ok_or(Denied::Absent)?, true),
        };
        let now = now_ms();
        let session = self.signer.verify(token, now).map_err(|error| Denied::Invalid { error, from_cookie })?;
        Ok(self.on_device(session, parts, now))
    }

    /// Whether the request's session is in its cookie, or will be.
    pub(crate) fn is_by_cookie(&self, parts: &Parts) -> bool {
        bearer(&parts.headers).is_none() && !(self.query_token && query(parts, "token").is_some())
    }

    /// A new anonymous session, and the `Set-Cookie` header that stores it in the browser.
    pub(crate) fn begin(&self, now: i64, ttl_ms: i64) -> (Session, String) {
        let session = Session::anonymous(now.saturating_add(ttl_ms));
        let cookie = self.cookie.set(&self.signer.issue(&session), ttl_ms / 1000);
        (session, cookie)
    }

    /// 401 with the reason. An invalid cookie is removed, because a script cannot remove it and it would make every
    /// later request fail; one that is not valid yet stays.
    pub(crate) fn denial(&self, denied: &Denied) -> Response {
        let (reason, remove) = match denied {
            Denied::Absent => ("a session token is needed: load a page of the shop first".to_owned(), false),
            Denied::Invalid { error, from_cookie } => (error.to_string(), *from_cookie && *error != TokenError::NotYet),
        };
        let response = refuse(StatusCode::UNAUTHORIZED, &reason);
        if remove { with_header(response, SET_COOKIE, &self.cookie.remove()) } else { response }
    }
}

/// The value of a query parameter that needs no decoding: tokens, cursors and numbers.
pub(crate) fn query<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let pairs = parts.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
