use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;

/// `{"alg":"HS256","typ":"JWT"}`, the header of tokens that are signed with a key without an id.
pub(super) const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
/// The beginning of tokens of the format before JWT, which are accepted until they expire. The header of a JWT never begins
/// like this.
const OLD_FORMAT: &str = "v1.";

/// How far the clock of a token's issuer may be ahead.
const LEEWAY_MS: i64 = 60_000;

/// The claims of a JWT that have a meaning here; others are ignored.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    #[serde(rename = "sid")]
    pub(super) session: String,
    #[serde(rename = "sub", skip_serializing_if = "Option::is_none")]
    pub(super) customer: Option<String>,
    #[serde(rename = "exp")]
    expires: Number,
    #[serde(rename = "nbf", skip_serializing)]
    not_before: Option<Number>,
    #[serde(rename = "aud", skip_serializing, default, deserialize_with = "is_there")]
    has_audience: bool,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    #[serde(rename = "crit", default, deserialize_with = "is_there")]
    has_extensions: bool,
    kid: Option<String>,
}

/// The header of tokens that are signed with the key of an id.
pub(super) fn header_of_key(id: &str) -> String {
    #[derive(Serialize)]
    struct Issued<'a> {
        alg: &'a str,
        typ: &'a str,
        kid: &'a str,
    }
    // Writing text to memory cannot fail; an empty header would be refused by a reader.
    BASE64URL.encode(serde_json::to_vec(&Issued { alg: "HS256", typ: "JWT", kid: id }).unwrap_or_default())
}

/// The id of the key that a token says it is signed with. It says no more than where to look: the signature decides.
pub(super) fn key_id(signed: &str) -> Option<String> {
    let (header, _) = signed.split_once('.')?;
    if header == HEADER {
        return None;
    }
    serde_json::from_slice::<Header>(&BASE64URL.decode(header).ok()?).ok()?.kid
}

/// A member is there, even if it is null.
fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// The payload of the format before JWT, whose expiry is in milliseconds.
#[derive(Deserialize)]
struct OldPayload {
    s: String,
    c: Option<String>,
    e: i64,
}

impl Claims {
    /// The claims of a session that ends at a time in ms since the epoch; rounded down to a second.
    pub(super) fn new(session: String, customer: Option<String>, expires_at: i64) -> Self {
        let expires = expires_at.div_euclid(1000).into();
        Self { session, customer, expires, not_before: None, has_audience: false }
    }

    /// The signed part of a token with these claims.
    pub(super) fn to_signed_part(&self, header: &str) -> String {
        // Writing text and numbers to memory cannot fail; an empty payload would be refused by a reader.
        let payload = serde_json::to_vec(self).unwrap_or_default();
        format!("{header}.{}", BASE64URL.encode(payload))
    }

    /// Reads the signed part of a token whose signature is right.
    pub(super) fn of_signed_part(signed: &str) -> Option<Self> {
        if let Some(payload) = signed.strip_prefix(OLD_FORMAT) {
            let payload: OldPayload = serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()?;
            return Some(Self::new(payload.s, payload.c, payload.e));
        }
        let (header, payload) = signed.split_once('.')?;
        if header != HEADER {
            let header: Header = serde_json::from_slice(&BASE64URL.decode(header).ok()?).ok()?;
            // Another algorithm is never accepted, nor a token of another kind (such as `at+jwt`) with the same secret. `crit`
            // names extensions that a reader must know.
            let is_jwt = header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
            if header.alg != "HS256" || !is_jwt || header.has_extensions {
                return None;
            }
        }
        let claims: Self = serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()?;
        // A token with an audience is for another service that has the same secret.
        (!claims.has_audience).then_some(claims)
    }

    /// The end, in ms since the epoch; `None` if it is no time.
    pub(super) fn expires_at(&self) -> Option<i64> {
        millis(&self.expires)
    }

    /// Whether the token is already valid, at a time in ms since the epoch. The issuer's clock may be ahead by a minute: many
    /// libraries let a token begin when it is issued.
    pub(super) fn has_begun(&self, now: i64) -> bool {
        self.not_before.as_ref().is_none_or(|begins| millis(begins).is_some_and(|begins| begins <= now + LEEWAY_MS))
    }
}

/// The milliseconds of a time in seconds since the epoch, which may have a fraction.
fn millis(seconds: &Number) -> Option<i64> {
    match seconds.as_i64() {
        Some(seconds) => seconds.checked_mul(1000),
        None => {
            let millis = seconds.as_f64()? * 1000.0;
            // Beyond 2^53 a double has no single milliseconds.
            (millis.abs() < 9e15).then_some(millis as i64)
        }
    }
}
