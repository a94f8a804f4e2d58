//! What the file sink does beyond the contract of every sink.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tributary_api::{Datum, Factory, PluginRegistry, Props, Record, Schema, SchemaType, SinkTask, Struct, Value};
use tributary_testkit::{FakeSinkHost, restarts};

fn make_task() -> Box<dyn SinkTask> {
    let registry = PluginRegistry::new(tributary_file::plugins()).unwrap();
    let plugin = registry.find("FileStreamSink", |_| true).unwrap();
    let Factory::Sink(factory) = &plugin.factory else { panic!("not a sink") };
    (factory.task)()
}

async fn start(file: &Path) -> tributary_api::Result<Box<dyn SinkTask>> {
    let mut task = make_task();
    let props: Props = [("file".to_owned(), file.to_str().unwrap().to_owned())].into();
    task.start(FakeSinkHost::new().context(&CancellationToken::new()), &props).await?;
    Ok(task)
}

fn record(value: impl Into<Value>) -> Record {
    Record::new("t", Datum::schemaless(value))
}

#[tokio::test]
async fn values_are_printed_as_java_prints_them() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("out.txt");
    let mut task = start(&file).await.unwrap();
    let int = Schema::new(SchemaType::Int32).into_ref();
    let schema = Schema::structure([("a", int.clone()), ("b", int)]).into_ref();
    let object = Struct::new(schema, vec![Value::Int32(1), Value::Null]).unwrap();
    let values = [
        "text".into(),
        Value::Bytes("bytes".into()),
        Value::Null,
        Value::Float64(1e10),
        object.into(),
        Value::map([("k", Value::Array(vec![1.into(), "x".into()]))]),
    ];
    task.put(&values.map(record)).await.unwrap();
    // Put records are visible at once; only a crash of the machine could lose them.
    assert_eq!(fs::read_to_string(&file).unwrap(), "text\nbytes\nnull\n1.0E10\nStruct{a=1}\n{k=[1, x]}\n");
}

#[tokio::test]
async fn a_file_that_is_there_is_appended_to() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("out.txt");
    fs::write(&file, "old\n").unwrap();
    for line in ["one", "two"] {
        let mut task = start(&file).await.unwrap();
        task.put(&[record(line)]).await.unwrap();
        task.stop().await.unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "old\none\ntwo\n");
}

#[tokio::test]
async fn a_batch_larger_than_the_buffer_is_whole() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("out.txt");
    let mut task = start(&file).await.unwrap();
    let lines: Vec<String> = (0..20_000).map(|n| format!("{n}-{}", "x".repeat(n % 100))).collect();
    task.put(&lines.iter().map(|line| record(line.as_str())).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap().lines().collect::<Vec<_>>(), lines);
}

#[tokio::test]
async fn a_file_that_cannot_be_made_fails_the_start() {
    let folder = TempDir::new().unwrap();
    let error = start(&folder.path().join("no/such/folder.txt")).await.err().unwrap();
    assert!(error.to_string().contains("cannot open or create"), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_retried_with_the_same_batch() {
    // A device that is always full.
    let mut task = start(Path::new("/dev/full")).await.unwrap();
    for _ in 0..2 {
        let error = task.put(&[record("x")]).await.err().unwrap();
        assert!(error.is_retriable(), "{error:?}");
    }
}

#[tokio::test]
async fn restarts_leak_no_thread_and_no_descriptor() {
    if !restarts::alone("restarts_leak_no_thread_and_no_descriptor").unwrap() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("out.txt");
    let restart = || async {
        let mut task = start(&file).await.unwrap();
        task.put(&[record("line")]).await.unwrap();
        task.stop().await.unwrap();
    };
    restarts::stay_flat(100, restart).await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 110);
}
