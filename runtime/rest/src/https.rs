//! HTTPS: Java's settings `ssl.*`, as far as they are supported; others are refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tributary_api::{Config, Error, Props, Result, Secret};
use tributary_listener::{ClientAuth, Pem, Tls, TlsOptions};

use crate::definition::ssl_definition;
use crate::keystore::{Store, Stores};

const RELOAD_EVERY: Duration = Duration::from_secs(10);
/// Settings that need a JVM.
const JAVA_ONLY: [&str; 3] = ["ssl.engine.factory.class", "ssl.provider", "ssl.cipher.suites"];

/// The settings of one kind of listener.
struct Ssl<'a> {
    config: Config,
    prefix: &'a str,
}

/// TLS by the settings under a prefix (`listeners.https.`), or, if it has none at all, by those without it. Reads the files.
///
/// # Errors
/// `Config`, of the setting.
pub fn from_props(props: &Props, prefix: &str) -> Result<Tls> {
    let ssl = Ssl::new(props, prefix)?;
    if let Some(name) = JAVA_ONLY.iter().find(|name| ssl.config.originals().get(**name).is_some_and(|v| !v.is_empty()))
    {
        return Err(ssl.wrong(name, "is not supported here: remove it"));
    }
    let options = TlsOptions {
        only_tls13: ssl.only_tls13()?,
        client_auth: ssl.client_auth()?,
        source: Arc::new(Stores { keys: ssl.keys()?, trusted: ssl.trusted()? }),
        reload_every: RELOAD_EVERY,
    };
    Tls::load(options).map_err(|error| ssl.wrong("ssl.keystore", "cannot be used").cause(&error))
}

impl<'a> Ssl<'a> {
    fn new(props: &Props, prefix: &'a str) -> Result<Self> {
        let under =
            props.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_owned(), value.clone())));
        let own: Props = under.collect();
        let (settings, prefix) = if own.is_empty() { (props, "") } else { (&own, prefix) };
        let within = |error: Error| match error.property().map(|name| format!("{prefix}{name}")) {
            Some(property) if !prefix.is_empty() => error.context(prefix.trim_end_matches('.')).with_property(property),
            _ => error,
        };
        Ok(Self { config: ssl_definition().parse(settings).map_err(within)?, prefix })
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn wrong(&self, name: &str, what: &str) -> Error {
        let name = self.full(name);
        let message = format!("{name} {what}");
        Error::config_at(name, message)
    }

    fn text(&self, name: &str) -> Result<Option<&str>> {
        Ok(self.config.optional_string(name)?.filter(|text| !text.is_empty()))
    }

    fn secret(&self, name: &str) -> Result<Option<&str>> {
        Ok(self.config.secret(name)?.map(Secret::expose).filter(|text| !text.is_empty()))
    }

    fn only_tls13(&self) -> Result<bool> {
        let enabled = self.config.list("ssl.enabled.protocols")?;
        let names = match (enabled, self.text("ssl.protocol")?) {
            ([], None) => return Ok(false),
            ([], Some(protocol)) => vec![protocol.to_owned()],
            (enabled, _) => enabled.to_vec(),
        };
        let has = |name: &str| names.iter().any(|one| one == name);
        // `TLS` means all versions; those before 1.2 are not supported.
        match (has("TLSv1.3"), has("TLSv1.2") || has("TLS")) {
            (true, with_older) => Ok(!with_older && !enabled.is_empty()),
            (false, true) if names == ["TLS"] => Ok(false),
            (false, _) => {
                let what = format!("is {}: it must contain TLSv1.3, and may contain TLSv1.2", names.join(","));
                Err(self.wrong("ssl.enabled.protocols", &what))
            }
        }
    }

    fn client_auth(&self) -> Result<ClientAuth> {
        let text = self.config.string("ssl.client.auth")?.to_ascii_lowercase();
        let auth: ClientAuth =
            text.parse().map_err(|error| self.wrong("ssl.client.auth", "cannot be used").cause(&error))?;
        if auth != ClientAuth::None && self.trusted()?.is_none() {
            let trusted = self.full("ssl.truststore.location");
            let what = format!("is {text}: name the authorities of clients' certificates by {trusted}");
            return Err(self.wrong("ssl.client.auth", &what));
        }
        Ok(auth)
    }

    fn keys(&self) -> Result<Store> {
        match (self.secret("ssl.keystore.certificate.chain")?, self.secret("ssl.keystore.key")?) {
            (Some(chain), Some(key)) => Ok(Store::Pem { certificates: text(chain), key: text(key) }),
            _ => match self.text("ssl.keystore.location")? {
                Some(path) => self.store("ssl.keystore", path),
                None => {
                    let name = self.full("ssl.keystore.location");
                    let message = format!("a listener is https: name its certificate and key by {name}");
                    Err(Error::config_at(name, message))
                }
            },
        }
    }

    fn trusted(&self) -> Result<Option<Store>> {
        if let Some(certificates) = self.secret("ssl.truststore.certificates")? {
            return Ok(Some(Store::Pem { certificates: text(certificates), key: text("") }));
        }
        self.text("ssl.truststore.location")?.map(|path| self.store("ssl.truststore", path)).transpose()
    }

    fn store(&self, what: &str, path: &str) -> Result<Store> {
        let password = self.secret(&format!("{what}.password"))?.unwrap_or_default().to_owned();
        let is_pem = self.text(&format!("{what}.type"))?.is_some_and(|kind| kind.eq_ignore_ascii_case("PEM"));
        Ok(match is_pem || [".pem", ".crt", ".cer"].iter().any(|ending| path.ends_with(ending)) {
            true => {
                let file = Pem::File(Path::new(path).to_owned());
                Store::Pem { certificates: file.clone(), key: file }
            }
            false => Store::Java { path: PathBuf::from(path), password },
        })
    }
}

/// Java's single-line form of PEM is not needed, because properties can contain `\n`.
fn text(pem: &str) -> Pem {
    Pem::Text(pem.to_owned())
}
