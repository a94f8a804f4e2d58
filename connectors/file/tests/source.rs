//! What the file source does beyond the contract of every source.
#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tributary_api::{
    ErrorKind, ExactlyOnceSupport, Factory, OffsetMap, Origin, PluginRegistry, Props, Record, SchemaType,
    SourceConnector, SourceTask,
};
use tributary_testkit::{FakeConnectorHost, FakeSourceHost, restarts};

struct Task {
    task: Box<dyn SourceTask>,
    stopping: CancellationToken,
}

impl Task {
    async fn start(file: &Path, more: &[(&str, &str)], host: &Arc<FakeSourceHost>) -> Self {
        let mut task = factory().1;
        let stopping = CancellationToken::new();
        task.start(host.context(&stopping), &props(file, more)).await.unwrap();
        Self { task, stopping }
    }

    /// Polls until something comes.
    async fn next(&mut self) -> Vec<Record> {
        for _ in 0..20 {
            let records = self.task.poll().await.unwrap();
            if !records.is_empty() {
                return records;
            }
        }
        panic!("nothing came");
    }

    async fn next_lines(&mut self) -> Vec<String> {
        self.next().await.iter().map(|record| record.value.value.as_str().unwrap().to_owned()).collect()
    }
}

fn factory() -> (Box<dyn SourceConnector>, Box<dyn SourceTask>) {
    let registry = PluginRegistry::new(tributary_file::plugins()).unwrap();
    let plugin = registry.find("FileStreamSource", |_| true).unwrap();
    let Factory::Source(factory) = &plugin.factory else { panic!("not a source") };
    ((factory.connector)(), (factory.task)())
}

fn props(file: &Path, more: &[(&str, &str)]) -> Props {
    let all = [("topic", "lines"), ("file", file.to_str().unwrap())];
    all.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn folder_with(content: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("lines.txt");
    fs::write(&file, content).unwrap();
    (folder, file)
}

fn append(file: &Path, content: &[u8]) {
    OpenOptions::new().append(true).open(file).unwrap().write_all(content).unwrap();
}

fn position(record: &Record) -> i64 {
    let Origin::Source { offset: Some(offset), .. } = &record.origin else { panic!("no offset") };
    offset.int("position").unwrap()
}

#[tokio::test]
async fn a_record_is_a_line_with_the_position_after_it() {
    let (_folder, file) = folder_with("erste\r\nzw\u{f6}lf\n".as_bytes());
    let records = Task::start(&file, &[], &FakeSourceHost::new()).await.next().await;
    let [first, second] = &records[..] else { panic!("{records:?}") };
    assert_eq!((&*first.topic, first.value.value.as_str()), ("lines", Some("erste")));
    assert_eq!(first.value.schema.as_ref().unwrap().kind, SchemaType::String);
    assert!(first.key.value.is_null() && first.timestamp.is_some() && first.partition.is_none());
    let Origin::Source { partition: Some(partition), .. } = &first.origin else { panic!("no source partition") };
    assert_eq!(serde_json::to_value(partition).unwrap(), serde_json::json!({"filename": file.to_str().unwrap()}));
    assert_eq!((position(first), position(second)), (7, 14), "positions are bytes");
    assert_eq!(second.value.value.as_str(), Some("zwölf"));
}

#[tokio::test]
async fn the_last_line_waits_for_its_end() {
    let (_folder, file) = folder_with(b"one\ntw");
    let mut task = Task::start(&file, &[], &FakeSourceHost::new()).await;
    assert_eq!(task.next_lines().await, ["one"]);
    append(&file, b"o\nthree");
    assert_eq!(task.next_lines().await, ["two"]);
}

#[tokio::test]
async fn a_new_line_is_there_soon() {
    let (_folder, file) = folder_with(b"");
    let mut task = Task::start(&file, &[], &FakeSourceHost::new()).await;
    assert!(task.task.poll().await.unwrap().is_empty());
    let writer = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        append(&file, b"new\n");
        Instant::now()
    };
    let (lines, written) = tokio::join!(task.next_lines(), writer);
    assert_eq!(lines, ["new"]);
    assert!(written.elapsed() < Duration::from_millis(500), "{:?}", written.elapsed());
}

#[tokio::test]
async fn a_missing_file_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("late.txt");
    let mut task = Task::start(&file, &[], &FakeSourceHost::new()).await;
    assert!(task.task.poll().await.unwrap().is_empty());
    fs::write(&file, "here\n").unwrap();
    assert_eq!(task.next_lines().await, ["here"]);
}

#[tokio::test]
async fn a_batch_has_the_configured_size() {
    let (_folder, file) = folder_with("x\n".repeat(25).as_bytes());
    let mut task = Task::start(&file, &[("batch.size", "10")], &FakeSourceHost::new()).await;
    let mut sizes = Vec::new();
    for _ in 0..3 {
        sizes.push(task.next().await.len());
    }
    assert_eq!(sizes, [10, 10, 5]);
    let (_folder, file) = folder_with("x\n".repeat(3000).as_bytes());
    assert_eq!(Task::start(&file, &[], &FakeSourceHost::new()).await.next().await.len(), 2000);
}

