//! The loop with a plugin, a broker and a store that the test holds in its hand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tributary_api::{
    Ack, AckListener, Datum, Error, OffsetMap, Props, Record, RecordMetadata, Result, SourceTask, SourceTaskContext,
};
use tributary_control::InstanceState;
use tributary_kafka::{Delivery, DeliveryListener as _, NewTopic, ProducerRecord, Token};

use crate::connector_config::TopicRules;
use crate::tasks::errors::ErrorOperator;
use crate::tasks::source::topics::TopicAdmin;
use crate::tasks::source::{Capacity, Deliveries, RecordProducer, SourceLoop, SourceParts, TopicCreation};
use crate::tasks::tests::fakes::{Log, RecordingListener, Stored, context, props, registry, settings, source, spec};
use crate::tasks::{Control, Converters, Encoder, TransformationChain};

type Batch = Result<Vec<Record>>;

/// Hands out what the test gives it.
struct Plugin {
    batches: mpsc::Receiver<Batch>,
    stopping: Option<CancellationToken>,
    log: Log,
    /// None for a plugin that does not hear of its records.
    acks: Option<Arc<Acks>>,
}

#[derive(Default)]
struct Acks(Mutex<Vec<String>>);

impl AckListener for Acks {
    fn acknowledged(&self, acks: &[Ack<'_>]) {
        let text = |ack: &Ack<'_>| match &ack.result {
            Ok(Some(written)) => format!("written {}", written.offset),
            Ok(None) => "dropped".to_owned(),
            Err(error) => format!("lost: {error}"),
        };
        self.0.lock().unwrap().extend(acks.iter().map(text));
    }
}

#[async_trait]
impl SourceTask for Plugin {
    async fn start(&mut self, cx: SourceTaskContext, _props: &Props) -> Result<()> {
        self.stopping = Some(cx.stopping().clone());
        Ok(())
    }

    async fn poll(&mut self) -> Batch {
        tokio::select! {
            batch = self.batches.recv() => batch.unwrap_or_else(|| Ok(Vec::new())),
            () = self.stopping.as_ref().unwrap().cancelled() => Ok(Vec::new()),
        }
    }

    fn ack_listener(&self) -> Option<Arc<dyn AckListener>> {
        self.acks.clone().map(|acks| acks as _)
    }

    async fn commit(&mut self) -> Result<()> {
        self.log.lock().unwrap().push("commit".to_owned());
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.log.lock().unwrap().push("stop".to_owned());
        Ok(())
    }
}

/// Takes records, and acknowledges them on request.
#[derive(Default)]
struct Broker {
    waiting: Mutex<VecDeque<(Token, String)>>,
    all: Mutex<Vec<String>>,
    full: Mutex<bool>,
    sent: Notify,
}

impl RecordProducer for Broker {
    fn is_lost(&self) -> bool {
        false
    }

    fn send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()> {
        let text = String::from_utf8(record.value.unwrap_or_default().to_vec()).unwrap();
        if *self.full.lock().unwrap() {
            return Err(Error::retriable("queue full"));
        }
        if text.starts_with("huge") {
            return Err(Error::data("too large"));
        }
        self.all.lock().unwrap().push(text.clone());
        self.waiting.lock().unwrap().push_back((token, text));
        self.sent.notify_one();
        Ok(())
    }
}

struct Rig {
    plugin: mpsc::Sender<Batch>,
    broker: Arc<Broker>,
    deliveries: Arc<Deliveries>,
    store: Arc<Stored>,
    recorded: Arc<RecordingListener>,
    control: Arc<Control>,
    acks: Arc<Acks>,
    log: Log,
    metrics: Arc<crate::tasks::TaskMetrics>,
    running: tokio::task::JoinHandle<Result<()>>,
}

const ROOM: Capacity = Capacity { records: 100, bytes: 1_000_000 };
/// Intervals between offset flushes, in milliseconds.
const OFTEN: &str = "20";
const NEVER: &str = "3600000";
const GRACEFUL: &str = "task.shutdown.graceful.timeout.ms";
/// A plugin without an ack listener.
const DEAF: (&str, &str) = ("deaf", "true");
/// Some flushes long: time for what must not happen to happen.
const A_WHILE: Duration = Duration::from_millis(100);

/// Offsets are stored at the end only.
fn rig(connector: &[(&str, &str)]) -> Rig {
    rig_of(connector, ROOM, NEVER)
}

