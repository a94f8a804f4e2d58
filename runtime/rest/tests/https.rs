//! HTTPS by Java's settings.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::x509::X509;
use serde_json::json;
use support::Recorded;
use tokio_util::sync::CancellationToken;
use tributary_api::Props;
use tributary_listener::{Connections, ListenerOptions, Share};
use tributary_rest::{ListenerUrl, RestOptions, Server, router, tls};

/// An authority, a certificate of it for localhost, and one for a client, as PEM files.
fn certificates(folder: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "an authority");
    let key = KeyPair::generate().unwrap();
    std::fs::write(folder.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    for name in ["site", "client"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let signed = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), format!("{}{}", signed.pem(), key.serialize_pem())).unwrap();
    }
}

/// The same as PKCS #12, which is what keytool makes.
fn pkcs12(folder: &Path, name: &str) {
    let pem = std::fs::read(folder.join(format!("{name}.pem"))).unwrap();
    let (key, certificate) = (PKey::private_key_from_pem(&pem).unwrap(), X509::from_pem(&pem).unwrap());
    let store = Pkcs12::builder().name(name).pkey(&key).cert(&certificate).build2("geheim").unwrap();
    std::fs::write(folder.join(format!("{name}.p12")), store.to_der().unwrap()).unwrap();
}

fn props(folder: &Path, settings: &[(&str, &str)]) -> Props {
    let path = folder.to_string_lossy();
    settings.iter().map(|(name, value)| (format!("listeners.https.{name}"), value.replace("DIR", &path))).collect()
}

struct Running {
    base: String,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[allow(clippy::disallowed_methods)] // ends with the test
async fn start(folder: &Path, settings: &[(&str, &str)]) -> Running {
    let tls = tls(&props(folder, settings), "listeners.https.").unwrap();
    let options = ListenerOptions { tls: Some(tls), ..ListenerOptions::new("rest", Connections::sharing(Share::Rest)) };
    let server = Server::bind(&ListenerUrl::parse_list("https://127.0.0.1:0").unwrap(), &options).await.unwrap();
    let base = format!("https://localhost:{}", server.addresses()[0].port());
    let stop = CancellationToken::new();
    let info = json!({"name": "c", "config": {}, "tasks": [], "type": "source"});
    let routes = router(Arc::new(Recorded::new(201, info)), &RestOptions::default());
    tokio::spawn({
        let stop = stop.clone();
        async move { server.serve(routes, &RestOptions::default(), stop).await }
    });
    Running { base, stop }
}

/// The head of the answer to a new connector, by curl, which knows TLS by itself.
fn create(folder: &Path, running: &Running, more: &[&str]) -> Option<String> {
    let more = more.iter().map(|one| one.replace("DIR", &folder.to_string_lossy()));
    let curl = Command::new("curl")
        .args(["-sS", "-i", "-m", "20", "-H", "content-type: application/json", "-d", r#"{"name":"c","config":{}}"#])
        .arg("--cacert")
        .arg(folder.join("ca.pem"))
        .args(more)
        .arg(format!("{}/connectors", running.base))
        .output()
        .unwrap();
    curl.status.success().then(|| String::from_utf8(curl.stdout).unwrap().to_lowercase())
}

#[tokio::test(flavor = "multi_thread")]
async fn pem_and_pkcs12_are_served_and_what_was_made_has_its_url() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificates(folder);
    pkcs12(folder, "site");
    for settings in [
        &[("ssl.keystore.location", "DIR/site.pem"), ("ssl.keystore.type", "PEM")][..],
        &[("ssl.keystore.location", "DIR/site.p12"), ("ssl.keystore.password", "geheim")],
    ] {
        let running = start(folder, settings).await;
        for version in ["--http1.1", "--http2"] {
            let answer = create(folder, &running, &[version]).unwrap();
            assert!(
                answer.contains(" 201") && answer.contains(&format!("location: {}/connectors/c", running.base)),
                "{answer}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_show_certificates_where_they_must() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificates(folder);
    let settings = |auth: &'static str| {
        [
            ("ssl.keystore.location", "DIR/site.pem"),
            ("ssl.truststore.location", "DIR/ca.pem"),
            ("ssl.client.auth", auth),
        ]
    };
    let with_certificate = ["--cert", "DIR/client.pem"];
    for (auth, without) in [("required", false), ("requested", true), ("none", true)] {
        let running = start(folder, &settings(auth)).await;
        assert!(create(folder, &running, &with_certificate).is_some(), "{auth}");
        assert_eq!(create(folder, &running, &[]).is_some(), without, "{auth}");
    }
}

#[test]
fn what_cannot_be_heeded_is_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificates(folder);
    pkcs12(folder, "site");
    std::fs::write(folder.join("old.jks"), [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]).unwrap();
    std::fs::write(folder.join("text.p12"), "geheim").unwrap();
    let key = ("ssl.keystore.location", "DIR/site.pem");
    let refused = |settings: &[(&str, &str)], named: &str| {
        let message = tls(&props(folder, settings), "listeners.https.").unwrap_err().to_string();
        assert!(message.contains(named) && !message.contains("geheim"), "{message}");
    };
    refused(&[("ssl.client.auth", "none")], "listeners.https.ssl.keystore.location");
    refused(&[("ssl.keystore.location", "DIR/old.jks")], "-deststoretype PKCS12");
    refused(&[("ssl.keystore.location", "DIR/text.p12")], "neither PKCS #12 nor PEM");
    refused(&[("ssl.keystore.location", "DIR/site.p12"), ("ssl.keystore.password", "wrong")], "correct its password");
    refused(&[key, ("ssl.client.auth", "required")], "listeners.https.ssl.truststore.location");
    refused(&[key, ("ssl.client.auth", "perhaps")], "perhaps");
    refused(&[key, ("ssl.engine.factory.class", "X")], "listeners.https.ssl.engine.factory.class");
    refused(&[key, ("ssl.cipher.suites", "X")], "listeners.https.ssl.cipher.suites");
    refused(&[key, ("ssl.enabled.protocols", "TLSv1.1")], "TLSv1.1");
    for fine in ["TLSv1.3", "TLSv1.2,TLSv1.3", "TLSv1.1,TLSv1.2,TLSv1.3"] {
        assert!(tls(&props(folder, &[key, ("ssl.enabled.protocols", fine)]), "listeners.https.").is_ok(), "{fine}");
    }
    // Without any setting of the prefix those without it count, all of them or none.
    let bare =
        Props::from([("ssl.keystore.location".to_owned(), folder.join("site.pem").to_string_lossy().into_owned())]);
    assert!(tls(&bare, "listeners.https.").is_ok());
    let mut mixed = bare;
    mixed.insert("listeners.https.ssl.client.auth".to_owned(), "none".to_owned());
    assert!(tls(&mixed, "listeners.https.").is_err());
}
