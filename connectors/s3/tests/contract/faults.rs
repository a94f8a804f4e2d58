//! An endpoint that is unreachable or refuses.

use std::time::Duration;

use tributary_api::{Error, ErrorKind};

use crate::support::{SECRET, SHORT_BACKOFF, Task, TestBucket, daily, key, lines};

#[tokio::test]
async fn a_batch_put_again_after_an_outage_is_written_once() {
    for rotation in [&[][..], &daily()] {
        let mut bucket = TestBucket::new().await;
        let quick = [("s3.part.retries", "2"), ("s3.retry.backoff.ms", "1"), ("retry.backoff.ms", "7")];
        let mut task = Task::start(&bucket.props(&[&quick[..], rotation].concat())).await;
        task.put(0..4).await.unwrap();
        bucket.stop().await;
        for _ in 0..2 {
            let error = task.put(4..10).await.unwrap_err();
            assert!(error.is_retriable(), "{error:?}");
            assert_eq!(error.retry_after(), Some(SHORT_BACKOFF));
            assert_eq!(task.safe(10).await, Some(3));
        }
        bucket.start().await;
        task.put(4..10).await.unwrap();
        assert_eq!(task.safe(10).await, Some(9));
        assert_eq!(
            bucket.lines().await,
            [(key(0), lines(0..3)), (key(3), lines(3..6)), (key(6), lines(6..9))],
            "the lines of each object, after an outage"
        );
    }
}

#[tokio::test]
async fn an_unreachable_endpoint_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let bucket = TestBucket::new().await;
    let mut task = Task::start(&bucket.props(&[("store.url", &url), ("s3.retry.backoff.ms", "1")])).await;
    let put = tokio::time::timeout(Duration::from_secs(60), task.put(0..3)).await.unwrap();
    let error = put.unwrap_err();
    assert!(error.is_retriable() && error.to_string().contains("cannot write an object"), "{error:?}");
}

#[tokio::test]
async fn wrong_credentials_are_reported() {
    let bucket = TestBucket::new().await;
    for (name, value) in [("aws.access.key.id", "nobody"), ("aws.secret.access.key", "not-the-secret")] {
        let mut task = Task::start(&bucket.props(&[(name, value)])).await;
        let error = task.put(0..3).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal, "{error:?}");
        assert!(error.to_string().contains("refuses these credentials"), "{error:?}");
        hides_secrets(&error);
    }
}

fn hides_secrets(error: &Error) {
    let shown = format!("{error} {error:?} {}", error.trace());
    assert!(!shown.contains(SECRET) && !shown.contains("not-the-secret"), "{shown}");
}
