use std::time::Duration;

use tributary_api::{Error, SinkHost as _};
use tributary_control::InstanceState;

use super::rig::{of, rig};

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_leave_are_committed_and_closed_first() {
    let rig = rig(&[]);
    rig.assign(&[0, 1]);
    rig.records(0, 0, &["a"]);
    rig.records(1, 4, &["x"]);
    rig.calls.wait_for("put x", 1);
    rig.revoke(&[1], false);
    assert_eq!(rig.calls.from("pre_commit t-1@5"), ["pre_commit t-1@5", "commit t-1@5", "close t-1", "release t-1"]);
    assert_eq!(rig.host.assignment(), of(&[0]));
    let (_, calls) = rig.stop();
    assert_eq!(calls.from("pre_commit t-0@1")[1..3], ["commit t-0@1", "close t-0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_lost_are_not_committed() {
    let rig = rig(&[]);
    rig.assign(&[0]);
    rig.records(0, 0, &["a"]);
    rig.calls.wait_for("put a", 1);
    rig.revoke(&[0], true);
    let (_, calls) = rig.stop();
    assert_eq!(calls.from("put a"), ["put a", "close t-0", "release t-0", "stop", "leave"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_waits_loses_the_records_of_partitions_that_leave() {
    let rig = rig(&[]);
    let away = Error::retriable("away").with_retry_after(Duration::from_millis(300));
    rig.script.puts.lock().unwrap().push_back(Err(away));
    rig.assign(&[0, 1]);
    rig.records(0, 0, &["a"]);
    rig.calls.wait_for("pause t-0,t-1", 1);
    rig.records(1, 0, &["x"]);
    rig.revoke(&[0], false);
    rig.calls.wait_for("resume t-1", 1);
    rig.calls.wait_for("put x", 1);
    let (_, calls) = rig.stop();
    let lines = calls.lines();
    assert_eq!(lines.iter().filter(|line| *line == "put a").count(), 1, "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("commit t-0")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_partitions_of_a_paused_task_are_paused() {
    let rig = rig(&[]);
    rig.control.set_paused(true);
    rig.recorded.wait_for(InstanceState::Paused).await;
    rig.assign(&[3]);
    assert_eq!(rig.calls.from("accept t-3"), ["accept t-3", "pause t-3", "open t-3"]);
    rig.stop().0.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_reported_once() {
    let rig = rig(&[]);
    rig.assign(&[0, 1]);
    rig.records(0, 0, &["a"]);
    rig.records(1, 0, &["x"]);
    rig.calls.wait_for("put x", 1);
    assert_eq!(*rig.recorded.topics.lock().unwrap(), ["t"]);
    rig.stop().0.unwrap();
}
