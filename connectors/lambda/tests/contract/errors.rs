//! Functions that fail, events that are not taken.

use std::collections::BTreeMap;
use std::sync::Mutex;

use lambda_front::{Event, Fault, Outcome, Reply};
use serde_json::json;
use tributary_api::{ErrorKind, Value};
use tributary_testkit::FakeSinkHost;

use crate::battery::nordstrom_props;
use crate::support::{Setup, TEST_TIMEOUT, TOPIC, Task, nordstrom, offsets, record, record_of};

/// A function that fails on some records.
fn fails_on(bad: &'static [i64]) -> impl Fn(&Event) -> Option<Reply> + Send + Sync {
    move |event| offsets(event).iter().any(|offset| bad.contains(offset)).then(|| Reply::error("Boom", "cannot do it"))
}

fn item(offset: i64) -> serde_json::Value {
    json!({"itemIdentifier": {"partition": format!("{TOPIC}-0"), "offset": offset}})
}

/// A function that names records as failed, each so many times.
fn names(bad: &'static [(i64, usize)]) -> impl Fn(&Event) -> Option<Reply> + Send + Sync {
    let left: Mutex<BTreeMap<i64, usize>> = Mutex::new(bad.iter().copied().collect());
    move |event| {
        let mut left = left.lock().unwrap();
        let mut named = Vec::new();
        for offset in offsets(event) {
            if let Some(times) = left.get_mut(&offset).filter(|times| **times > 0) {
                *times -= 1;
                named.push(item(offset));
            }
        }
        (!named.is_empty()).then(|| Reply::json(&json!({"batchItemFailures": named})))
    }
}

#[tokio::test]
async fn a_function_that_fails_fails_the_task() {
    let place = Setup::with(fails_on(&[7])).await;
    let mut task = Task::start(&place.props(&[("aws.lambda.batch.size", "5")])).await;
    task.put(0..15).await.unwrap();
    let error = task.wait_until_failed().await;
    let text = error.to_string();
    assert!(text.contains("errors are not tolerated") && text.contains("Boom: cannot do it"), "{text}");
    assert_eq!(task.safe(15).await, 5, "what came before is safe, and no more");
    assert_eq!(place.batches(), [vec![0, 1, 2, 3, 4], vec![5, 6, 7, 8, 9]], "and nothing behind it was sent");
}

#[tokio::test]
async fn tolerated_its_records_go_to_the_dead_letter_queue() {
    let place = Setup::with(fails_on(&[7])).await;
    let host = FakeSinkHost::tolerant();
    let mut task = Task::start_with(&place.props(&[("aws.lambda.batch.size", "5")]), host).await;
    task.put(0..15).await.unwrap();
    task.wait_until_safe(15).await.unwrap();
    let reported = task.host.reported();
    let expected: Vec<_> = (5..10).map(|offset| record(0, offset)).collect();
    assert_eq!(reported.iter().map(|(record, _)| record.clone()).collect::<Vec<_>>(), expected);
    assert!(reported.iter().all(|(_, error)| error.kind() == ErrorKind::Data));
}

#[tokio::test]
async fn logged_or_ignored_they_are_passed_over() {
    for behaviour in ["log", "ignore", "LOG"] {
        let place = Setup::with(fails_on(&[1])).await;
        let mut task = Task::start(&place.props(&[("behavior.on.error", behaviour)])).await;
        task.put(0..3).await.unwrap();
        task.wait_until_safe(3).await.unwrap();
        task.put(3..5).await.unwrap();
        task.wait_until_safe(5).await.unwrap();
        assert_eq!(place.batches(), [vec![0, 1, 2], vec![3, 4]], "{behaviour}");
        assert!(task.host.reported().is_empty());
    }
}

#[tokio::test]
async fn halved_only_the_records_at_fault_fail() {
    let place = Setup::with(fails_on(&[2, 6])).await;
    let more = [("aws.lambda.bisect.on.function.error", "true")];
    let mut task = Task::start_with(&place.props(&more), FakeSinkHost::tolerant()).await;
    task.put(0..8).await.unwrap();
    task.wait_until_safe(8).await.unwrap();
    let bad: Vec<i64> = task.host.reported().iter().map(|(record, _)| record.consumed_from().unwrap().2).collect();
    assert_eq!(bad, [2, 6]);
    let (all, half) = (vec![0, 1, 2, 3, 4, 5, 6, 7], vec![0, 1, 2, 3]);
    let rest = [vec![0, 1], vec![2, 3], vec![2], vec![3], vec![4, 5, 6, 7], vec![4, 5], vec![6, 7], vec![6], vec![7]];
    assert_eq!(place.batches(), [vec![all, half], rest.to_vec()].concat());
}

