use std::time::Duration;

use tiberius::{AuthMethod, Config, EncryptionLevel};
use tributary_api::Secret;

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// Only the login, where the server can.
    Login,
    /// All of it.
    All,
    /// TLS before the first byte (TDS 8.0).
    Strict,
}

/// Where a server is and who connects.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Secret,
    /// Takes the place of user and password.
    pub(crate) access_token: Option<Secret>,
    pub(crate) encryption: Encryption,
    pub(crate) trust_any_certificate: bool,
    /// A PEM file that vouches for the server.
    pub(crate) certificate: Option<String>,
    pub(crate) host_in_certificate: Option<String>,
    pub(crate) application: String,
    pub(crate) read_only: bool,
    pub(crate) multi_subnet_failover: bool,
    pub(crate) packet_size: Option<u32>,
    pub(crate) login_timeout: Duration,
    /// For each statement.
    pub(crate) query_timeout: Option<Duration>,
}

impl Login {
    pub(super) fn config(&self, host: &str, port: u16) -> Config {
        let mut config = Config::new();
        config.host(host);
        config.port(port);
        // Statements name their database: one connection serves all of them. Where users' own ones run is the login's
        // default database, as with Debezium.
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
        // Who asks for no encryption does not ask who the server is, as with the other drivers.
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
        if let Some(size) = self.packet_size {
            config.packet_size(size);
        }
        config.handshake_timeout(Some(self.login_timeout));
        config.command_timeout(self.query_timeout);
        config
    }
}
