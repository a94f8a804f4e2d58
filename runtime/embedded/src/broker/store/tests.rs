#![allow(clippy::unwrap_used, clippy::panic)]

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tansu_sans_io::create_topics_request::CreatableTopic;
use tansu_sans_io::record::Record;
use tansu_sans_io::record::deflated::Batch;
use tansu_sans_io::record::inflated;
use tansu_sans_io::{ErrorCode, IsolationLevel, ListOffset};
use tansu_storage::{Error, GroupDetail, Storage as _, TopicId, Topition};
use url::Url;

use super::{Store, StoreOptions};

#[tokio::test]
async fn an_unknown_partition_is_an_error_and_not_the_end_of_the_storage() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    create(&store, "clicks", 1).await;

    for partition in [Topition::new("nowhere", 0), Topition::new("clicks", 7), Topition::new("clicks", -1)] {
        let unknown = |error| matches!(error, Error::Api(ErrorCode::UnknownTopicOrPartition));
        assert!(unknown(store.offset_stage(&partition).await.unwrap_err()));
        assert!(unknown(store.produce(None, &partition, batch("x")).await.unwrap_err()));
        let read = store.fetch(&partition, 0, 0, 1_000, IsolationLevel::ReadUncommitted).await;
        assert!(unknown(read.unwrap_err()));
    }
    assert_eq!(store.produce(None, &Topition::new("clicks", 0), batch("x")).await.unwrap(), 0);
    assert_eq!(store.engine().generation, 0, "the engine was never replaced");
}

#[tokio::test]
async fn an_engine_that_ended_is_replaced_and_keeps_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    create(&store, "clicks", 1).await;
    let partition = Topition::new("clicks", 0);
    store.produce(None, &partition, batch("before")).await.unwrap();

    abandon_a_call(&store).await;
    while store.engine().generation == 0 {
        let _ended = store.ping().await;
    }
    assert_eq!(store.produce(None, &partition, batch("after")).await.unwrap(), 1);
    assert_eq!(store.end(&partition).await.unwrap().high_watermark(), 2);
}

#[tokio::test]
async fn what_the_storage_cannot_take_now_may_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    create(&store, "clicks", 1).await;
    let partition = Topition::new("clicks", 0);
    store.end(&partition).await.unwrap();
    abandon_a_call(&store).await;
    let code = loop {
        match store.produce(None, &partition, batch("x")).await {
            Ok(_) => {}
            Err(Error::Api(code)) => break code,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(code, ErrorCode::KafkaStorageError);
    store.produce(None, &partition, batch("x")).await.unwrap();
}

#[tokio::test]
async fn topics_with_absurd_sizes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let new = async |name: &str, partitions: i32| {
        let topic = CreatableTopic::default().name(name.into()).num_partitions(partitions).replication_factor(1);
        let topic = topic.assignments(Some(Vec::new())).configs(Some(Vec::new()));
        match store.create_topic(topic, false).await {
            Ok(_) => None,
            Err(Error::Api(code)) => Some(code),
            Err(error) => panic!("{error}"),
        }
    };
    for partitions in [i32::MAX, 1_001, 0, -2, i32::MIN] {
        assert_eq!(new("clicks", partitions).await, Some(ErrorCode::InvalidPartitions), "{partitions}");
    }
    for replicas in [i16::MAX, 16, 0, -2, i16::MIN] {
        let topic = CreatableTopic::default().name("clicks".into()).num_partitions(1).replication_factor(replicas);
        let created = store.create_topic(topic.assignments(Some(Vec::new())).configs(Some(Vec::new())), false).await;
        assert!(matches!(created, Err(Error::Api(ErrorCode::InvalidReplicationFactor))), "{replicas}: {created:?}");
    }
    for name in ["", ".", "..", "a/b", "a b", "a\n", "\u{e4}", &"a".repeat(250)] {
        assert_eq!(new(name, 1).await, Some(ErrorCode::InvalidTopicException), "{name}");
    }
    assert_eq!(new(&"a".repeat(249), 1_000).await, None);
    store.shared.topics.counted(19_990);
    assert_eq!(new("large", 11).await, Some(ErrorCode::PolicyViolation));
    assert_eq!(new("small", 10).await, None);
    assert_eq!(new("one", 1).await, Some(ErrorCode::PolicyViolation), "what was created counts");
    store.delete_topic(&TopicId::Name("small".into())).await.unwrap();
    assert_eq!(new("one", 1).await, None, "it was counted again");
}

#[tokio::test]
async fn a_reader_of_records_whose_append_is_not_announced_yet_is_not_out_of_range() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    create(&store, "clicks", 1).await;
    let partition = Topition::new("clicks", 0);
    let before = store.end(&partition).await.unwrap();
    store.produce(None, &partition, batch("x")).await.unwrap();
    // As it is between the append and its announcement.
    let version = store.shared.ends.get(&partition).unwrap_err();
    store.shared.ends.remember(&partition, version, before);
    assert_eq!(store.end(&partition).await.unwrap().high_watermark(), 0);
    assert_eq!(store.end_for_reader(&partition, 1).await.unwrap().high_watermark(), 1);
}

