//! Lambda that throttles, is unreachable or slow; functions that take long; tasks that stop meanwhile.

use std::sync::Arc;
use std::time::Duration;

use lambda_front::{Fault, Outcome};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tributary_api::ErrorKind;

use crate::support::{FUNCTION, Setup, TEST_TIMEOUT, Task, echo, partition};

/// After 3 s a stopping task gives up what is under way: one that stops sooner has not waited for that.
const GIVEN_UP: Duration = Duration::from_millis(2_500);

#[tokio::test]
async fn throttling_waits_as_long_as_retry_after() {
    let place = Setup::new().await;
    place.front.faults().throttle(2);
    let mut task = Task::start(&place.props(&[])).await;
    let begun = Instant::now();
    task.put(0..3).await.unwrap();
    task.wait_until_safe(3).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(place.front.invocations().len(), 3);
    assert_eq!(place.batches(), [vec![0, 1, 2]]);
}

#[tokio::test]
async fn throttled_without_a_time_it_backs_off() {
    let place = Setup::new().await;
    place.front.faults().repeat(3, Fault::Throttle { retry_after: None });
    let mut task = Task::start(&place.props(&[])).await;
    task.put(0..3).await.unwrap();
    task.wait_until_safe(3).await.unwrap();
    assert_eq!(place.front.invocations().len(), 4);
}

#[tokio::test]
async fn a_limit_of_invocations_a_second_is_kept() {
    let place = Setup::new().await;
    let more = [("aws.lambda.batch.size", "1"), ("aws.lambda.rate.limit", "50")];
    let mut task = Task::start(&place.props(&more)).await;
    let begun = Instant::now();
    task.put(0..60).await.unwrap();
    task.wait_until_safe(60).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(1_000), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn requests_that_lambda_did_not_take_are_repeated_as_often_as_allowed() {
    let place = Setup::new().await;
    place.front.faults().repeat(3, Fault::Unavailable);
    let mut task = Task::start(&place.props(&[])).await;
    task.put(0..3).await.unwrap();
    task.wait_until_safe(3).await.unwrap();
    place.front.faults().repeat(3, Fault::Unavailable);
    let mut task = Task::start(&place.props(&[("aws.lambda.retries.max", "2")])).await;
    task.put(0..3).await.unwrap();
    let error = task.wait_until_failed().await;
    assert!(error.kind() == ErrorKind::Fatal && error.to_string().contains("gave up after 3 attempts"), "{error}");
    assert_eq!(task.safe(3).await, 0);
}

#[tokio::test]
async fn backoff_is_as_long_as_configured() {
    // Half of it is jitter. Without its maximum the second one would take minutes.
    for (first, most, at_least, at_most) in [("200", "30000", 300, 20_000), ("600000", "50", 50, 60_000)] {
        let place = Setup::new().await;
        place.front.faults().repeat(2, Fault::Unavailable);
        let more = [("aws.lambda.retry.backoff.ms", first), ("aws.lambda.retry.backoff.max.ms", most)];
        let mut task = Task::start(&place.props(&more)).await;
        let begun = Instant::now();
        task.put(0..3).await.unwrap();
        task.wait_until_safe(3).await.unwrap();
        let took = begun.elapsed().as_millis();
        assert!((at_least..at_most).contains(&took), "{took} ms with {first} and {most}");
    }
}

/// The outcome of an invocation whose answer broke off is unknown: it is repeated with the same key.
#[tokio::test]
async fn an_incomplete_response_is_requested_again() {
    let place = Setup::new().await;
    place.front.faults().add(Fault::CutOff);
    let mut task = Task::start(&place.props(&[])).await;
    task.put(0..3).await.unwrap();
    task.wait_until_safe(3).await.unwrap();
    let events = place.events();
    assert_eq!(place.batches(), [vec![0, 1, 2], vec![0, 1, 2]]);
    assert_eq!(events[0].client_context, events[1].client_context);
}

#[tokio::test]
async fn a_front_that_is_away_is_waited_for() {
    // Nobody listens there, and nobody else gets the port meanwhile.
    let reserved = tokio::net::TcpSocket::new_v4().unwrap();
    reserved.set_reuseaddr(true).unwrap();
    reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = reserved.local_addr().unwrap().port();
    let mut props = Setup::new().await.props(&[("aws.lambda.retry.backoff.max.ms", "50")]);
    props.insert("aws.lambda.endpoint.url".to_owned(), format!("http://127.0.0.1:{port}"));
    let mut task = Task::start(&props).await;
    task.put(0..3).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(task.safe(3).await, 0);
    let function = lambda_front::Function::inline(|event| async move { echo(&event) });
    let front =
        lambda_front::LambdaFront::start_on(lambda_front::Functions::new().with(FUNCTION, function), port).await;
    task.wait_until_safe(3).await.unwrap();
    assert_eq!(front.unwrap().invocations().len(), 1);
}

/// A place whose function waits for a permit for each event.
async fn held() -> (Setup, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(0));
    let given = Arc::clone(&permits);
    let function = lambda_front::Function::inline(move |event| {
        let given = Arc::clone(&given);
        async move {
            given.acquire().await.unwrap().forget();
            echo(&event)
        }
    });
    let functions =
        lambda_front::Functions::new().account_concurrency(1000).with(FUNCTION, function.timeout(TEST_TIMEOUT));
    (Setup::set_up(|_| None, |function| function, |_| functions).await, permits)
}

