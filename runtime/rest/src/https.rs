//! HTTPS: Java's settings `ssl.*`, as far as they are supported; others are refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tributary_api::{Error, Props, Result};
use tributary_listener::{ClientAuth, Pem, Tls, TlsOptions};

use crate::keystore::{Store, Stores};

const RELOAD_EVERY: Duration = Duration::from_secs(10);
/// Settings that need a JVM.
const JAVA_ONLY: [&str; 3] = ["ssl.engine.factory.class", "ssl.provider", "ssl.cipher.suites"];

/// The settings of one kind of listener.
struct Ssl<'a> {
    props: &'a Props,
    prefix: &'a str,
}

/// TLS by the settings under a prefix (`listeners.https.`), or, if it has none at all, by those without it. Reads the files.
///
/// # Errors
/// `Config`, naming the setting.
pub fn from_props(props: &Props, prefix: &str) -> Result<Tls> {
    let own = props.range(prefix.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(prefix));
    let ssl = Ssl { props, prefix: if own { prefix } else { "" } };
    if let Some(name) = JAVA_ONLY.iter().find(|name| ssl.get(name).is_some()) {
        return Err(Error::config(format!("{} is not supported here: remove it", ssl.full(name))));
    }
    let options = TlsOptions {
        only_tls13: ssl.only_tls13()?,
        client_auth: ssl.client_auth()?,
        source: Arc::new(Stores { keys: ssl.keys()?, trusted: ssl.trusted()? }),
        reload_every: RELOAD_EVERY,
    };
    let wrong = |error| Error::config(format!("{} cannot be used", ssl.full("ssl.keystore"))).cause(&error);
    Tls::load(options).map_err(wrong)
}

impl Ssl<'_> {
    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.props.get(&self.full(name)).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn only_tls13(&self) -> Result<bool> {
        let enabled = self.get("ssl.enabled.protocols").or_else(|| self.get("ssl.protocol"));
        let Some(enabled) = enabled else { return Ok(false) };
        let names: Vec<&str> = enabled.split(',').map(str::trim).collect();
        // `TLS` means all versions; those before 1.2 are not supported.
        match (names.contains(&"TLSv1.3"), names.contains(&"TLSv1.2") || names.contains(&"TLS")) {
            (true, with_older) => Ok(!with_older && self.get("ssl.enabled.protocols").is_some()),
            (false, true) if names == ["TLS"] => Ok(false),
            (false, _) => Err(Error::config(format!(
                "{} is {enabled}: it must contain TLSv1.3, and may contain TLSv1.2",
                self.full("ssl.enabled.protocols")
            ))),
        }
    }

    fn client_auth(&self) -> Result<ClientAuth> {
        let text = self.get("ssl.client.auth").unwrap_or("none").to_ascii_lowercase();
        let auth: ClientAuth =
            text.parse().map_err(|error| Error::config(self.full("ssl.client.auth")).cause(&error))?;
        let trusted = ["ssl.truststore.location", "ssl.truststore.certificates"];
        if auth != ClientAuth::None && trusted.iter().all(|name| self.get(name).is_none()) {
            return Err(Error::config(format!(
                "{} is {text}: name the authorities of clients' certificates by {}",
                self.full("ssl.client.auth"),
                self.full("ssl.truststore.location")
            )));
        }
        Ok(auth)
    }

    fn keys(&self) -> Result<Store> {
        match (self.get("ssl.keystore.certificate.chain"), self.get("ssl.keystore.key")) {
            (Some(chain), Some(key)) => Ok(Store::Pem { certificates: text(chain), key: text(key) }),
            _ => match self.get("ssl.keystore.location") {
                Some(path) => Ok(self.store("ssl.keystore", path)),
                None => Err(Error::config(format!(
                    "a listener is https: name its certificate and key by {}",
                    self.full("ssl.keystore.location")
                ))),
            },
        }
    }

    fn trusted(&self) -> Result<Option<Store>> {
        if let Some(certificates) = self.get("ssl.truststore.certificates") {
            return Ok(Some(Store::Pem { certificates: text(certificates), key: text("") }));
        }
        Ok(self.get("ssl.truststore.location").map(|path| self.store("ssl.truststore", path)))
    }

    fn store(&self, what: &str, path: &str) -> Store {
        let password = self.get(&format!("{what}.password")).unwrap_or_default().to_owned();
        let is_pem = self.get(&format!("{what}.type")).is_some_and(|kind| kind.eq_ignore_ascii_case("PEM"));
        match is_pem || [".pem", ".crt", ".cer"].iter().any(|ending| path.ends_with(ending)) {
            true => {
                let file = Pem::File(Path::new(path).to_owned());
                Store::Pem { certificates: file.clone(), key: file }
            }
            false => Store::Java { path: PathBuf::from(path), password },
        }
    }
}

/// Java's single-line form of PEM is not needed, because properties can contain `\n`.
fn text(pem: &str) -> Pem {
    Pem::Text(pem.to_owned())
}
