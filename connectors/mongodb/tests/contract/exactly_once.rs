//! Documents and offsets in one transaction.

use mongodb::bson::{Document, doc};
use tributary_api::{ErrorKind, Factory, Offsets, Record};
use tributary_testkit::FakeSinkHost;

use crate::double::{Double, Fault, SET, SEVEN};
use crate::support::{
    INSERTS, TOLERANT, TOPIC, Task, UNORDERED, forbidden, make, number, numbers, partition, plugin, props, record,
};

const STORE: (&str, &str) = ("exactly.once.offsets.collection", "offsets");
const ORDERS: &str = "shop.orders";
const OFFSETS: &str = "shop.offsets";

fn records(offsets: std::ops::Range<i64>) -> Vec<Record> {
    offsets.map(|offset| record(TOPIC, offset, number(offset))).collect()
}

fn stored(offset: i64) -> Document {
    doc! { "_id": { "connector": "test", "topic": TOPIC, "partition": 0 }, "offset": offset }
}

/// Inserts, so that what is written twice shows.
async fn start(double: &Double) -> Task {
    Task::start(double, &[INSERTS, STORE]).await
}

#[tokio::test]
async fn a_standalone_server_is_refused() {
    let double = Double::start(SEVEN);
    let props = props(&double, &[STORE]);
    let issues = tributary_testkit::validate(&plugin(), &props).await;
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].name, STORE.0);
    assert!(issues[0].message.contains("replica set"), "{}", issues[0].message);

    let (mut task, host) = (make(), FakeSinkHost::new());
    task.start(host.context(&Default::default()), &props).await.unwrap();
    let error = task.open(&[partition()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
}

#[tokio::test]
async fn documents_and_offsets_are_there_together() {
    let double = Double::start(SET);
    let mut task = start(&double).await;
    assert_eq!(task.host.take_seeks(), Offsets::new());
    task.put(&records(0..3)).await.unwrap();
    task.put(&records(3..5)).await.unwrap();
    assert_eq!(numbers(&double.documents(ORDERS)), [0, 1, 2, 3, 4]);
    assert_eq!(double.documents(OFFSETS), [stored(5)]);
    assert_eq!(task.safe(5).await, Some(5));
    let commands = double.take_commands();
    assert!(commands.iter().all(|command| command.get_bool("autocommit").is_ok_and(|on| !on)), "{commands:?}");
}

#[tokio::test]
async fn a_task_continues_from_the_stored_offsets_and_writes_nothing_twice() {
    let double = Double::start(SET);
    start(&double).await.put(&records(0..3)).await.unwrap();

    // The commit to Kafka got lost: the same records are read again.
    let mut task = start(&double).await;
    assert_eq!(task.host.take_seeks(), [(partition(), 3)].into());
    task.put(&records(0..5)).await.unwrap();
    task.put(&records(0..2)).await.unwrap();
    assert_eq!(numbers(&double.documents(ORDERS)), [0, 1, 2, 3, 4]);
    assert_eq!(double.documents(OFFSETS), [stored(5)]);
}

#[tokio::test]
async fn an_aborted_transaction_writes_nothing_and_is_repeated() {
    for command in ["insert", "update", "commitTransaction"] {
        let double = Double::start(SET);
        let mut task = start(&double).await;
        for _ in 0..3 {
            double.fault(command, Fault::Lost);
        }
        let mut tries = 0;
        while let Err(error) = task.put(&records(0..3)).await {
            assert!(error.is_retriable() && tries < 10, "{error:?}");
            assert_eq!(double.documents(ORDERS), []);
            tries += 1;
        }
        assert_eq!(numbers(&double.documents(ORDERS)), [0, 1, 2], "{command}");
        assert_eq!(double.documents(OFFSETS), [stored(3)]);
    }
}

#[tokio::test]
async fn a_commit_whose_answer_gets_lost_is_found_out() {
    for lost in [1, 8] {
        let double = Double::start(SET);
        let mut task = start(&double).await;
        for _ in 0..lost {
            double.fault("commitTransaction", Fault::AnswerLost);
        }
        let mut tries = 0;
        while let Err(error) = task.put(&records(0..3)).await {
            assert!(error.is_retriable() && tries < 10, "{error:?}");
            tries += 1;
        }
        assert_eq!(numbers(&double.documents(ORDERS)), [0, 1, 2]);
        task.put(&records(3..4)).await.unwrap();
        assert_eq!(numbers(&double.documents(ORDERS)), [0, 1, 2, 3]);
        assert_eq!(double.documents(OFFSETS), [stored(4)]);
    }
}

#[tokio::test]
async fn a_task_that_lost_its_partition_writes_nothing() {
    let double = Double::start(SET);
    let mut old = start(&double).await;
    old.put(&records(0..3)).await.unwrap();
    let mut new = start(&double).await;
    new.put(&records(3..6)).await.unwrap();

    old.put(&records(3..5)).await.unwrap();
    assert_eq!(numbers(&double.documents(ORDERS)), [0, 1, 2, 3, 4, 5]);
    assert_eq!(double.documents(OFFSETS), [stored(6)]);
    assert_eq!(old.host.take_seeks(), [(partition(), 6)].into());
    assert_eq!(old.safe(5).await, Some(5));
}

#[tokio::test]
async fn refused_writes_are_left_out_and_the_rest_is_written() {
    for (order, left) in [(UNORDERED, &[0, 1, 3, 4][..]), (("bulk.write.ordered", "true"), &[0, 1])] {
        let double = Double::start(SET);
        let mut task = Task::start_tolerant(&double, &[INSERTS, STORE, TOLERANT, order]).await;
        let mut batch = records(0..5);
        batch[2] = record(TOPIC, 2, forbidden(2));
        task.put(&batch).await.unwrap();
        assert_eq!(numbers(&double.documents(ORDERS)), left);
        assert_eq!(double.documents(OFFSETS), [stored(5)]);
        assert_eq!(task.reported().len(), 5 - left.len());
    }
}

#[tokio::test]
async fn without_tolerance_a_refused_write_aborts_the_transaction() {
    let double = Double::start(SET);
    let mut task = start(&double).await;
    let mut batch = records(0..5);
    batch[2] = record(TOPIC, 2, forbidden(2));
    assert_eq!(task.put(&batch).await.unwrap_err().kind(), ErrorKind::Fatal);
    assert_eq!((double.documents(ORDERS), double.documents(OFFSETS)), (vec![], vec![]));
}

#[tokio::test]
async fn an_operator_moves_the_stored_offsets() {
    let double = Double::start(SET);
    start(&double).await.put(&records(0..3)).await.unwrap();
    let config = plugin().description.config.parse(&props(&double, &[STORE])).unwrap();
    let Factory::Sink(factory) = plugin().factory else { panic!("not a sink") };
    assert!((factory.connector)().alter_offsets(&config, &[(partition(), 1)].into()).await.unwrap());
    assert_eq!(double.documents(OFFSETS), [stored(1)]);
    // Of another connector: stays.
    let other = doc! { "_id": { "connector": "other", "topic": TOPIC, "partition": 0 }, "offset": 9 };
    double.put(OFFSETS, other.clone());
    assert!((factory.connector)().alter_offsets(&config, &Offsets::new()).await.unwrap());
    assert_eq!(double.documents(OFFSETS), [other]);
}
