//! Records that cannot be mapped, and writes that the server refuses.

use mongodb::bson::{Bson, doc};
use tributary_api::{ErrorKind, Record, Value};

use crate::double::{Double, EIGHT, Fault, SET, SEVEN, ServerKind, failure};
use crate::support::{
    BY_KEY, BY_PLACE, INSERTS, OTHER, TOLERANT, TOPIC, Task, UNORDERED, forbidden, keyed, number, numbers, record,
};

const REFUSED: &str = "WriteException";
const SKIPPED: &str = "WriteSkippedException";

/// Of five records the third one is refused.
fn one_of_five() -> Vec<Record> {
    let value = |offset| if offset == 2 { forbidden(offset) } else { number(offset) };
    (0..5).map(|offset| record(TOPIC, offset, value(offset))).collect()
}

#[tokio::test]
async fn without_tolerance_the_task_fails_with_the_reason() {
    for kind in [SEVEN, EIGHT] {
        let double = Double::start(kind);
        let mut task = Task::start_tolerant(&double, &[BY_PLACE]).await;
        let error = task.put(&one_of_five()).await.unwrap_err();
        assert_eq!((error.kind(), error.class()), (ErrorKind::Fatal, "org.apache.kafka.connect.errors.DataException"));
        let text = error.to_string();
        for part in ["shop.orders", "code=121", "failed validation", "failingDocumentId", "errors.tolerance"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert_eq!(task.reported(), []);
    }
}

#[tokio::test]
async fn in_an_ordered_bulk_the_writes_after_a_refused_one_are_reported_and_not_written() {
    for kind in [SEVEN, EIGHT, SET] {
        for tolerance in ["all", "data"] {
            let double = Double::start(kind.clone());
            let mut task = Task::start_tolerant(&double, &[BY_PLACE, ("mongo.errors.tolerance", tolerance)]).await;
            task.put(&one_of_five()).await.unwrap();
            assert_eq!(numbers(&double.documents("shop.orders")), [0, 1]);
            let expected = [(2, REFUSED), (3, SKIPPED), (4, SKIPPED)].map(|(offset, class)| (offset, class.to_owned()));
            assert_eq!(task.reported(), expected);
            let text = task.host.reported()[0].1.to_string();
            assert!(text.starts_with("v=1, code=121, message=Document failed validation, details={"), "{text}");
        }
    }
}

#[tokio::test]
async fn an_ordered_bulk_ends_for_its_own_collection_only() {
    for kind in [SEVEN, EIGHT] {
        let double = Double::start(kind);
        let mut task = Task::start_tolerant(&double, &[BY_PLACE, TOLERANT]).await;
        let mut records = one_of_five();
        records.insert(3, record(OTHER, 10, number(10)));
        records.push(record(OTHER, 11, number(11)));
        task.put(&records).await.unwrap();
        assert_eq!(numbers(&double.documents("shop.orders")), [0, 1]);
        assert_eq!(numbers(&double.documents("shop.returns")), [10, 11]);
        assert_eq!(task.reported().len(), 3);
    }
}

#[tokio::test]
async fn a_bulk_after_the_one_with_the_refused_write_is_written() {
    let double = Double::start(SEVEN);
    let mut task = Task::start_tolerant(&double, &[BY_PLACE, TOLERANT, ("max.batch.size", "4")]).await;
    task.put(&one_of_five()).await.unwrap();
    assert_eq!(numbers(&double.documents("shop.orders")), [0, 1, 4]);
    assert_eq!(task.reported().len(), 2);
}

#[tokio::test]
async fn without_order_only_the_refused_write_is_missing() {
    for kind in [SEVEN, EIGHT] {
        let double = Double::start(kind);
        let mut task = Task::start_tolerant(&double, &[BY_PLACE, TOLERANT, UNORDERED]).await;
        task.put(&one_of_five()).await.unwrap();
        assert_eq!(numbers(&double.documents("shop.orders")), [0, 1, 3, 4]);
        assert_eq!(task.reported(), [(2, REFUSED.to_owned())]);
    }
}

#[tokio::test]
async fn what_cannot_be_mapped_is_reported_in_its_place() {
    let double = Double::start(SEVEN);
    let mut records = one_of_five();
    records[1] = record(TOPIC, 1, Value::string("no document"));
    records[4] = record(TOPIC, 4, Value::string("no document"));

    let mut task = Task::start_tolerant(&double, &[BY_PLACE]).await;
    assert_eq!(task.put(&records).await.unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(double.collections(), Vec::<String>::new());

    let mut task = Task::start_tolerant(&double, &[BY_PLACE, TOLERANT]).await;
    task.put(&records).await.unwrap();
    assert_eq!(task.reported().into_iter().map(|(offset, _)| offset).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(numbers(&double.documents("shop.orders")), [0]);
}

#[tokio::test]
async fn duplicates_are_refused_or_what_a_replay_does() {
    for kind in [SEVEN, EIGHT, SET] {
        let double = Double::start(kind);
        let records: Vec<Record> = (0..6).map(|id| keyed(TOPIC, id, id, number(id))).collect();
        let inserts = [&BY_KEY[..], &[INSERTS]].concat();
        let mut task = Task::start(&double, &inserts).await;
        task.put(&records[2..4]).await.unwrap();

        let error = task.put(&records).await.unwrap_err();
        assert!(error.to_string().contains("code=11000"), "{error}");

        let ignoring = [&inserts[..], &[("errors.tolerance.duplicate.key", "ignore")]].concat();
        let mut task = Task::start(&double, &ignoring).await;
        task.put(&records).await.unwrap();
        let mut found = numbers(&double.documents("shop.orders"));
        found.sort_unstable();
        assert_eq!(found, [0, 1, 2, 3, 4, 5]);
    }
}

#[tokio::test]
async fn writes_that_are_not_copied_are_reported() {
    let error =
        doc! { "writeConcernError": { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out" } };
    for (kind, name) in [(SEVEN, "update"), (EIGHT, "bulkWrite")] {
        let double = Double::start(kind);
        double.fault(name, Fault::Added(error.clone()));
        let mut task = Task::start_tolerant(&double, &[BY_PLACE, TOLERANT, UNORDERED]).await;
        task.put(&one_of_five()).await.unwrap();
        let classes: Vec<String> = task.reported().into_iter().map(|(_, class)| class).collect();
        let copied = "WriteConcernException";
        assert_eq!(classes, [copied, copied, REFUSED, copied, copied]);
        let text = task.host.reported()[0].1.to_string();
        assert!(text.contains("code=64, codeName=WriteConcernFailed, message=waiting timed out"), "{text}");

        double.fault(name, Fault::Added(error.clone()));
        let mut task = Task::start(&double, &[BY_PLACE]).await;
        assert_eq!(task.put(&one_of_five()[..2]).await.unwrap_err().kind(), ErrorKind::Fatal);
    }
}

#[tokio::test]
async fn a_document_that_is_too_long_is_refused_alone() {
    let double = Double::start(ServerKind { max_document: 1000, ..SEVEN });
    let long = Value::map([("n", Value::Int64(2)), ("text", Value::string("x".repeat(2000)))]);
    let mut records = one_of_five();
    records[2] = record(TOPIC, 2, long);
    let mut task = Task::start_tolerant(&double, &[BY_PLACE, TOLERANT]).await;
    task.put(&records).await.unwrap();
    assert_eq!(numbers(&double.documents("shop.orders")), [0, 1, 3, 4]);
    let (reported, error) = task.host.reported().remove(0);
    assert_eq!(reported.consumed_from().unwrap().2, 2);
    assert!(error.to_string().contains("the server accepts at most 1000"), "{error}");
}

#[tokio::test]
async fn a_bulk_that_is_not_taken_is_reported_only_where_all_is_tolerated() {
    let odd = || Fault::Answer(failure(73, "Invalid namespace specified"));
    for (tolerance, reported) in [("none", None), ("data", None), ("all", Some(5))] {
        let double = Double::start(SEVEN);
        double.fault("update", odd());
        let mut task = Task::start_tolerant(&double, &[BY_PLACE, ("mongo.errors.tolerance", tolerance)]).await;
        let done = task.put(&one_of_five()).await;
        match reported {
            Some(count) => assert_eq!(done.map(|()| task.reported().len()).unwrap(), count),
            None => assert!(done.unwrap_err().to_string().contains("Invalid namespace")),
        }
    }
}

#[tokio::test]
async fn missing_write_permission_loses_no_records() {
    let double = Double::start(SEVEN);
    double.fault("update", Fault::Answer(failure(13, "not authorized on shop to execute command")));
    let mut task = Task::start_tolerant(&double, &[BY_PLACE, TOLERANT]).await;
    let error = task.put(&one_of_five()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("the user's roles"), "{error}");
    assert_eq!(task.reported(), []);
}

#[tokio::test]
async fn failures_on_the_later_pages_of_a_bulk_write_are_read() {
    let double = Double::start(EIGHT);
    let page = |place: i32| vec![Bson::from(doc! { "ok": 0, "idx": place, "code": 121, "errmsg": "page" })];
    let cursor = |id: i64, batch: &str, place| doc! { "ok": 1, "cursor": { "id": id, "ns": "admin.$cmd.bulkWrite", batch: page(place) } };
    double.fault("bulkWrite", Fault::Answer(cursor(77, "firstBatch", 1)));
    double.fault("getMore", Fault::Answer(cursor(77, "nextBatch", 3)));
    double.fault("getMore", Fault::Answer(cursor(0, "nextBatch", 4)));
    let mut task = Task::start_tolerant(&double, &[BY_PLACE, TOLERANT, UNORDERED]).await;
    task.put(&one_of_five()).await.unwrap();
    assert_eq!(task.reported().into_iter().map(|(offset, _)| offset).collect::<Vec<_>>(), [1, 3, 4]);
}
