use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::{Hmac, Mac};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use sha2::Sha256;
use tributary_api::{ByteString, Error, Result};
use uuid::Uuid;

/// As long as the signature: a shorter secret would be the weakest part, and could be guessed offline from a single
/// token.
const MIN_SECRET_BYTES: usize = 32;
/// Longer tokens are refused without being parsed.
const MAX_TOKEN_BYTES: usize = 1024;
const MAX_ID_BYTES: usize = 128;
/// `{"alg":"HS256","typ":"JWT"}`, the header of every token that is issued.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
/// The beginning of tokens of the format before JWT, which are accepted until they expire. The header of a JWT never begins
/// like this.
const OLD_FORMAT: &str = "v1.";
const ANONYMOUS: &str = "anon:";

/// The session and, if logged in, the customer of a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    id: ByteString,
    customer: Option<ByteString>,
    expires_at: i64,
}

impl Session {
    /// A new anonymous session, until a time in ms since the epoch.
    pub fn anonymous(expires_at: i64) -> Self {
        Self { id: Uuid::new_v4().to_string().into(), customer: None, expires_at }
    }

    /// A new session of a customer, until a time in ms since the epoch. A login starts a new session, so that a token
    /// planted in the browser before it (session fixation) gives no access to the customer's messages.
    ///
    /// # Errors
    /// `Config` when the id is empty, too long, holds control characters, or would read as an anonymous person.
    pub fn of_customer(customer: impl Into<ByteString>, expires_at: i64) -> Result<Self> {
        let customer = customer.into();
        if !is_id(&customer) || customer.starts_with(ANONYMOUS) {
            let message = format!(
                "a customer id has 1 to {MAX_ID_BYTES} bytes, no control characters, and does not begin with {ANONYMOUS}"
            );
            return Err(Error::config(message));
        }
        Ok(Self { customer: Some(customer), ..Self::anonymous(expires_at) })
    }

    /// The session in signed claims, if it is valid: others may sign with the secret too, and must not create a session
    /// with an invalid person.
    fn of_claims(claims: Claims, expires_at: i64) -> Option<Self> {
        let session = match claims.customer {
            Some(customer) => Self::of_customer(customer, expires_at).ok()?,
            None => Self { id: ByteString::new(), customer: None, expires_at },
        };
        is_id(&claims.session).then(|| Self { id: claims.session.into(), ..session })
    }

    /// The same session until another time.
    #[must_use]
    pub fn until(self, expires_at: i64) -> Self {
        Self { expires_at, ..self }
    }

    /// The session id.
    pub fn id(&self) -> &ByteString {
        &self.id
    }

    /// The customer who is logged in.
    pub fn customer(&self) -> Option<&ByteString> {
        self.customer.as_ref()
    }

    /// The customer id, else `anon:` and the session id.
    pub fn person(&self) -> ByteString {
        self.customer.clone().unwrap_or_else(|| format!("{ANONYMOUS}{}", self.id).into())
    }

    /// The end, in ms since the epoch.
    pub fn expires_at(&self) -> i64 {
        self.expires_at
    }
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Not a token, or not signed by a known secret.
    Forged,
    /// Signed, but expired.
    Expired,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forged => "the session token is not signed by this site: load the page again",
            Self::Expired => "the session has expired: load the page again",
        })
    }
}

impl std::error::Error for TokenError {}

/// Issues and verifies tokens. Cheap to clone; `Debug` shows nothing of the secrets.
#[derive(Clone)]
pub struct Signer {
    current: Hmac<Sha256>,
    previous: Vec<Hmac<Sha256>>,
}

impl Signer {
    /// A signer with a secret of 32 bytes or more.
    ///
    /// # Errors
    /// `Config` when it is shorter.
    pub fn new(secret: &str) -> Result<Self> {
        Ok(Self { current: keyed(secret)?, previous: Vec::new() })
    }

