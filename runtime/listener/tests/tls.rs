//! HTTPS: what is agreed on, whose certificates are taken, and files that change.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use support::{LIMIT, SOON, Site, ask, never, options, start_with, until_closed};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tributary_listener::{ClientAuth, Deadlines, ListenerOptions, Pem, PemSource, Tls, TlsError, TlsOptions};

/// An authority and a folder for what it signs.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate and its key, as PEM.
    fn sign(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

struct Files {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new() };
        files.renew();
        fs::write(files.path("ca.pem"), files.authority.certificate.pem()).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new certificate, which is answered.
    fn renew(&self) -> CertificateDer<'static> {
        let (certificate, key) = self.authority.sign();
        fs::write(self.path("site.pem"), &certificate).unwrap();
        fs::write(self.path("site.key"), key).unwrap();
        CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()
    }

    fn options(&self, client_auth: ClientAuth) -> TlsOptions {
        let source = PemSource {
            certificates: Pem::File(self.path("site.pem")),
            key: Pem::File(self.path("site.key")),
            authorities: Some(Pem::File(self.path("ca.pem"))),
        };
        TlsOptions { client_auth, reload_every: Duration::from_millis(20), ..TlsOptions::new(source) }
    }

    async fn site(&self, client_auth: ClientAuth) -> Site {
        self.site_with(client_auth, never()).await
    }

    async fn site_with(&self, client_auth: ClientAuth, deadlines: Deadlines) -> Site {
        let tls = Some(Tls::load(self.options(client_auth)).unwrap());
        start_with(ListenerOptions { tls, ..options(100, deadlines) }, "127.0.0.1:0").await
    }
}

struct Client {
    trusts: CertificateDer<'static>,
    shows: Option<(String, String)>,
    protocol: &'static [u8],
}

impl Client {
    fn of(files: &Files) -> Self {
        Self { trusts: files.authority.certificate.der().clone(), shows: None, protocol: b"http/1.1" }
    }

    async fn connect(&self, site: &Site) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusts.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.shows {
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![self.protocol.to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, site.connect().await).await
    }

    /// What `/peer` says; `None` where the other side ends it. With TLS 1.3 a client learns that only when it reads.
    async fn ask(&self, site: &Site) -> Option<String> {
        use tokio::io::AsyncReadExt;
        let mut stream = self.connect(site).await.ok()?;
        stream.write_all(b"GET /peer HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    /// Waits until a listener shows a certificate.
    async fn until_shown(&self, site: &Site, certificate: &CertificateDer<'static>) {
        let shown = async {
            loop {
                let stream = self.connect(site).await.unwrap();
                if stream.get_ref().1.peer_certificates().unwrap()[0] == *certificate {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(LIMIT, shown).await.is_ok(), "the new certificate is not shown");
    }
}

#[tokio::test]
async fn https_has_http1_and_http2_and_no_http() {
    let files = Files::new();
    let site = files.site(ClientAuth::None).await;
    let client = Client::of(&files);
    let mut stream = client.connect(&site).await.unwrap();
    assert!(ask(&mut stream, "/peer").await.ends_with("127.0.0.1 secure=true certificates=0"));
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let http2 = Client { protocol: b"h2", ..client }.connect(&site).await.unwrap();
    assert_eq!(http2.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut plain = site.connect().await;
    plain.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert!(!until_closed(&mut plain).await.contains("HTTP/1.1"));
}

#[tokio::test]
async fn a_failed_tls_handshake_is_closed_and_gives_up_its_slot() {
    let files = Files::new();
    let site = files.site_with(ClientAuth::None, Deadlines { handshake: SOON, ..never() }).await;
    assert_eq!(until_closed(&mut site.connect().await).await, "");
    let site = files.site(ClientAuth::None).await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(site.connect().await);
    }
    assert!(Client::of(&files).ask(&site).await.is_some());
    assert_eq!(until_closed(&mut silent[0]).await, "");
}

#[tokio::test]
async fn a_required_certificate_is_verified_and_handed_on() {
    let files = Files::new();
    let site = files.site(ClientAuth::Required).await;
    let client = Client::of(&files);
    assert_eq!(client.ask(&site).await, None);
    let foreign = Client { shows: Some(Authority::new().sign()), ..Client::of(&files) };
    assert_eq!(foreign.ask(&site).await, None);
    let known = Client { shows: Some(files.authority.sign()), ..client };
    assert!(known.ask(&site).await.unwrap().ends_with("secure=true certificates=1"));
}

#[tokio::test]
async fn a_requested_certificate_may_be_missing_but_not_wrong() {
    let files = Files::new();
    let site = files.site(ClientAuth::Requested).await;
    let client = Client::of(&files);
    assert!(client.ask(&site).await.unwrap().ends_with("certificates=0"));
    let foreign = Client { shows: Some(Authority::new().sign()), ..Client::of(&files) };
    assert_eq!(foreign.ask(&site).await, None);
    let known = Client { shows: Some(files.authority.sign()), ..client };
    assert!(known.ask(&site).await.unwrap().ends_with("certificates=1"));
}

#[tokio::test]
async fn new_files_are_used_and_bad_ones_are_not() {
    let files = Files::new();
    let site = files.site(ClientAuth::None).await;
    let client = Client::of(&files);
    let second = files.renew();
    client.until_shown(&site, &second).await;
    fs::write(files.path("site.pem"), "no certificate").unwrap();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        client.until_shown(&site, &second).await;
    }
    let third = files.renew();
    client.until_shown(&site, &third).await;
}

#[test]
fn unusable_tls_files_are_reported_and_change_nothing() {
    let files = Files::new();
    let tls = Tls::load(files.options(ClientAuth::None)).unwrap();
    assert!(!tls.reload().unwrap());
    let named = |error: TlsError, name: &str| {
        let path = files.path(name).display().to_string();
        assert!(error.to_string().contains(&path), "{error}");
    };
    let (_, other_key) = files.authority.sign();
    let key = fs::read(files.path("site.key")).unwrap();
    for (name, text) in [("site.pem", "no certificate"), ("site.key", "no key"), ("site.key", other_key.as_str())] {
        fs::write(files.path(name), text).unwrap();
        named(tls.reload().unwrap_err(), name);
        named(Tls::load(files.options(ClientAuth::None)).unwrap_err(), name);
        files.renew();
    }
    fs::write(files.path("site.key"), key).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Unusable { .. })));
    files.renew();
    assert!(tls.reload().unwrap() && !tls.reload().unwrap());
    fs::remove_file(files.path("site.pem")).unwrap();
    named(tls.reload().unwrap_err(), "site.pem");
}

#[test]
fn certificates_of_clients_need_an_authority() {
    let files = Files::new();
    let source = PemSource {
        certificates: Pem::File(files.path("site.pem")),
        key: Pem::Text(fs::read_to_string(files.path("site.key")).unwrap()),
        authorities: None,
    };
    let options = |client_auth| TlsOptions { client_auth, ..TlsOptions::new(source.clone()) };
    assert!(Tls::load(options(ClientAuth::None)).is_ok());
    assert!(matches!(Tls::load(options(ClientAuth::Required)), Err(TlsError::NoAuthorities)));
}
