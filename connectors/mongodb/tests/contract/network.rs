//! A server that becomes unreachable, returns, or has no primary.

use std::time::{Duration, Instant};

use mongodb::bson::{Bson, doc};
use tributary_api::{ErrorKind, Record};

use crate::double::{Double, EIGHT, Fault, SET, SEVEN, failure};
use crate::support::{BY_PLACE, INSERTS, TOPIC, Task, forbidden, number, numbers, record};

fn records(count: i64) -> Vec<Record> {
    (0..count).map(|offset| record(TOPIC, offset, number(offset))).collect()
}

#[tokio::test]
async fn a_batch_put_again_after_an_outage_is_written_once() {
    for kind in [SEVEN, EIGHT, SET] {
        let mut double = Double::start(kind);
        let mut task = Task::start(&double, &[INSERTS]).await;
        task.put(&records(3)).await.unwrap();
        double.stop().await;
        for _ in 0..2 {
            let error = task.put(&records(6)[3..]).await.unwrap_err();
            assert!(error.is_retriable(), "{error:?}");
            assert!(error.retry_after().is_some_and(|wait| wait <= Duration::from_millis(20)), "{error:?}");
        }
        double.go_on();
        task.put(&records(6)[3..]).await.unwrap();
        assert_eq!(numbers(&double.documents("shop.orders")), [0, 1, 2, 3, 4, 5]);
    }
}

#[tokio::test]
async fn a_server_that_is_away_when_the_task_starts_is_waited_for() {
    let mut double = Double::start(SEVEN);
    double.stop().await;
    let mut task = Task::start(&double, &[BY_PLACE]).await;
    assert!(task.put(&records(3)).await.unwrap_err().is_retriable());
    double.go_on();
    task.put(&records(3)).await.unwrap();
    assert_eq!(double.documents("shop.orders").len(), 3);
}

/// As a machine does that hangs, or a network that swallows what is sent: no connection breaks.
#[tokio::test]
async fn a_server_that_falls_silent_is_noticed() {
    for kind in [SEVEN, EIGHT, SET] {
        let double = Double::start(kind);
        // How soon depends on the driver's heartbeats.
        let uri = format!("{}&heartbeatFrequencyMS=500&connectTimeoutMS=3000", double.uri());
        let mut task = Task::start(&double, &[BY_PLACE, ("connection.uri", &uri)]).await;
        // A slow machine misses a heartbeat, too.
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = task.put(&records(3)).await {
            assert!(error.is_retriable() && Instant::now() < deadline, "{error:?}");
        }
        for command in ["update", "bulkWrite"] {
            double.fault(command, Fault::Silence);
        }
        let batch = records(6);
        let put = tokio::time::timeout(Duration::from_secs(60), task.put(&batch));
        assert!(put.await.expect("the task did not notice").unwrap_err().is_retriable());
        double.wake();
        while let Err(error) = task.put(&batch).await {
            assert!(error.is_retriable(), "{error:?}");
        }
        assert_eq!(numbers(&double.documents("shop.orders")), [0, 1, 2, 3, 4, 5]);
    }
}

#[tokio::test]
async fn an_outage_that_lasts_fails_the_task_with_what_to_do() {
    let mut double = Double::start(SEVEN);
    let mut task = Task::start(&double, &[BY_PLACE, ("retry.timeout.ms", "1000")]).await;
    task.put(&records(1)).await.unwrap();
    double.stop().await;
    let failed = async {
        loop {
            match task.put(&records(3)).await.unwrap_err() {
                error if error.is_retriable() => tokio::time::sleep(error.retry_after().unwrap()).await,
                error => return error,
            }
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(60), failed).await.unwrap();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("retry.timeout.ms") && error.to_string().contains("restart"), "{error}");
}