#[tokio::test]
async fn a_file_larger_than_what_is_read_at_once_is_whole() {
    let expected: Vec<String> = (0..50_000).map(|n| format!("{n}-{}", "\u{e9}".repeat(n % 40))).collect();
    let long = "long".repeat(300_000);
    let content = format!("{}\n{long}\nlast\n", expected.join("\n"));
    let (_folder, file) = folder_with(content.as_bytes());
    let host = FakeSourceHost::new();
    let mut found = Vec::new();
    // Each batch is read by a new task, which goes on from the offset.
    while found.len() < expected.len() + 2 {
        let records = Task::start(&file, &[("batch.size", "7001")], &host).await.next().await;
        host.acknowledge(records.last().unwrap());
        found.extend(records.iter().map(|record| record.value.value.as_str().unwrap().to_owned()));
    }
    assert_eq!(found[..expected.len()], expected);
    assert_eq!(found[expected.len()..], [long, "last".to_owned()]);
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_replaced() {
    let (_folder, file) = folder_with(b"ok\n\xff\xfe!\nalso ok\n");
    let lines = Task::start(&file, &[], &FakeSourceHost::new()).await.next_lines().await;
    assert_eq!(lines, ["ok", "\u{fffd}\u{fffd}!", "also ok"]);
}

#[tokio::test]
async fn a_file_that_was_cut_is_read_again_once_it_grows_past_the_position() {
    let (_folder, file) = folder_with(b"1234\n5678\n");
    let mut task = Task::start(&file, &[], &FakeSourceHost::new()).await;
    assert_eq!(task.next().await.len(), 2);
    fs::write(&file, "new\n").unwrap();
    assert!(task.task.poll().await.unwrap().is_empty());
    append(&file, b"56789012\nmore\n");
    assert_eq!(task.next_lines().await, ["12", "more"]);
}

#[tokio::test]
async fn a_folder_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut task = Task::start(folder.path(), &[], &FakeSourceHost::new()).await;
    let error = task.task.poll().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("cannot open"), "{error}");
}

#[tokio::test]
async fn a_stored_position_that_is_no_number_fails_the_task() {
    let (_folder, file) = folder_with(b"x\n");
    let partition = OffsetMap::new([("filename", file.to_str().unwrap().into())]);
    for wrong in ["text".into(), (-1).into()] {
        let host = FakeSourceHost::new();
        host.set_offset(&partition, OffsetMap::new([("position", wrong)]));
        let error = Task::start(&file, &[], &host).await.task.poll().await.err().unwrap();
        assert!(error.to_string().contains("alter the offsets"), "{error}");
    }
}

#[tokio::test]
async fn a_named_pipe_is_read_without_offsets() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut task = Task::start(&pipe, &[], &FakeSourceHost::new()).await;
    let path = pipe.clone();
    let writer = tokio::task::spawn_blocking(move || fs::write(path, "one\ntwo\n").unwrap());
    let records = task.next().await;
    writer.await.unwrap();
    assert_eq!(records.len(), 2);
    assert!(matches!(records[0].origin, Origin::Source { partition: None, offset: None, .. }));
    // A pipe without a writer does not keep the task from stopping.
    task.stopping.cancel();
    assert!(task.task.poll().await.unwrap().is_empty());
}

#[tokio::test]
async fn offsets_are_altered_only_to_what_the_task_can_use() {
    let (_folder, file) = folder_with(b"");
    let parse = |props: &Props| tributary_file::plugins()[0].description.config.parse(props).unwrap();
    let with_file = parse(&props(&file, &[]));
    let without_file = parse(&[("topic".to_owned(), "t".to_owned())].into());
    let mut connector = factory().0;
    connector.start(FakeConnectorHost::new().context("test"), &with_file).await.unwrap();
    let partition = || OffsetMap::new([("filename", "f".into())]);
    let at = |position: tributary_api::OffsetValue| Some(OffsetMap::new([("position", position)]));
    for (partition, offset) in [(partition(), None), (partition(), at(0.into())), (partition(), at(7.into()))] {
        assert!(connector.alter_offsets(&with_file, &[(partition, offset)]).await.unwrap());
    }
    for (config, partition, offset, message) in [
        (&without_file, partition(), at(1.into()), "'file' configuration is unspecified"),
        (&with_file, OffsetMap::new([("file", "f".into())]), at(1.into()), "contain the key 'filename'"),
        (&with_file, partition(), Some(OffsetMap::new([("pos", 1.into())])), "contain the key 'position'"),
        (&with_file, partition(), at("1".into()), "expected to be a Long value"),
        (&with_file, partition(), at((-1).into()), "non-negative"),
    ] {
        let error = connector.alter_offsets(config, &[(partition, offset)]).await.err().unwrap();
        assert!(error.to_string().contains(message), "{error}");
    }
    assert_eq!(connector.exactly_once_support(&with_file), ExactlyOnceSupport::Supported);
    assert_eq!(connector.exactly_once_support(&without_file), ExactlyOnceSupport::Unsupported);
}

#[tokio::test]
async fn restarts_leak_no_thread_and_no_descriptor() {
    if !restarts::alone("restarts_leak_no_thread_and_no_descriptor").unwrap() {
        return;
    }
    let (_folder, file) = folder_with(b"one\ntwo\n");
    let restart = || async {
        let mut task = Task::start(&file, &[], &FakeSourceHost::new()).await;
        assert_eq!(task.next_lines().await, ["one", "two"]);
        task.stopping.cancel();
        task.task.stop().await.unwrap();
    };
    restarts::stay_flat(100, restart).await.unwrap();
}
