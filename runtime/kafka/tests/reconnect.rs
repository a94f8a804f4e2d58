//! A client connects again after a broker that has just come back has answered that there are no brokers.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tributary_api::Props;
use tributary_kafka::{ClientConfig, Delivery, DeliveryListener, Producer, ProducerRecord, Role};

const TEST_TIMEOUT: Duration = Duration::from_secs(60);
const METADATA: i16 = 3;
/// Topics in an answer without brokers: librdkafka forgets the brokers before it reads the topics, and the longer that
/// takes, the more often its answer to the loss of its brokers is cancelled afterwards.
const OTHER_TOPICS: usize = 5_000;

struct Ignored;

impl DeliveryListener for Ignored {
    fn delivered(&self, _: &[Delivery<'_>]) {}
}

/// Answers metadata requests of version 0, and no others. librdkafka's own mock broker always names its brokers.
#[derive(Default)]
struct FencedBroker {
    /// Whether it answers that there are no brokers.
    is_fenced: AtomicBool,
    answered_without_brokers: AtomicUsize,
    answered_with_brokers: AtomicUsize,
}

impl FencedBroker {
    fn start() -> (Arc<Self>, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let broker = Arc::new(Self::default());
        let serving = Arc::clone(&broker);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.serve(connection, port));
            }
        });
        (broker, port)
    }

    fn serve(&self, mut connection: TcpStream, port: u16) -> Option<()> {
        loop {
            let mut length = [0; 4];
            connection.read_exact(&mut length).ok()?;
            let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).ok()?];
            connection.read_exact(&mut request).ok()?;
            if request.get(..2)? != METADATA.to_be_bytes() {
                continue;
            }
            let fenced = self.is_fenced.load(Ordering::SeqCst);
            let mut body = request.get(4..8)?.to_vec();
            body.extend(metadata(port, fenced));
            connection.write_all(&u32::try_from(body.len()).ok()?.to_be_bytes()).ok()?;
            connection.write_all(&body).ok()?;
            let answered = if fenced { &self.answered_without_brokers } else { &self.answered_with_brokers };
            answered.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Topics have long names because librdkafka estimates from a response's length how much memory it takes when it is read.
/// The response of Metadata version 0: brokers (id, host, port), topics (error, name, partitions (error, id, leader,
/// replicas, in-sync replicas)), see <https://kafka.apache.org/protocol#The_Messages_Metadata>.
fn metadata(port: u16, fenced: bool) -> Vec<u8> {
    const LEADER_NOT_AVAILABLE: i16 = 5;
    let text = |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    let id = 1_i32.to_be_bytes();
    let (error, leader) = if fenced { (LEADER_NOT_AVAILABLE, -1) } else { (0, 1_i32) };
    let brokers = if fenced {
        0_i32.to_be_bytes().to_vec()
    } else {
        [&1_i32.to_be_bytes()[..], &id, &text("127.0.0.1"), &i32::from(port).to_be_bytes()].concat()
    };
    let replicas = [1_i32.to_be_bytes(), id].concat();
    let partition = [&error.to_be_bytes()[..], &0_i32.to_be_bytes(), &leader.to_be_bytes(), &replicas, &replicas];
    let topic =
        |name: &str| [&0_i16.to_be_bytes()[..], &text(name), &1_i32.to_be_bytes(), &partition.concat()].concat();
    let others = if fenced { OTHER_TOPICS } else { 1 };
    let topics: Vec<_> = (0..others).map(|number| topic(&format!("{number:0>249}"))).chain([topic("t")]).collect();
    [brokers, i32::try_from(topics.len()).unwrap().to_be_bytes().to_vec(), topics.concat()].concat()
}

fn wait_for(count: &AtomicUsize, at_least: usize, what: &str) {
    let deadline = Instant::now() + TEST_TIMEOUT;
    while count.load(Ordering::SeqCst) < at_least {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// librdkafka forgets all brokers upon such an answer. Which of its threads is first decides whether it connects again by
/// itself, therefore many rounds.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_brokers_is_not_the_end_of_a_client() {
    for round in 0..3 {
        let (broker, port) = FencedBroker::start();
        let config = ClientConfig::new(Role::Producer, &Props::new())
            .set("bootstrap.servers", format!("127.0.0.1:{port}"))
            .set("enable.idempotence", false)
            .set("reconnect.backoff.ms", 20)
            .set("reconnect.backoff.max.ms", 100)
            .set("librdkafka.api.version.request", false)
            .set("librdkafka.broker.version.fallback", "0.9.0.1")
            .set("librdkafka.topic.metadata.refresh.interval.ms", 100);
        let producer = Producer::new(&config, Arc::new(Ignored)).unwrap();
        producer.send(&ProducerRecord { topic: "t", value: Some(b"v"), ..ProducerRecord::default() }, 0).unwrap();
        wait_for(&broker.answered_with_brokers, 2, "the broker is not asked for its metadata");
        broker.is_fenced.store(true, Ordering::SeqCst);
        wait_for(&broker.answered_without_brokers, 1, "the broker is not asked again");
        broker.is_fenced.store(false, Ordering::SeqCst);
        let before = broker.answered_with_brokers.load(Ordering::SeqCst);
        wait_for(&broker.answered_with_brokers, before + 2, &format!("the client never connects again, round {round}"));
        drop(producer);
    }
}