fn rig_of(connector: &[(&str, &str)], capacity: Capacity, flush: &str) -> Rig {
    rig_with(connector, capacity, &[("offset.flush.interval.ms", flush)], TopicCreation::with(None))
}

/// The worker has these settings, and its tasks as much time to stop as a test may take.
fn rig_with(connector: &[(&str, &str)], capacity: Capacity, worker: &[(&str, &str)], topics: TopicCreation) -> Rig {
    let (plugin, batches) = mpsc::channel(8);
    let (store, acks) = (Arc::<Stored>::default(), Arc::<Acks>::default());
    let log = Arc::clone(&store.log);
    let mut spec = spec(source(|| unreachable!()), connector, Arc::clone(&store));
    spec.worker = settings(&[&[(GRACEFUL, "60000")], worker].concat());
    let (cx, recorded) = context(spec);
    let connector = props(connector);
    let converters = Converters::build(&connector, &settings(&[]).defaults, &registry()).unwrap();
    let encoder = Encoder::new(TransformationChain::build_stateless(&connector, &registry()).unwrap(), converters);
    let operator = Arc::new(ErrorOperator::new(
        cx.spec.id.clone(),
        cx.spec.connector.errors.clone(),
        None,
        Arc::clone(&cx.metrics),
        cx.control.stopping().clone(),
    ));
    let deliveries = Arc::new(Deliveries::new(
        Arc::clone(&operator),
        Arc::clone(&cx.metrics),
        Arc::clone(&cx.control),
        Arc::clone(&cx.reporter),
    ));
    let (broker, control, metrics) = (Arc::<Broker>::default(), Arc::clone(&cx.control), Arc::clone(&cx.metrics));
    let listener = (!connector.contains_key(DEAF.0)).then(|| Arc::clone(&acks));
    let task = Box::new(Plugin { batches, stopping: None, log: Arc::clone(&log), acks: listener });
    let output = Arc::clone(&broker);
    let parts = SourceParts { encoder, operator, output, deliveries: Arc::clone(&deliveries), topics, capacity };
    let work = SourceLoop::new(Arc::new(cx), task, parts);
    #[expect(clippy::disallowed_methods, reason = "the test awaits the handle")]
    let running = tokio::spawn(work.run());
    Rig { plugin, broker, deliveries, store, recorded, control, acks, log, metrics, running }
}

fn record(position: i64, text: &str) -> Record {
    let partition = OffsetMap::new([("file", "f".into())]);
    Record::new("out", Datum::schemaless(text)).from_source(&partition, OffsetMap::new([("position", position.into())]))
}

fn batch(range: std::ops::Range<i64>) -> Batch {
    Ok(range.map(|n| record(n + 1, &format!("r{n}"))).collect())
}

impl Rig {
    async fn sent(&self, count: usize) {
        let wait = async {
            while self.broker.all.lock().unwrap().len() < count {
                self.broker.sent.notified().await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok(), "waited for {count} records");
    }

    async fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        for _ in 0..10_000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("waited for: {what}");
    }

    async fn stored(&self, position: i64) {
        self.until("an offset is stored", |rig| rig.store.position() == Some(position)).await;
    }

    /// Acknowledges the waiting records that pass the filter.
    fn acknowledge(&self, wanted: impl Fn(&str) -> bool) {
        let mut waiting = self.broker.waiting.lock().unwrap();
        let (done, kept): (Vec<_>, Vec<_>) = waiting.drain(..).partition(|(_, text)| wanted(text));
        waiting.extend(kept);
        drop(waiting);
        let delivery = |(place, (token, _)): (usize, &(Token, String))| Delivery {
            token: *token,
            result: Ok(RecordMetadata::new(0, i64::try_from(place).unwrap())),
        };
        self.deliveries.delivered(&done.iter().enumerate().map(delivery).collect::<Vec<_>>());
    }

    fn lose(&self, error: &Error) {
        let waiting: Vec<_> = self.broker.waiting.lock().unwrap().drain(..).collect();
        let lost: Vec<_> = waiting.iter().map(|(token, _)| Delivery { token: *token, result: Err(error) }).collect();
        self.deliveries.delivered(&lost);
    }

    async fn stop(self) -> (Result<()>, Vec<String>) {
        self.control.stop();
        let outcome = self.running.await.unwrap();
        let log = self.log.lock().unwrap().clone();
        (outcome, log)
    }
}

