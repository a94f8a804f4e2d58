//! Objects that are there already, where rotation by the clock may have cut them differently.

use crate::support::{BUCKET, Place, Task, daily, key, lines};

async fn task(place: &Place, flush_size: &str) -> Task {
    Task::start(&place.props(&[&daily()[..], &[("flush.size", flush_size)]].concat())).await
}

#[tokio::test]
async fn a_shorter_object_is_kept_and_reading_goes_on_after_it() {
    let place = Place::new().await;
    task(&place, "5").await.put(0..5).await.unwrap();

    let mut second = task(&place, "8").await;
    second.put(0..12).await.unwrap();
    assert_eq!((second.seek(), second.safe(12).await), (Some(5), Some(5)));
    // Read again from there, as the worker does it.
    second.put(5..9).await.unwrap();
    second.put(9..13).await.unwrap();

    assert_eq!(place.lines().await, [(key(0), lines(0..5)), (key(5), lines(5..13))]);
    assert_eq!((second.seek(), second.safe(13).await), (None, Some(13)));
}

#[tokio::test]
async fn a_longer_object_is_kept_and_its_records_do_not_come_twice() {
    let place = Place::new().await;
    task(&place, "5").await.put(0..5).await.unwrap();

    let mut second = task(&place, "3").await;
    second.put(0..3).await.unwrap();
    // Not beyond what it was given.
    assert_eq!((second.seek(), second.safe(3).await), (Some(5), Some(3)));
    second.put(5..8).await.unwrap();

    assert_eq!(place.lines().await, [(key(0), lines(0..5)), (key(5), lines(5..8))]);
    assert_eq!(second.safe(8).await, Some(8));
}

#[tokio::test]
async fn the_same_object_is_written_already() {
    let place = Place::new().await;
    task(&place, "5").await.put(0..5).await.unwrap();
    let mut second = task(&place, "5").await;
    second.put(0..10).await.unwrap();
    assert_eq!((second.seek(), second.safe(10).await), (None, Some(10)));
    assert_eq!(place.lines().await, [(key(0), lines(0..5)), (key(5), lines(5..10))]);
}

/// As another sink leaves it, or one in parts: its end is not known, so that some records come twice and none is lost.
#[tokio::test]
async fn of_an_object_that_does_not_say_its_end_only_the_first_record_is_trusted() {
    let place = Place::new().await;
    let theirs = lines(0..4).join("\n") + "\n";
    let put = place.client().put_object().bucket(BUCKET).key(key(0)).body(theirs.into_bytes().into());
    put.send().await.unwrap();

    let mut second = task(&place, "6").await;
    second.put(0..6).await.unwrap();
    assert_eq!((second.seek(), second.safe(6).await), (Some(1), Some(1)));
    second.put(1..7).await.unwrap();

    assert_eq!(place.lines().await, [(key(0), lines(0..4)), (key(1), lines(1..7))]);
    assert_eq!(second.safe(7).await, Some(7));
}

/// What follows in the batch, and the batch when it comes again, is not taken before the partition is read again.
#[tokio::test]
async fn nothing_is_left_out_between_a_conflict_and_the_read() {
    let place = Place::new().await;
    task(&place, "5").await.put(0..5).await.unwrap();
    let mut second = task(&place, "8").await;
    second.put(0..8).await.unwrap();
    assert_eq!(second.seek(), Some(5));
    // Compaction has taken 5 and 6.
    second.put(7..15).await.unwrap();
    assert_eq!(place.lines().await, [(key(0), lines(0..5)), (key(7), lines(7..15))]);
    assert_eq!(second.safe(15).await, Some(15));
}

#[tokio::test]
async fn without_conditional_writes_the_last_one_wins() {
    let place = Place::new().await;
    task(&place, "5").await.put(0..5).await.unwrap();
    let more = [&daily()[..], &[("flush.size", "8"), ("enable.conditional.writes", "false")]].concat();
    let mut second = Task::start(&place.props(&more)).await;
    second.put(0..8).await.unwrap();
    assert_eq!(place.lines().await, [(key(0), lines(0..8))]);
}
