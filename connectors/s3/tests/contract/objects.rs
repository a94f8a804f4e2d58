//! Which objects there are, and what they hold.

use std::io::Read;
use std::time::Duration;

use flate2::read::GzDecoder;
use tributary_api::{Origin, TopicPartition, Value};

use crate::support::{BUCKET, Task, TestBucket, key, lines, object, record};

/// Kept short: S3's own limit.
const PART: (&str, &str) = ("s3.part.size", "5242880");

/// Records whose lines have about a MiB.
fn large(offset: i64) -> Value {
    Value::string(char::from(b'a' + u8::try_from(offset % 26).unwrap()).to_string().repeat(1 << 20))
}

#[tokio::test]
async fn flush_size_makes_whole_objects_under_confluents_names() {
    let bucket = TestBucket::new().await;
    let mut task = Task::start(&bucket.props(&[])).await;
    let mut batch: Vec<_> = (0..7).map(|offset| record(offset, object(offset))).collect();
    let mut other = record(40, object(40));
    other.origin = Origin::Kafka { topic: "clicks".into(), partition: 11, offset: 40 };
    batch.insert(2, other);

    task.task.put(&batch).await.unwrap();

    assert_eq!(bucket.lines().await, [(key(0), lines(0..3)), (key(3), lines(3..6))]);
    assert!(task.host.take_commit_request());
    let elsewhere = TopicPartition::new("clicks", 11);
    let consumed = [(crate::support::partition(), 7), (elsewhere, 41)].into();
    let safe = task.task.pre_commit(&consumed).await.unwrap();
    assert_eq!(safe, [(crate::support::partition(), 6)].into());

    task.put(7..9).await.unwrap();
    assert_eq!(bucket.keys(BUCKET).await, [key(0), key(3), key(6)]);
    assert_eq!(task.safe(9).await, Some(9));
}

#[tokio::test]
async fn names_follow_the_configuration() {
    let bucket = TestBucket::new().await;
    let more = [
        ("topics.dir", "lake/in"),
        ("file.delim", "-"),
        ("filename.offset.zero.pad.width", "3"),
        ("format.class", "io.confluent.connect.s3.format.bytearray.ByteArrayFormat"),
        ("format.bytearray.extension", ".txt"),
        ("format.bytearray.separator", "; "),
        ("flush.size", "2"),
    ];
    let mut task = Task::start(&bucket.props(&more)).await;
    let batch = [record(5, Value::Bytes("five".into())), record(6, Value::string("six"))];
    task.task.put(&batch).await.unwrap();
    assert_eq!(bucket.keys(BUCKET).await, ["lake/in/clicks/partition=0/clicks-0-005.txt"]);
    assert_eq!(bucket.get(BUCKET, "lake/in/clicks/partition=0/clicks-0-005.txt").await, b"five; six; ");
}

#[tokio::test]
async fn the_clock_completes_objects_without_new_records() {
    let bucket = TestBucket::new().await;
    let schedule = [("flush.size", "1000"), ("rotate.schedule.interval.ms", "300"), ("timezone", "UTC")];
    let mut task = Task::start(&bucket.props(&schedule)).await;
    task.put(0..5).await.unwrap();
    assert!(task.host.timeout().unwrap() <= Duration::from_millis(300));
    task.wait_until_safe(5).await;
    assert_eq!(bucket.lines().await, [(key(0), lines(0..5))]);
    task.put(5..6).await.unwrap();
    task.wait_until_safe(6).await;
    assert_eq!(bucket.lines().await, [(key(0), lines(0..5)), (key(5), lines(5..6))]);
}

#[tokio::test]
async fn a_replay_writes_the_same_objects_again() {
    let bucket = TestBucket::new().await;
    let mut first = Task::start(&bucket.props(&[])).await;
    first.put(0..8).await.unwrap();
    let before = bucket.lines().await;
    drop(first);

    // All but the first commit was lost.
    let mut second = Task::start(&bucket.props(&[])).await;
    second.put(3..4).await.unwrap();
    second.put(4..9).await.unwrap();

    let after = bucket.lines().await;
    assert_eq!(after[..2], before[..]);
    assert_eq!(after, [(key(0), lines(0..3)), (key(3), lines(3..6)), (key(6), lines(6..9))]);
    assert_eq!(second.safe(9).await, Some(9));
}

