//! What is checked before anything is written.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tributary_api::{ConfigIssue, ErrorKind, Props};

use crate::support::{Task, TestBucket, plugin};

async fn validate(props: &Props) -> Vec<ConfigIssue> {
    tributary_testkit::validate(&plugin(), props).await
}

/// One issue, on this property, that says this.
async fn check(props: &Props, name: &str, says: &str) {
    let issues = validate(props).await;
    let [issue] = &issues[..] else { panic!("{name}: {issues:?}") };
    assert!(issue.name == name && issue.message.contains(says), "{issue:?}");
}

#[tokio::test]
async fn what_would_change_the_output_and_is_not_built_is_refused() {
    let bucket = TestBucket::new().await;
    for (name, value) in [
        ("format.class", "io.confluent.connect.s3.format.parquet.ParquetFormat"),
        ("partitioner.class", "io.confluent.connect.storage.partitioner.FieldPartitioner"),
        ("store.kafka.keys", "true"),
        ("store.kafka.headers", "true"),
        ("behavior.on.null.values", "write"),
        ("schema.compatibility", "BACKWARD"),
        ("json.decimal.format", "NUMERIC"),
        ("s3.object.tagging", "true"),
        ("s3.credentials.provider.class", "io.confluent.connect.s3.auth.AwsAssumeRoleCredentialsProvider"),
    ] {
        let props = bucket.props(&[(name, value)]);
        check(&props, name, "not built yet").await;
        let error = plugin().description.config.parse(&props).unwrap_err();
        assert_eq!(error.property(), Some(name), "it does not start");
    }
    check(&bucket.props(&[("rotate.interval.ms", "1000")]), "rotate.interval.ms", "time-based partitioner").await;
    assert_eq!(validate(&bucket.props(&[("rotate.interval.ms", "-1"), ("store.kafka.keys", "False")])).await, []);
}

#[tokio::test]
async fn a_schedule_needs_a_time_zone() {
    let bucket = TestBucket::new().await;
    let schedule = ("rotate.schedule.interval.ms", "1000");
    check(&bucket.props(&[schedule]), "timezone", "timezone is missing").await;
    check(&bucket.props(&[schedule, ("timezone", "Mars")]), "timezone", "not known").await;
}

#[tokio::test]
async fn names_of_objects_that_s3_does_not_take_are_refused_before_a_record_is_read() {
    let bucket = TestBucket::new().await;
    let long = "d".repeat(1000);
    let dir = ("topics.dir", long.as_str());
    check(&bucket.props(&[dir, ("topics", "a,clicks")]), "topics.dir", "and S3 takes 1024").await;
    assert_eq!(validate(&bucket.props(&[("topics.dir", &long[..200]), ("topics", "a,clicks")])).await, []);
    // Topics that a pattern finds are checked by the task: S3 would refuse their objects each time.
    let mut task = Task::start(&bucket.props(&[dir])).await;
    let error = task.put(0..1).await.unwrap_err();
    assert_eq!((error.kind(), error.property()), (ErrorKind::Config, Some("topics.dir")), "{error:?}");
}

#[tokio::test]
async fn the_bucket_must_exist_and_be_reached() {
    let mut bucket = TestBucket::new().await;
    assert_eq!(validate(&bucket.props(&[])).await, []);
    check(&bucket.props(&[("s3.bucket.name", "no-such-one")]), "s3.bucket.name", "there is no such bucket").await;
    // Whether it may be written to is seen when it is.
    assert_eq!(validate(&bucket.props(&[("aws.secret.access.key", "wrong")])).await, []);
    bucket.stop().await;
    check(&bucket.props(&[("s3.retry.backoff.ms", "1")]), "store.url", "cannot reach the bucket").await;
}

/// Answers as S3 does where a bucket is in another region, with these headers.
async fn elsewhere(headers: &'static str) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request).await;
            let answer =
                format!("HTTP/1.1 301 Moved Permanently\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, serving)
}

#[tokio::test]
async fn a_bucket_of_another_region_is_refused_with_the_region_that_it_has() {
    let bucket = TestBucket::new().await;
    for (headers, says) in
        [("x-amz-bucket-region: eu-west-1\r\n", "set s3.region to eu-west-1"), ("", "set s3.region to the bucket's")]
    {
        let (url, _serving) = elsewhere(headers).await;
        let props = bucket.props(&[("store.url", &url)]);
        check(&props, "s3.region", says).await;
        let error = Task::start(&props).await.put(0..3).await.unwrap_err();
        assert_eq!((error.kind(), error.property()), (ErrorKind::Config, Some("s3.region")), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
}