#[tokio::test]
async fn members_of_a_broker_that_has_ended_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let detail = |generation_id| GroupDetail { generation_id, ..GroupDetail::default() };
    store.update_group("sink", detail(1), None).await.unwrap();
    assert!(store.update_group("sink", detail(2), None).await.is_err(), "the group is known");
    store.close();
    let store = open(folder.path()).await;
    store.update_group("sink", detail(3), None).await.unwrap();
}

#[tokio::test]
async fn a_deleted_topic_is_unknown_by_name_and_by_id() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let id = TopicId::Id(create(&store, "clicks", 1).await);
    let name = TopicId::Name("clicks".into());
    assert_eq!(store.topic(&id).await.unwrap().unwrap().name, "clicks");
    assert!(store.topic(&name).await.unwrap().is_some());

    assert_eq!(store.delete_topic(&name).await.unwrap(), ErrorCode::None);
    assert!(store.topic(&id).await.unwrap().is_none());
    assert!(store.topic(&name).await.unwrap().is_none());
    assert!(store.end(&Topition::new("clicks", 0)).await.is_err());
}

#[tokio::test]
async fn the_end_of_a_partition_follows_each_append() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    create(&store, "clicks", 1).await;
    let partition = Topition::new("clicks", 0);
    let mut grown = store.grown();
    for expected in 0..3 {
        assert_eq!(store.end(&partition).await.unwrap().high_watermark(), expected);
        store.produce(None, &partition, batch("x")).await.unwrap();
        assert!(grown.has_changed().unwrap());
        grown.mark_unchanged();
    }
}

#[tokio::test]
async fn offsets_of_an_empty_partition_and_after_the_last_record() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    create(&store, "clicks", 1).await;
    let partition = Topition::new("clicks", 0);
    let list = async |what| {
        let wanted = [(partition.clone(), what)];
        store.list_offsets(IsolationLevel::ReadUncommitted, &wanted).await.unwrap()[0].1.offset
    };
    let tomorrow = ListOffset::Timestamp(std::time::SystemTime::now() + std::time::Duration::from_hours(24));
    assert_eq!(list(ListOffset::Latest).await, Some(0));
    assert_eq!(list(tomorrow).await, Some(-1));
    store.produce(None, &partition, batch("x")).await.unwrap();
    assert_eq!(list(ListOffset::Latest).await, Some(1));
    assert_eq!(list(ListOffset::Earliest).await, Some(0));
    assert_eq!(list(tomorrow).await, Some(-1));
}

#[tokio::test]
async fn the_first_offset_of_a_partition_that_is_being_written_is_not_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for number in 0..40 {
        let name = format!("clicks-{number}");
        create(&store, &name, 1).await;
        let partition = Topition::new(name, 0);
        let wanted = [(partition.clone(), ListOffset::Earliest)];
        let (listed, written) = tokio::join!(
            store.list_offsets(IsolationLevel::ReadUncommitted, &wanted),
            store.produce(None, &partition, batch("x")),
        );
        assert_eq!((listed.unwrap()[0].1.offset, written.unwrap()), (Some(0), 0), "round {number}");
    }
}

#[tokio::test]
async fn a_repeated_init_producer_id_gets_a_usable_id() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let first = store.init_producer(None, 0, Some(-1), Some(-1)).await.unwrap();
    let again = store.init_producer(None, 0, Some(first.id), Some(first.epoch)).await.unwrap();
    assert_eq!(again.error, ErrorCode::None);
    assert_ne!((again.id, again.epoch), (first.id, first.epoch));

    let first = store.init_producer(Some("t"), 1_000, Some(-1), Some(-1)).await.unwrap();
    let again = store.init_producer(Some("t"), 1_000, Some(first.id), Some(first.epoch)).await.unwrap();
    assert_eq!((again.error, again.id, again.epoch), (ErrorCode::None, first.id, first.epoch + 1));
}

/// Makes the engine end as it does when a caller is dropped before its answer.
async fn abandon_a_call(store: &Store) {
    let engine = store.engine();
    let mut call = pin!(engine.container.brokers());
    assert!(matches!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
}

pub(in crate::broker) async fn open(folder: &Path) -> Store {
    let database = folder.join("test.db");
    Store::open(StoreOptions {
        url: Url::parse(&format!("sqlite:///{}", database.display())).unwrap(),
        database: Some(database),
        cluster_id: "test".into(),
        advertised: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
    })
    .await
    .unwrap()
}

async fn create(store: &Store, name: &str, partitions: i32) -> uuid::Uuid {
    let topic = CreatableTopic::default().name(name.into()).num_partitions(partitions).replication_factor(1);
    store.create_topic(topic.assignments(Some(Vec::new())).configs(Some(Vec::new())), false).await.unwrap()
}

fn batch(value: &'static str) -> Batch {
    let record = Record::builder().value(Some(bytes::Bytes::from_static(value.as_bytes())));
    inflated::Batch::builder().record(record).build().and_then(Batch::try_from).unwrap()
}