#[tokio::test]
async fn a_batch_can_be_invoked_again() {
    let place = Setup::new().await;
    place.front.faults().error(2, "Flaky", "not now");
    let mut task = Task::start(&place.props(&[("aws.lambda.function.retries", "2")])).await;
    task.put(0..3).await.unwrap();
    task.wait_until_safe(3).await.unwrap();
    assert_eq!(place.front.invocations().len(), 3);
    assert_eq!(place.batches(), [vec![0, 1, 2]]);
}

#[tokio::test]
async fn a_batch_is_sent_again_from_its_first_failed_record() {
    let place = Setup::with(names(&[(3, 2), (5, 1)])).await;
    let mut task = Task::start(&place.props(&[])).await;
    task.put(0..8).await.unwrap();
    task.wait_until_safe(8).await.unwrap();
    let (all, rest): (Vec<i64>, Vec<i64>) = ((0..8).collect(), (3..8).collect());
    assert_eq!(place.batches(), [all, rest.clone(), rest]);
}

#[tokio::test]
async fn a_record_that_fails_too_often_is_given_up_alone() {
    let place = Setup::with(names(&[(3, 100), (5, 2)])).await;
    let more = [("aws.lambda.batch.item.retries", "1")];
    let mut task = Task::start_with(&place.props(&more), FakeSinkHost::tolerant()).await;
    task.put(0..8).await.unwrap();
    task.wait_until_safe(8).await.unwrap();
    let bad: Vec<i64> = task.host.reported().iter().map(|(record, _)| record.consumed_from().unwrap().2).collect();
    assert_eq!(bad, [3, 5]);
    assert_eq!(place.batches(), [(0..8).collect::<Vec<i64>>(), (3..8).collect()]);
}

#[tokio::test]
async fn what_came_before_a_named_record_is_safe_when_it_fails_the_task() {
    let place = Setup::with(names(&[(3, 1)])).await;
    let more = [("aws.lambda.batch.item.retries", "0")];
    let mut task = Task::start(&place.props(&more)).await;
    task.put(0..8).await.unwrap();
    let error = task.wait_until_failed().await;
    assert!(error.to_string().contains("calls the record failed"), "{error}");
    assert_eq!(task.safe(8).await, 3);
}

#[tokio::test]
async fn an_answer_that_names_what_is_not_there_fails_the_batch() {
    let place = Setup::with(|_| Some(Reply::json(&json!({"batchItemFailures": [item(99)]})))).await;
    let mut task = Task::start(&place.props(&[])).await;
    task.put(0..3).await.unwrap();
    let error = task.wait_until_failed().await;
    assert!(error.to_string().contains("which is not in the batch"), "{error}");
    // Not looked at, it is an answer like any other.
    let mut task = Task::start(&place.props(&[("aws.lambda.batch.item.failures", "false")])).await;
    task.put(0..3).await.unwrap();
    task.wait_until_safe(3).await.unwrap();
}

#[tokio::test]
async fn a_record_that_is_too_large_alone_is_bad() {
    let large = || record_of(TOPIC, 0, 1, Value::string("x".repeat(2_000)));
    for tolerant in [true, false] {
        let place = Setup::new().await;
        let host = if tolerant { FakeSinkHost::tolerant() } else { FakeSinkHost::new() };
        let mut task = Task::start_with(&place.props(&[("aws.lambda.batch.bytes", "1000")]), host).await;
        task.task.put(&[record(0, 0), large(), record(0, 2)]).await.unwrap();
        if tolerant {
            task.wait_until_safe(3).await.unwrap();
            let (reported, error) = task.host.reported().remove(0);
            assert_eq!(reported, large());
            assert!(error.to_string().contains("no more than 1000 are taken"), "{error}");
            assert_eq!(place.batches(), [vec![0], vec![2]]);
        } else {
            assert!(task.wait_until_failed().await.to_string().contains("the record alone is an event of"));
            assert_eq!(task.safe(3).await, 1);
        }
    }
}

