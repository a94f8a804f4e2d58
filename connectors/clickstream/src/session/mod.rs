//! Signed session tokens, issued by the retailer's web server and verified by the connectors.
//!
//! A token is a JWT (RFC 7519) signed by HS256, with the claims `sid` (the session's id), `sub` (the customer's id, if logged
//! in) and `exp`: any JWT library issues it. It is sent in an HttpOnly cookie, as `Authorization: Bearer`, or, where neither
//! can be set (a beacon, an EventSource of another site), as the query parameter `token`.

mod claims;
mod cookie;
mod device;
#[cfg(test)]
mod fuzz;
mod token;

pub use self::cookie::{CookieOptions, cookie_value};
pub use self::token::{Session, Signer, TokenError};

/// The names of the cookies unless configured: of the session's, and of the device's.
pub const DEFAULT_COOKIE: &str = "tributary_session";
pub(crate) const DEFAULT_DEVICE_COOKIE: &str = "tributary_device";