    /// The same signer, which also accepts tokens of an earlier secret, so that a secret can be changed without ending
    /// all sessions.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn also_accept(mut self, secret: &str) -> Result<Self> {
        self.previous.push(keyed(secret)?);
        Ok(self)
    }

    /// The token of a session. A token ends with a whole second, so up to one earlier than its session.
    pub fn issue(&self, session: &Session) -> String {
        let claims = Claims {
            session: session.id.to_string(),
            customer: session.customer.as_deref().map(str::to_owned),
            expires: session.expires_at.div_euclid(1000).into(),
            not_before: None,
            audience: None,
        };
        // Writing text and numbers to memory cannot fail; an empty payload would be refused by `verify`.
        let payload = serde_json::to_vec(&claims).unwrap_or_default();
        let signed = format!("{HEADER}.{}", BASE64URL.encode(payload));
        let signature = self.current.clone().chain_update(&signed).finalize().into_bytes();
        format!("{signed}.{}", BASE64URL.encode(signature))
    }

    /// The session of a token, at a time in ms since the epoch. The signature is compared in constant time.
    ///
    /// # Errors
    /// When the signature, the header or the claims are invalid, or the token has expired.
    pub fn verify(&self, token: &str, now: i64) -> Result<Session, TokenError> {
        let claims = self.signed_claims(token).ok_or(TokenError::Forged)?;
        let expires_at = millis(&claims.expires).ok_or(TokenError::Forged)?;
        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        if claims.not_before.as_ref().is_some_and(|begins| millis(begins).is_none_or(|begins| begins > now)) {
            return Err(TokenError::Forged);
        }
        Session::of_claims(claims, expires_at).ok_or(TokenError::Forged)
    }

    fn signed_claims(&self, token: &str) -> Option<Claims> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = BASE64URL.decode(signature).ok()?;
        let signs = |key: &Hmac<Sha256>| key.clone().chain_update(signed).verify_slice(&signature).is_ok();
        if !std::iter::once(&self.current).chain(&self.previous).any(signs) {
            return None;
        }
        if let Some(payload) = signed.strip_prefix(OLD_FORMAT) {
            let payload: OldPayload = serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()?;
            return Some(payload.into());
        }
        let (header, payload) = signed.split_once('.')?;
        if header != HEADER {
            let header: Header = serde_json::from_slice(&BASE64URL.decode(header).ok()?).ok()?;
            // Another algorithm is never accepted. `crit` names extensions that a reader must know.
            if header.alg != "HS256" || header.crit.is_some() {
                return None;
            }
        }
        let claims: Claims = serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()?;
        // A token with an audience is for another service that has the same secret.
        claims.audience.is_none().then_some(claims)
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<IgnoredAny>,
}

/// The claims of a JWT that have a meaning here; others are ignored.
#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "sid")]
    session: String,
    #[serde(rename = "sub", skip_serializing_if = "Option::is_none")]
    customer: Option<String>,
    #[serde(rename = "exp")]
    expires: Number,
    #[serde(rename = "nbf", skip_serializing)]
    not_before: Option<Number>,
    #[serde(rename = "aud", skip_serializing)]
    audience: Option<IgnoredAny>,
}

/// The payload of the format before JWT, whose expiry is in milliseconds.
#[derive(Deserialize)]
struct OldPayload {
    s: String,
    c: Option<String>,
    e: i64,
}

