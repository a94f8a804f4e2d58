use std::time::{Duration, Instant};

use tributary_kafka::{Consumer, Offsets, Polled, Position, Role, TopicPartition};

use super::support::{Broker, TEST_TIMEOUT, broker, read, record, texts};

fn fill(broker: &Broker, topic: &str, count: u64) {
    let (producer, deliveries) = broker.producer();
    for n in 0..count {
        producer.send(&record(topic, None, Some(&n.to_string())), n).unwrap();
    }
    deliveries.wait(usize::try_from(count).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_begins_at_the_given_offset() {
    let Some(broker) = broker().await else { return };
    let topic = broker.topic("positions", 1).await;
    fill(&broker, &topic, 10);
    let tp = TopicPartition::new(topic.as_str(), 0);
    let config = broker.config(Role::Consumer);
    let at = |position| Consumer::assign(&config, &[(tp.clone(), position)]).unwrap();
    assert_eq!(texts(&read(&mut at(Position::Earliest), 10))[0], "0");
    assert_eq!(texts(&read(&mut at(Position::At(7)), 3)), ["7", "8", "9"]);
    let told = config.clone().set_native("enable.partition.eof", true);
    let mut latest = Consumer::assign(&told, &[(tp.clone(), Position::Latest)]).unwrap();
    let deadline = Instant::now() + TEST_TIMEOUT;
    while latest.take_ends().is_empty() {
        assert!(Instant::now() < deadline, "it does not look where the end is");
        assert!(matches!(latest.poll(10, Duration::from_millis(100)).unwrap(), Polled::Idle));
    }
    fill(&broker, &topic, 1);
    assert_eq!(read(&mut latest, 1)[0].offset, 10);
    assert_eq!(latest.position(&tp).unwrap(), Some(11));
    assert_eq!(latest.watermarks(&tp, TEST_TIMEOUT).unwrap(), (0, 11));
    assert_eq!(latest.end_offsets(std::slice::from_ref(&tp), false, TEST_TIMEOUT).unwrap(), Offsets::from([(tp, 11)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_hands_out_no_more_than_asked_for_and_does_not_wait_with_something_there() {
    let Some(broker) = broker().await else { return };
    let topic = broker.topic("bounded", 1).await;
    fill(&broker, &topic, 1000);
    let mut reader = broker.reader(&topic, 1, "read_uncommitted");
    let mut next = 0;
    while next < 1000 {
        let begun = Instant::now();
        if let Polled::Records(records) = reader.poll(300, TEST_TIMEOUT).unwrap() {
            assert!((1..=300).contains(&records.len()));
            assert!(records.iter().map(|record| record.offset).eq(next..next + records.len() as i64));
            next += records.len() as i64;
            assert!(begun.elapsed() < TEST_TIMEOUT / 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_partitions_are_silent_and_go_on_where_they_were() {
    let Some(broker) = broker().await else { return };
    let topic = broker.topic("pause", 2).await;
    let (producer, deliveries) = broker.producer();
    let send = |partition, from: i64| {
        for n in from..from + 500 {
            let value = n.to_string();
            let record =
                tributary_kafka::ProducerRecord { partition: Some(partition), ..record(&topic, None, Some(&value)) };
            producer.send(&record, 0).unwrap();
        }
    };
    send(0, 0);
    send(1, 0);
    deliveries.wait(1000);
    let mut reader = broker.reader(&topic, 2, "read_uncommitted");
    let first = TopicPartition::new(topic.as_str(), 0);
    // A few records of each have been seen when the first partition is paused.
    let mut seen = [0_i64; 2];
    let mut take = |reader: &mut Consumer, max| {
        if let Polled::Records(records) = reader.poll(max, Duration::from_millis(500)).unwrap() {
            for record in &records {
                let seen = &mut seen[usize::try_from(record.partition).unwrap()];
                assert_eq!(record.offset, *seen, "in order, without gap or repetition");
                *seen += 1;
            }
        }
        seen
    };
    let deadline = Instant::now() + TEST_TIMEOUT;
    while take(&mut reader, 10)[0] == 0 {
        assert!(Instant::now() < deadline);
    }
    reader.pause(std::slice::from_ref(&first)).unwrap();
    let paused_at = take(&mut reader, 10)[0];
    while take(&mut reader, 100)[1] < 500 {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(take(&mut reader, 100)[0], paused_at);
    reader.resume(std::slice::from_ref(&first)).unwrap();
    while take(&mut reader, 100)[0] < 500 {
        assert!(Instant::now() < deadline);
    }
    reader.seek(&first, 490).unwrap();
    let again = read(&mut reader, 10);
    assert!(again.iter().map(|record| (record.partition, record.offset)).eq((490..500).map(|offset| (0, offset))));
}
