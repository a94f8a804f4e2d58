use std::path::PathBuf;

use tributary_api::{Config, ConfigIssue, ConfigKey, ConfigType, Error, Importance, Result, Validator, Width};
use tributary_listener::{AddressLimits, ClientAuth, Networks, Pem, PemSource, Tls, TlsError, TlsOptions};

const CERTIFICATE: &str = "http.tls.certificate.file";
const KEY: &str = "http.tls.key.file";
const CLIENT_AUTH: &str = "http.tls.client.auth";
const AUTHORITIES: &str = "http.tls.client.ca.file";
const PER_ADDRESS: &str = "http.connections.max.per.address";
const PROXIES: &str = "http.trusted.proxies";

/// The settings of connections. Connectors that share a listener must have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TransportSettings {
    pub(super) addresses: AddressLimits,
    pub(super) tls: Option<TlsSettings>,
}

/// HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TlsSettings {
    source: PemSource,
    client_auth: ClientAuth,
}

impl TransportSettings {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let issues = check(config)?;
        if let Some(issue) = issues.first() {
            let message = format!("{}: {}", issue.name, issue.message);
            return Err(Error::config_at(issue.name.as_str(), message));
        }
        let proxies = Networks::parse(config.list(PROXIES)?).map_err(|error| unusable(PROXIES, &error))?;
        let addresses = AddressLimits { most: config.optional_int(PER_ADDRESS)?, proxies };
        Ok(Self { addresses, tls: TlsSettings::new(config)? })
    }

    pub(super) fn load_tls(&self) -> Result<Option<Tls>> {
        self.tls.as_ref().map(TlsSettings::load).transpose().map_err(|error| unusable(CERTIFICATE, &error))
    }
}

impl TlsSettings {
    fn new(config: &Config) -> Result<Option<Self>> {
        let file = |name| config.optional_string(name).map(|path| path.map(|path| Pem::File(PathBuf::from(path))));
        let Some((certificates, key)) = file(CERTIFICATE)?.zip(file(KEY)?) else { return Ok(None) };
        let source = PemSource { certificates, key, authorities: file(AUTHORITIES)? };
        let client_auth = config.string(CLIENT_AUTH)?.parse().map_err(|error| unusable(CLIENT_AUTH, &error))?;
        Ok(Some(Self { source, client_auth }))
    }

    fn load(&self) -> Result<Tls, TlsError> {
        Tls::load(TlsOptions { client_auth: self.client_auth, ..TlsOptions::new(self.source.clone()) })
    }

    /// An issue for the first file that cannot be used.
    fn fault(&self) -> Option<ConfigIssue> {
        let issue = |name, error: TlsError| Some(ConfigIssue::new(name, error.to_string()));
        let PemSource { certificates, key, authorities } = &self.source;
        if let Err(error) = certificates.certificates() {
            return issue(CERTIFICATE, error);
        }
        if let Err(error) = key.key() {
            return issue(KEY, error);
        }
        if let Some(Err(error)) = authorities.as_ref().map(Pem::certificates) {
            return issue(AUTHORITIES, error);
        }
        self.load().err().and_then(|error| issue(CERTIFICATE, error))
    }
}

fn unusable(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::config_at(name, format!("{name}: {error}"))
}

/// Reads the files of TLS, if there are any; an issue has its property.
pub(crate) fn check_files(config: &Config) -> Result<Option<ConfigIssue>> {
    Ok(TlsSettings::new(config)?.and_then(|tls| tls.fault()))
}

/// Checks that do not read files; each issue has its property.
pub(super) fn check(config: &Config) -> Result<Vec<ConfigIssue>> {
    let given = |name| config.optional_string(name).map(|text| text.is_some_and(|text| !text.is_empty()));
    let mut issues = Vec::new();
    for (name, needs) in [(KEY, CERTIFICATE), (CERTIFICATE, KEY), (AUTHORITIES, CERTIFICATE)] {
        if given(name)? && !given(needs)? {
            issues.push(ConfigIssue::new(needs, format!("{name} is set: set this to a PEM file as well")));
        }
    }
    if config.string(CLIENT_AUTH)? != "none" && !given(AUTHORITIES)? {
        let reason =
            format!("{CLIENT_AUTH} is set: name the PEM file of the authorities that sign clients' certificates");
        issues.push(ConfigIssue::new(AUTHORITIES, reason));
    }
    if let Err(error) = Networks::parse(config.list(PROXIES)?) {
        issues.push(ConfigIssue::new(PROXIES, error.to_string()));
    }
    Ok(issues)
}

/// The properties of both connectors.
pub(super) fn config_keys() -> [ConfigKey; 6] {
    let file = |name: &str, display_name: &str, doc: &str| {
        ConfigKey::new(name, ConfigType::String)
            .validator(Validator::NonEmpty)
            .importance(Importance::Medium)
            .width(Width::Long)
            .display_name(display_name)
            .doc(doc)
    };
    [
        file(
            CERTIFICATE,
            "TLS certificate",
            "A PEM file with the listener's certificate, followed by those of the intermediate authorities (a full \
             chain). The listener then speaks HTTPS, with HTTP/2 and HTTP/1.1. It is read again every ten seconds: new \
             connections get a new certificate, and an unusable one is logged, and the old one stays. Connectors that \
             share the listener give all properties of http.* the same values.",
        ),
        file(KEY, "TLS key", "A PEM file with the certificate's private key, not encrypted. It may be the same file."),
        ConfigKey::new(CLIENT_AUTH, ConfigType::String)
            .default("none")
            .one_of(&["none", "requested", "required"])
            .importance(Importance::Low)
            .width(Width::Short)
            .display_name("Client certificates")
            .doc(
                "Whether clients, such as a proxy, present certificates: optional with requested, mandatory with \
                 required. A connection with a certificate that cannot be verified is closed.",
            ),
        file(
            AUTHORITIES,
            "Authorities of clients",
            "A PEM file with the certificates of the authorities that clients' certificates are verified with.",
        )
        .importance(Importance::Low),
        ConfigKey::new(PER_ADDRESS, ConfigType::Int)
            .validator(Validator::AtLeast(1))
            .importance(Importance::Low)
            .width(Width::Short)
            .display_name("Connections per address")
            .doc(
                "How many connections a client address (IPv6: a /64 network) may have. At this limit an idle \
                 connection of the address is closed for a new one; if all are busy, the new one is refused. The \
                 default is a quarter of the listener's own limit, which depends on the process's limit of open files. \
                 This machine and http.trusted.proxies are not limited.",
            ),
        ConfigKey::new(PROXIES, ConfigType::List)
            .default("")
            .importance(Importance::Medium)
            .width(Width::Long)
            .display_name("Trusted proxies")
            .doc(
                "Addresses and networks, such as 10.0.0.0/8, of the proxies in front of the listener. Their \
                 connections serve many clients, whose addresses are read from X-Forwarded-For.",
            ),
    ]
}
