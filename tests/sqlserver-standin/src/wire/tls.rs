//! Encryption: the certificate, and the two ways in which the handshake travels.

use std::{
    io::{self, Read},
    net::TcpStream,
    sync::Arc,
};

use rustls::{
    ServerConfig, ServerConnection,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    version::{TLS12, TLS13},
};

use super::{
    packet::{DEFAULT_PACKET_SIZE, Kind, MessageReader, MessageWriter, malformed},
    transport::{Encrypted, invalid},
};

/// A handshake is a few kilobytes.
const HANDSHAKE_LIMIT: usize = 1 << 17;

/// A server's certificate, made for it at its start, and what it says in handshakes.
#[derive(Clone)]
pub(super) struct Certificate {
    within_packets: Arc<ServerConfig>,
    strict: Arc<ServerConfig>,
    pem: String,
}

impl Certificate {
    /// One that names this machine's loopback addresses, signed by itself.
    pub(super) fn generate() -> Result<Certificate, CertificateError> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names)?;
        let config = |versions: &[&'static rustls::SupportedProtocolVersion]| {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_protocol_versions(versions)?
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
        };
        // Tickets of 1.3 come after the handshake, when packets are no longer around it: there 1.2 it is, as with the
        // real server.
        let within_packets = config(&[&TLS12])?;
        let mut strict = config(&[&TLS13, &TLS12])?;
        strict.alpn_protocols = vec![b"tds/8.0".to_vec()];
        Ok(Certificate { within_packets: Arc::new(within_packets), strict: Arc::new(strict), pem: made.cert.pem() })
    }

    /// For clients that are to trust it.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// The handshake comes first of all, as it does in any protocol over TLS.
    pub(super) fn accept_strict(&self, stream: TcpStream) -> io::Result<Arc<Encrypted>> {
        let mut connection = ServerConnection::new(self.strict.clone()).map_err(invalid)?;
        let mut io = &stream;
        while connection.is_handshaking() {
            connection.complete_io(&mut io)?;
        }
        Ok(Encrypted::new(connection, stream))
    }

    /// The handshake's records are bodies of packets; what follows it is not.
    pub(super) fn accept_within_packets(&self, stream: TcpStream) -> io::Result<Arc<Encrypted>> {
        let mut connection = ServerConnection::new(self.within_packets.clone()).map_err(invalid)?;
        let reader = MessageReader::new(HANDSHAKE_LIMIT);
        let mut writer = MessageWriter::new(Kind::PreLogin, 0, DEFAULT_PACKET_SIZE);
        while connection.is_handshaking() {
            let message = reader.read(&mut &stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if message.kind != Kind::PreLogin {
                return Err(malformed("something else in the middle of a handshake"));
            }
            let mut body = &message.body[..];
            while !body.is_empty() {
                connection.read_tls(&mut body as &mut dyn Read)?;
                connection.process_new_packets().map_err(invalid)?;
            }
            while connection.wants_write() {
                connection.write_tls(&mut writer.body)?;
            }
            if !writer.body.is_empty() {
                writer.finish(&mut &stream)?;
            }
        }
        Ok(Encrypted::new(connection, stream))
    }
}

/// The certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    #[error("cannot use the certificate")]
    Use(#[from] rustls::Error),
}
