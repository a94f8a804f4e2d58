use std::time::Duration;

use tiberius::{AuthMethod, Config, EncryptionLevel};
use tributary_api::Secret;

/// What part of the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// Only the login, if the server supports it.
    Login,
    /// The whole connection.
    All,
    /// TLS before the first byte of the protocol (TDS 8.0).
    Strict,
}

/// Bytes of a packet, unless `driver.packetSize` says otherwise. With the protocol's own 4096 the same rows take more reads;
/// encrypted packets have at most 16,383.
const PACKET_SIZE: u32 = 16_000;

/// Address of the server, and the credentials.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Secret,
    /// Used instead of user and password.
    pub(crate) access_token: Option<Secret>,
    pub(crate) encryption: Encryption,
    pub(crate) trust_any_certificate: bool,
    /// A PEM file with the certificate to trust.
    pub(crate) certificate: Option<String>,
    pub(crate) host_in_certificate: Option<String>,
    pub(crate) application: String,
    pub(crate) read_only: bool,
    pub(crate) multi_subnet_failover: bool,
    pub(crate) packet_size: Option<u32>,
    pub(crate) login_timeout: Duration,
    /// Limit for each statement.
    pub(crate) query_timeout: Option<Duration>,
}

impl Login {
    pub(super) fn config(&self, host: &str, port: u16) -> Config {
        let mut config = Config::new();
        config.host(host);
        config.port(port);
        // The connector's own statements name their database, so that one connection serves all databases. Statements
        // from the configuration run in the login's default database, as with Debezium.
        config.application_name(&self.application);
        config.authentication(match &self.access_token {
            Some(token) => AuthMethod::aad_token(token.expose()),
            None => AuthMethod::sql_server(&self.user, self.password.expose()),
        });
        config.encryption(match self.encryption {
            Encryption::Login => EncryptionLevel::Off,
            Encryption::All => EncryptionLevel::Required,
            Encryption::Strict => EncryptionLevel::Strict,
        });
        // Without full encryption the server's certificate is not verified, as with the other drivers.
        if self.trust_any_certificate || self.encryption == Encryption::Login {
            config.trust_cert();
        } else if let Some(file) = &self.certificate {
            config.trust_cert_ca(file);
        }
        if let Some(host) = &self.host_in_certificate {
            config.hostname_in_certificate(host);
        }
        config.readonly(self.read_only);
        config.multi_subnet_failover(self.multi_subnet_failover);
        config.packet_size(self.packet_size.unwrap_or(PACKET_SIZE));
        config.handshake_timeout(Some(self.login_timeout));
        config.command_timeout(self.query_timeout);
        config
    }
}