#[tokio::test]
async fn offsets_are_stored_after_the_ack_and_not_beyond_a_gap() {
    let rig = rig_of(&[], ROOM, OFTEN);
    rig.plugin.send(batch(0..3)).await.unwrap();
    rig.sent(3).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(rig.store.position(), None, "nothing is acknowledged");
    rig.acknowledge(|text| text != "r1");
    rig.stored(1).await;
    tokio::time::sleep(A_WHILE).await;
    rig.stored(1).await;
    rig.acknowledge(|_| true);
    rig.stored(3).await;
    assert_eq!(*rig.recorded.topics.lock().unwrap(), ["out"]);
}

#[tokio::test]
async fn the_plugin_is_notified_of_stored_offsets_between_polls() {
    let rig = rig_of(&[], ROOM, OFTEN);
    rig.plugin.send(batch(0..1)).await.unwrap();
    rig.sent(1).await;
    rig.acknowledge(|_| true);
    rig.stored(1).await;
    rig.log.lock().unwrap().clear();
    // The store has the offset: the next poll may be preceded by a commit, and one of them soon is.
    rig.plugin.send(batch(1..2)).await.unwrap();
    rig.until("commit", |rig| rig.log.lock().unwrap().contains(&"commit".to_owned())).await;
}

#[tokio::test]
async fn stop_waits_for_acks_then_stores_commits_and_stops_the_plugin() {
    let rig = rig(&[]);
    rig.plugin.send(batch(0..2)).await.unwrap();
    rig.sent(2).await;
    rig.control.stop();
    tokio::time::sleep(A_WHILE).await;
    assert!(rig.log.lock().unwrap().is_empty());
    rig.acknowledge(|_| true);
    let (outcome, log) = rig.stop().await;
    outcome.unwrap();
    assert_eq!(log, ["stored 2", "commit", "stop"]);
}

#[tokio::test]
async fn stop_waits_up_to_a_timeout_and_stores_safe_offsets() {
    let short = [("offset.flush.interval.ms", NEVER), (GRACEFUL, "300")];
    let rig = rig_with(&[], ROOM, &short, TopicCreation::with(None));
    rig.plugin.send(batch(0..3)).await.unwrap();
    rig.sent(3).await;
    rig.acknowledge(|text| text != "r1");
    let (outcome, log) = rig.stop().await;
    outcome.unwrap();
    assert_eq!(log, ["stored 1", "commit", "stop"]);
}

#[tokio::test]
async fn a_lost_record_fails_the_task_and_its_offset_is_never_stored() {
    let rig = rig(&[]);
    rig.plugin.send(batch(0..1)).await.unwrap();
    rig.sent(1).await;
    rig.acknowledge(|_| true);
    rig.plugin.send(batch(1..2)).await.unwrap();
    rig.sent(2).await;
    rig.lose(&Error::fatal("not authorized"));
    let acks = Arc::clone(&rig.acks);
    let error = rig.running.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("not authorized"), "{error}");
    assert_eq!(*rig.log.lock().unwrap(), ["stored 1", "commit", "stop"]);
    assert_eq!(*acks.0.lock().unwrap(), ["written 0", "lost: not authorized"]);
}

#[tokio::test]
async fn a_tolerated_loss_is_counted_and_passed_over() {
    let rig = rig(&[("errors.tolerance", "all")]);
    rig.plugin.send(Ok(vec![record(1, "huge one"), record(2, "b")])).await.unwrap();
    rig.sent(1).await;
    rig.lose(&Error::fatal("too large for the broker"));
    assert_eq!(rig.metrics.errors.skipped.get(), 2);
    assert_eq!(*rig.acks.0.lock().unwrap(), ["lost: too large", "lost: too large for the broker"]);
    let (outcome, log) = rig.stop().await;
    outcome.unwrap();
    assert_eq!(log[0], "stored 2");
}

#[tokio::test]
async fn a_record_the_producer_refuses_fails_the_task_without_a_delivery_listener() {
    let rig = rig(&[DEAF]);
    rig.plugin.send(Ok(vec![record(1, "huge one")])).await.unwrap();
    let error = rig.running.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
    assert_eq!(rig.store.position(), None);
}