/// Lambda may accept less than documented, for example through a gateway.
#[tokio::test]
async fn a_batch_that_is_called_too_large_is_halved() {
    let gateway = Gateway::start(413, "RequestTooLargeException", 700).await;
    let mut props = Setup::new().await.props(&[]);
    props.insert("aws.lambda.endpoint.url".to_owned(), gateway.url.clone());
    let mut task = Task::start_with(&props, FakeSinkHost::tolerant()).await;
    let mut records: Vec<_> = (0..8).map(|offset| record(0, offset)).collect();
    records[5] = record_of(TOPIC, 0, 5, Value::string("x".repeat(1_000)));
    task.task.put(&records).await.unwrap();
    task.wait_until_safe(8).await.unwrap();
    let bad: Vec<i64> = task.host.reported().iter().map(|(record, _)| record.consumed_from().unwrap().2).collect();
    assert_eq!(bad, [5]);
    assert_eq!(gateway.taken(), [vec![0, 1, 2, 3], vec![4], vec![6, 7]].concat());
}

#[tokio::test]
async fn the_functions_log_is_logged_if_configured() {
    let place = Setup::with(fails_on(&[0])).await;
    let mut task = Task::start(&place.props(&[("aws.lambda.log.tail", "true")])).await;
    task.put(0..1).await.unwrap();
    let error = task.wait_until_failed().await;
    assert!(error.to_string().contains("its log ends with: START RequestId"), "{error}");
}

#[tokio::test]
async fn crashes_and_time_outs_of_functions_are_their_failures() {
    let short = std::time::Duration::from_millis(200);
    for (fault, limit, says) in
        [(Fault::CrashAfter, TEST_TIMEOUT, "Runtime.ExitError"), (Fault::TimeOut, short, "Task timed out")]
    {
        let place = Setup::set_up(|_| None, |function| function.timeout(limit), |functions| functions).await;
        place.front.faults().add(fault);
        let mut task = Task::start(&place.props(&[])).await;
        task.put(0..1).await.unwrap();
        let error = task.wait_until_failed().await;
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn nordstroms_drop_passes_over_and_stop_does_not() {
    for (mode, tolerated) in [("DROP", true), ("STOP", false)] {
        let place = Setup::with(|_| Some(Reply::error("Boom", "no"))).await;
        let mut props = nordstrom_props(&place);
        props.insert("aws.lambda.invocation.failure.mode".to_owned(), mode.to_owned());
        let mut task = Task::try_start(&nordstrom(), &props, FakeSinkHost::new()).await.unwrap();
        task.put(0..3).await.unwrap();
        if tolerated {
            task.wait_until_safe(3).await.unwrap();
        } else {
            task.wait_until_failed().await;
        }
        assert_eq!(place.events().len(), 1);
    }
}

#[tokio::test]
async fn nordstroms_status_list_decides_what_is_retried() {
    for (codes, calls) in [("500,503", 3), ("503", 1)] {
        let place = Setup::new().await;
        place.front.faults().repeat(2, Fault::Unavailable);
        let mut props = nordstrom_props(&place);
        props.insert("retriable.error.codes".to_owned(), codes.to_owned());
        let mut task = Task::try_start(&nordstrom(), &props, FakeSinkHost::new()).await.unwrap();
        task.put(0..3).await.unwrap();
        if calls > 1 {
            task.wait_until_safe(3).await.unwrap();
        } else {
            assert!(task.wait_until_failed().await.to_string().contains("Lambda answers 500"));
        }
        let refused = place
            .front
            .invocations()
            .iter()
            .filter(|call| matches!(call.outcome, Some(Outcome::Refused(500, _))))
            .count();
        assert_eq!((place.front.invocations().len(), refused), (calls, calls.min(2)));
    }
}

/// Refuses events beyond a size, and answers others with nothing.
struct Gateway {
    url: String,
    taken: std::sync::Arc<Mutex<Vec<i64>>>,
}

impl Gateway {
    async fn start(status: u16, exception: &'static str, limit: usize) -> Self {
        use axum::http::StatusCode;
        let taken = std::sync::Arc::<Mutex<Vec<i64>>>::default();
        let seen = std::sync::Arc::clone(&taken);
        let answer = move |body: axum::body::Bytes| {
            let json: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
            let fits = body.len() <= limit;
            if fits {
                seen.lock().unwrap().extend(json.iter().map(|record| record["payload"]["offset"].as_i64().unwrap()));
            }
            async move {
                match fits {
                    true => (StatusCode::OK, [("x-amzn-errortype", "")], "null"),
                    false => (StatusCode::from_u16(status).unwrap(), [("x-amzn-errortype", exception)], "{}"),
                }
            }
        };
        let url = crate::support::serve(axum::Router::new().fallback(axum::routing::post(answer))).await;
        Self { url, taken }
    }

    fn taken(&self) -> Vec<i64> {
        self.taken.lock().unwrap().clone()
    }
}
