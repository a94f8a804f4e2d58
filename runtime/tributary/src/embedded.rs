//! The embedded servers: a Kafka broker and an S3 endpoint.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tributary_embedded::{Broker, BrokerOptions, BrokerStorage, ObjectStore, ObjectStoreOptions};
use tributary_listener::check_bindable;

use crate::data_folder::{self, BROKER_FOLDER, STORE_FOLDER};
use crate::settings::Settings;
use crate::shared_values::SharedValues;

const COLLECT_PORT: u16 = 8081;

const CLUSTER_ID: &str = "tributary-embedded";
const REGION: &str = "us-east-1";

/// The running servers.
pub(crate) struct Embedded {
    pub(crate) broker: Option<Broker>,
    pub(crate) store: Option<ObjectStore>,
    /// The file that has the endpoint's keys, unless the settings have them.
    pub(crate) keys: Option<PathBuf>,
}

impl Embedded {
    /// Starts the configured ones, both concurrently, and shares their addresses and keys with connectors.
    pub(crate) async fn start(settings: &Settings, shared: &mut SharedValues) -> Result<Self> {
        // With the shop in this process the secret can be generated, because no other server needs it.
        if settings.embedded || settings.flag_or("demo.shop.enable", false)? {
            shared.add_missing("session.secret", data_folder::session_secret(&settings.data)?);
        }
        if settings.embedded {
            shared.add_missing("collect.listen", free_address(COLLECT_PORT)?.to_string());
        }
        let wants_store =
            settings.flag_or("embedded.store.enable", settings.embedded)? && shared.get("s3.endpoint").is_none();
        let mut keys_file = None;
        if wants_store {
            if shared.get("s3.access.key.id").is_none() && shared.get("s3.secret.access.key").is_none() {
                let keys = data_folder::store_keys(&settings.data)?;
                shared.add_missing("s3.access.key.id", keys.access);
                shared.add_missing("s3.secret.access.key", keys.secret);
                keys_file = Some(data_folder::keys_file(&settings.data));
            }
            shared.add_missing("s3.region", REGION);
        } else {
            // Without keys connectors use AWS's default credential chain.
            shared.add_missing("s3.access.key.id", "");
            shared.add_missing("s3.secret.access.key", "");
        }
        let broker = async { if settings.embedded { start_broker(settings).await.map(Some) } else { Ok(None) } };
        let store = async { if wants_store { start_store(settings, shared).await.map(Some) } else { Ok(None) } };
        let (broker, store) = tokio::try_join!(broker, store)?;
        if let Some(store) = &store {
            shared.add_missing("s3.endpoint", store.endpoint());
        }
        Ok(Self { broker, store, keys: keys_file })
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
        preferred_port: settings.port("embedded.broker.port")?,
        cluster_id: CLUSTER_ID.to_owned(),
    };
    Broker::start(options).await.context("start the embedded broker")
}

async fn start_store(settings: &Settings, shared: &SharedValues) -> Result<ObjectStore> {
    let value = |name: &str| shared.get(name).unwrap_or_default().to_owned();
    let options = ObjectStoreOptions {
        root: settings.data.join(STORE_FOLDER),
        preferred_port: settings.port("embedded.store.port")?,
        access_key: value("s3.access.key.id"),
        secret_key: value("s3.secret.access.key"),
        region: value("s3.region"),
    };
    let store = ObjectStore::start(options).await.context("start the embedded S3 endpoint")?;
    for bucket in settings.list("embedded.store.buckets")?.iter().filter(|bucket| !bucket.is_empty()) {
        store.create_bucket(bucket).await.with_context(|| format!("create the bucket {bucket}"))?;
    }
    Ok(store)
}

/// The preferred port of this machine, or a free one: the clickstream connector binds it later.
fn free_address(preferred: u16) -> Result<SocketAddr> {
    let bind = |port: u16| check_bindable(("127.0.0.1", port));
    match bind(preferred) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bind(0).context("find a free port"),
        bound => bound.with_context(|| format!("look whether port {preferred} is free")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::settings::Written;

    #[tokio::test]
    async fn another_endpoint_has_its_own_keys_or_those_that_aws_finds() {
        let data = tempfile::tempdir().unwrap();
        let endpoint = [("bootstrap.servers", "127.0.0.1:1"), ("shared.s3.endpoint", "http://127.0.0.1:2")];
        let values = async |props: &[(&str, &str)]| {
            let written = Written { data: data.path().into(), embedded: false, ..Written::for_test(props) };
            let settings = written.parse().unwrap();
            let mut shared = SharedValues::new(&settings).unwrap();
            let embedded = Embedded::start(&settings, &mut shared).await.unwrap();
            assert!(embedded.broker.is_none() && embedded.store.is_none());
            (shared.get("s3.access.key.id").map(str::to_owned), shared.get("s3.secret.access.key").map(str::to_owned))
        };
        assert_eq!(values(&endpoint).await, (Some(String::new()), Some(String::new())));
        let keys = [("shared.s3.access.key.id", "key"), ("shared.s3.secret.access.key", "secret")];
        assert_eq!(values(&[endpoint, keys].concat()).await, (Some("key".to_owned()), Some("secret".to_owned())));
    }

    #[test]
    fn a_taken_port_is_replaced_by_a_free_one() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let found = free_address(port).unwrap();
        assert!(found.port() != port && found.port() != 0);
    }
}