#[tokio::test]
async fn a_record_that_can_never_be_stored_is_reported_to_a_delivery_listener_alone() {
    let rig = rig(&[("transforms", "a"), ("transforms.a.type", "Append")]);
    let records = [record(1, "bad"), record(2, "huge one"), record(3, "too large for the broker"), record(4, "x")];
    rig.plugin.send(Ok(records.into())).await.unwrap();
    rig.sent(2).await;
    let refused = rig.broker.waiting.lock().unwrap().pop_front().unwrap().0;
    rig.deliveries.delivered(&[Delivery { token: refused, result: Err(&Error::data("message size too large")) }]);
    rig.acknowledge(|_| true);
    let acks = Arc::clone(&rig.acks);
    assert_eq!(rig.metrics.errors.skipped.get(), 3);
    let (outcome, log) = rig.stop().await;
    outcome.unwrap();
    assert_eq!(log[0], "stored 4");
    let acks = acks.0.lock().unwrap();
    assert_eq!(*acks, ["lost: a bad record", "lost: too large", "lost: message size too large", "written 0"]);
}

#[tokio::test]
async fn a_partly_written_record_is_never_reported_as_written() {
    for lost in [0, 1] {
        let tolerant = [("errors.tolerance", "all"), ("transforms", "a"), ("transforms.a.type", "Append")];
        let rig = rig(&tolerant);
        rig.plugin.send(Ok(vec![record(1, "twice")])).await.unwrap();
        rig.sent(2).await;
        let tokens: Vec<Token> = rig.broker.waiting.lock().unwrap().drain(..).map(|(token, _)| token).collect();
        let (gone, written) = (Error::fatal("gone"), RecordMetadata::new(0, 7));
        for (place, token) in tokens.into_iter().enumerate() {
            let result = if place == lost { Err(&gone) } else { Ok(written) };
            rig.deliveries.delivered(&[Delivery { token, result }]);
        }
        assert_eq!(*rig.acks.0.lock().unwrap(), ["lost: gone"]);
        rig.stop().await.0.unwrap();
    }
}

#[tokio::test]
async fn dropped_and_doubled_records_count_as_one_position_each() {
    let rig = rig_of(&[("transforms", "a"), ("transforms.a.type", "Append")], ROOM, OFTEN);
    let records = vec![record(1, "drop"), record(2, "twice"), record(3, "x")];
    rig.plugin.send(Ok(records)).await.unwrap();
    rig.sent(3).await;
    assert_eq!(*rig.broker.all.lock().unwrap(), ["twice!", "twice!", "x!"]);
    rig.acknowledge(|text| text == "x!");
    let first = rig.broker.waiting.lock().unwrap().pop_front().unwrap().0;
    let result = Ok(RecordMetadata::new(0, 7));
    rig.deliveries.delivered(&[Delivery { token: first, result }]);
    rig.stored(1).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(rig.store.position(), Some(1), "one of two outputs is not enough");
    rig.acknowledge(|_| true);
    assert_eq!(*rig.acks.0.lock().unwrap(), ["dropped", "written 0", "written 0"]);
    let (_, log) = rig.stop().await;
    assert!(log.contains(&"stored 3".to_owned()), "{log:?}");
}

#[tokio::test]
async fn a_bad_record_fails_the_task_unless_tolerated() {
    let transforms = [("transforms", "a"), ("transforms.a.type", "Append")];
    let strict = rig(&[&transforms[..], &[DEAF]].concat());
    strict.plugin.send(Ok(vec![record(1, "bad")])).await.unwrap();
    let error = strict.running.await.unwrap().unwrap_err();
    assert!(error.trace().contains("Tolerance exceeded in error handler"), "{}", error.trace());
    assert!(error.to_string().contains("stage TRANSFORMATION of test.Append"), "{error}");

    let lenient = rig(&[&transforms[..], &[("errors.tolerance", "all")]].concat());
    lenient.plugin.send(Ok(vec![record(1, "bad"), record(2, "good")])).await.unwrap();
    lenient.sent(1).await;
    lenient.acknowledge(|_| true);
    assert_eq!(*lenient.acks.0.lock().unwrap(), ["lost: a bad record", "written 0"]);
    let (_, log) = lenient.stop().await;
    assert_eq!(log[0], "stored 2");
}

#[tokio::test]
async fn a_panic_in_a_transform_fails_the_task() {
    let rig = rig(&[("transforms", "a"), ("transforms.a.type", "Append")]);
    rig.plugin.send(Ok(vec![record(1, "panic")])).await.unwrap();
    let error = rig.running.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no such word"), "{error}");
}

#[tokio::test]
async fn a_full_tracker_holds_back_the_next_batch() {
    let rig = rig_of(&[], Capacity { records: 2, bytes: 1_000 }, NEVER);
    rig.plugin.send(batch(0..2)).await.unwrap();
    rig.plugin.send(batch(2..4)).await.unwrap();
    rig.sent(2).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(rig.broker.all.lock().unwrap().len(), 2);
    rig.acknowledge(|_| true);
    rig.sent(4).await;
    assert_eq!(*rig.broker.all.lock().unwrap(), ["r0", "r1", "r2", "r3"]);
}

