//! Ended tasks leak nothing.

use tributary_testkit::restarts;

use crate::double::{Double, EIGHT};
use crate::support::{BY_PLACE, TOPIC, Task, number, record};

#[tokio::test]
async fn restarts_leak_no_thread_and_no_descriptor() {
    if !restarts::alone("restarts::restarts_leak_no_thread_and_no_descriptor").unwrap() {
        return;
    }
    let double = Double::start(EIGHT);
    let restart = || async {
        let mut task = Task::start(&double, &[BY_PLACE]).await;
        task.put(&[record(TOPIC, 0, number(0))]).await.unwrap();
        task.task.stop().await.unwrap();
    };
    restarts::stay_flat(100, restart).await.unwrap();
    assert_eq!(double.documents("shop.orders").len(), 1);
}
