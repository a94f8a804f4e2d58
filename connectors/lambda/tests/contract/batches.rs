//! How records become events: size, bytes, time, order, functions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_front::{Event, Outcome, Reply};
use tokio::time::Instant;
use tributary_api::{Offsets, TopicPartition, Value};
use tributary_testkit::FakeSinkHost;

use crate::battery::nordstrom_props;
use crate::support::{Setup, TEST_TIMEOUT, TOPIC, Task, nordstrom, offsets, partition, record, record_of, remembering};

#[tokio::test]
async fn batches_have_a_size() {
    let place = Setup::new().await;
    let mut task = Task::start(&place.props(&[("aws.lambda.batch.size", "4")])).await;
    task.put(0..10).await.unwrap();
    task.wait_until_safe(10).await.unwrap();
    assert_eq!(place.batches(), [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    for (event, key) in place.events().iter().zip(["0-3", "4-7", "8-9"]) {
        let context: serde_json::Value = serde_json::from_str(event.client_context.as_ref().unwrap()).unwrap();
        assert_eq!(context["custom"]["tributary.idempotency.key"], format!("{TOPIC}-0-{key}"));
    }
}

#[tokio::test]
async fn batches_are_as_large_as_allowed_to_the_byte() {
    let place = Setup::new().await;
    let text = |offset| record_of(TOPIC, 0, offset, Value::string("x".repeat(1000)));
    let whole: Vec<_> = (0..3).map(text).collect();
    // The size of an event of three records, computed from one.
    let mut task = Task::start(&place.props(&[])).await;
    task.task.put(&whole).await.unwrap();
    task.wait_until_safe(3).await.unwrap();
    let size = place.events()[0].payload.len();
    for (limit, batches) in [(size, vec![vec![0, 1, 2]]), (size - 1, vec![vec![0, 1], vec![2]])] {
        let place = Setup::new().await;
        let mut task = Task::start(&place.props(&[("aws.lambda.batch.bytes", &limit.to_string())])).await;
        task.task.put(&whole).await.unwrap();
        task.wait_until_safe(3).await.unwrap();
        assert_eq!(place.batches(), batches, "with {limit} bytes");
    }
}

#[tokio::test]
async fn without_configured_limits_batches_are_as_large_as_lambda_accepts() {
    for (kind, limit) in [("sync", lambda_front::SYNC_LIMIT), ("async", lambda_front::ASYNC_LIMIT)] {
        let place = Setup::new().await;
        let more = [("aws.lambda.invocation.type", kind), ("aws.lambda.batch.size", "1000")];
        let mut task = Task::start(&place.props(&more)).await;
        let value = Value::string("x".repeat(limit / 10));
        let records: Vec<_> = (0..25).map(|offset| record_of(TOPIC, 0, offset, value.clone())).collect();
        task.task.put(&records).await.unwrap();
        task.wait_until_safe(25).await.unwrap();
        // Those of asynchronous events are run a little later.
        let begun = Instant::now();
        let mut calls: Vec<usize> = Vec::new();
        while calls.len() < 3 {
            assert!(begun.elapsed() < TEST_TIMEOUT, "{calls:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
            let runs = place.front.invocations().into_iter().filter(|run| run.outcome != Some(Outcome::Accepted));
            calls = runs.map(|run| run.payload.len()).collect();
        }
        // 9 fit, and 10 do not, for there is an envelope around each.
        assert_eq!(calls.len(), 3, "{calls:?}");
        assert!(calls.iter().all(|size| *size <= limit) && calls[0] > limit * 9 / 10, "{calls:?}");
    }
}

#[tokio::test]
async fn a_batch_waits_for_more_records_up_to_its_timeout() {
    let place = Setup::new().await;
    let more = [("aws.lambda.batch.size", "5"), ("aws.lambda.batch.window.ms", "4000")];
    let mut task = Task::start(&place.props(&more)).await;
    let begun = Instant::now();
    for offset in 0..3 {
        task.put(offset..offset + 1).await.unwrap();
    }
    task.wait_until_safe(3).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(place.batches(), [vec![0, 1, 2]]);
}

#[tokio::test]
async fn a_full_batch_does_not_wait_for_more_records() {
    let place = Setup::new().await;
    let more = [("aws.lambda.batch.size", "5"), ("aws.lambda.batch.window.ms", "3600000")];
    let mut task = Task::start(&place.props(&more)).await;
    task.put(0..5).await.unwrap();
    task.wait_until_safe(5).await.unwrap();
    assert_eq!(place.batches(), [vec![0, 1, 2, 3, 4]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_go_side_by_side_and_each_one_after_another() {
    let at_work = Arc::new(Mutex::new((Vec::<i32>::new(), 0)));
    let seen = Arc::clone(&at_work);
    let slow = move |event: Event| {
        let seen = Arc::clone(&seen);
        async move {
            let own = i32::try_from(event.json()[0]["payload"]["partition"].as_i64().unwrap()).unwrap();
            {
                let mut state = seen.lock().unwrap();
                assert!(!state.0.contains(&own), "two invocations of partition {own} at once");
                state.0.push(own);
                state.1 = state.1.max(state.0.len());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            seen.lock().unwrap().0.retain(|other| *other != own);
            crate::support::echo(&event)
        }
    };
    let functions = lambda_front::Functions::new()
        .account_concurrency(1000)
        .with(crate::support::FUNCTION, lambda_front::Function::inline(slow).timeout(TEST_TIMEOUT));
    let place = Setup::set_up(|_| None, |function| function, |_| functions).await;
    let more = [("aws.lambda.batch.size", "1"), ("aws.lambda.concurrency", "3")];
    let mut task = Task::start(&place.props(&more)).await;
    let records: Vec<_> = (0..4).flat_map(|offset| (0..6).map(move |partition| record(partition, offset))).collect();
    task.task.put(&records).await.unwrap();
    let all: Offsets = (0..6).map(|number| (partition(number), 4)).collect();
    let begun = Instant::now();
    while task.task.pre_commit(&all).await.unwrap() != all {
        assert!(begun.elapsed() < TEST_TIMEOUT);
        tokio::time::sleep(Duration::from_millis(5)).await;
        task.task.put(&[]).await.unwrap();
    }
    assert_eq!(at_work.lock().unwrap().1, 3, "invocations at the same time");
    let mut next = [0; 6];
    for call in place.front.invocations() {
        let json: serde_json::Value = serde_json::from_slice(&call.payload).unwrap();
        let number = usize::try_from(json[0]["payload"]["partition"].as_i64().unwrap()).unwrap();
        assert_eq!(json[0]["payload"]["offset"], next[number]);
        next[number] += 1;
    }
}

#[tokio::test]
async fn each_topic_has_its_function() {
    let orders = Arc::<Mutex<Vec<Event>>>::default();
    let other = remembering(&orders, Arc::new(|_| None));
    let place = Setup::set_up(|_| None, |function| function, |functions| functions.with("orders-fn", other)).await;
    let more = [
        ("aws.lambda.configuration.mode", "multiple"),
        ("aws.lambda.topic2function.map", "orders;orders-fn,returns;orders-fn"),
    ];
    let mut task = Task::start(&place.props(&more)).await;
    let mut records = vec![record(0, 0)];
    records.extend(["orders", "returns"].map(|topic| record_of(topic, 0, 7, Value::Null)));
    task.task.put(&records).await.unwrap();
    let all: Offsets =
        [(partition(0), 1), (TopicPartition::new("orders", 0), 8), (TopicPartition::new("returns", 0), 8)].into();
    while task.task.pre_commit(&all).await.unwrap() != all {
        tokio::time::sleep(Duration::from_millis(2)).await;
        task.task.put(&[]).await.unwrap();
    }
    assert_eq!(place.batches(), [vec![0]]);
    let mut topics: Vec<String> = orders
        .lock()
        .unwrap()
        .iter()
        .map(|event| event.json()[0]["payload"]["topic"].as_str().unwrap().into())
        .collect();
    topics.sort_unstable();
    assert_eq!(topics, ["orders", "returns"]);
}

/// A transform may make several records of one: all of them count.
#[tokio::test]
async fn records_of_one_offset_all_come() {
    let place = Setup::new().await;
    let mut task = Task::start(&place.props(&[("aws.lambda.batch.size", "2")])).await;
    let batch = [record(0, 0), record(0, 1), record(0, 1), record(0, 1), record(0, 2)];
    task.task.put(&batch).await.unwrap();
    task.task.put(&batch).await.unwrap();
    task.wait_until_safe(3).await.unwrap();
    assert_eq!(place.batches(), [vec![0, 1], vec![1, 1], vec![2]]);
}

#[tokio::test]
async fn asynchronous_events_are_handed_over_and_forgotten() {
    let place = Setup::set_up(
        |_| Some(Reply::error("Boom", "no")),
        |function| function.retry_waits([Duration::from_millis(1); 2]),
        |functions| functions,
    )
    .await;
    let mut task = Task::start(&place.props(&[("aws.lambda.invocation.type", "async")])).await;
    task.put(0..3).await.unwrap();
    task.wait_until_safe(3).await.unwrap();
    // Lambda itself tries it again.
    let begun = Instant::now();
    while place.events().len() < 3 {
        assert!(begun.elapsed() < TEST_TIMEOUT);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(place.events().iter().all(|event| offsets(event) == [0, 1, 2] && event.client_context.is_none()));
}

#[tokio::test]
async fn nordstroms_events_hold_no_more_records_than_a_poll_brings() {
    for (most, expected) in [(Some("5"), vec![5; 9]), (None, vec![45])] {
        let place = Setup::new().await;
        let mut props = nordstrom_props(&place);
        if let Some(most) = most {
            props.insert("consumer.override.max.poll.records".to_owned(), most.to_owned());
        }
        let mut task = Task::try_start(&nordstrom(), &props, FakeSinkHost::new()).await.unwrap();
        task.put(0..45).await.unwrap();
        task.wait_until_safe(45).await.unwrap();
        let held = place.events().iter().map(|event| event.json().as_array().unwrap().len()).collect::<Vec<_>>();
        assert_eq!(held, expected);
    }
}
