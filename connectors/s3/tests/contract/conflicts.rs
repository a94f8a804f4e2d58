//! Objects that exist already and may have been cut differently by time-based rotation.

use crate::support::{BUCKET, Task, TestBucket, daily, key, lines};

async fn task(bucket: &TestBucket, flush_size: &str) -> Task {
    Task::start(&bucket.props(&[&daily()[..], &[("flush.size", flush_size)]].concat())).await
}

#[tokio::test]
async fn a_shorter_object_is_kept_and_reading_continues_after_it() {
    let bucket = TestBucket::new().await;
    task(&bucket, "5").await.put(0..5).await.unwrap();

    let mut second = task(&bucket, "8").await;
    second.put(0..12).await.unwrap();
    assert_eq!((second.seek(), second.safe(12).await), (Some(5), Some(5)));
    // Read again from there, as the worker does it.
    second.put(5..9).await.unwrap();
    second.put(9..13).await.unwrap();

    assert_eq!(bucket.lines().await, [(key(0), lines(0..5)), (key(5), lines(5..13))]);
    assert_eq!((second.seek(), second.safe(13).await), (None, Some(13)));
}

#[tokio::test]
async fn a_longer_object_is_kept_and_its_records_do_not_come_twice() {
    let bucket = TestBucket::new().await;
    task(&bucket, "5").await.put(0..5).await.unwrap();

    let mut second = task(&bucket, "3").await;
    second.put(0..3).await.unwrap();
    // Not beyond the consumed offset.
    assert_eq!((second.seek(), second.safe(3).await), (Some(5), Some(3)));
    second.put(5..8).await.unwrap();

    assert_eq!(bucket.lines().await, [(key(0), lines(0..5)), (key(5), lines(5..8))]);
    assert_eq!(second.safe(8).await, Some(8));
}

#[tokio::test]
async fn the_same_object_is_written_already() {
    let bucket = TestBucket::new().await;
    task(&bucket, "5").await.put(0..5).await.unwrap();
    let mut second = task(&bucket, "5").await;
    second.put(0..10).await.unwrap();
    assert_eq!((second.seek(), second.safe(10).await), (None, Some(10)));
    assert_eq!(bucket.lines().await, [(key(0), lines(0..5)), (key(5), lines(5..10))]);
}

/// As another sink leaves it, or one in parts: its end is not known, so that some records come twice and none is lost.
#[tokio::test]
async fn of_an_object_that_does_not_say_its_end_only_the_first_record_is_trusted() {
    let bucket = TestBucket::new().await;
    let theirs = lines(0..4).join("\n") + "\n";
    let put = bucket.client().put_object().bucket(BUCKET).key(key(0)).body(theirs.into_bytes().into());
    put.send().await.unwrap();

    let mut second = task(&bucket, "6").await;
    second.put(0..6).await.unwrap();
    assert_eq!((second.seek(), second.safe(6).await), (Some(1), Some(1)));
    second.put(1..7).await.unwrap();

    assert_eq!(bucket.lines().await, [(key(0), lines(0..4)), (key(1), lines(1..7))]);
    assert_eq!(second.safe(7).await, Some(7));
}

/// The rest of the batch, and the batch when it is put again, is not accepted before the partition is read again.
#[tokio::test]
async fn no_record_is_skipped_between_a_conflict_and_the_read() {
    let bucket = TestBucket::new().await;
    task(&bucket, "5").await.put(0..5).await.unwrap();
    let mut second = task(&bucket, "8").await;
    second.put(0..8).await.unwrap();
    assert_eq!(second.seek(), Some(5));
    // Compaction has taken 5 and 6.
    second.put(7..15).await.unwrap();
    assert_eq!(bucket.lines().await, [(key(0), lines(0..5)), (key(7), lines(7..15))]);
    assert_eq!(second.safe(15).await, Some(15));
}

#[tokio::test]
async fn without_conditional_writes_the_last_one_wins() {
    let bucket = TestBucket::new().await;
    task(&bucket, "5").await.put(0..5).await.unwrap();
    let more = [&daily()[..], &[("flush.size", "8"), ("enable.conditional.writes", "false")]].concat();
    let mut second = Task::start(&bucket.props(&more)).await;
    second.put(0..8).await.unwrap();
    assert_eq!(bucket.lines().await, [(key(0), lines(0..8))]);
}
