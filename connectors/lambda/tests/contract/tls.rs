//! Lambda over TLS, as AWS has it. Which certificates are trusted is a matter of the environment, so the task runs in a
//! process of its own.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::access::Proxy;
use crate::support::{Setup, Task, plugin};

/// Names the folder with the server's certificate and key.
const FOLDER: &str = "LAMBDA_TEST_TLS";
/// Read when loading the certificates that the system trusts.
const TRUSTED: &str = "SSL_CERT_FILE";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

fn certificate() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.path().join(CERTIFICATE), made.cert.pem()).unwrap();
    std::fs::write(folder.path().join(KEY), made.signing_key.serialize_pem()).unwrap();
    folder
}

fn run(test: &str, folder: &Path, trusted: Option<&Path>) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--ignored"]).env(FOLDER, folder);
    if let Some(trusted) = trusted {
        child.env(TRUSTED, trusted);
    }
    let done = child.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

#[test]
fn whom_the_system_trusts_is_invoked_over_tls() {
    let folder = certificate();
    run("tls::a_task_that_trusts", folder.path(), Some(&folder.path().join(CERTIFICATE)));
}

#[test]
fn nothing_is_sent_to_a_server_with_an_unknown_certificate() {
    run("tls::a_task_that_does_not_trust", certificate().path(), None);
}

/// Takes TLS off and passes on to the front.
async fn terminate(folder: &Path, place: &Setup) -> String {
    let chain = CertificateDer::pem_file_iter(folder.join(CERTIFICATE)).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(folder.join(KEY)).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let front = place.front.url().trim_start_matches("http://").to_owned();
    let serve = async move {
        let mut passing = tokio::task::JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, front) = (acceptor.clone(), front.clone());
            passing.spawn(async move {
                // A client that does not trust breaks off.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(front).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(serve);
    url
}

#[tokio::test]
#[ignore = "run by whom_the_system_trusts_is_invoked_over_tls"]
async fn a_task_that_trusts() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let place = Setup::new().await;
    let (url, proxy) = (terminate(Path::new(&folder), &place).await, Proxy::start().await);
    let direct = vec![("aws.lambda.endpoint.url", url.as_str())];
    let proxied = [&direct[..], &[("aws.lambda.proxy.url", proxy.url.as_str())]].concat();
    for (invocations, more) in [(1, direct), (2, proxied)] {
        let mut task = Task::start(&place.props(&more)).await;
        task.put(0..3).await.unwrap();
        task.wait_until_safe(3).await.unwrap();
        assert_eq!(place.batches(), vec![vec![0, 1, 2]; invocations]);
    }
    assert_eq!(proxy.asked.lock().unwrap().len(), 1, "one tunnel");
}

#[tokio::test]
#[ignore = "run by nothing_is_sent_to_a_server_with_an_unknown_certificate"]
async fn a_task_that_does_not_trust() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let place = Setup::new().await;
    let url = terminate(Path::new(&folder), &place).await;
    let props = place.props(&[("aws.lambda.endpoint.url", &url), ("aws.lambda.retries.max", "1")]);
    let issues = tributary_testkit::validate(&plugin(), &props).await;
    let text = format!("{issues:?}");
    assert!(text.contains("cannot reach Lambda") && text.contains("certificate"), "{text}");
    let mut task = Task::start(&props).await;
    task.put(0..3).await.unwrap();
    let error = task.wait_until_failed().await;
    assert!(error.trace().contains("certificate"), "{}", error.trace());
    assert_eq!((task.safe(3).await, place.front.invocations().len()), (0, 0));
}
