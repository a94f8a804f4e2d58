use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tributary_api::{Datum, Origin, Record, TopicPartition};
use tributary_testkit::FakeSinkHost;

use super::super::catch_up::{Bounds, CatchUp};
use super::super::subscription::Next;
use super::*;

const LIMITS: HubLimits = HubLimits {
    subscribers: 3,
    subscribers_per_person: 2,
    subscribers_per_client: 2,
    people: 100,
    messages: 4,
    bytes: 1000,
    window: Duration::from_secs(30),
    disconnect_slow: true,
};

fn hub(limits: HubLimits) -> Arc<Hub> {
    Arc::new(Hub::new(limits))
}

fn partition_id() -> PartitionId {
    PartitionId::new("offers", 0)
}

fn cursor(offset: i64) -> Cursor {
    Cursor { partition_id: partition_id(), offset }
}

fn publish(hub: &Hub, person: &str, offset: i64) {
    let message = Message { cursor: cursor(offset), json: format!("{{\"n\":{offset:04}}}").into() };
    hub.publish(vec![(Address::Person(person.to_owned().into()), message)]);
}

fn session(person: &'static str) -> Session {
    Session::of_customer(person, i64::MAX).unwrap()
}

fn listen(hub: &Arc<Hub>, person: &'static str, after: Option<i64>) -> (Subscription, Missing) {
    hub.subscribe(&session(person), Client::UNKNOWN, after.map(cursor)).unwrap()
}

