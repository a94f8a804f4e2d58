use std::time::{Duration, Instant};

use tributary_api::Props;
use tributary_kafka::{Consumer, Created, NewTopic, Offsets, Polled, Role, TopicPartition};

use super::support::{TEST_TIMEOUT, broker, unique};

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_described_and_deleted() {
    let Some(broker) = broker().await else { return };
    let admin = broker.admin();
    assert!(admin.cluster_id().await.unwrap().is_some());
    let name = unique("admin");
    let config = Props::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    let topic = NewTopic { name: name.clone(), partitions: 3, replication: 1, config };
    let create = || async { admin.create_topics(vec![topic.clone()]).await.unwrap().remove(0).1.unwrap() };
    assert_eq!(create().await, Created::New);
    assert_eq!(create().await, Created::Existed);
    let absent = unique("absent");
    let deadline = Instant::now() + TEST_TIMEOUT;
    let partitions = async || {
        let described = admin.topics(&[absent.clone(), name.clone()]).await.unwrap();
        described.iter().map(|topic| topic.partitions).collect::<Vec<_>>()
    };
    // A topic just created is not known to every broker at once.
    while partitions().await[1].is_none() || admin.topic_config(&name).await.is_err() {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(partitions().await, [None, Some(3)]);
    assert!(!admin.list_topics().await.unwrap().iter().any(|topic| topic.name == absent), "asking creates nothing");
    assert_eq!(admin.topic_config(&name).await.unwrap().unwrap()["cleanup.policy"], "compact");
    assert!(admin.topic_config(&absent).await.unwrap_err().to_string().contains(&absent));
    let broker_default = NewTopic { name: unique("default"), partitions: -1, replication: -1, config: Props::new() };
    assert_eq!(admin.create_topics(vec![broker_default]).await.unwrap().remove(0).1, Ok(Created::New));
    let wrong = NewTopic { replication: 9, name: unique("wrong"), ..topic.clone() };
    let error = admin.create_topics(vec![wrong]).await.unwrap().remove(0).1.unwrap_err();
    assert_eq!(error.class(), "org.apache.kafka.common.errors.InvalidReplicationFactorException");
    admin.delete_topics(&[name.clone(), absent.clone()]).await.unwrap();
    while admin.topics(std::slice::from_ref(&name)).await.unwrap()[0].partitions.is_some() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_of_an_empty_group_are_read_changed_and_deleted() {
    let Some(broker) = broker().await else { return };
    let admin = broker.admin();
    let (topic, group) = (broker.topic("offsets", 3).await, unique("group"));
    let tp = |partition| TopicPartition::new(topic.as_str(), partition);
    assert_eq!(admin.group_offsets(&group).await.unwrap(), Offsets::new());
    assert!(!admin.group_is_active(&group).await.unwrap());
    let offsets = Offsets::from([(tp(0), 5), (tp(1), 0), (tp(2), 7)]);
    admin.alter_group_offsets(&group, &offsets).await.unwrap();
    assert_eq!(admin.group_offsets(&group).await.unwrap(), offsets);
    admin.delete_group_offsets(&group, &[tp(2)]).await.unwrap();
    assert_eq!(admin.group_offsets(&group).await.unwrap(), Offsets::from([(tp(0), 5), (tp(1), 0)]));

    let config = broker.config(Role::Consumer).set("group.id", &group);
    let mut consumer = Consumer::subscribe(&config, std::slice::from_ref(&topic)).unwrap();
    let deadline = Instant::now() + TEST_TIMEOUT;
    loop {
        assert!(Instant::now() < deadline);
        if let Polled::Assigned(partitions) = consumer.poll(1, Duration::from_millis(500)).unwrap() {
            consumer.accept(&partitions).unwrap();
            break;
        }
    }
    assert!(admin.group_is_active(&group).await.unwrap());
    assert!(admin.alter_group_offsets(&group, &offsets).await.is_err());
    assert!(admin.delete_group_offsets(&group, &[tp(0)]).await.is_err());
    let error = admin.delete_groups(std::slice::from_ref(&group)).await.unwrap_err();
    assert_eq!(error.class(), "org.apache.kafka.common.errors.GroupNotEmptyException");
    consumer.close();
    assert!(!admin.group_is_active(&group).await.unwrap(), "left at once");
    admin.delete_groups(&[group.clone(), unique("absent")]).await.unwrap();
    assert_eq!(admin.group_offsets(&group).await.unwrap(), Offsets::new());
}
