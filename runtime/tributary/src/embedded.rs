//! The servers inside this process, for those who have none: a Kafka broker and an S3 endpoint.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::{fs, io};

use anyhow::{Context, Result};
use tributary_embedded::{Broker, BrokerOptions, BrokerStorage, ObjectStore, ObjectStoreOptions};

use crate::settings::Settings;
use crate::shared_values::SharedValues;

pub(crate) const BROKER_PORT: u16 = 9092;
pub(crate) const STORE_PORT: u16 = 9000;
const COLLECT_PORT: u16 = 8081;

/// Where the embedded servers keep things, in the data folder.
const BROKER_FOLDER: &str = "kafka";
const STORE_FOLDER: &str = "s3";
const SESSION_SECRET: &str = "session.secret";

const CLUSTER_ID: &str = "tributary-embedded";
const REGION: &str = "us-east-1";
/// For an endpoint that only this machine can reach.
const STORE_KEY: &str = "tributary";
const BUCKETS: &str = "raw,enriched";

/// The servers that run.
pub(crate) struct Embedded {
    pub(crate) broker: Option<Broker>,
    pub(crate) store: Option<ObjectStore>,
}

impl Embedded {
    /// Starts those that the settings ask for, both at once, and shares their addresses and keys with connectors.
    pub(crate) async fn start(settings: &Settings, shared: &mut SharedValues) -> Result<Self> {
        if settings.embedded {
            shared.add_missing("session.secret", session_secret(&settings.data)?);
            shared.add_missing("collect.listen", free_address(COLLECT_PORT)?.to_string());
        }
        let wants_store =
            settings.flag("embedded.store.enable", settings.embedded)? && shared.get("s3.endpoint").is_none();
        if wants_store {
            shared.add_missing("s3.access.key.id", STORE_KEY);
            shared.add_missing("s3.secret.access.key", STORE_KEY);
            shared.add_missing("s3.region", REGION);
        } else {
            // No keys: connectors look for them where AWS's own tools do.
            shared.add_missing("s3.access.key.id", "");
            shared.add_missing("s3.secret.access.key", "");
        }
        let broker = async { if settings.embedded { start_broker(settings).await.map(Some) } else { Ok(None) } };
        let store = async { if wants_store { start_store(settings, shared).await.map(Some) } else { Ok(None) } };
        let (broker, store) = tokio::try_join!(broker, store)?;
        if let Some(store) = &store {
            shared.add_missing("s3.endpoint", store.endpoint());
        }
        Ok(Self { broker, store })
    }

    /// Ends them, each within two seconds.
    pub(crate) async fn stop(self) {
        let broker = async {
            if let Some(broker) = self.broker {
                broker.shutdown().await;
            }
        };
        let store = async {
            if let Some(store) = self.store {
                store.shutdown().await;
            }
        };
        tokio::join!(broker, store);
    }
}

async fn start_broker(settings: &Settings) -> Result<Broker> {
    let options = BrokerOptions {
        storage: BrokerStorage::Directory(settings.data.join(BROKER_FOLDER)),
        preferred_port: settings.port("embedded.broker.port", BROKER_PORT)?,
        cluster_id: CLUSTER_ID.to_owned(),
    };
    Broker::start(options).await.context("start the embedded broker")
}

async fn start_store(settings: &Settings, shared: &SharedValues) -> Result<ObjectStore> {
    let value = |name: &str| shared.get(name).unwrap_or_default().to_owned();
    let options = ObjectStoreOptions {
        root: settings.data.join(STORE_FOLDER),
        preferred_port: settings.port("embedded.store.port", STORE_PORT)?,
        access_key: value("s3.access.key.id"),
        secret_key: value("s3.secret.access.key"),
        region: value("s3.region"),
    };
    let store = ObjectStore::start(options).await.context("start the embedded S3 endpoint")?;
    let buckets = settings.get("embedded.store.buckets").unwrap_or(BUCKETS);
    for bucket in buckets.split(',').map(str::trim).filter(|bucket| !bucket.is_empty()) {
        store.create_bucket(bucket).await.with_context(|| format!("create the bucket {bucket}"))?;
    }
    Ok(store)
}

/// The preferred port of this machine, or a free one: the clickstream connector binds it later.
fn free_address(preferred: u16) -> Result<SocketAddr> {
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port)).and_then(|listener| listener.local_addr());
    match bind(preferred) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bind(0).context("find a free port"),
        bound => bound.with_context(|| format!("look whether port {preferred} is free")),
    }
}

/// What session tokens are signed with: made once and kept, so that sessions outlive a restart.
fn session_secret(data: &Path) -> Result<String> {
    let path = data.join(SESSION_SECRET);
    match fs::read_to_string(&path) {
        Ok(secret) if !secret.trim().is_empty() => return Ok(secret.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    }
    let bytes: [u8; 32] = rand::random();
    let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::create_dir_all(data).with_context(|| format!("create {}", data.display()))?;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    let written = file.as_mut().map_err(|error| io::Error::new(error.kind(), error.to_string()));
    written.and_then(|file| file.write_all(secret.as_bytes())).with_context(|| format!("write {}", path.display()))?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_session_secret_is_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let secret = session_secret(&data).unwrap();
        assert_eq!(secret.len(), 64);
        assert_eq!(session_secret(&data).unwrap(), secret);
        let mode = fs::metadata(data.join(SESSION_SECRET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn another_endpoint_has_its_own_keys_or_those_that_aws_finds() {
        let data = tempfile::tempdir().unwrap();
        let mut props = tributary_api::Props::from([
            ("bootstrap.servers".to_owned(), "127.0.0.1:1".to_owned()),
            ("shared.s3.endpoint".to_owned(), "http://127.0.0.1:2".to_owned()),
        ]);
        let values = async |props: &tributary_api::Props| {
            let settings = Settings {
                props: props.clone(),
                configs: "configs".into(),
                data: data.path().into(),
                embedded: false,
                any_rest_port: false,
            };
            let mut shared = SharedValues::new(&settings).unwrap();
            let embedded = Embedded::start(&settings, &mut shared).await.unwrap();
            assert!(embedded.broker.is_none() && embedded.store.is_none());
            (shared.get("s3.access.key.id").map(str::to_owned), shared.get("s3.secret.access.key").map(str::to_owned))
        };
        assert_eq!(values(&props).await, (Some(String::new()), Some(String::new())));
        props.insert("shared.s3.access.key.id".to_owned(), "key".to_owned());
        props.insert("shared.s3.secret.access.key".to_owned(), "secret".to_owned());
        assert_eq!(values(&props).await, (Some("key".to_owned()), Some("secret".to_owned())));
    }

    #[test]
    fn a_taken_port_gives_way_to_a_free_one() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let found = free_address(port).unwrap();
        assert!(found.port() != port && found.port() != 0);
    }
}
