//! The server over TLS, with certificates on both sides.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tributary_testkit::FakeSinkHost;

use crate::double::{Double, SEVEN};
use crate::support::{BY_PLACE, TOPIC, Task, number, numbers, props, record};

/// An authority, and a server that both shows a certificate of its and asks clients for one.
struct Secure {
    folder: TempDir,
    uri: String,
}

impl Secure {
    async fn before(double: &Double) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("authority.pem"), authority.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        let leaf = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
            (certificate, key)
        };
        let (certificate, key) = leaf("worker");
        std::fs::write(folder.path().join("worker.pem"), certificate.pem() + &key.serialize_pem()).unwrap();
        let (certificate, key) = leaf("127.0.0.1");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let uri = serve(authority.der().clone(), certificate.der().clone(), key, double).await;
        Self { folder, uri }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Takes TLS off and passes on to the double.
async fn serve(
    authority: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    double: &Double,
) -> String {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().to_string();
    let (plain, uri) = (double.address(), double.uri().replace(&double.address(), &own));
    let serve = async move {
        let mut passing = tokio::task::JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, plain) = (acceptor.clone(), plain.clone());
            passing.spawn(async move {
                // Whoever is not trusted, or does not trust, breaks off.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let Ok(mut server) = TcpStream::connect(plain).await else { return };
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(serve);
    uri
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn certificates_are_shown_and_checked_on_both_sides() {
    let double = Double::start(SEVEN);
    let secure = Secure::before(&double).await;
    let (authority, own) = (text(&secure.path("authority.pem")), text(&secure.path("worker.pem")));
    let (trust, show) = (("connection.ssl.truststore", &*authority), ("connection.ssl.keystore", &*own));
    let records = [record(TOPIC, 0, number(0)), record(TOPIC, 1, number(1))];
    let tls = format!("{}&tls=true", secure.uri);
    for (uri, stores) in [(&secure.uri, vec![]), (&tls, vec![]), (&tls, vec![trust]), (&tls, vec![show])] {
        let more = [&[BY_PLACE, ("connection.uri", uri)], &stores[..]].concat();
        let mut task = Task::start_with(&props(&double, &more), FakeSinkHost::new()).await;
        let error = task.put(&records).await.unwrap_err();
        assert!(error.is_retriable(), "{error:?} with {stores:?}");
        assert_eq!(double.collections(), Vec::<String>::new());
    }
    // Naming the stores is enough.
    for uri in [&secure.uri, &tls] {
        let more = [BY_PLACE, ("connection.uri", uri), trust, show];
        let mut task = Task::start_with(&props(&double, &more), FakeSinkHost::new()).await;
        task.put(&records).await.unwrap();
        assert_eq!(numbers(&double.documents("shop.orders")), [0, 1]);
    }
}