#[tokio::test]
async fn gzip_is_what_gunzip_reads() {
    let bucket = TestBucket::new().await;
    let gzip = [("s3.compression.type", "gzip"), ("s3.compression.level", "9"), ("flush.size", "1000")];
    let mut task = Task::start(&bucket.props(&gzip)).await;
    task.put(0..1000).await.unwrap();
    let name = format!("{}.gz", key(0));
    assert_eq!(bucket.keys(BUCKET).await, std::slice::from_ref(&name));
    let packed = bucket.get(BUCKET, &name).await;
    let mut text = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), lines(0..1000));
    assert!(packed.len() * 2 < text.len(), "{} bytes of {}", packed.len(), text.len());
}

#[tokio::test]
async fn a_large_object_is_uploaded_in_parts_and_visible_only_when_complete() {
    let bucket = TestBucket::new().await;
    let mut task = Task::start(&bucket.props(&[PART, ("flush.size", "13")])).await;
    for offset in 0..12 {
        task.task.put(&[record(offset, large(offset))]).await.unwrap();
    }
    assert_eq!(bucket.keys(BUCKET).await, Vec::<String>::new());
    assert_eq!(task.safe(12).await, None);

    task.task.put(&[record(12, large(12))]).await.unwrap();

    assert_eq!(task.safe(13).await, Some(13));
    let head = bucket.client().head_object().bucket(BUCKET).key(key(0)).send().await.unwrap();
    assert!(head.e_tag.unwrap().trim_matches('"').ends_with("-3"), "three parts");
    let [(name, found)] = &bucket.lines().await[..] else { panic!("not one object") };
    assert_eq!(*name, key(0));
    assert!(found.iter().eq((0..13).map(|offset| format!("\"{}\"", large(offset))).collect::<Vec<_>>().iter()));
}

#[tokio::test]
async fn a_task_killed_during_an_upload_leaves_no_visible_object() {
    let bucket = TestBucket::new().await;
    let props = bucket.props(&[PART, ("flush.size", "8")]);
    let batch: Vec<_> = (0..7).map(|offset| record(offset, large(offset))).collect();
    let mut first = Task::start(&props).await;
    first.task.put(&batch).await.unwrap();
    drop(first);
    assert_eq!(bucket.keys(BUCKET).await, Vec::<String>::new());

    let mut second = Task::start(&props).await;
    second.task.put(&batch).await.unwrap();
    second.task.put(&[record(7, large(7))]).await.unwrap();
    assert_eq!(second.safe(8).await, Some(8));
    assert_eq!(bucket.lines().await[0].1.len(), 8);
}

#[tokio::test]
async fn many_open_objects_do_not_fill_the_memory() {
    let bucket = TestBucket::new().await;
    // Sixteen partitions of 6 MB are below the size of a part each, and beyond what a task holds together.
    let mut task = Task::start(&bucket.props(&[("flush.size", "7")])).await;
    for offset in 0..6 {
        let batch: Vec<_> = (0..16)
            .map(|partition| {
                let mut record = record(offset, large(offset));
                record.origin = Origin::Kafka { topic: "clicks".into(), partition, offset };
                record
            })
            .collect();
        task.task.put(&batch).await.unwrap();
    }
    let last: Vec<_> = (0..16)
        .map(|partition| {
            let mut record = record(6, Value::Boolean(true));
            record.origin = Origin::Kafka { topic: "clicks".into(), partition, offset: 6 };
            record
        })
        .collect();
    task.task.put(&last).await.unwrap();
    let objects = bucket.lines().await;
    assert_eq!(objects.len(), 16);
    assert!(objects.iter().all(|(_, lines)| lines.len() == 7 && lines[6] == "true"));
    let head = bucket.client().head_object().bucket(BUCKET).key(key(0)).send().await.unwrap();
    assert!(head.e_tag.unwrap().contains('-'), "not sent in parts before it was full");
}
