use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tributary_api::{ByteString, Error, Result};
use uuid::Uuid;

use super::claims::{self, Claims};

/// As long as the signature: a shorter secret would be the weakest part, and could be guessed offline from a single
/// token.
const MIN_SECRET_BYTES: usize = 32;
/// Longer tokens are refused without being parsed.
const MAX_TOKEN_BYTES: usize = 1024;
/// The latest end of a token, in the year 5138: an `exp` that was written in milliseconds is later, and would make a token
/// that never ends.
const LATEST_END_MS: i64 = 100_000_000_000_000;
const MAX_ID_BYTES: usize = 128;
const MAX_KEY_ID_BYTES: usize = 64;
const ANONYMOUS: &str = "anon:";

/// The session and, if logged in, the customer of a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    id: ByteString,
    customer: Option<ByteString>,
    /// Where it takes place, if that is known.
    pub(super) device: Option<ByteString>,
    expires_at: i64,
}

impl Session {
    /// A new anonymous session, until a time in ms since the epoch.
    pub fn anonymous(expires_at: i64) -> Self {
        Self { id: Uuid::new_v4().to_string().into(), customer: None, device: None, expires_at }
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
            None => Self { id: ByteString::new(), customer: None, device: None, expires_at },
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

    /// The device, if it is known.
    pub fn device(&self) -> Option<&ByteString> {
        self.device.as_ref()
    }

    /// The customer id, else `anon:` and the device's id, else `anon:` and the session id.
    pub fn person(&self) -> ByteString {
        let anonymous = || format!("{ANONYMOUS}{}", self.device.as_ref().unwrap_or(&self.id)).into();
        self.customer.clone().unwrap_or_else(anonymous)
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
    /// Signed, but its `nbf` is more than a minute ahead.
    NotYet,
    /// Signed, but its `exp` is after the year 5138, as it is when it was written in milliseconds.
    TooLong,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forged => "the session token is not signed by this site: load the page again",
            Self::Expired => "the session has expired: load the page again",
            Self::NotYet => {
                "the session token is not valid yet: the clocks of this server and of the token's issuer differ"
            }
            Self::TooLong => "the session token ends after the year 5138: its issuer must give exp in seconds",
        })
    }
}

impl std::error::Error for TokenError {}

/// Issues and verifies tokens. Cheap to clone; `Debug` shows nothing of the secrets.
#[derive(Clone)]
pub struct Signer {
    /// The one that signs comes first.
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    /// What tokens name it by, in `kid`.
    id: Option<String>,
    /// Of tokens that it signs.
    header: String,
    mac: Hmac<Sha256>,
}

impl Signer {
    /// A signer with a secret of 32 bytes or more.
    ///
    /// # Errors
    /// `Config` when it is shorter.
    pub fn new(secret: &str) -> Result<Self> {
        Ok(Self { keys: vec![Key::new(None, secret)?] })
    }

    /// The same signer, which also accepts tokens of an earlier secret, so that a secret can be changed without ending
    /// all sessions.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn also_accept(mut self, secret: &str) -> Result<Self> {
        self.keys.push(Key::new(None, secret)?);
        Ok(self)
    }

    /// The same signer, which also accepts tokens that name this key in `kid` and are signed with its secret.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when the id is not 1 to 64 letters, digits, `-`, `_`, `.` or `:`, or is another key's.
    pub fn with_key(mut self, id: &str, secret: &str) -> Result<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if !(1..=MAX_KEY_ID_BYTES).contains(&id.len()) || !id.bytes().all(is_plain) {
            let message = format!("the id of a key has 1 to {MAX_KEY_ID_BYTES} letters, digits, -, _, . and :");
            return Err(Error::config(message));
        }
        if self.has_key(id) {
            return Err(Error::config(format!("two keys have the id {id}: give each its own")));
        }
        self.keys.push(Key::new(Some(id), secret)?);
        Ok(self)
    }

    /// The same signer, which signs with the key of an id.
    ///
    /// # Errors
    /// `Config` when there is none.
    pub fn sign_with(mut self, id: &str) -> Result<Self> {
        let at = self.keys.iter().position(|key| key.id.as_deref() == Some(id));
        let at = at.ok_or_else(|| Error::config(format!("there is no key {id}: name one of session.keys")))?;
        self.keys.swap(0, at);
        Ok(self)
    }

    /// The token of a session. A token ends with a whole second, so up to one earlier than its session.
    pub fn issue(&self, session: &Session) -> String {
        let customer = session.customer.as_deref().map(str::to_owned);
        // There is always one.
        let Some(key) = self.keys.first() else { return String::new() };
        let claims = Claims::new(session.id.to_string(), customer, session.expires_at);
        key.sign(&claims.to_signed_part(&key.header))
    }

    /// A text with its signature.
    pub(super) fn sign(&self, signed: &str) -> String {
        self.keys.first().map(|key| key.sign(signed)).unwrap_or_default()
    }

    /// The session of a token, at a time in ms since the epoch. The signature is compared in constant time.
    ///
    /// # Errors
    /// When the signature, the header or the claims are invalid, or the token has expired.
    pub fn verify(&self, token: &str, now: i64) -> Result<Session, TokenError> {
        let claims = self.signed_claims(token).ok_or(TokenError::Forged)?;
        let expires_at = claims.expires_at().ok_or(TokenError::Forged)?;
        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        if expires_at > LATEST_END_MS {
            return Err(TokenError::TooLong);
        }
        if !claims.has_begun(now) {
            return Err(TokenError::NotYet);
        }
        Session::of_claims(claims, expires_at).ok_or(TokenError::Forged)
    }

    fn signed_claims(&self, token: &str) -> Option<Claims> {
        // An unknown id is no reason to refuse: issuers may name a key of which only the secret is known here.
        let named = |signed: &str| claims::key_id(signed).filter(|id| self.has_key(id));
        Claims::of_signed_part(self.signed_by(token, |key, signed| key.id == named(signed))?)
    }

    /// The text that a signature is of; none if it is not of one of the keys.
    pub(super) fn signed_part<'a>(&self, token: &'a str) -> Option<&'a str> {
        self.signed_by(token, |_, _| true)
    }

    fn signed_by<'a>(&self, token: &'a str, is_candidate: impl Fn(&Key, &str) -> bool) -> Option<&'a str> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = BASE64URL.decode(signature).ok()?;
        let mut candidates = self.keys.iter().filter(|key| is_candidate(key, signed));
        let is_signed = candidates.any(|key| key.mac.clone().chain_update(signed).verify_slice(&signature).is_ok());
        is_signed.then_some(signed)
    }

    fn has_key(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }
}

impl Key {
    /// A text with its signature.
    fn sign(&self, signed: &str) -> String {
        let signature = self.mac.clone().chain_update(signed).finalize().into_bytes();
        format!("{signed}.{}", BASE64URL.encode(signature))
    }

    fn new(id: Option<&str>, secret: &str) -> Result<Self> {
        let header = id.map_or_else(|| claims::HEADER.to_owned(), claims::header_of_key);
        Ok(Self { id: id.map(str::to_owned), header, mac: keyed(secret)? })
    }
}

pub(super) fn is_id(id: &str) -> bool {
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
mod tests;
