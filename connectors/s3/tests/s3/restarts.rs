//! Tasks that end leave nothing behind.

use tributary_testkit::restarts;

use crate::support::{Place, Task, key, lines};

#[tokio::test]
async fn restarts_leave_no_thread_and_no_descriptor_behind() {
    if !restarts::alone("restarts::restarts_leave_no_thread_and_no_descriptor_behind").unwrap() {
        return;
    }
    let place = Place::new().await;
    let props = place.props(&[]);
    let restart = || async {
        let mut task = Task::start(&props).await;
        // One object is written, of the other a part is in memory.
        task.put(0..5).await.unwrap();
        task.task.stop().await.unwrap();
    };
    restarts::stay_flat(100, restart).await.unwrap();
    assert_eq!(place.lines().await, [(key(0), lines(0..3))]);
}
