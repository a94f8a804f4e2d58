//! An S3 endpoint with a bucket, and a task as the worker would drive it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tributary_api::{Datum, Factory, Offsets, Origin, Plugin, Props, Record, Result, SinkTask, TopicPartition, Value};
use tributary_embedded::{ObjectStore, ObjectStoreOptions};
use tributary_testkit::FakeSinkHost;

pub(crate) const BUCKET: &str = "bucket";
pub(crate) const KEY: &str = "key";
pub(crate) const SECRET: &str = "a-secret-key";
pub(crate) const TOPIC: &str = "clicks";

pub(crate) struct TestBucket {
    folder: TempDir,
    pub(crate) store: Option<ObjectStore>,
    port: u16,
}

impl TestBucket {
    pub(crate) async fn new() -> Self {
        let mut bucket = Self { folder: TempDir::new().unwrap(), store: None, port: 0 };
        bucket.start().await;
        bucket.make_bucket(BUCKET);
        bucket
    }

    /// Starts the endpoint, on the port that it had.
    pub(crate) async fn start(&mut self) {
        let options = ObjectStoreOptions {
            root: self.folder.path().to_path_buf(),
            preferred_port: self.port,
            access_key: KEY.to_owned(),
            secret_key: SECRET.to_owned(),
            region: "us-east-1".to_owned(),
        };
        let store = ObjectStore::start(options).await.unwrap();
        assert!(self.port == 0 || self.port == store.addr().port(), "the port was taken meanwhile");
        self.port = store.addr().port();
        self.store = Some(store);
    }

    pub(crate) async fn stop(&mut self) {
        self.store.take().unwrap().shutdown().await;
    }

    /// A bucket is a folder.
    pub(crate) fn make_bucket(&self, name: &str) {
        std::fs::create_dir(self.folder.path().join(name)).unwrap();
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn props(&self, more: &[(&str, &str)]) -> Props {
        let endpoint = self.endpoint();
        let base = [
            ("format.class", "io.confluent.connect.s3.format.json.JsonFormat"),
            ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
            ("s3.bucket.name", BUCKET),
            ("s3.region", "us-east-1"),
            ("store.url", &endpoint),
            ("aws.access.key.id", KEY),
            ("aws.secret.access.key", SECRET),
            ("flush.size", "3"),
        ];
        base.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    pub(crate) fn client(&self) -> Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new(KEY, SECRET, None, None, "tests"))
            .endpoint_url(self.endpoint())
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::new("us-east-1"))
            .build();
        Client::from_conf(config)
    }

    pub(crate) async fn keys(&self, bucket: &str) -> Vec<String> {
        let list = self.client().list_objects_v2().bucket(bucket).send().await.unwrap();
        let mut keys: Vec<String> = list.contents.into_iter().flatten().filter_map(|object| object.key).collect();
        keys.sort_unstable();
        keys
    }

    pub(crate) async fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        let object = self.client().get_object().bucket(bucket).key(key).send().await.unwrap();
        object.body.collect().await.unwrap().to_vec()
    }

    /// The lines of each object of the bucket.
    pub(crate) async fn lines(&self) -> Vec<(String, Vec<String>)> {
        let mut objects = Vec::new();
        for key in self.keys(BUCKET).await {
            let text = String::from_utf8(self.get(BUCKET, &key).await).unwrap();
            assert!(text.ends_with('\n'), "{key} ends within a line");
            objects.push((key, text.lines().map(str::to_owned).collect()));
        }
        objects
    }
}

pub(crate) struct Task {
    pub(crate) task: Box<dyn SinkTask>,
    pub(crate) host: Arc<FakeSinkHost>,
}

impl Task {
    pub(crate) async fn start(props: &Props) -> Self {
        Self::start_with(props, FakeSinkHost::new()).await
    }

    pub(crate) async fn start_with(props: &Props, host: Arc<FakeSinkHost>) -> Self {
        let Factory::Sink(factory) = plugin().factory else { panic!("not a sink") };
        let mut task = (factory.task)();
        task.start(host.context(&CancellationToken::new()), props).await.unwrap();
        task.open(&[partition()]).await.unwrap();
        Self { task, host }
    }

    /// Puts records of these offsets of partition 0.
    pub(crate) async fn put(&mut self, offsets: Range<i64>) -> Result<()> {
        self.task.put(&offsets.map(|offset| record(offset, object(offset))).collect::<Vec<_>>()).await
    }

    /// What of partition 0 may be committed, when records up to an offset were put.
    pub(crate) async fn safe(&mut self, consumed: i64) -> Option<i64> {
        let safe = self.task.pre_commit(&Offsets::from([(partition(), consumed)])).await.unwrap();
        safe.get(&partition()).copied()
    }

    /// Calls `put` when the task wants it called, until up to an offset all is safe.
    pub(crate) async fn wait_until_safe(&mut self, offset: i64) {
        for _ in 0..50 {
            if self.safe(offset).await == Some(offset) {
                return;
            }
            tokio::time::sleep(self.host.timeout().unwrap()).await;
            self.task.put(&[]).await.unwrap();
        }
        panic!("{offset} does not become safe");
    }

    /// Where it wants partition 0 to be read from.
    pub(crate) fn seek(&self) -> Option<i64> {
        self.host.take_seeks().get(&partition()).copied()
    }
}

pub(crate) fn plugin() -> Plugin {
    tributary_s3::plugins().remove(0)
}

pub(crate) fn partition() -> TopicPartition {
    TopicPartition::new(TOPIC, 0)
}

pub(crate) fn record(offset: i64, value: Value) -> Record {
    let mut record = Record::new(TOPIC, Datum::schemaless(value));
    record.origin = Origin::Kafka { topic: Arc::from(TOPIC), partition: 0, offset };
    record
}

pub(crate) fn object(offset: i64) -> Value {
    Value::map([("n", Value::Int64(offset))])
}

/// The lines of the records of these offsets.
pub(crate) fn lines(offsets: Range<i64>) -> Vec<String> {
    offsets.map(|offset| format!(r#"{{"n":{offset}}}"#)).collect()
}

pub(crate) fn key(start: i64) -> String {
    format!("topics/clicks/partition=0/clicks+0+{start:010}.json")
}

/// A rotation that does not come while a test runs, so that conditional writes are on.
pub(crate) fn daily() -> [(&'static str, &'static str); 2] {
    [("rotate.schedule.interval.ms", "86400000"), ("timezone", "UTC")]
}

/// A short back-off for tests with an unreachable endpoint.
pub(crate) const SHORT_BACKOFF: Duration = Duration::from_millis(7);
