//! The S3 sink against MinIO: what an in-process endpoint might be kinder about.

use std::ops::Range;
use std::sync::Arc;

use anyhow::Result;
use tokio_util::sync::CancellationToken;
use tributary_api::{Datum, ErrorKind, Factory, Offsets, Origin, Props, Record, SinkTask, TopicPartition, Value};
use tributary_testkit::FakeSinkHost;
use tributary_tests::{Minio, Tier, require};

const BUCKET: &str = "raw";
const TOPIC: &str = "clicks";
/// The smallest part that S3 takes.
const PART: (&str, &str) = ("s3.part.size", "5242880");
/// Conditional writes, and a rotation that does not come while a test runs.
const DAILY: [(&str, &str); 2] = [("rotate.schedule.interval.ms", "86400000"), ("timezone", "UTC")];

struct Task {
    task: Box<dyn SinkTask>,
    host: Arc<FakeSinkHost>,
}

impl Task {
    async fn start(minio: &Minio, more: &[(&str, &str)]) -> Result<Self> {
        let endpoint = minio.endpoint();
        let base = [
            ("format.class", "io.confluent.connect.s3.format.json.JsonFormat"),
            ("s3.bucket.name", BUCKET),
            ("s3.region", Minio::REGION),
            ("store.url", &endpoint),
            ("aws.access.key.id", Minio::ACCESS_KEY),
            ("aws.secret.access.key", Minio::SECRET_KEY),
            ("s3.retry.backoff.ms", "10"),
        ];
        let props: Props =
            base.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let Factory::Sink(factory) = tributary_s3::plugins().remove(0).factory else { panic!("not a sink") };
        let (mut task, host) = ((factory.task)(), FakeSinkHost::new());
        task.start(host.context(&CancellationToken::new()), &props).await?;
        Ok(Self { task, host })
    }

    async fn put(&mut self, offsets: Range<i64>, value: fn(i64) -> Value) -> tributary_api::Result<()> {
        self.task.put(&offsets.map(|offset| record(offset, value(offset))).collect::<Vec<_>>()).await
    }

    async fn safe(&mut self, consumed: i64) -> Option<i64> {
        let safe = self.task.pre_commit(&Offsets::from([(partition(), consumed)])).await.unwrap();
        safe.get(&partition()).copied()
    }

    fn seek(&self) -> Option<i64> {
        self.host.take_seeks().get(&partition()).copied()
    }
}

fn partition() -> TopicPartition {
    TopicPartition::new(TOPIC, 0)
}

fn record(offset: i64, value: Value) -> Record {
    let mut record = Record::new(TOPIC, Datum::schemaless(value));
    record.origin = Origin::Kafka { topic: Arc::from(TOPIC), partition: 0, offset };
    record
}

fn small(offset: i64) -> Value {
    Value::map([("n", Value::Int64(offset))])
}

/// About a MiB.
fn large(offset: i64) -> Value {
    Value::string(format!("{offset:064}").repeat(1 << 14))
}

fn lines(offsets: Range<i64>, value: fn(i64) -> Value) -> Vec<u8> {
    offsets
        .flat_map(|offset| {
            let mut line = tributary_api::json::to_vec(&value(offset)).unwrap();
            line.push(b'\n');
            line
        })
        .collect()
}

fn key(start: i64) -> String {
    format!("topics/clicks/partition=0/clicks+0+{start:010}.json")
}

/// All objects, in a form that can be compared.
async fn objects(minio: &Minio) -> Result<Vec<(String, Vec<u8>)>> {
    let objects = minio.client().objects(BUCKET).await?;
    Ok(objects.into_iter().map(|(name, content)| (name, content.to_vec())).collect())
}

/// Uploads that are begun and neither completed nor aborted. MinIO lists them only for a whole name.
async fn uploads(minio: &Minio, name: &str) -> Result<usize> {
    let list = minio.client().sdk().list_multipart_uploads().bucket(BUCKET).prefix(name).send().await?;
    Ok(list.uploads().len())
}

#[tokio::test]
async fn objects_in_one_request_and_in_parts() -> Result<()> {
    if !require(Tier::Minio)? {
        return Ok(());
    }
    let minio = Minio::start(&[BUCKET]).await?;
    let mut task = Task::start(&minio, &[PART, ("flush.size", "13")]).await?;
    task.put(0..13, small).await?;
    for offset in 13..26 {
        task.put(offset..offset + 1, large).await?;
    }
    assert_eq!(task.safe(26).await, Some(26));
    assert_eq!(objects(&minio).await?, [(key(0), lines(0..13, small)), (key(13), lines(13..26, large))]);
    let client = minio.client();
    let head = client.sdk().head_object().bucket(BUCKET).key(key(0)).send().await?;
    assert_eq!(head.metadata().and_then(|all| all.get("tributary-end-offset")).map(String::as_str), Some("12"));
    let head = client.sdk().head_object().bucket(BUCKET).key(key(13)).send().await?;
    assert!(head.e_tag().is_some_and(|tag| tag.trim_matches('"').ends_with("-3")), "{:?}", head.e_tag());
    Ok(())
}

