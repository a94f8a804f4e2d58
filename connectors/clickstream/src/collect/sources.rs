//! Who sends: sources with an API key or a secret of their own, such as an app or another server.

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::time::Instant;
use tributary_api::{ByteString, Error, Result};

use crate::http::query;

const KEY_HEADERS: [&str; 2] = ["x-api-key", "x-write-key"];
const KEY_PARAMETER: &str = "key";
/// `source=NAME,t=MS,v1=HEX`: HMAC-SHA256 of the text `MS.` and the body as it is sent.
const SIGNATURE_HEADER: &str = "x-signature";
const BURST: Duration = Duration::from_secs(1);
const MAX_NAME_BYTES: usize = 64;
/// As long as the signature.
const MIN_SECRET_BYTES: usize = 32;

/// The sources of a configuration.
#[derive(Debug, Default)]
pub(super) struct Sources {
    sources: Vec<Source>,
    settings: SourceSettings,
}

/// What applies to all sources.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SourceSettings {
    /// A request that names no source is refused.
    pub(super) required: bool,
    /// How far the time of a signature may be from this clock, in ms.
    pub(super) signature_age_ms: i64,
    /// How many events a source may send in a second; 0 is no limit.
    pub(super) events_per_second: u32,
}

struct Source {
    name: ByteString,
    proof: Proof,
    /// When the events that it has sent are within its rate again.
    available_at: Mutex<Option<Instant>>,
}

enum Proof {
    /// The SHA-256 of its API key.
    KeyHash([u8; 32]),
    /// The key of its signatures.
    Signature(Hmac<Sha256>),
}

/// The source of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender<'a> {
    source: &'a Source,
    /// To be verified when the body is there.
    signature: Option<Signature>,
}

#[derive(Clone, Copy, Debug)]
struct Signature {
    signed_at: i64,
    mac: [u8; 32],
}

/// Why a request is not taken from a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceError {
    /// It names none.
    Absent,
    /// Its key or its signature is not known.
    Unknown,
    /// Its signature is of another time.
    Stale,
}

impl SourceError {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Absent => "an API key or a signature is needed: send x-api-key or x-signature",
            Self::Unknown => "the API key or the signature is not known: look at api.keys and signature.keys",
            Self::Stale => "the signature is of another time: sign each request anew, with a clock that is right",
        }
    }
}

