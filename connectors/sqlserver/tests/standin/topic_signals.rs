//! Signals that come by a topic.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tributary_api::{OffsetMap, SourceHost, Topic, TopicRecord, TopicWriterOptions};
use tributary_testkit::FakeSourceHost;

use crate::signals::{SETTINGS, filled, is_complete, notifications, rows};
use crate::task::{Task, WAIT_LIMIT};

const TOPIC: &str = "server-signal";
const BY_TOPIC: [(&str, &str); 3] =
    [("signal.enabled.channels", "source,kafka"), ("signal.poll.interval.ms", "5"), ("signal.kafka.groupId", "group")];

async fn send(host: &Arc<FakeSourceHost>, signals: &[(&str, &str)]) {
    send_to(host, "shop", signals).await;
}

async fn send_to(host: &Arc<FakeSourceHost>, database: &str, signals: &[(&str, &str)]) {
    let data = format!(r#"{{"data-collections": ["{database}.dbo.a"], "type": "INCREMENTAL"}}"#);
    let record = |(key, id): &(&str, &str)| {
        let value = format!(r#"{{"id": "{id}", "type": "execute-snapshot", "data": {data}}}"#);
        TopicRecord::new(Topic::from(TOPIC)).key((*key).to_owned().into_bytes()).value(value.into_bytes())
    };
    let writer = host.topic_writer(TopicWriterOptions::default()).await.unwrap();
    writer.write(signals.iter().map(record).collect()).await.unwrap();
}

async fn wait_for_commit(host: &FakeSourceHost, offset: i64) {
    let end = Instant::now() + WAIT_LIMIT;
    while host.committed("group", TOPIC) != Some(offset) {
        assert!(Instant::now() < end, "{:?}", host.committed("group", TOPIC));
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn each_signal_is_followed_once_and_committed_when_its_effect_is_stored() {
    let mut server = filled().await;
    let host = FakeSourceHost::new();
    let settings = [&SETTINGS[..], &BY_TOPIC].concat();
    let mut task = Task::first(&server, &host, &settings).await;
    send(&host, &[("other", "no"), ("server", "s1")]).await;
    let records = task.take_until(&mut server, is_complete).await;
    assert_eq!(rows(&records).len(), 5);
    assert!(notifications(&records).iter().all(|notification| notification.starts_with("s1 ")));
    wait_for_commit(&host, 1).await;
    task.stop().await;
    assert_eq!(host.committed("group", TOPIC), Some(1), "nothing of it is stored");
    host.acknowledge(records.last().unwrap());

    let mut task = Task::start(&server, &host, &settings).await;
    wait_for_commit(&host, 2).await;
    send(&host, &[("server", "s2")]).await;
    let records = task.take_until(&mut server, is_complete).await;
    let started: Vec<String> =
        notifications(&records).into_iter().filter(|notification| notification.ends_with("STARTED")).collect();
    assert_eq!(started, ["s2 STARTED"], "the first one is not followed again");
    host.acknowledge(records.last().unwrap());
    wait_for_commit(&host, 3).await;
    task.stop().await;
}

/// Each task reads the whole topic, and only the first one commits: what all tasks have followed.
#[tokio::test]
async fn the_first_of_several_tasks_commits_what_all_have_followed() {
    let mut server = filled().await;
    let host = FakeSourceHost::new();
    let with = |settings: &[(&'static str, &'static str)]| [&SETTINGS[..], &BY_TOPIC, settings].concat();
    send_to(&host, "there", &[("server", "s1")]).await;
    send(&host, &[("server", "s2")]).await;
    let mut task = Task::first(&server, &host, &with(&[("task.id", "0"), ("task.others", "there,more")])).await;
    let records = task.take_until(&mut server, is_complete).await;
    assert!(notifications(&records).iter().all(|notification| notification.starts_with("s2 ")));
    host.acknowledge(records.last().unwrap());
    wait_for_commit(&host, 0).await;
    let of = |name: &str| OffsetMap::new([("server", "server".into()), ("database", name.into())]);
    host.set_offset(&of("there"), OffsetMap::new([("signal_offset", 0_i64.into())]));
    wait_for_commit(&host, 2).await;
    task.stop().await;

    let mut second = Task::start(&server, &host, &with(&[("task.id", "1"), ("task.others", "there,more")])).await;
    for id in ["s3", "s4"] {
        send(&host, &[("server", id)]).await;
        let records = second.take_until(&mut server, is_complete).await;
        host.acknowledge(records.last().unwrap());
    }
    second.stop().await;
    assert_eq!(host.committed("group", TOPIC), Some(2));
}

/// As behind Debezium, whose offsets say nothing of the topic.
#[tokio::test]
async fn without_an_offset_of_its_own_the_task_begins_where_its_group_is() {
    let mut server = filled().await;
    let host = FakeSourceHost::new();
    send(&host, &[("server", "old"), ("server", "new")]).await;
    host.commit("group", TOPIC, 1);
    let settings = [&SETTINGS[..], &BY_TOPIC].concat();
    let mut task = Task::first(&server, &host, &settings).await;
    let records = task.take_until(&mut server, is_complete).await;
    assert!(
        notifications(&records).iter().all(|notification| notification.starts_with("new ")),
        "{:?}",
        notifications(&records)
    );
    task.stop().await;
    // Where that is beyond the end, the topic is another one.
    host.commit("group", TOPIC, 9);
    let mut task = Task::first(&server, &host, &settings).await;
    let both = |records: &[tributary_api::Record]| {
        notifications(records).iter().any(|notification| notification == "new COMPLETED")
    };
    let records = task.take_until(&mut server, both).await;
    assert!(notifications(&records).contains(&"old STARTED".to_owned()));
    task.stop().await;
}