/// The offsets that are available at once.
async fn offsets(subscription: &mut Subscription) -> Vec<i64> {
    match tokio::time::timeout(Duration::from_millis(1), subscription.next()).await {
        Ok(Next::Messages(deliveries)) => {
            deliveries.iter().filter_map(|delivery| Some(delivery.message.as_ref()?.cursor.offset)).collect()
        }
        Ok(Next::End) => vec![-1],
        Err(_) => Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn messages_go_to_their_person_and_session_only() {
    let hub = hub(LIMITS);
    let ann = session("ann");
    let (mut by_ann, _) = hub.subscribe(&ann, Client::UNKNOWN, None).unwrap();
    let (mut by_bob, _) = listen(&hub, "bob", None);
    publish(&hub, "ann", 1);
    let message = Message { cursor: cursor(2), json: "{}".into() };
    hub.publish(vec![(Address::Session(ann.id().clone()), message)]);
    assert_eq!(offsets(&mut by_ann).await, [1, 2]);
    assert_eq!(offsets(&mut by_bob).await, [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_subscription_wakes() {
    let hub = hub(LIMITS);
    let (mut subscription, _) = listen(&hub, "ann", None);
    let (next, ()) = tokio::join!(subscription.next(), async {
        tokio::task::yield_now().await;
        publish(&hub, "ann", 7);
    });
    assert!(matches!(next, Next::Messages(deliveries) if deliveries[0].id == cursor(7)));
}

#[tokio::test(start_paused = true)]
async fn without_a_cursor_the_window_is_replayed() {
    let hub = hub(LIMITS);
    publish(&hub, "ann", 1);
    tokio::time::advance(Duration::from_secs(31)).await;
    publish(&hub, "ann", 2);
    let (mut subscription, missing) = listen(&hub, "ann", None);
    assert_eq!(missing, Missing::Nothing);
    assert_eq!(offsets(&mut subscription).await, [2]);
    assert_eq!(offsets(&mut subscription).await, [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_in_the_ring_resumes_after_it() {
    let hub = hub(LIMITS);
    (1..=4).for_each(|offset| publish(&hub, "ann", offset));
    let (mut subscription, missing) = listen(&hub, "ann", Some(2));
    assert_eq!(missing, Missing::Nothing);
    assert_eq!(offsets(&mut subscription).await, [3, 4]);
}

#[tokio::test(start_paused = true)]
async fn kafka_is_read_only_when_the_rings_may_be_incomplete() {
    let hub = hub(LIMITS);
    // Nothing was consumed yet: there may be missed messages.
    assert_eq!(listen(&hub, "ann", Some(5)).1, Missing::After(cursor(5)));
    publish(&hub, "bob", 10);
    publish(&hub, "ann", 11);
    // Everything since offset 10 was consumed, and nothing of it was evicted.
    let (mut subscription, missing) = listen(&hub, "ann", Some(9));
    assert_eq!((missing, offsets(&mut subscription).await), (Missing::Nothing, vec![11]));
    drop(subscription);
    assert_eq!(listen(&hub, "ann", Some(8)).1, Missing::After(cursor(8)));
    // The ring of four evicts offset 11.
    (12..=15).for_each(|offset| publish(&hub, "ann", offset));
    assert_eq!(listen(&hub, "ann", Some(10)).1, Missing::After(cursor(10)));
    assert_eq!(listen(&hub, "ann", Some(11)).1, Missing::Nothing);
    // A newly assigned partition may have a gap before its first record.
    hub.forget_partitions([partition_id()].into_iter());
    assert!(matches!(listen(&hub, "bob", Some(9)).1, Missing::After(_)));
}

#[tokio::test(start_paused = true)]
async fn a_cursor_of_another_log_is_none() {
    let hub = hub(LIMITS);
    publish(&hub, "ann", 1);
    let (mut subscription, missing) = listen(&hub, "ann", Some(1_000_000));
    assert_eq!((missing, offsets(&mut subscription).await), (Missing::Nothing, vec![1]));
}

/// A hub whose pages catch up from a log of this many records of ann, of which the task has consumed `from..`.
fn with_log(count: i64, from: i64, bounds: Bounds) -> (Arc<Hub>, Arc<CatchUp>, Arc<FakeSinkHost>) {
    let host = FakeSinkHost::new();
    host.assign(&[TopicPartition::new("offers", 0)]);
    for offset in 0..count {
        host.append(&record(offset));
    }
    let hub = hub(LIMITS);
    (from..count).for_each(|offset| publish(&hub, "ann", offset));
    let cx = host.context(&CancellationToken::new());
    (hub.clone(), Arc::new(CatchUp::new(cx, bounds, hub.closed().clone())), host)
}

fn record(offset: i64) -> Record {
    let value = tributary_api::json::from_slice(br#"{"person_id":"ann"}"#).unwrap();
    let mut record = Record::new("offers", Datum::schemaless(value));
    record.origin = Origin::Kafka { topic: "offers".into(), partition: 0, offset };
    record
}

const BOUNDS: Bounds = Bounds { records: 1000, messages: 100, bytes: 1 << 20 };

fn resume(hub: &Arc<Hub>, catch_up: &Arc<CatchUp>, session: &Session, after: i64) -> Subscription {
    let (subscription, missing) = hub.subscribe(session, Client::UNKNOWN, Some(cursor(after))).unwrap();
    assert_eq!(missing, Missing::After(cursor(after)));
    subscription.catching_up(catch_up, cursor(after))
}

/// The offsets and ids of the next messages.
async fn next(subscription: &mut Subscription) -> Vec<(Option<i64>, i64)> {
    match tokio::time::timeout(Duration::from_secs(60), subscription.next()).await {
        Ok(Next::Messages(deliveries)) => deliveries
            .iter()
            .map(|delivery| (delivery.message.as_ref().map(|message| message.cursor.offset), delivery.id.offset))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn new_messages_are_sent_at_once_and_missed_ones_follow() {
    let (hub, catch_up, _) = with_log(9, 8, BOUNDS);
    let mut page = resume(&hub, &catch_up, &session("ann"), 4);
    // Disconnected now, it would resume after 4 again.
    assert_eq!(next(&mut page).await, [(Some(8), 4)]);
    publish(&hub, "ann", 9);
    assert_eq!(next(&mut page).await, [(Some(9), 4)]);
    // The log ended with 8 when it was read.
    assert_eq!(next(&mut page).await, [(Some(5), 5), (Some(6), 6), (Some(7), 8)]);
    assert!(!page.is_catching_up());
    publish(&hub, "ann", 10);
    assert_eq!(next(&mut page).await, [(Some(10), 10)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_from_kafka_is_not_sent_twice() {
    let (hub, catch_up, _) = with_log(9, 9, BOUNDS);
    let mut page = resume(&hub, &catch_up, &session("ann"), 5);
    assert_eq!(next(&mut page).await, [(Some(6), 6), (Some(7), 7), (Some(8), 8)]);
    // The task consumes some of it again.
    (7..10).for_each(|offset| publish(&hub, "ann", offset));
    assert_eq!(next(&mut page).await, [(Some(9), 9)]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_without_missed_messages_gets_its_cursor() {
    let (hub, catch_up, _) = with_log(9, 9, BOUNDS);
    let mut page = resume(&hub, &catch_up, &session("bob"), 5);
    assert_eq!(next(&mut page).await, [(None, 8)]);
}

#[tokio::test(start_paused = true)]
async fn one_reader_serves_all_that_wait() {
    let (hub, catch_up, host) = with_log(9, 9, BOUNDS);
    let sessions = ["ann", "ann", "bob"].map(session);
    let mut pages = sessions.map(|session| resume(&hub, &catch_up, &session, 5));
    for (page, missed) in pages.iter_mut().zip([3, 3, 1]) {
        assert_eq!(next(page).await.len(), missed);
    }
    assert_eq!(host.readers(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_queues_once_for_all_its_pages() {
    let (hub, catch_up, host) = with_log(9, 9, BOUNDS);
    host.assign(&[]);
    let ann = session("ann");
    let mut pages = [5, 7].map(|after| resume(&hub, &catch_up, &ann, after));
    assert_eq!(catch_up.waiting(), (1, 2));
    tokio::time::advance(Duration::from_secs(5)).await;
    host.assign(&[TopicPartition::new("offers", 0)]);
    catch_up.assigned();
    assert_eq!(next(&mut pages[0]).await.len(), 3);
    assert_eq!(next(&mut pages[1]).await, [(Some(8), 8)]);
}

#[tokio::test(start_paused = true)]
async fn missed_messages_larger_than_memory_are_read_in_steps() {
    let (hub, catch_up, host) = with_log(2500, 2500, Bounds { records: 10_000, messages: 5000, bytes: 100 });
    let mut page = resume(&hub, &catch_up, &session("ann"), 9);
    let mut offsets = Vec::new();
    while page.is_catching_up() {
        offsets.extend(next(&mut page).await.into_iter().filter_map(|(offset, _)| offset));
    }
    assert_eq!(offsets, (10..2500).collect::<Vec<_>>());
    assert_eq!(host.readers(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_resume_reads_the_last_records_at_most() {
    let (hub, catch_up, _) = with_log(100, 100, Bounds { records: 10, ..BOUNDS });
    let mut page = resume(&hub, &catch_up, &session("ann"), 5);
    let missed = next(&mut page).await;
    assert_eq!((missed.len(), missed[0]), (10, (Some(90), 90)));
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_no_task_has_is_not_waited_for() {
    let (hub, catch_up, host) = with_log(9, 9, BOUNDS);
    let foreign = Cursor { partition_id: PartitionId::new("other", 0), offset: 5 };
    let (page, _) = hub.subscribe(&session("ann"), Client::UNKNOWN, Some(foreign)).unwrap();
    let mut page = page.catching_up(&catch_up, foreign);
    let (ended, ()) = tokio::join!(next(&mut page), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        publish(&hub, "ann", 9);
    });
    assert_eq!(ended, [(Some(9), 9)]);
    assert_eq!((host.readers(), catch_up.waiting()), (0, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_batch_is_not_sent_again() {
    let hub = hub(LIMITS);
    let (mut subscription, _) = listen(&hub, "ann", None);
    [1, 2, 1, 2].into_iter().for_each(|offset| publish(&hub, "ann", offset));
    assert_eq!(offsets(&mut subscription).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscription_uses_no_extra_memory_and_ends_or_skips() {
    for (disconnect_slow, expected) in [(true, vec![-1]), (false, vec![7, 8, 9, 10])] {
        let hub = hub(HubLimits { disconnect_slow, ..LIMITS });
        let (mut subscription, _) = listen(&hub, "ann", None);
        (1..=10).for_each(|offset| publish(&hub, "ann", offset));
        assert_eq!(hub.usage().2, 4 * 10);
        assert_eq!(offsets(&mut subscription).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn rings_are_bounded_in_number_and_bytes() {
    let hub = hub(HubLimits { people: 3, bytes: 50, ..LIMITS });
    for (offset, person) in ["a", "b", "c", "d"].into_iter().enumerate() {
        publish(&hub, person, offset as i64);
    }
    assert_eq!(hub.usage(), (0, 3, 30));
    // The ring of a, the least recently used, was evicted: its messages must be read from Kafka.
    let (listening, missing) = listen(&hub, "a", Some(-1));
    assert!(matches!(missing, Missing::After(_)));
    drop(listening);
    (4..10).for_each(|offset| publish(&hub, "d", offset));
    assert!(hub.usage().2 <= 50, "{:?}", hub.usage());
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_limited_and_cleaned_up() {
    let hub = hub(LIMITS);
    let first = [listen(&hub, "ann", None), listen(&hub, "ann", None)];
    assert_eq!(hub.subscribe(&session("ann"), Client::UNKNOWN, None).map(drop), Err(SubscribeError::Person));
    let third = listen(&hub, "bob", None);
    assert_eq!(hub.subscribe(&session("carl"), Client::UNKNOWN, None).map(drop), Err(SubscribeError::All));
    drop((first, third));
    assert_eq!(hub.usage(), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_address_has_its_share_however_many_sessions_it_has() {
    let hub = hub(LIMITS);
    let [one, other] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(|address| Client::of(address.into()));
    let subscribe =
        |person, client| hub.subscribe(&session(person), client, None).map(|(subscription, _)| subscription);
    let _first = subscribe("ann", one).unwrap();
    let second = subscribe("bob", one).unwrap();
    assert_eq!(subscribe("carl", one).map(drop), Err(SubscribeError::Client));
    drop(subscribe("carl", other).unwrap());
    drop(second);
    assert!(subscribe("carl", one).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_hub_or_of_the_session_ends_a_subscription() {
    let hub = hub(LIMITS);
    let expires_at = tributary_api::time::now_ms() + 60_000;
    let (mut subscription, _) =
        hub.subscribe(&Session::of_customer("ann", expires_at).unwrap(), Client::UNKNOWN, None).unwrap();
    assert!(matches!(subscription.next().await, Next::End));
    let (mut subscription, _) = listen(&hub, "ann", None);
    hub.close();
    assert_eq!(offsets(&mut subscription).await, [-1]);
    assert_eq!(hub.subscribe(&session("ann"), Client::UNKNOWN, None).map(drop), Err(SubscribeError::Closed));
}
