#![allow(clippy::unwrap_used)]

use std::time::Duration;

use parking_lot::Condvar;
use tokio::runtime::Handle;
use tributary_api::{Props, RecordMetadata};
use tributary_kafka::{Delivery, DeliveryListener, Role, Token};

use super::routes::Routes;
use super::*;

const LIMIT: Duration = Duration::from_secs(60);

/// Records deliveries; may be made to hang as a plugin can.
#[derive(Default)]
struct RecordingListener {
    tokens: Mutex<Vec<Token>>,
    changed: Condvar,
    plugin: bool,
    hangs: Mutex<bool>,
    released: Condvar,
}

impl RecordingListener {
    fn plugin(hangs: bool) -> Arc<Self> {
        Arc::new(Self { plugin: true, hangs: Mutex::new(hangs), ..Self::default() })
    }

    fn release(&self) {
        *self.hangs.lock() = false;
        self.released.notify_all();
    }

    fn wait_for(&self, expected: &[Token]) {
        let mut tokens = self.tokens.lock();
        let waited = self.changed.wait_while_for(&mut tokens, |tokens| *tokens != expected, LIMIT);
        assert!(!waited.timed_out(), "waited for {expected:?}, recorded {tokens:?}");
    }
}

impl DeliveryListener for RecordingListener {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        self.released.wait_while(&mut self.hangs.lock(), |hangs| *hangs);
        self.tokens.lock().extend(deliveries.iter().map(|delivery| delivery.token));
        self.changed.notify_all();
    }
}

impl TaskDeliveryListener for RecordingListener {
    fn calls_plugin(&self) -> bool {
        self.plugin
    }

    fn producer_lost(&self, _records: usize, _error: &tributary_api::Error) {}
}

fn delivered(tokens: &[Token]) -> Vec<Delivery<'static>> {
    tokens.iter().map(|token| Delivery { token: *token, result: Ok(RecordMetadata::new(0, 0)) }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_task_gets_the_reports_of_its_own_records_in_order() {
    let routes = Routes::new(Executor::new(Handle::current()));
    let (one, other) = (Arc::<RecordingListener>::default(), RecordingListener::plugin(false));
    let (first, second) = (routes.add(Arc::clone(&one) as _).unwrap(), routes.add(Arc::clone(&other) as _).unwrap());
    let highest = (1 << 48) - 1;
    for route in [&first, &second] {
        (0..3).for_each(|_| route.sending());
    }
    let sent = [second.tag(9), first.tag(7), first.tag(highest), second.tag(1), second.tag(8), first.tag(0)];
    routes.delivered(&delivered(&sent));
    one.wait_for(&[7, highest, 0]);
    other.wait_for(&[9, 1, 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_never_returns_from_an_acknowledgement_blocks_only_its_own_task() {
    let routes = Routes::new(Executor::new(Handle::current()));
    let (hangs, other) = (RecordingListener::plugin(true), RecordingListener::plugin(false));
    let (first, second) = (routes.add(Arc::clone(&hangs) as _).unwrap(), routes.add(Arc::clone(&other) as _).unwrap());
    for token in 0..3 {
        first.sending();
        second.sending();
        routes.delivered(&delivered(&[first.tag(token), second.tag(token)]));
    }
    other.wait_for(&[0, 1, 2]);
    assert!(hangs.tokens.lock().is_empty());
    hangs.release();
    hangs.wait_for(&[0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_reused_only_when_no_record_of_its_former_task_is_in_flight() {
    let routes = Routes::new(Executor::new(Handle::current()));
    let (former, next) = (Arc::<RecordingListener>::default(), Arc::<RecordingListener>::default());
    let route = routes.add(Arc::clone(&former) as _).unwrap();
    let late = route.tag(5);
    route.sending();
    routes.remove(&route);
    let other = routes.add(Arc::clone(&next) as _).unwrap();
    assert_ne!(other.tag(5), late);
    routes.delivered(&delivered(&[late]));
    assert!(former.tokens.lock().is_empty() && next.tokens.lock().is_empty(), "no delivery is reported");
    assert_eq!(routes.add(Arc::clone(&next) as _).unwrap().tag(5), late);
}

fn config(extra: (&str, &str)) -> ClientConfig {
    let props = Props::from([("bootstrap.servers".to_owned(), "127.0.0.1:1".to_owned())]);
    ClientConfig::new(Role::Producer, &props).set(extra.0, extra.1)
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_with_equal_settings_share_a_producer_and_the_last_one_closes_it() {
    let (clients, executor) = (Arc::<Clients>::default(), Executor::new(Handle::current()));
    let cores = std::thread::available_parallelism().unwrap().get();
    let join = |extra| clients.producer(config(extra), &executor, Arc::<RecordingListener>::default()).unwrap();
    let mut tasks: Vec<_> = (0..cores * 3).map(|_| join(("acks", "all"))).collect();
    let known = |clients: &Clients| -> Vec<usize> {
        let mut uses: Vec<_> = clients.producers.lock().values().flatten().map(Weak::strong_count).collect();
        uses.sort_unstable();
        uses
    };
    assert_eq!(known(&clients), vec![3; cores], "as many as cores, used alike");
    tasks.push(join(("acks", "1")));
    assert_eq!(known(&clients).len(), cores + 1, "other settings, another producer");
    tasks.clear();
    assert_eq!(known(&clients), vec![0; cores + 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoning_one_task_takes_no_record_of_another() {
    let (clients, executor) = (Arc::<Clients>::default(), Executor::new(Handle::current()));
    let cores = std::thread::available_parallelism().unwrap().get();
    let recorded = Arc::<RecordingListener>::default();
    let tasks: Vec<_> = (0..=cores)
        .map(|_| clients.producer(config(("acks", "all")), &executor, Arc::clone(&recorded) as _).unwrap())
        .collect();
    let record = tributary_kafka::ProducerRecord { topic: "t", value: Some(b"v"), ..Default::default() };
    let (alone, shared): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|task| task.users() == 1);
    assert_eq!(shared.len(), 2);
    for (task, token) in shared.iter().zip([1, 2]) {
        task.send(&record, token).unwrap();
    }
    shared[0].abandon();
    // The client also counts its own events about a broker that does not respond.
    assert!(shared[0].in_flight() >= 2, "the other's record is still on its way");
    if let Some(task) = alone.first() {
        task.send(&record, 3).unwrap();
        task.abandon();
        recorded.wait_for(&[3]);
    }
}
