//! The listener that both connectors share: HTTPS, and whose settings apply.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use support::{LISTEN, Site, Source, props};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tributary_testkit::FakeConnectorHost;

struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("site.pem"), made.cert.pem()).unwrap();
        fs::write(folder.path().join("site.key"), made.signing_key.serialize_pem()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn props(&self) -> [(&'static str, String); 2] {
        [("http.tls.certificate.file", self.path("site.pem")), ("http.tls.key.file", self.path("site.key"))]
    }

    /// Posts an event over TLS, trusting this certificate only.
    async fn post(&self, site: &Site) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(PathBuf::from(self.path("site.pem"))).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(site.listeners.local_addr(LISTEN).unwrap()).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let event = r#"{"type":"page_view"}"#;
        let head = format!("POST /collect HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}", event.len());
        stream.write_all(format!("{head}\r\n\r\n{event}").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

fn pairs<'a>(certificate: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    certificate.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test]
async fn events_come_over_https_and_the_cookie_stays_there() {
    let (site, certificate) = (Site::new(), Certificate::new());
    let given = certificate.props();
    let mut source = Source::start(&site, &pairs(&given)).await;
    let collected = async {
        let records = source.poll().await;
        source.acknowledge(&records);
    };
    let (answer, ()) = tokio::join!(certificate.post(&site), collected);
    let answer = answer.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("set-cookie: tributary_session=") && answer.contains("; Secure"), "{answer}");
    source.stop().await;
}

#[tokio::test]
async fn without_https_the_cookie_is_not_secure_unless_a_proxy_has_https() {
    for (given, secure) in [(vec![], false), (vec![("session.cookie.secure", "true")], true)] {
        let site = Site::new();
        let mut source = Source::start(&site, &given).await;
        let request = reqwest::Client::new().post(site.url("/collect")).body(r#"{"type":"page_view"}"#);
        let collected = async {
            let records = source.poll().await;
            source.acknowledge(&records);
        };
        let (answer, ()) = tokio::join!(request.send(), collected);
        let answer = answer.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        assert_eq!(cookie.contains("Secure"), secure, "{cookie}");
        source.stop().await;
    }
}

#[tokio::test]
async fn connectors_that_share_a_listener_agree_on_it() {
    let (site, certificate) = (Site::new(), Certificate::new());
    let given = certificate.props();
    let source = Source::start(&site, &pairs(&given)).await;
    let (mut sink, _) = site.sink();
    let error =
        sink.start(FakeConnectorHost::new().context("offers"), &site.sink_config(&[])).await.unwrap_err().to_string();
    assert!(error.contains("connector clicks") && error.contains("http.tls.*"), "{error}");
    sink.start(FakeConnectorHost::new().context("offers"), &site.sink_config(&pairs(&given))).await.unwrap();
    source.stop().await;
    sink.stop().await.unwrap();
}

#[tokio::test]
async fn a_connector_with_new_settings_need_not_wait_for_its_old_task() {
    let (site, certificate) = (Site::new(), Certificate::new());
    let source = Source::start(&site, &[]).await;
    assert!(certificate.post(&site).await.is_err());
    let given = certificate.props();
    let (mut connector, _) = site.source();
    connector.start(FakeConnectorHost::new().context("clicks"), &site.config(&pairs(&given))).await.unwrap();
    source.stop().await;
    assert!(certificate.post(&site).await.unwrap().starts_with("HTTP/1.1 503"));
    connector.stop().await.unwrap();
}

#[tokio::test]
async fn an_invalid_value_is_an_error_with_its_property() {
    let (site, certificate) = (Site::new(), Certificate::new());
    let (pem, key) = (certificate.path("site.pem"), certificate.path("site.key"));
    let another = Certificate::new();
    let other = another.path("site.key");
    let certificate_key = ("http.tls.certificate.file", pem.as_str());
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[certificate_key], "http.tls.key.file"),
        (&[("http.tls.key.file", &key)], "http.tls.certificate.file"),
        (&[certificate_key, ("http.tls.key.file", "/etc/passwd")], "http.tls.key.file"),
        (&[certificate_key, ("http.tls.key.file", &other)], "http.tls.certificate.file"),
        (&[("http.tls.certificate.file", "/nowhere"), ("http.tls.key.file", &key)], "http.tls.certificate.file"),
        (
            &[certificate_key, ("http.tls.key.file", &key), ("http.tls.client.auth", "required")],
            "http.tls.client.ca.file",
        ),
        (&[("http.trusted.proxies", "10.0.0.0/8,nginx")], "http.trusted.proxies"),
        (&[certificate_key, ("http.tls.key.file", &key)], ""),
    ];
    for (given, property) in cases {
        let (mut connector, _) = site.source();
        let issues = tributary_testkit::validate(site.source_plugin(), &props(given)).await;
        let names: Vec<_> = issues.iter().map(|issue| issue.name.as_str()).collect();
        let expected: Vec<&str> = Some(property).filter(|name| !name.is_empty()).into_iter().collect();
        assert_eq!(names, expected, "{given:?}");
        assert!(!format!("{issues:?}").contains("root:"), "{issues:?}");
        let started = match site.source_plugin().description.config.parse(&props(given)) {
            Ok(config) => connector.start(FakeConnectorHost::new().context("clicks"), &config).await,
            Err(error) => Err(error),
        };
        assert_eq!(started.is_ok(), expected.is_empty(), "{given:?}");
        let _ = connector.stop().await;
    }
}
