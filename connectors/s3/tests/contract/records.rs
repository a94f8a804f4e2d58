//! Records without values, and other special cases.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::field::Field;
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tributary_api::{ErrorKind, Value};
use tributary_testkit::FakeSinkHost;

use crate::support::{BUCKET, Task, TestBucket, key, lines, object, record};

#[tokio::test]
async fn a_record_without_a_value_fails_the_task_unless_errors_are_tolerated() {
    let bucket = TestBucket::new().await;
    let mut task = Task::start(&bucket.props(&[])).await;
    let error = task.task.put(&[record(0, object(0)), record(1, Value::Null)]).await.unwrap_err();
    assert!(!error.is_retriable() && error.to_string().contains("behavior.on.null.values"), "{error:?}");

    let host = FakeSinkHost::tolerant();
    let mut task = Task::start_with(&bucket.props(&[]), host.clone()).await;
    let batch = [0, 1, 2, 3].map(|offset| record(offset, if offset == 1 { Value::Null } else { object(offset) }));
    task.task.put(&batch).await.unwrap();
    // As after an error of another partition: reported once.
    task.task.put(&batch).await.unwrap();
    let reported: Vec<_> = host.reported().into_iter().map(|(record, error)| (record, error.kind())).collect();
    assert_eq!(reported, [(record(1, Value::Null), ErrorKind::Data)]);
    assert_eq!(bucket.lines().await, [(key(0), [lines(0..1), lines(2..4)].concat())]);

    let mut task = Task::start_with(&bucket.props(&[("report.null.values.to.dlq", "false")]), host).await;
    assert!(!task.task.put(&[record(9, Value::Null)]).await.unwrap_err().is_retriable());
}

#[tokio::test]
async fn records_without_a_value_can_be_left_out_and_do_not_hold_back_offsets() {
    let bucket = TestBucket::new().await;
    let mut task = Task::start(&bucket.props(&[("behavior.on.null.values", "IGNORE")])).await;
    let nulls: Vec<_> = (0..4).map(|offset| record(offset, Value::Null)).collect();
    task.task.put(&nulls).await.unwrap();
    assert_eq!(task.safe(4).await, Some(4));
    task.put(4..7).await.unwrap();
    assert_eq!(bucket.lines().await, [(key(4), lines(4..7))]);
}

#[tokio::test]
async fn a_record_that_the_format_cannot_write_leaves_no_partial_output() {
    let bucket = TestBucket::new().await;
    let bytes = [("format.class", "io.confluent.connect.s3.format.bytearray.ByteArrayFormat")];
    let batch = [
        record(0, Value::Int32(0)),
        record(1, Value::string("one")),
        record(2, Value::Int32(2)),
        record(3, Value::string("three")),
        record(4, Value::string("four")),
    ];
    let mut task = Task::start(&bucket.props(&bytes)).await;
    assert_eq!(task.task.put(&batch).await.unwrap_err().kind(), ErrorKind::Fatal);

    let host = FakeSinkHost::tolerant();
    let mut task = Task::start_with(&bucket.props(&bytes), host.clone()).await;
    task.task.put(&batch).await.unwrap();
    assert_eq!(host.reported().len(), 2);
    assert_eq!(bucket.get(BUCKET, &key(1).replace(".json", ".bin")).await, b"one\nthree\nfour\n");
    assert_eq!(task.safe(5).await, Some(5));
}

#[tokio::test]
async fn values_are_written_as_confluents_json_format_writes_them() {
    let bucket = TestBucket::new().await;
    let mut task = Task::start(&bucket.props(&[("flush.size", "4")])).await;
    let values = [
        Value::string("say \"hi\""),
        Value::Bytes(vec![0, 255].into()),
        Value::Array(vec![Value::Null, Value::Float64(1.5)]),
        Value::map([("b", Value::Boolean(true)), ("a", Value::map([("x", Value::Null)]))]),
    ];
    let batch: Vec<_> = (0..).zip(values).map(|(offset, value)| record(offset, value)).collect();
    task.task.put(&batch).await.unwrap();
    let expected = [r#""say \"hi\"""#, r#""AP8=""#, "[null,1.5]", r#"{"b":true,"a":{"x":null}}"#];
    assert_eq!(bucket.lines().await, [(key(0), expected.map(str::to_owned).to_vec())]);
}

/// Counts warnings of a text.
struct Warnings(&'static str, Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| text.push_str(&format!("{field}={value:?} ")));
        if text.contains(self.0) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn object_names_keep_their_topic_and_a_rename_is_logged_once() {
    let warnings = Arc::<AtomicUsize>::default();
    let _guard = tracing::subscriber::set_default(Warnings("renamed=other", Arc::clone(&warnings)));
    let bucket = TestBucket::new().await;
    let mut task = Task::start(&bucket.props(&[])).await;
    task.put(0..3).await.unwrap();
    assert_eq!(warnings.load(Ordering::Relaxed), 0);
    for offset in 3..6 {
        let mut renamed = record(offset, object(offset));
        renamed.topic = Arc::from("other");
        task.task.put(&[renamed]).await.unwrap();
    }
    assert_eq!(warnings.load(Ordering::Relaxed), 1);
    assert_eq!(bucket.lines().await, [(key(0), lines(0..3)), (key(3), lines(3..6))]);
}
