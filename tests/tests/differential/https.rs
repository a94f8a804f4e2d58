//! HTTPS and clients' certificates, by the same settings for the Java worker and for Tributary: who gets a connection,
//! with which version of TLS, and what is answered. The REST server of the Java worker reads PKCS #12 and no PEM; ours reads
//! the same certificates from both.
//!
//! The client is curl, which knows TLS by itself and also speaks versions that neither of the two may accept.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tributary_tests::{Connect, ConnectOptions, Kafka, Tier, Tributary, WorkerOptions, free_port, require, unique};

const PASSWORD: &str = "geheim";
/// What an answer's head has that is not its own in each worker.
const HEADERS: [&str; 4] = ["content-type", "location", "allow", "strict-transport-security"];
const CERTIFICATES: [Option<&str>; 3] = [None, Some("client"), Some("stranger")];
const VERSIONS: [&str; 4] = ["1.0", "1.1", "1.2", "1.3"];

/// How one listener of both workers is set up.
#[derive(Debug)]
struct Setup {
    admin: bool,
    client_auth: &'static str,
    /// `ssl.enabled.protocols`, unless it is the default.
    protocols: Option<&'static str>,
    /// What ours reads.
    stores: Stores,
}

#[derive(Clone, Copy, Debug)]
enum Stores {
    Pkcs12,
    Pem,
}

/// What a client has seen.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// Neither a connection nor an answer.
    Refused,
    Answered {
        status: u16,
        headers: BTreeMap<String, String>,
    },
}