#[tokio::test]
async fn an_interrupted_upload_is_not_visible_and_an_aborted_one_is_removed() -> Result<()> {
    if !require(Tier::Minio)? {
        return Ok(());
    }
    let minio = Minio::start(&[BUCKET]).await?;
    let props = [PART, ("flush.size", "8")];
    let mut died = Task::start(&minio, &props).await?;
    died.put(0..7, large).await?;
    drop(died);
    assert_eq!((objects(&minio).await?.len(), uploads(&minio, &key(0)).await?), (0, 1));

    let mut stopped = Task::start(&minio, &props).await?;
    stopped.put(0..7, large).await?;
    assert_eq!(uploads(&minio, &key(0)).await?, 2);
    stopped.task.close(&[partition()]).await?;
    stopped.task.stop().await?;
    assert_eq!((objects(&minio).await?.len(), uploads(&minio, &key(0)).await?), (0, 1));

    let mut last = Task::start(&minio, &props).await?;
    last.put(0..8, large).await?;
    assert_eq!(last.safe(8).await, Some(8));
    assert_eq!(objects(&minio).await?, [(key(0), lines(0..8, large))]);
    Ok(())
}

#[tokio::test]
async fn an_upload_that_somebody_aborts_is_begun_again_from_its_first_record() -> Result<()> {
    if !require(Tier::Minio)? {
        return Ok(());
    }
    let minio = Minio::start(&[BUCKET]).await?;
    let mut task = Task::start(&minio, &[PART, ("flush.size", "8")]).await?;
    task.put(0..7, large).await?;
    let client = minio.client();
    let list = client.sdk().list_multipart_uploads().bucket(BUCKET).prefix(key(0)).send().await?;
    let upload = list.uploads()[0].upload_id().unwrap();
    client.sdk().abort_multipart_upload().bucket(BUCKET).key(key(0)).upload_id(upload).send().await?;

    task.put(7..9, large).await?;
    assert_eq!(task.seek(), Some(0));
    task.put(0..9, large).await?;
    assert_eq!(task.safe(9).await, Some(8));
    assert_eq!(objects(&minio).await?, [(key(0), lines(0..8, large))]);
    Ok(())
}

#[tokio::test]
async fn what_is_there_is_not_overwritten_where_rotation_is_by_the_clock() -> Result<()> {
    if !require(Tier::Minio)? {
        return Ok(());
    }
    let minio = Minio::start(&[BUCKET]).await?;
    let with = |flush_size| [&DAILY[..], &[PART, ("flush.size", flush_size)]].concat();
    Task::start(&minio, &with("5")).await?.put(0..5, small).await?;

    let mut longer = Task::start(&minio, &with("8")).await?;
    longer.put(0..8, small).await?;
    assert_eq!((longer.seek(), longer.safe(8).await), (Some(5), Some(5)));
    longer.put(5..13, small).await?;
    assert_eq!(longer.safe(13).await, Some(13));

    // In parts, which are refused only when they are put together.
    let mut parts = Task::start(&minio, &with("8")).await?;
    parts.put(0..7, large).await?;
    assert_eq!(uploads(&minio, &key(0)).await?, 1);
    parts.put(7..8, large).await?;
    assert_eq!((parts.seek(), parts.safe(8).await), (Some(5), Some(5)));
    assert_eq!(uploads(&minio, &key(0)).await?, 0);

    assert_eq!(objects(&minio).await?, [(key(0), lines(0..5, small)), (key(5), lines(5..13, small))]);
    Ok(())
}

#[tokio::test]
async fn a_server_killed_during_an_upload_loses_nothing() -> Result<()> {
    if !require(Tier::Minio)? {
        return Ok(());
    }
    let mut minio = Minio::start(&[BUCKET]).await?;
    let mut task = Task::start(&minio, &[PART, ("flush.size", "20")]).await?;
    task.put(0..7, large).await?;
    minio.kill9().await?;
    let error = task.put(7..20, large).await.unwrap_err();
    assert!(error.is_retriable(), "{error:?}");
    minio.restart().await?;
    task.put(7..20, large).await?;
    assert_eq!(task.safe(20).await, Some(20));
    assert_eq!(objects(&minio).await?, [(key(0), lines(0..20, large))]);
    Ok(())
}

#[tokio::test]
async fn wrong_credentials_are_fatal_and_not_shown() -> Result<()> {
    if !require(Tier::Minio)? {
        return Ok(());
    }
    let minio = Minio::start(&[BUCKET]).await?;
    for (name, value) in [("aws.access.key.id", "nobody"), ("aws.secret.access.key", "a-wrong-secret")] {
        let mut task = Task::start(&minio, &[("flush.size", "1"), (name, value)]).await?;
        let error = task.put(0..1, small).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal, "{error:?}");
        assert!(error.to_string().contains("refuses these credentials"), "{error:?}");
        assert!(!error.to_string().contains("a-wrong-secret"), "{error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_bucket_that_is_removed_is_named() -> Result<()> {
    if !require(Tier::Minio)? {
        return Ok(());
    }
    let minio = Minio::start(&[BUCKET]).await?;
    let mut task = Task::start(&minio, &[("flush.size", "1")]).await?;
    minio.client().sdk().delete_bucket().bucket(BUCKET).send().await?;
    let error = task.put(0..1, small).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal, "{error:?}");
    assert!(error.to_string().contains("there is no bucket raw"), "{error:?}");
    Ok(())
}
