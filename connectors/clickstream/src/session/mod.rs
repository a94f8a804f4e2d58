//! Signed session tokens, issued by the retailer's web server and verified by the connectors.
//!
//! A token is `v1.PAYLOAD.SIGNATURE`, both parts base64url without padding. The payload is the JSON object `{"s":
//! session id, "c": customer id if logged in, "e": expiry in ms since the epoch}`; the signature is HMAC-SHA256 of
//! `v1.PAYLOAD`. It is sent in an HttpOnly cookie, as `Authorization: Bearer`, or, where neither can be set (a beacon,
//! an EventSource of another site), as the query parameter `token`.

mod cookie;
#[cfg(test)]
mod fuzz;
mod token;

pub use self::cookie::{CookieOptions, cookie_value};
pub use self::token::{Session, Signer, TokenError};

/// The cookie's name unless configured.
pub const DEFAULT_COOKIE: &str = "tributary_session";
