use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::Consumer as _;
use tributary_embedded::{Broker, BrokerOptions, BrokerStorage, Error};

use crate::kafka::{
    DEADLINE, TestProducer, admin, create_topic, member, read, read_for, reader, start, start_in, value, values,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_replaced_by_a_free_one() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = BrokerOptions { storage: BrokerStorage::Memory, preferred_port: port, cluster_id: "test".into() };
    let broker = Broker::start(options.clone()).await.unwrap();
    assert_ne!(broker.addr().port(), port);
    create_topic(&broker, "clicks", 1, &[]).await;
    TestProducer::new(&broker, &[]).send("clicks", "k", "v").unwrap();
    broker.shutdown().await;

    drop(taken);
    let broker = Broker::start(options).await.unwrap();
    assert_eq!(broker.bootstrap(), format!("127.0.0.1:{port}"));
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_brokers_of_one_process_know_nothing_of_each_other() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let brokers = [start_in(folders[0].path()).await, start_in(folders[1].path()).await];
    for (broker, text) in brokers.iter().zip(["first", "second"]) {
        create_topic(broker, "clicks", 1, &[]).await;
        assert_eq!(TestProducer::new(broker, &[]).send("clicks", "k", text).unwrap(), (0, 0));
    }
    for (broker, text) in brokers.iter().zip(["first", "second"]) {
        assert_eq!(value(&read(&reader(broker, "clicks", Offset::Beginning, &[]), 1)[0]), text);
    }
    for broker in brokers {
        broker.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_folder_serves_one_broker() {
    let folder = tempfile::tempdir().unwrap();
    let storage = BrokerStorage::Directory(folder.path().to_path_buf());
    let first = start(storage.clone()).await;
    let options = BrokerOptions { storage: storage.clone(), preferred_port: 0, cluster_id: "test".into() };
    assert!(matches!(Broker::start(options).await, Err(Error::InUse { .. })));
    first.shutdown().await;
    start(storage).await.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_is_quick_while_clients_wait_and_write() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 1, &[]).await;
    let producer = TestProducer::new(&broker, &[]);
    producer.send("clicks", "k", "v").unwrap();
    let waiting = reader(&broker, "clicks", Offset::Beginning, &[("fetch.wait.max.ms", "60000")]);
    let grouped = member(&broker, "g", "clicks", &[("fetch.wait.max.ms", "60000")]);
    read(&waiting, 1);
    read(&grouped, 1);
    for n in 0..20_000 {
        producer.queue("clicks", "k", &n.to_string());
    }
    let began = Instant::now();
    broker.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(30), "a fetch waited for its time to pass: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_record_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 1, &[]).await;
    let producer = TestProducer::new(&broker, &[("batch.num.messages", "10")]);
    for n in 0..1_000 {
        producer.queue("clicks", "k", &n.to_string());
    }
    assert!(producer.reports().iter().all(Result::is_ok));
    broker.shutdown().await;

    let broker = start_in(folder.path()).await;
    let records = read(&reader(&broker, "clicks", Offset::Beginning, &[]), 1_000);
    assert_eq!(value(&records[999]), "999");
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_deleted_topic_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 1, &[]).await;
    create_topic(&broker, "other", 1, &[]).await;
    let producer = TestProducer::new(&broker, &[("enable.idempotence", "true"), ("linger.ms", "0")]);
    producer.send("clicks", "k", "v").unwrap();
    let consumer = reader(&broker, "clicks", Offset::Beginning, &[]);
    read(&consumer, 1);

    admin(&broker).delete_topics(&["clicks"], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    producer.queue("clicks", "k", "refused");
    assert!(read_for(&consumer, Duration::from_millis(700)).is_empty());
    TestProducer::new(&broker, &[]).send("other", "k", "v").unwrap();

    create_topic(&broker, "clicks", 1, &[]).await;
    let fresh = TestProducer::new(&broker, &[]);
    fresh.send("clicks", "k", "anew").unwrap();
    let records = read(&reader(&broker, "clicks", Offset::Beginning, &[]), 1);
    assert!(["anew", "refused"].contains(&value(&records[0])), "the old records are gone");
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_beyond_the_end_is_reset_by_the_consumer() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 1, &[]).await;
    TestProducer::new(&broker, &[]).send("clicks", "k", "v").unwrap();
    let consumer = reader(&broker, "clicks", Offset::Offset(77), &[("auto.offset.reset", "earliest")]);
    assert_eq!(values(&read(&consumer, 1)), ["v"]);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_acknowledgement_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 1, &[]).await;
    let producer = TestProducer::new(&broker, &[("acks", "0"), ("batch.num.messages", "1")]);
    for n in 0..50 {
        producer.queue("clicks", "k", &n.to_string());
    }
    producer.reports();
    let records = read(&reader(&broker, "clicks", Offset::Beginning, &[]), 50);
    assert_eq!(value(&records[49]), "49");
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_kafka_protocol_is_hung_up_on() {
    let broker = start(BrokerStorage::Memory).await;
    for bytes in [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], b"\xff\xff\xff\xff", b"\0\0\0\x04\x7f\x7f\x7f\x7f"]
    {
        let mut stream = TcpStream::connect(broker.addr()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(bytes).unwrap();
        let answer = stream.read(&mut [0; 16]);
        let reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(matches!(&answer, Ok(0)) || answer.as_ref().is_err_and(reset), "{answer:?}");
    }
    create_topic(&broker, "clicks", 1, &[]).await;
    let consumer = reader(&broker, "clicks", Offset::Beginning, &[]);
    assert_eq!(consumer.fetch_watermarks("clicks", 0, DEADLINE).unwrap(), (0, 0));
    broker.shutdown().await;
}