impl From<OldPayload> for Claims {
    fn from(payload: OldPayload) -> Self {
        let OldPayload { s, c, e } = payload;
        // Rounded down, as in a new token.
        let expires = e.div_euclid(1000).into();
        Self { session: s, customer: c, expires, not_before: None, audience: None }
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

fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && !id.contains(char::is_control)
}

fn keyed(secret: &str) -> Result<Hmac<Sha256>> {
    if secret.len() < MIN_SECRET_BYTES {
        return Err(Error::config(format!("the session secret is too short: use {MIN_SECRET_BYTES} bytes or more")));
    }
    Hmac::new_from_slice(secret.as_bytes())
        .map_err(|error| Error::config("cannot use the session secret").cause(&error))
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const OLD: &str = "an older secret of ours, which is long enough";

    #[test]
    fn a_token_is_verified_into_its_session() {
        let signer = Signer::new(SECRET).unwrap();
        for session in [Session::anonymous(2000), Session::of_customer("c-1", 2000).unwrap()] {
            assert_eq!(signer.verify(&signer.issue(&session), 1999), Ok(session));
        }
    }

    fn session(expires_at: i64) -> Session {
        Session { id: "s-1".into(), customer: Some("c-1".into()), expires_at }
    }

    /// A token that is signed with the secret, whatever it holds.
    fn signed(header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims));
        let signature = keyed(SECRET).unwrap().chain_update(&signed).finalize().into_bytes();
        format!("{signed}.{}", BASE64URL.encode(signature))
    }

    /// The tokens were made with Python's `hmac`.
    #[test]
    fn tokens_are_those_of_other_jwt_libraries() {
        let signer = Signer::new(SECRET).unwrap();
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzaWQiOiJzLTEiLCJzdWIiOiJjLTEiLCJleHAiOjJ9.\
                     LeCtKQSQAAUW2yriBJjav5RB7qSzXFILdvloUNjRrks";
        assert_eq!(signer.issue(&session(2999)), token);
        assert_eq!(signer.verify(token, 1), Ok(session(2000)));
        let other = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiIsImtpZCI6IjIwMjYifQ.\
                     eyJleHAiOjIuNSwiaWF0IjoxLCJzaWQiOiJzLTEiLCJzdWIiOiJjLTEiLCJpc3MiOiJzaG9wIn0.\
                     7Ox71KjHSdc1byK05c87SdDuzOca18cc_1ClI1Dj5yc";
        assert_eq!(signer.verify(other, 1), Ok(session(2500)));
    }

    #[test]
    fn a_token_of_the_format_before_jwt_is_accepted_until_it_expires() {
        let signer = Signer::new(SECRET).unwrap();
        let token = "v1.eyJzIjoicy0xIiwiYyI6ImMtMSIsImUiOjIwMDB9.EnMU3FQdr-O5xiNGH2OGKn36WfBLKTHZ-y-nrI6UIkA";
        assert_eq!(signer.verify(token, 1999), Ok(session(2000)));
        assert_eq!(signer.verify(token, 2000), Err(TokenError::Expired));
        assert_eq!(signer.verify(&token.replace("v1.", "v2."), 1), Err(TokenError::Forged));
    }

    #[test]
    fn headers_and_claims_that_forbid_a_token_are_obeyed() {
        let signer = Signer::new(SECRET).unwrap();
        let (header, claims) = (r#"{"alg":"HS256"}"#, r#"{"sid":"s-1","sub":"c-1","exp":2}"#);
        assert_eq!(signer.verify(&signed(header, claims), 1), Ok(session(2000)));
        for header in
            [r#"{"alg":"none"}"#, r#"{"alg":"HS512"}"#, r#"{"typ":"JWT"}"#, r#"{"alg":"HS256","crit":["b64"]}"#]
        {
            assert_eq!(signer.verify(&signed(header, claims), 1), Err(TokenError::Forged), "{header}");
        }
        for claims in [
            r#"{"sid":"s-1","sub":"c-1"}"#,
            r#"{"sub":"c-1","exp":2}"#,
            r#"{"sid":"s-1","exp":"2"}"#,
            r#"{"sid":"s-1","exp":1e300}"#,
            r#"{"sid":"s-1","exp":9223372036854775807}"#,
            r#"{"sid":"s-1","exp":2,"aud":"billing"}"#,
            r#"{"sid":"s-1","exp":3,"nbf":2}"#,
        ] {
            assert_eq!(signer.verify(&signed(header, claims), 1), Err(TokenError::Forged), "{claims}");
        }
        assert!(signer.verify(&signed(header, r#"{"sid":"s-1","exp":3,"nbf":2}"#), 2000).is_ok());
    }

    #[test]
    fn a_person_is_the_customer_or_the_session() {
        assert_eq!(Session::of_customer("c-1", 1).unwrap().person(), "c-1");
        let anonymous = Session::anonymous(1);
        assert_eq!(&*anonymous.person(), format!("anon:{}", anonymous.id()));
        assert!(Session::of_customer("anon:x", 1).is_err());
    }

    #[test]
    fn time_ends_a_token() {
        let signer = Signer::new(SECRET).unwrap();
        let token = signer.issue(&Session::anonymous(2000));
        assert_eq!(signer.verify(&token, 2000), Err(TokenError::Expired));
    }

    #[test]
    fn every_changed_byte_makes_a_forgery() {
        let signer = Signer::new(SECRET).unwrap();
        let token = signer.issue(&Session::of_customer("c-1", 2000).unwrap());
        // The last character of the signature has unused bits; the decoder refuses a token in which they are set.
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(signer.verify(&changed, 1), Err(TokenError::Forged), "byte {at}");
        }
        for garbage in ["", "v1.", "v1..", "v1.e30.", "a.b.c", "e30.e30.e30", &"v1.".repeat(1000)] {
            assert_eq!(signer.verify(garbage, 1), Err(TokenError::Forged));
        }
    }

    #[test]
    fn a_signed_token_holds_only_valid_session_ids() {
        let signer = Signer::new(SECRET).unwrap();
        let sign = |id: &str, customer: Option<&str>| {
            let customer = customer.map(|customer| customer.to_owned().into());
            signer.issue(&Session { id: id.to_owned().into(), customer, expires_at: 2000 })
        };
        assert!(signer.verify(&sign("s", Some("c-1")), 1).is_ok());
        let long = "x".repeat(MAX_ID_BYTES + 1);
        for customer in ["", "anon:x", "a\nb", "a\u{1b}[31m", &long] {
            assert_eq!(signer.verify(&sign("s", Some(customer)), 1), Err(TokenError::Forged), "{customer:?}");
            assert!(Session::of_customer(customer.to_owned(), 1).is_err(), "{customer:?}");
        }
        for id in ["", "a\nb", &long] {
            assert_eq!(signer.verify(&sign(id, None), 1), Err(TokenError::Forged), "{id:?}");
        }
    }

    #[test]
    fn an_earlier_secret_is_accepted_while_it_is_named() {
        let old = Signer::new(OLD).unwrap();
        let token = old.issue(&Session::anonymous(2000));
        let new = Signer::new(SECRET).unwrap();
        assert_eq!(new.verify(&token, 1), Err(TokenError::Forged));
        assert!(new.also_accept(OLD).unwrap().verify(&token, 1).is_ok());
    }

    #[test]
    fn secrets_are_long_enough_and_hidden() {
        assert!(Signer::new(&SECRET[1..]).unwrap_err().to_string().contains("32 bytes"));
        assert!(!format!("{:?}", Signer::new(SECRET).unwrap()).contains(SECRET));
    }
}