#[tokio::test]
async fn a_full_producer_gets_the_same_record_again_in_order() {
    let rig = rig(&[]);
    *rig.broker.full.lock().unwrap() = true;
    rig.plugin.send(batch(0..2)).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    *rig.broker.full.lock().unwrap() = false;
    rig.sent(2).await;
    assert_eq!(*rig.broker.all.lock().unwrap(), ["r0", "r1"]);
}

/// Away at first, then without the right to make topics.
#[derive(Default)]
struct Admin(Mutex<u32>);

#[async_trait]
impl TopicAdmin for Admin {
    async fn exists(&self, _topic: &str) -> Result<bool> {
        let mut asked = self.0.lock().unwrap();
        *asked += 1;
        if *asked == 1 { Err(Error::retriable("broker is away")) } else { Ok(false) }
    }

    async fn create(&self, _topic: NewTopic) -> Result<()> {
        Err(Error::fatal("not authorized"))
    }
}

#[tokio::test]
async fn a_topic_that_cannot_be_made_fails_the_task_but_a_broker_that_is_away_does_not() {
    let admin = Arc::<Admin>::default();
    let rules = [("topic.creation.default.partitions", "1"), ("topic.creation.default.replication.factor", "1")];
    let rules = TopicRules::parse(&props(&rules), false, &mut Vec::new()).unwrap();
    let topics = TopicCreation::with(Some((rules, Arc::clone(&admin) as _)));
    let rig = rig_with(&[], ROOM, &[("offset.flush.interval.ms", NEVER)], topics);
    rig.plugin.send(batch(0..1)).await.unwrap();
    let error = rig.running.await.unwrap().unwrap_err();
    assert!(error.to_string().starts_with("Task failed to create new topic (out)."), "{error}");
    assert_eq!(*admin.0.lock().unwrap(), 2);
}

#[tokio::test]
async fn nothing_is_sent_while_paused() {
    let rig = rig(&[]);
    rig.recorded.wait_for(InstanceState::Running).await;
    rig.control.set_paused(true);
    rig.recorded.wait_for(InstanceState::Paused).await;
    rig.plugin.send(batch(0..1)).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    assert!(rig.broker.all.lock().unwrap().is_empty());
    rig.control.set_paused(false);
    rig.sent(1).await;
    assert_eq!(rig.recorded.states(), [InstanceState::Running, InstanceState::Paused, InstanceState::Running]);
}

#[tokio::test]
async fn a_retriable_poll_is_called_again() {
    let rig = rig(&[]);
    rig.plugin.send(Err(Error::retriable("source is away"))).await.unwrap();
    rig.plugin.send(batch(0..1)).await.unwrap();
    rig.sent(1).await;
}

#[tokio::test]
async fn a_store_that_fails_gets_the_offsets_again() {
    let rig = rig_of(&[], ROOM, OFTEN);
    *rig.store.broken.lock().unwrap() = true;
    rig.plugin.send(batch(0..1)).await.unwrap();
    rig.sent(1).await;
    rig.acknowledge(|_| true);
    rig.until("two failures", |rig| rig.metrics.offset_commit_failure.get() >= 2).await;
    rig.log.lock().unwrap().clear();
    rig.plugin.send(batch(1..2)).await.unwrap();
    rig.sent(2).await;
    tokio::time::sleep(A_WHILE).await;
    assert!(rig.log.lock().unwrap().is_empty(), "the plugin hears nothing of what is not stored");
    rig.acknowledge(|_| true);
    *rig.store.broken.lock().unwrap() = false;
    let (_, log) = rig.stop().await;
    assert_eq!(log[0], "stored 2");
    assert_eq!(log[log.len() - 2..], ["commit", "stop"]);
}

#[tokio::test]
async fn an_abandoned_task_stores_and_reports_nothing() {
    let rig = rig(&[]);
    rig.plugin.send(batch(0..1)).await.unwrap();
    rig.sent(1).await;
    rig.control.abandon();
    rig.acknowledge(|_| true);
    let (store, acks) = (Arc::clone(&rig.store), Arc::clone(&rig.acks));
    let (_, log) = rig.stop().await;
    assert!(log.is_empty() && store.puts.lock().unwrap().is_empty() && acks.0.lock().unwrap().is_empty());
}