/// A request by curl.
struct Probe {
    name: String,
    arguments: Vec<String>,
    path: &'static str,
    plain: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn https_serves_and_refuses_the_same_clients() -> Result<()> {
    if !require(Tier::JavaConnect)? {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    stores(folder.path())?;
    let listener = |admin, client_auth, protocols, stores| Setup { admin, client_auth, protocols, stores };
    let workers = [
        [listener(false, "required", None, Stores::Pkcs12), listener(true, "requested", None, Stores::Pem)],
        [listener(false, "none", None, Stores::Pem), listener(true, "required", Some("TLSv1.3"), Stores::Pkcs12)],
    ];
    let mut differences = Vec::new();
    for listeners in &workers {
        differences.extend(compare(folder.path(), listeners).await?);
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
    Ok(())
}

/// Starts a worker of each kind with these listeners, and sends both the same requests.
async fn compare(folder: &Path, listeners: &[Setup]) -> Result<Vec<String>> {
    let kafka = Kafka::shared().await?;
    let (mut java, mut ours) = (ConnectOptions::default(), WorkerOptions::on_kafka(kafka, &unique("ours")));
    let mut ports = Vec::new();
    for setup in listeners {
        let name = if setup.admin { "admin.listeners" } else { "listeners" };
        for (setting, value) in setup.settings(folder, Stores::Pkcs12) {
            java = java.set(format!("{name}.https.{setting}"), value);
        }
        for (setting, value) in setup.settings(folder, setup.stores) {
            ours = ours.set(format!("{name}.https.{setting}"), value);
        }
        let (java_ports, our_ports) = ([free_port()?, free_port()?], [free_port()?, free_port()?]);
        // The one without TLS is how the test sees that the worker is ready.
        let list = |[http, https]: [u16; 2]| match setup.admin {
            true => format!("https://localhost:{https}"),
            false => format!("http://127.0.0.1:{http},https://localhost:{https}"),
        };
        java = if setup.admin { java } else { java.port(java_ports[0]) }.set(name, list(java_ports));
        ours = ours.set(name, list(our_ports));
        ports.push((setup, java_ports[1], our_ports[1]));
    }
    let _java = Connect::start(kafka, java).await?;
    let _ours = Tributary::start(ours).await?;
    let mut differences = Vec::new();
    for (setup, java, ours) in ports {
        let probes = probes(folder, setup.admin);
        let mut seen = Vec::new();
        for probe in &probes {
            let (theirs, own) = (probe.send(folder, java)?, probe.send(folder, ours)?);
            if !theirs.is_like(&own) {
                differences.push(format!("{setup:?}: {}\n  java {theirs:?}\n  ours {own:?}", probe.name));
            }
            seen.push(theirs);
        }
        // Otherwise a client that never gets a connection would have compared nothing.
        ensure!(seen.iter().any(|seen| *seen != Seen::Refused), "{setup:?} serves nobody");
        ensure!(seen.contains(&Seen::Refused), "{setup:?} refuses nobody");
    }
    Ok(differences)
}

fn probes(folder: &Path, admin: bool) -> Vec<Probe> {
    let mut probes = Vec::new();
    let path = if admin { "/admin/loggers" } else { "/connectors" };
    let with = |certificate: Option<&str>| -> Vec<String> {
        let file = certificate.map(|name| folder.join(format!("{name}.pem")).display().to_string());
        file.into_iter().flat_map(|file| ["--cert".to_owned(), file]).collect()
    };
    for version in VERSIONS {
        for certificate in CERTIFICATES {
            // SECLEVEL 0: otherwise the client itself would not try the old versions.
            let range = [&format!("--tlsv{version}"), "--tls-max", version, "--ciphers", "DEFAULT:@SECLEVEL=0"];
            let arguments = range.map(str::to_owned).into_iter().chain(with(certificate)).collect();
            probes.push(Probe { name: format!("TLS {version}, {certificate:?}"), arguments, path, plain: false });
        }
    }
    let mut more = |name: &str, arguments: &[&str], path| {
        let arguments = arguments.iter().map(|one| (*one).to_owned()).chain(with(Some("client"))).collect();
        probes.push(Probe { name: name.to_owned(), arguments, path, plain: false });
    };
    more("the other listener's path", &[], if admin { "/connectors" } else { "/admin/loggers" });
    more("what there is not", &[], "/nope");
    if !admin {
        let body = r#"{"name":"made","config":{"connector.class":"FileStreamSink","topics":"t","file":"/dev/null"}}"#;
        more("a new connector", &["-H", "content-type: application/json", "-d", body], "/connectors");
    }
    probes.push(Probe { name: "without TLS".to_owned(), arguments: Vec::new(), path, plain: true });
    probes
}

impl Probe {
    fn send(&self, folder: &Path, port: u16) -> Result<Seen> {
        let base = format!("{}://localhost:{port}", if self.plain { "http" } else { "https" });
        let curl = Command::new("curl")
            .args(["-sS", "-i", "-m", "60", "--http1.1", "-4", "--cacert"])
            .arg(folder.join("ca.pem"))
            .args(&self.arguments)
            .arg(format!("{base}{}", self.path))
            .output()
            .context("run curl")?;
        seen(&curl, &base)
    }
}

fn seen(curl: &Output, base: &str) -> Result<Seen> {
    let text = String::from_utf8_lossy(&curl.stdout);
    let mut lines = text.lines();
    let Some(status) = lines.next() else {
        let error = String::from_utf8_lossy(&curl.stderr).into_owned();
        ensure!(!error.contains("option") && !error.contains("timed out"), "curl could not do it: {error}");
        return Ok(Seen::Refused);
    };
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
    let fields = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": "));
    let named = fields.map(|(name, value)| (name.to_lowercase(), value.replace(base, "")));
    let headers = named.filter(|(name, _)| HEADERS.contains(&name.as_str())).collect();
    Ok(Seen::Answered { status: status.with_context(|| format!("no status: {text}"))?, headers })
}

impl Setup {
    /// The settings under the listener's prefix.
    fn settings(&self, folder: &Path, stores: Stores) -> Vec<(&'static str, String)> {
        let file = |name: &str| folder.join(name).display().to_string();
        let mut settings = vec![("ssl.client.auth", self.client_auth.to_owned())];
        settings.extend(self.protocols.map(|names| ("ssl.enabled.protocols", names.to_owned())));
        settings.extend(match stores {
            Stores::Pkcs12 => vec![
                ("ssl.keystore.location", file("site.p12")),
                ("ssl.keystore.password", PASSWORD.to_owned()),
                ("ssl.keystore.type", "PKCS12".to_owned()),
                ("ssl.truststore.location", file("ca.p12")),
                ("ssl.truststore.password", PASSWORD.to_owned()),
                ("ssl.truststore.type", "PKCS12".to_owned()),
            ],
            Stores::Pem => vec![
                ("ssl.keystore.location", file("site.pem")),
                ("ssl.keystore.type", "PEM".to_owned()),
                ("ssl.truststore.location", file("ca.pem")),
                ("ssl.truststore.type", "PEM".to_owned()),
            ],
        });
        settings
    }
}

impl Seen {
    /// Whether ours is what the Java worker shows. Ours may have more headers: it answers an unknown path with JSON, the Java
    /// worker with nothing.
    fn is_like(&self, ours: &Self) -> bool {
        match (self, ours) {
            (Self::Refused, Self::Refused) => true,
            (Self::Answered { status: java, headers }, Self::Answered { status, headers: own }) => {
                java == status && headers.iter().all(|(name, value)| own.get(name) == Some(value))
            }
            _ => false,
        }
    }
}

/// An authority; of it a certificate for localhost and one of a client; one of a client of another authority. As PEM, the
/// site and the authority also as PKCS #12, made by keytool as an operator would.
fn stores(folder: &Path) -> Result<()> {
    let (authority, other) = (authority("an authority")?, self::authority("another authority")?);
    std::fs::write(folder.join("ca.pem"), &authority.1)?;
    for (name, issuer) in [("site", &authority.0), ("client", &authority.0), ("stranger", &other.0)] {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        let signed = params.signed_by(&key, issuer)?;
        std::fs::write(folder.join(format!("{name}.pem")), format!("{}{}", signed.pem(), key.serialize_pem()))?;
    }
    let site = ["pkcs12", "-export", "-name", "site", "-in", "site.pem", "-out", "site.p12", "-passout", "pass:geheim"];
    run(Command::new("openssl").args(site).current_dir(folder))?;
    let trusted = ["-importcert", "-noprompt", "-alias", "ca", "-file", "ca.pem", "-keystore", "ca.p12"];
    let kind = ["-storetype", "PKCS12", "-storepass", PASSWORD];
    run(Command::new("keytool").args(trusted).args(kind).current_dir(folder))
}

fn authority(name: &str) -> Result<(Issuer<'static, KeyPair>, String)> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