#[tokio::test]
async fn the_users_time_out_is_kept_and_nothing_invoked_twice() {
    let (place, permits) = held().await;
    let more = [("aws.lambda.socket.timeout", "1000"), ("aws.lambda.function.retries", "5")];
    let mut task = Task::start(&place.props(&more)).await;
    task.put(0..3).await.unwrap();
    let error = task.wait_until_failed().await;
    assert!(error.to_string().contains("did not respond within 1000 ms"), "{error}");
    assert_eq!(place.front.invocations().len(), 1);
    // Without the property it is waited for.
    let mut task = Task::start(&place.props(&[])).await;
    task.put(0..3).await.unwrap();
    permits.add_permits(2);
    task.wait_until_safe(3).await.unwrap();
    assert_eq!(place.front.invocations().len(), 2);
}

/// A consumer that does not poll for too long loses its partitions: `put` must not wait for functions.
#[tokio::test]
async fn put_does_not_wait_for_functions() {
    let (place, permits) = held().await;
    let mut task = Task::start(&place.props(&[])).await;
    let put = async {
        task.put(0..3).await.unwrap();
        task.put(3..6).await.unwrap();
    };
    tokio::time::timeout(TEST_TIMEOUT / 2, put).await.expect("put returns although no function has");
    assert_eq!(task.safe(6).await, 0);
    permits.add_permits(2);
    task.wait_until_safe(6).await.unwrap();
}

#[tokio::test]
async fn a_stopping_task_waits_for_running_invocations_and_starts_none() {
    let (place, permits) = held().await;
    let mut task = Task::start(&place.props(&[("aws.lambda.batch.size", "3")])).await;
    task.put(0..9).await.unwrap();
    while place.front.invocations().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    task.stopping.cancel();
    let (safe, ()) = tokio::join!(task.safe(9), async { permits.add_permits(9) });
    assert_eq!(safe, 3, "the first batch was on its way");
    task.task.close(&[partition(0)]).await.unwrap();
    task.task.stop().await.unwrap();
    assert_eq!(place.front.invocations().len(), 1);
}

#[tokio::test]
async fn a_task_that_is_throttled_stops_at_once() {
    // A busy machine delays one of them.
    let mut took = Vec::new();
    for _ in 0..3 {
        took.push(time_to_stop_when_throttled().await);
    }
    assert!(took.iter().any(|took| *took < GIVEN_UP), "{took:?}");
}

async fn time_to_stop_when_throttled() -> Duration {
    let place = Setup::new().await;
    place.front.faults().repeat(1, Fault::Throttle { retry_after: Some(Duration::from_secs(600)) });
    let mut task = Task::start(&place.props(&[])).await;
    task.put(0..3).await.unwrap();
    while place.front.invocations().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let begun = Instant::now();
    task.stopping.cancel();
    assert_eq!(task.safe(3).await, 0);
    task.task.stop().await.unwrap();
    begun.elapsed()
}

#[tokio::test]
async fn a_partition_with_too_much_waiting_is_paused_and_then_resumed() {
    let (place, permits) = held().await;
    let mut task = Task::start(&place.props(&[("aws.lambda.batch.size", "500")])).await;
    task.put(0..20_001).await.unwrap();
    assert_eq!(task.host.paused(), [partition(0)]);
    assert!(task.host.timeout().is_some(), "and it is looked at again");
    permits.add_permits(20_001);
    task.wait_until_safe(20_001).await.unwrap();
    task.task.put(&[]).await.unwrap();
    assert_eq!(task.host.paused(), []);
    let failed =
        place.front.invocations().iter().filter(|call| !matches!(call.outcome, Some(Outcome::Response(_)))).count();
    assert_eq!(failed, 0);
}
