//! Waiting without a thread: nothing looks again after a while, so that what does not wake is never seen.

use std::time::Duration;

use tributary_kafka::{Consumer, Offsets, Polled, Role, TopicPartition};

use super::support::{TEST_TIMEOUT, broker, record, unique};

/// What a poll finds, having waited for it.
async fn next(consumer: &mut Consumer) -> Polled {
    let found = async {
        loop {
            match consumer.poll(100, Duration::ZERO).unwrap() {
                Polled::Idle => consumer.ready().await,
                found => return found,
            }
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, found).await.expect("something to poll for")
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_records_commits_and_wakes_end_the_wait() {
    let Some(broker) = broker().await else { return };
    let topic = broker.topic("waiting", 1).await;
    let config = broker.config(Role::Consumer).set("group.id", unique("waiting")).set("auto.offset.reset", "earliest");
    let mut consumer = Consumer::subscribe(&config, std::slice::from_ref(&topic)).unwrap();
    let Polled::Assigned(partitions) = next(&mut consumer).await else { panic!("not assigned first") };
    consumer.accept(&partitions).unwrap();

    let (producer, _) = broker.producer();
    for number in 0..20 {
        producer.send(&record(&topic, None, Some("x")), number).unwrap();
        let Polled::Records(records) = next(&mut consumer).await else { panic!("no records") };
        assert_eq!(records.len(), 1);
    }

    let committed = Offsets::from([(TopicPartition::new(topic.as_str(), 0), 20)]);
    consumer.commit_async(&committed).unwrap();
    let answered = async {
        loop {
            match consumer.commit_results().pop() {
                Some(outcome) => return outcome,
                None => consumer.ready().await,
            }
        }
    };
    let outcome = tokio::time::timeout(TEST_TIMEOUT, answered).await.expect("the end of the commit wakes");
    assert_eq!(outcome.unwrap(), committed);

    let waker = consumer.waker();
    let woken = tokio::task::spawn_blocking(move || waker.wake());
    tokio::time::timeout(TEST_TIMEOUT, consumer.ready()).await.expect("a wake ends the wait");
    woken.await.unwrap();
    consumer.close();
}
