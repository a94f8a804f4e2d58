use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use tributary_clickstream::session::{Session, cookie_value};

use crate::DemoCustomer;
use crate::state::ShopState;

/// A session ends after half an hour without a page.
pub(crate) const SESSION_SECONDS: i64 = 30 * 60;

/// The visitor of a page.
pub(crate) struct Visitor {
    pub(crate) session: Session,
    pub(crate) customer: Option<DemoCustomer>,
    /// The host by which the browser knows this server.
    pub(crate) host: Option<String>,
    /// For the browser to keep, when the session is new or more than half over.
    pub(crate) cookie: Option<String>,
}

impl Visitor {
    /// A value that differs between visitors of the same browser.
    pub(crate) fn fingerprint(&self) -> String {
        Sha256::digest(self.session.id().as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl FromRequestParts<Arc<ShopState>> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<ShopState>) -> Result<Self, Self::Rejection> {
        let now = now_ms();
        let token = cookie_value(&parts.headers, &shop.cookie.name);
        let known = token.and_then(|token| shop.signer.verify(token, now).ok());
        let is_known = |session: &Session| session.customer().is_none_or(|id| shop.customer(id).is_some());
        let (session, renew) = match known.filter(is_known) {
            Some(session) => {
                let renew = session.expires_at() - now < SESSION_SECONDS * 1000 / 2;
                (if renew { session.until(ends_at(now)) } else { session }, renew)
            }
            None => (Session::anonymous(ends_at(now)), true),
        };
        let customer = session.customer().and_then(|id| shop.customer(id)).cloned();
        let host = text(&parts.headers, header::HOST).map(str::to_owned);
        let cookie = renew.then(|| shop.cookie.set(&shop.signer.issue(&session), SESSION_SECONDS));
        Ok(Self { session, customer, host, cookie })
    }
}

/// When a session ends that begins or goes on now.
pub(crate) fn ends_at(now: i64) -> i64 {
    now + SESSION_SECONDS * 1000
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// The text of a header.
pub(crate) fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
