//! Ended tasks leak nothing.

use tributary_testkit::restarts;

use crate::support::{Setup, Task};

#[tokio::test]
async fn restarts_leak_no_thread_and_no_descriptor() {
    if !restarts::alone("restarts::restarts_leak_no_thread_and_no_descriptor").unwrap() {
        return;
    }
    let place = Setup::new().await;
    let props = place.props(&[]);
    let restart = || async {
        let mut task = Task::start(&props).await;
        task.put(0..3).await.unwrap();
        task.wait_until_safe(3).await.unwrap();
        task.stopping.cancel();
        task.task.stop().await.unwrap();
    };
    restarts::stay_flat(100, restart).await.unwrap();
    assert_eq!(place.batches().len(), 110);
}
