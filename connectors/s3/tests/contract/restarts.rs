//! Ended tasks leak nothing.

use tributary_testkit::restarts;

use crate::support::{Task, TestBucket, key, lines};

#[tokio::test]
async fn restarts_leak_no_thread_and_no_descriptor() {
    if !restarts::alone("restarts::restarts_leak_no_thread_and_no_descriptor").unwrap() {
        return;
    }
    let bucket = TestBucket::new().await;
    let props = bucket.props(&[]);
    let restart = || async {
        let mut task = Task::start(&props).await;
        // One object is written, of the other a part is in memory.
        task.put(0..5).await.unwrap();
        task.task.stop().await.unwrap();
    };
    restarts::stay_flat(100, restart).await.unwrap();
    assert_eq!(bucket.lines().await, [(key(0), lines(0..3))]);
}
