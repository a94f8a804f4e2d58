use std::collections::HashSet;
use std::time::{Duration, Instant};

use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::{DEADLINE, TestProducer, admin, client, create_topic, member, read, read_for, start_in, value};

#[tokio::test(flavor = "multi_thread")]
async fn a_group_continues_at_its_committed_offsets_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 1, &[]).await;
    let producer = TestProducer::new(&broker, &[]);
    for n in 0..10 {
        producer.send("clicks", "k", &n.to_string()).unwrap();
    }
    let first = member(&broker, "sink", "clicks", &[]);
    read(&first, 10);
    let mut done = TopicPartitionList::new();
    done.add_partition_offset("clicks", 0, Offset::Offset(4)).unwrap();
    first.commit(&done, CommitMode::Sync).unwrap();
    drop(first);

    let second = member(&broker, "sink", "clicks", &[]);
    assert_eq!(value(&read(&second, 1)[0]), "4");
    drop(second);
    broker.shutdown().await;

    let broker = start_in(folder.path()).await;
    let third = member(&broker, "sink", "clicks", &[]);
    assert_eq!(value(&read(&third, 1)[0]), "4");
    let other = member(&broker, "other", "clicks", &[]);
    assert_eq!(value(&read(&other, 1)[0]), "0");
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_connected_during_a_restart_continues() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 1, &[]).await;
    let producer = TestProducer::new(&broker, &[]);
    producer.send("clicks", "k", "before").unwrap();
    let consumer = member(&broker, "sink", "clicks", &[("reconnect.backoff.max.ms", "500")]);
    read(&consumer, 1);
    consumer.commit_consumer_state(CommitMode::Sync).unwrap();
    let port = broker.addr().port();
    broker.shutdown().await;

    let broker = tributary_embedded::Broker::start(tributary_embedded::BrokerOptions {
        storage: tributary_embedded::BrokerStorage::Directory(folder.path().into()),
        preferred_port: port,
        cluster_id: "test".into(),
    })
    .await
    .unwrap();
    assert_eq!(broker.addr().port(), port);
    producer.send("clicks", "k", "after").unwrap();
    assert_eq!(value(&read(&consumer, 1)[0]), "after");
    consumer.commit_consumer_state(CommitMode::Sync).unwrap();
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_the_partitions_and_one_takes_over() {
    for strategy in ["range", "cooperative-sticky"] {
        let folder = tempfile::tempdir().unwrap();
        let broker = start_in(folder.path()).await;
        create_topic(&broker, "clicks", 4, &[]).await;
        let settings = [("partition.assignment.strategy", strategy), ("session.timeout.ms", "6000")];
        let first = member(&broker, "sink", "clicks", &settings);
        until(&[&first], |counts| counts == [4]);
        let second = member(&broker, "sink", "clicks", &settings);
        until(&[&first, &second], |counts| counts == [2, 2]);
        drop(first);
        until(&[&second], |counts| counts == [4]);
        broker.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_listed_and_deleted_and_offsets_read() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 2, &[]).await;
    TestProducer::new(&broker, &[]).send("clicks", "k", "v").unwrap();
    let consumer = member(&broker, "sink", "clicks", &[]);
    read(&consumer, 1);
    consumer.commit_consumer_state(CommitMode::Sync).unwrap();
    drop(consumer);

    let outside: BaseConsumer = client(&broker, &[("group.id", "sink")]).create().unwrap();
    let names: HashSet<String> =
        outside.fetch_group_list(None, DEADLINE).unwrap().groups().iter().map(|group| group.name().into()).collect();
    assert!(names.contains("sink"), "{names:?}");
    assert_eq!(outside.fetch_group_list(Some("sink"), DEADLINE).unwrap().groups()[0].state(), "Empty");
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition_range("clicks", 0, 1);
    let committed = outside.committed_offsets(wanted, DEADLINE).unwrap();
    let offsets: Vec<Offset> = committed.elements().iter().map(|element| element.offset()).collect();
    assert!(offsets.contains(&Offset::Offset(1)), "{offsets:?}");

    let deleted = admin(&broker).delete_groups(&["sink"], &AdminOptions::new()).await.unwrap();
    assert_eq!(deleted[0].as_deref(), Ok("sink"));
    let anew = member(&broker, "sink", "clicks", &[]);
    assert_eq!(value(&read(&anew, 1)[0]), "v");
    assert!(read_for(&anew, Duration::from_millis(200)).is_empty());
    broker.shutdown().await;
}

/// Polls the members until the numbers of their partitions satisfy `wanted`.
fn until(members: &[&BaseConsumer], wanted: impl Fn(&[usize]) -> bool) {
    let end = Instant::now() + DEADLINE;
    loop {
        for member in members {
            member.poll(Duration::from_millis(20));
        }
        let counts: Vec<usize> = members.iter().map(|member| member.assignment().unwrap().count()).collect();
        if wanted(&counts) {
            return;
        }
        assert!(Instant::now() < end, "{counts:?}");
    }
}
