use std::sync::Arc;
use std::time::Duration;

use super::super::subscription::Next;
use super::*;

const LIMITS: HubLimits = HubLimits {
    subscribers: 3,
    subscribers_per_person: 2,
    people: 100,
    messages: 4,
    bytes: 1000,
    window: Duration::from_secs(30),
    disconnect_slow: true,
};

fn hub(limits: HubLimits) -> Arc<Hub> {
    Arc::new(Hub::new(limits))
}

fn lane() -> Lane {
    Lane::new("offers", 0)
}

fn cursor(offset: i64) -> Cursor {
    Cursor { lane: lane(), offset }
}

fn publish(hub: &Hub, person: &str, offset: i64) {
    let message = Message { cursor: cursor(offset), json: format!("{{\"n\":{offset:04}}}").into() };
    hub.publish(vec![(Address::Person(person.to_owned().into()), message)]);
}

fn session(person: &'static str) -> Session {
    Session::of_customer(person, i64::MAX).unwrap()
}

fn listen(hub: &Arc<Hub>, person: &'static str, after: Option<i64>) -> (Subscription, Missing) {
    hub.subscribe(&session(person), after.map(cursor)).unwrap()
}

/// The offsets that come at once.
async fn offsets(subscription: &mut Subscription) -> Vec<i64> {
    match tokio::time::timeout(Duration::from_millis(1), subscription.next()).await {
        Ok(Next::Messages(messages)) => messages.iter().map(|message| message.cursor.offset).collect(),
        Ok(Next::End) => vec![-1],
        Err(_) => Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn messages_go_to_their_person_and_session_only() {
    let hub = hub(LIMITS);
    let ann = session("ann");
    let (mut by_ann, _) = hub.subscribe(&ann, None).unwrap();
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
    assert!(matches!(next, Next::Messages(messages) if messages[0].cursor == cursor(7)));
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
async fn a_cursor_in_the_ring_goes_on_behind_it() {
    let hub = hub(LIMITS);
    (1..=4).for_each(|offset| publish(&hub, "ann", offset));
    let (mut subscription, missing) = listen(&hub, "ann", Some(2));
    assert_eq!(missing, Missing::Nothing);
    assert_eq!(offsets(&mut subscription).await, [3, 4]);
}

#[tokio::test(start_paused = true)]
async fn kafka_is_asked_only_for_what_the_rings_may_lack() {
    let hub = hub(LIMITS);
    // Nothing has come by yet: who knows.
    assert_eq!(listen(&hub, "ann", Some(5)).1, Missing::Behind { cursor: cursor(5), last: None });
    publish(&hub, "bob", 10);
    publish(&hub, "ann", 11);
    // All since offset 10 has come by, and nothing of it has left.
    let (mut subscription, missing) = listen(&hub, "ann", Some(9));
    assert_eq!((missing, offsets(&mut subscription).await), (Missing::Nothing, vec![11]));
    drop(subscription);
    assert_eq!(listen(&hub, "ann", Some(8)).1, Missing::Behind { cursor: cursor(8), last: Some(11) });
    // The ring of four loses offset 11.
    (12..=15).for_each(|offset| publish(&hub, "ann", offset));
    assert_eq!(listen(&hub, "ann", Some(10)).1, Missing::Behind { cursor: cursor(10), last: Some(15) });
    assert_eq!(listen(&hub, "ann", Some(11)).1, Missing::Nothing);
    // A partition that comes anew may have a gap before it.
    hub.forget_lanes([lane()].into_iter());
    assert!(matches!(listen(&hub, "bob", Some(9)).1, Missing::Behind { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_cursor_of_another_log_is_none() {
    let hub = hub(LIMITS);
    publish(&hub, "ann", 1);
    let (mut subscription, missing) = listen(&hub, "ann", Some(1_000_000));
    assert_eq!((missing, offsets(&mut subscription).await), (Missing::Nothing, vec![1]));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_from_kafka_is_not_sent_twice() {
    let hub = hub(LIMITS);
    publish(&hub, "ann", 8);
    let (mut subscription, missing) = listen(&hub, "ann", Some(5));
    assert!(matches!(missing, Missing::Behind { .. }));
    publish(&hub, "ann", 9);
    let read = [6, 8].map(|offset| Arc::new(Message { cursor: cursor(offset), json: "{}".into() }));
    subscription.replay(read.into(), cursor(8));
    assert_eq!(offsets(&mut subscription).await, [6, 8]);
    assert_eq!(offsets(&mut subscription).await, [9]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_comes_again_is_not_sent_again() {
    let hub = hub(LIMITS);
    let (mut subscription, _) = listen(&hub, "ann", None);
    [1, 2, 1, 2].into_iter().for_each(|offset| publish(&hub, "ann", offset));
    assert_eq!(offsets(&mut subscription).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscription_costs_nothing_and_ends_or_skips() {
    for (disconnect_slow, expected) in [(true, vec![-1]), (false, vec![7, 8, 9, 10])] {
        let hub = hub(HubLimits { disconnect_slow, ..LIMITS });
        let (mut subscription, _) = listen(&hub, "ann", None);
        (1..=10).for_each(|offset| publish(&hub, "ann", offset));
        assert_eq!(hub.held().2, 4 * 10);
        assert_eq!(offsets(&mut subscription).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn rings_are_bounded_in_number_and_bytes() {
    let hub = hub(HubLimits { people: 3, bytes: 50, ..LIMITS });
    for (offset, person) in ["a", "b", "c", "d"].into_iter().enumerate() {
        publish(&hub, person, offset as i64);
    }
    assert_eq!(hub.held(), (0, 3, 30));
    // The ring of a, which was used least recently, has left, and with it what Kafka now has to be asked for.
    let (listening, missing) = listen(&hub, "a", Some(-1));
    assert!(matches!(missing, Missing::Behind { .. }));
    drop(listening);
    (4..10).for_each(|offset| publish(&hub, "d", offset));
    assert!(hub.held().2 <= 50, "{:?}", hub.held());
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_bounded_and_leave_nothing_behind() {
    let hub = hub(LIMITS);
    let first = [listen(&hub, "ann", None), listen(&hub, "ann", None)];
    assert_eq!(hub.subscribe(&session("ann"), None).map(drop), Err(Crowded::Person));
    let third = listen(&hub, "bob", None);
    assert_eq!(hub.subscribe(&session("carl"), None).map(drop), Err(Crowded::All));
    drop((first, third));
    assert_eq!(hub.held(), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_hub_or_of_the_session_ends_a_subscription() {
    let hub = hub(LIMITS);
    let expires_at = crate::http::now_ms() + 60_000;
    let (mut subscription, _) = hub.subscribe(&Session::of_customer("ann", expires_at).unwrap(), None).unwrap();
    assert!(matches!(subscription.next().await, Next::End));
    let (mut subscription, _) = listen(&hub, "ann", None);
    hub.close();
    assert_eq!(offsets(&mut subscription).await, [-1]);
    assert_eq!(hub.subscribe(&session("ann"), None).map(drop), Err(Crowded::Closed));
}
