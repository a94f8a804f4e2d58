use std::sync::Arc;
use std::time::Duration;

use tributary_api::Props;
use tributary_kafka::{Admin, ClientConfig, Producer, Role};
use tributary_tests::{KafkaProxy, Tier, consume_all, create_topic, produce, require, unique, wait_until};

use super::support::{DeliveryLog, TEST_TIMEOUT, record};

/// A topic is deleted and made anew while a producer has requests under way. The first one comes in between and is refused. The
/// next is taken, for the new topic knows nothing of the producer, and librdkafka concludes that the first was taken as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_request_was_refused_before_a_later_one_was_taken_is_there_all_the_same() {
    if !require(Tier::RealKafka).unwrap() {
        return;
    }
    let proxy = KafkaProxy::start().await.unwrap();
    let (bootstrap, topic) = (proxy.kafka().bootstrap(), unique("unconfirmed"));
    create_topic(&bootstrap, &topic, 1).await.unwrap();
    let config = |role| ClientConfig::new(role, &Props::new()).set("bootstrap.servers", &bootstrap);
    let held = config(Role::Producer).set("client.id", "held").set("linger.ms", 0).set_native("batch.num.messages", 1);
    let deliveries = Arc::new(DeliveryLog::default());
    let producer = Producer::new(&held, deliveries.clone()).unwrap();
    producer.send(&record(&topic, None, Some("of the first topic")), 0).unwrap();
    producer.flush(TEST_TIMEOUT).unwrap();

    proxy.hold("held");
    for token in 1..=3 {
        producer.send(&record(&topic, None, Some(&token.to_string())), token).unwrap();
        wait_until(TEST_TIMEOUT, "a request on its way", || async { proxy.arrived() as u64 == token }).await.unwrap();
    }
    Admin::new(&config(Role::Admin)).unwrap().delete_topics(std::slice::from_ref(&topic)).await.unwrap();
    let log = proxy.kafka().folder().join("data").join(format!("{topic}-0"));
    wait_until(TEST_TIMEOUT, "the end of the topic", || async { !log.exists() }).await.unwrap();
    proxy.pass(1);
    wait_until(TEST_TIMEOUT, "the first one's refusal", || async { proxy.answered() == 1 }).await.unwrap();
    create_topic(&bootstrap, &topic, 1).await.unwrap();
    produce(&bootstrap, &topic, [(None, b"0".to_vec())]).await.unwrap();
    proxy.let_through();

    let mut reported = tokio::task::spawn_blocking(move || deliveries.wait(4)).await.unwrap().split_off(1);
    reported.sort_by_key(|entry| entry.token);
    let mut records = consume_all(&bootstrap, &topic, false).await.unwrap();
    records.sort_by_key(|record| record.text());
    assert_eq!(records.iter().map(|record| record.text()).collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    let places: Vec<_> = reported.into_iter().map(|entry| entry.result.unwrap().1).collect();
    assert_eq!(places, records[1..].iter().map(|record| record.offset).collect::<Vec<_>>());
    // The later ones came first: the case is the one that is meant.
    assert!(places[0] > places[1], "{places:?}");
    assert!(producer.flush(Duration::ZERO).is_ok());
}