#[tokio::test]
async fn a_lost_reply_loses_and_duplicates_nothing() {
    // Inserts of documents whose ids are made here: a second mapping would make others.
    for (kind, name, at_once) in [(SEVEN, "insert", false), (EIGHT, "bulkWrite", false), (SET, "insert", true)] {
        for fault in [Fault::Lost, Fault::AnswerLost] {
            let double = Double::start(kind.clone());
            double.fault(name, fault.clone());
            let mut task = Task::start(&double, &[INSERTS]).await;
            let first = task.put(&records(4)).await;
            assert_eq!(first.is_ok(), at_once, "{first:?} after {fault:?}");
            if let Err(error) = first {
                assert!(error.is_retriable(), "{error:?}");
                task.put(&records(4)).await.unwrap();
            }
            assert_eq!(numbers(&double.documents("shop.orders")), [0, 1, 2, 3], "after {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_command_is_sent_again_under_its_number() {
    let double = Double::start(SET);
    double.fault("update", Fault::AnswerLost);
    let mut task = Task::start(&double, &[BY_PLACE]).await;
    task.put(&records(2)).await.unwrap();
    let commands = double.take_commands();
    let keys: Vec<_> =
        commands.iter().map(|one| (one.get("lsid").cloned(), one.get_i64("txnNumber").unwrap())).collect();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_server_that_is_no_longer_the_primary_is_tried_again() {
    let no_primary = failure(10107, "not primary");
    let steps_down = doc! {
        "ok": 1, "n": 0, "errorLabels": [Bson::from("RetryableWriteError")],
        "writeConcernError": { "code": 189, "errmsg": "steps down" },
    };
    for answer in [no_primary, steps_down] {
        let double = Double::start(SET);
        double.fault("update", Fault::Answer(answer.clone()));
        double.fault("update", Fault::Answer(answer));
        let mut task = Task::start(&double, &[BY_PLACE]).await;
        assert!(task.put(&records(2)).await.unwrap_err().is_retriable());
        task.put(&records(2)).await.unwrap();
        assert_eq!(numbers(&double.documents("shop.orders")), [0, 1]);
    }
}

#[tokio::test]
async fn refusals_before_an_outage_are_reported_once() {
    let double = Double::start(SEVEN);
    let more = [BY_PLACE, ("mongo.errors.tolerance", "all"), ("bulk.write.ordered", "false"), ("max.batch.size", "2")];
    let mut task = Task::start_tolerant(&double, &more).await;
    let mut batch = records(6);
    batch[1] = record(TOPIC, 1, forbidden(1));
    double.fault("update", Fault::Added(doc! {}));
    double.fault("update", Fault::Lost);
    assert!(task.put(&batch).await.unwrap_err().is_retriable());
    assert_eq!(task.reported().len(), 0);
    task.put(&batch).await.unwrap();
    assert_eq!(task.reported().len(), 1);
    assert_eq!(numbers(&double.documents("shop.orders")), [0, 2, 3, 4, 5]);
    // What was written is not sent again: three bulks, of which one twice.
    assert_eq!(double.take_commands().len(), 4);
}

#[tokio::test]
async fn another_batch_after_a_failed_one_is_taken_as_it_is() {
    let double = Double::start(SEVEN);
    double.fault("update", Fault::Lost);
    let mut task = Task::start(&double, &[BY_PLACE]).await;
    assert!(task.put(&records(4)).await.unwrap_err().is_retriable());
    // As after a rebalance.
    task.put(&records(3)).await.unwrap();
    assert_eq!(numbers(&double.documents("shop.orders")), [0, 1, 2]);
}

#[tokio::test]
async fn a_task_that_should_stop_does_not_wait_for_a_server() {
    let double = Double::start(SEVEN);
    let host = tributary_testkit::FakeSinkHost::new();
    let stopping = tokio_util::sync::CancellationToken::new();
    // A server that does not respond: a listener that accepts nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("mongodb://{}/?serverSelectionTimeoutMS=600000", silent.local_addr().unwrap());
    let props = crate::support::props(&double, &[BY_PLACE, ("connection.uri", &uri)]);
    let mut task = crate::support::make();
    task.start(host.context(&stopping), &props).await.unwrap();
    stopping.cancel();
    let put = tokio::time::timeout(Duration::from_secs(60), async { task.put(&records(1)).await }).await;
    assert!(put.unwrap().unwrap_err().is_retriable());
}
