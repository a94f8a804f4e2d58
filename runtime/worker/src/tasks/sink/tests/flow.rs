use std::sync::Mutex;
use std::time::Duration;

use tributary_api::{Error, Offsets, SinkHost as _, TopicPartition};
use tributary_control::InstanceState;
use tributary_kafka::StartOffsets;

use super::rig::{Script, of, rig, rig_with};

fn safe(entries: &[(i32, i64)]) -> Offsets {
    entries.iter().map(|(partition, offset)| (TopicPartition::new("t", *partition), *offset)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_commits_put_records_then_closes_stops_and_leaves_the_group() {
    let rig = rig(&[]);
    rig.assign(&[0, 1]);
    rig.records(0, 5, &["a", "b"]);
    rig.calls.wait_for("put a,b", 1);
    let (outcome, calls) = rig.stop();
    outcome.unwrap();
    assert_eq!(
        calls.lines(),
        [
            "start",
            "accept t-0,t-1",
            "open t-0,t-1",
            "put a,b",
            "pre_commit t-0@7",
            "commit t-0@7",
            "close t-0,t-1",
            "stop",
            "leave"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_plugins_safe_offsets_are_committed_and_only_once() {
    let rig = rig(&[]);
    rig.assign(&[0, 1]);
    rig.records(0, 0, &["a", "b", "c"]);
    rig.calls.wait_for("put a,b,c", 1);
    // Beyond what it was given, and a partition that is not its own: both ignored.
    *rig.script.safe.lock().unwrap() = Some(Ok(safe(&[(0, 2), (1, 1), (7, 1)])));
    rig.commit();
    rig.calls.wait_for("commit async t-0@2", 1);
    rig.commit();
    rig.calls.wait_for("pre_commit t-0@3", 2);
    *rig.script.safe.lock().unwrap() = Some(Ok(safe(&[(0, 4)])));
    let (outcome, calls) = rig.stop();
    outcome.unwrap();
    let commits = calls.lines().iter().filter(|line| line.starts_with("commit")).count();
    assert_eq!(commits, 1, "{:?}", calls.lines());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_of_an_idle_partition_is_committed_once() {
    let starts = StartOffsets { committed: safe(&[(0, 5)]), reset: safe(&[(1, 40), (2, 7)]) };
    let rig = rig_with(&[], Script { starts: Mutex::new(starts), ..Script::default() });
    rig.assign(&[0, 1, 2]);
    rig.commit();
    rig.calls.wait_for("commit async t-1@40,t-2@7", 1);
    rig.records(2, 7, &["x"]);
    rig.calls.wait_for("put x", 1);
    rig.commit();
    rig.calls.wait_for("commit async t-2@8", 1);
    let (outcome, calls) = rig.stop();
    outcome.unwrap();
    let commits = calls.lines().iter().filter(|line| line.starts_with("commit")).count();
    assert_eq!(commits, 2, "what the group knows already is not committed again: {:?}", calls.lines());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_partition_begins_is_safe_although_nothing_of_it_is() {
    let starts = StartOffsets { reset: safe(&[(0, 5), (1, 9)]), ..StartOffsets::default() };
    let rig = rig_with(&[], Script { starts: Mutex::new(starts), ..Script::default() });
    *rig.script.safe.lock().unwrap() = Some(Ok(Offsets::new()));
    rig.assign(&[0, 1]);
    rig.records(0, 5, &["not flushed"]);
    rig.calls.wait_for("put not flushed", 1);
    // The plugin knows better where to read this one from.
    rig.host.seek(&TopicPartition::new("t", 1), 3);
    rig.calls.wait_for("seek t-1@3", 1);
    let (outcome, calls) = rig.stop();
    outcome.unwrap();
    assert_eq!(calls.lines().iter().filter(|line| line.starts_with("commit")).collect::<Vec<_>>(), ["commit t-0@5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retriable_put_gets_the_same_batch_again_and_later_records_wait() {
    let rig = rig(&[]);
    let away = || Err(Error::retriable("away").with_retry_after(Duration::from_millis(50)));
    rig.script.puts.lock().unwrap().extend([away(), away()]);
    rig.assign(&[0]);
    rig.records(0, 0, &["a", "b"]);
    rig.calls.wait_for("pause t-0", 1);
    rig.records(0, 2, &["c"]);
    rig.calls.wait_for("put c", 1);
    let (outcome, calls) = rig.stop();
    outcome.unwrap();
    assert_eq!(calls.from("put a,b")[..6], ["put a,b", "pause t-0", "put a,b", "put a,b", "resume t-0", "put c"]);
    assert!(calls.lines().contains(&"commit t-0@3".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_error_fails_the_task_and_commits_what_was_taken_before() {
    let rig = rig(&[]);
    rig.script.puts.lock().unwrap().extend([Ok(()), Err(Error::fatal("table is gone"))]);
    rig.assign(&[0]);
    rig.records(0, 0, &["a"]);
    rig.records(0, 1, &["b"]);
    let calls = std::sync::Arc::clone(&rig.calls);
    let error = rig.end().unwrap_err();
    assert!(error.trace().contains("Exiting WorkerSinkTask due to unrecoverable exception.\nCaused by: table is gone"));
    assert_eq!(calls.from("put b"), ["put b", "pre_commit t-0@1", "commit t-0@1", "close t-0", "stop", "leave"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_pre_commit_reads_again_from_the_last_commit() {
    let rig = rig(&[]);
    rig.assign(&[0, 1]);
    rig.records(0, 10, &["a"]);
    rig.calls.wait_for("put a", 1);
    rig.commit();
    rig.calls.wait_for("commit async t-0@11", 1);
    rig.records(0, 11, &["b"]);
    rig.records(1, 40, &["x"]);
    rig.calls.wait_for("put x", 1);
    *rig.script.safe.lock().unwrap() = Some(Err(Error::retriable("cannot flush")));
    rig.commit();
    rig.calls.wait_for("seek t-1@40", 1);
    assert!(rig.calls.lines().contains(&"seek t-0@11".to_owned()));
    *rig.script.safe.lock().unwrap() = None;
    let (_, calls) = rig.stop();
    assert!(!calls.lines().iter().any(|line| line.contains("t-0@12") && line.starts_with("commit")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_brings_back_a_batch_that_waits_to_be_put_again() {
    let rig = rig(&[]);
    rig.assign(&[0, 1]);
    rig.records(0, 0, &["a"]);
    rig.calls.wait_for("put a", 1);
    let away = Error::retriable("away").with_retry_after(Duration::from_secs(60));
    rig.script.puts.lock().unwrap().push_back(Err(away));
    rig.records(1, 7, &["x"]);
    rig.calls.wait_for("pause t-0,t-1", 1);
    *rig.script.safe.lock().unwrap() = Some(Err(Error::retriable("cannot flush")));
    rig.commit();
    rig.calls.wait_for("seek t-1@7", 1);
    rig.calls.wait_for("resume t-0,t-1", 1);
    rig.stop().0.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_converted_is_passed_over_when_tolerated() {
    let transforms = [("transforms", "a"), ("transforms.a.type", "Append"), ("errors.tolerance", "all")];
    let rig = rig(&transforms);
    rig.assign(&[0]);
    rig.records(0, 0, &["a", "bad", "drop", "twice", "bad"]);
    rig.calls.wait_for("put a!,twice!,twice!", 1);
    assert_eq!((rig.metrics.errors.skipped.get(), rig.metrics.sink.read.get()), (2, 5));
    let (_, calls) = rig.stop();
    assert!(calls.lines().contains(&"commit t-0@5".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_converted_fails_the_task_and_names_its_place() {
    let rig = rig(&[("transforms", "a"), ("transforms.a.type", "Append")]);
    rig.assign(&[0]);
    rig.records(0, 0, &["a"]);
    rig.records(0, 1, &["b", "bad"]);
    let error = rig.end().unwrap_err();
    assert!(error.to_string().contains("record 2 of t-0: a bad record"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reported_records_are_tolerated_or_fail_the_task() {
    let script = || Script { report_all: Some(Error::fatal("rejected")).into(), ..Script::default() };
    let strict = rig_with(&[("errors.log.enable", "true")], script());
    assert!(strict.host.can_report());
    strict.assign(&[0]);
    strict.records(0, 0, &["a"]);
    let error = strict.end().unwrap_err();
    assert!(error.to_string().contains("Tolerance exceeded") && error.to_string().contains("rejected"), "{error}");

    let lenient = rig_with(&[("errors.log.enable", "true"), ("errors.tolerance", "all")], script());
    lenient.assign(&[0]);
    lenient.records(0, 0, &["a"]);
    lenient.calls.wait_for("put a", 1);
    let metrics = std::sync::Arc::clone(&lenient.metrics);
    let (outcome, calls) = lenient.stop();
    outcome.unwrap();
    assert_eq!((metrics.errors.skipped.get(), metrics.errors.logged.get()), (1, 1));
    assert!(calls.lines().contains(&"commit t-0@1".to_owned()));

    let silent = rig_with(&[], Script::default());
    assert!(!silent.host.can_report());
    silent.stop().0.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugins_pause_outlives_the_operators() {
    let rig = rig(&[]);
    rig.assign(&[0, 1]);
    rig.host.pause(&of(&[1, 9]));
    rig.calls.wait_for("pause t-1", 1);
    rig.control.set_paused(true);
    rig.recorded.wait_for(InstanceState::Paused).await;
    rig.calls.wait_for("pause t-0,t-1", 1);
    rig.control.set_paused(false);
    rig.recorded.wait_for(InstanceState::Running).await;
    rig.calls.wait_for("resume t-0", 1);
    rig.host.resume(&of(&[1]));
    rig.calls.wait_for("resume t-1", 1);
    rig.stop().0.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugins_seek_moves_the_position() {
    let rig = rig(&[]);
    rig.assign(&[0]);
    rig.records(0, 5, &["a"]);
    rig.calls.wait_for("put a", 1);
    rig.host.seek(&TopicPartition::new("t", 0), 2);
    rig.host.seek(&TopicPartition::new("t", 8), 2);
    rig.calls.wait_for("seek t-0@2", 1);
    rig.commit();
    rig.calls.wait_for("commit async t-0@2", 1);
    let (_, calls) = rig.stop();
    assert!(!calls.lines().contains(&"seek t-8@2".to_owned()), "not its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugin_is_called_when_it_asked_to_be() {
    let script = Script { timeout: Some(Duration::from_millis(20)).into(), ..Script::default() };
    let rig = rig_with(&[], script);
    rig.calls.wait_for("put ", 1);
    rig.stop().0.unwrap();
}