impl Sources {
    /// `keys` are `NAME=SHA256` with the hash in hexadecimal digits, `secrets` are `NAME=SECRET`.
    pub(super) fn new(keys: &[String], secrets: &str, settings: SourceSettings) -> Result<Self, (bool, Error)> {
        let mut sources = Self { sources: Vec::new(), settings };
        for pair in keys {
            sources.add_key(pair).map_err(|error| (true, error))?;
        }
        for pair in secrets.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            sources.add_secret(pair).map_err(|error| (false, error))?;
        }
        Ok(sources)
    }

    fn add_key(&mut self, pair: &str) -> Result<()> {
        let form = || Error::config("write NAME=HASH, with the SHA-256 of the key in 64 hexadecimal digits");
        let (name, hash) = pair.split_once('=').ok_or_else(form)?;
        let hash = from_hex(hash.trim()).ok_or_else(form)?;
        self.add(name, Proof::KeyHash(hash))
    }

    fn add_secret(&mut self, pair: &str) -> Result<()> {
        let (name, secret) =
            pair.split_once('=').ok_or_else(|| Error::config("write a list of NAME=SECRET, separated by commas"))?;
        if secret.trim().len() < MIN_SECRET_BYTES {
            return Err(Error::config(format!("a secret is too short: use {MIN_SECRET_BYTES} bytes or more")));
        }
        let mac = Hmac::new_from_slice(secret.trim().as_bytes())
            .map_err(|error| Error::config("cannot use a secret").cause(&error))?;
        self.add(name, Proof::Signature(mac))
    }

    fn add(&mut self, name: &str, proof: Proof) -> Result<()> {
        let name = name.trim();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !name.bytes().all(is_plain) {
            let message = format!("the name of a source has 1 to {MAX_NAME_BYTES} letters, digits, -, _ and .");
            return Err(Error::config(message));
        }
        self.sources.push(Source { name: name.into(), proof, available_at: Mutex::default() });
        Ok(())
    }

    /// The source that a request names, if any.
    pub(super) fn sender(&self, parts: &Parts, now: i64) -> Result<Option<Sender<'_>>, SourceError> {
        if self.sources.is_empty() {
            return Ok(None);
        }
        if let Some(header) = text(parts, SIGNATURE_HEADER) {
            return self.signed(header, now).map(Some);
        }
        match api_key(parts) {
            Some(key) => self.with_key(&key).map(Some),
            None if self.settings.required => Err(SourceError::Absent),
            None => Ok(None),
        }
    }

    fn with_key(&self, key: &str) -> Result<Sender<'_>, SourceError> {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        // How many bytes of two hashes are equal tells nothing of the key.
        let source =
            self.sources.iter().find(|source| matches!(&source.proof, Proof::KeyHash(known) if *known == hash));
        source.map(|source| Sender { source, signature: None }).ok_or(SourceError::Unknown)
    }

    fn signed(&self, header: &str, now: i64) -> Result<Sender<'_>, SourceError> {
        let field = |name: &str| {
            let mut fields = header.split(',').filter_map(|field| field.trim().split_once('='));
            fields.find(|(field, _)| *field == name).map(|(_, value)| value).ok_or(SourceError::Unknown)
        };
        let (name, at, mac) = (field("source")?, field("t")?, field("v1")?);
        let mac = from_hex(mac).ok_or(SourceError::Unknown)?;
        let signed_at: i64 = at.parse().map_err(|_| SourceError::Unknown)?;
        let source = self.sources.iter().find(|source| source.name == name && source.proof.is_signature());
        let source = source.ok_or(SourceError::Unknown)?;
        if now.saturating_sub(signed_at).saturating_abs() > self.settings.signature_age_ms {
            return Err(SourceError::Stale);
        }
        Ok(Sender { source, signature: Some(Signature { signed_at, mac }) })
    }

    /// Counts events of a source.
    ///
    /// # Errors
    /// How long to wait, when its rate is reached.
    pub(super) fn admit(&self, sender: Sender<'_>, events: usize) -> Result<(), Duration> {
        if self.settings.events_per_second == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let mut available_at = sender.source.available_at.lock();
        let begins = available_at.unwrap_or(now);
        if let Some(wait) = begins.checked_duration_since(now).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        // What was not used lately may be used at once; a large request is paid for afterwards.
        let begins = begins.max(now.checked_sub(BURST).unwrap_or(now));
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        *available_at = begins.checked_add(BURST.saturating_mul(events) / self.settings.events_per_second);
        Ok(())
    }
}

impl Sender<'_> {
    pub(super) fn name(&self) -> &ByteString {
        &self.source.name
    }

    /// Verifies the signature, if there is one, of a body as it was sent; in constant time.
    pub(super) fn verify(&self, body: &[u8]) -> Result<(), SourceError> {
        let (Proof::Signature(key), Some(signature)) = (&self.source.proof, self.signature) else { return Ok(()) };
        let mac = key.clone().chain_update(signature.signed_at.to_string()).chain_update(b".").chain_update(body);
        mac.verify_slice(&signature.mac).map_err(|_| SourceError::Unknown)
    }
}

impl Proof {
    fn is_signature(&self) -> bool {
        matches!(self, Self::Signature(_))
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({}, [hidden])", self.name)
    }
}

/// From a header, the name of basic authentication, or the query, which is the only place for a beacon.
fn api_key(parts: &Parts) -> Option<String> {
    if let Some(key) = KEY_HEADERS.iter().find_map(|name| text(parts, name)) {
        return Some(key.to_owned());
    }
    let basic = text(parts, AUTHORIZATION.as_str()).and_then(|value| value.split_once(' '));
    let basic = basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    if let Some((_, pair)) = basic {
        let pair = String::from_utf8(BASE64.decode(pair.trim()).ok()?).ok()?;
        return Some(pair.split(':').next().unwrap_or_default().to_owned());
    }
    query(parts, KEY_PARAMETER).map(str::to_owned)
}

fn text<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
