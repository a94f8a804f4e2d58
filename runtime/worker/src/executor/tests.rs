#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Instant;

use parking_lot::Condvar;
use tokio::sync::{Notify, Semaphore};

use super::*;

const LIMIT: Duration = Duration::from_secs(60);

fn executor() -> Executor {
    Executor::with(Handle::current(), 2, Duration::from_millis(20))
}

/// Blocks every thread that passes until it is opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn pass(&self) {
        self.changed.wait_while(&mut self.open.lock(), |open| !*open);
    }

    fn open(&self) {
        *self.open.lock() = true;
        self.changed.notify_all();
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_futures_occupy_no_thread() {
    let executor = executor();
    let (waiting, go, done) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    for _ in 0..1000 {
        let (waiting, go, done) = (Arc::clone(&waiting), Arc::clone(&go), Arc::clone(&done));
        executor.spawn(async move {
            let notified = go.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            waiting.add_permits(1);
            notified.await;
            done.add_permits(1);
        });
    }
    drop(waiting.acquire_many(1000).await.unwrap());
    until("the threads of the start to end", || executor.threads() <= 2).await;
    go.notify_waiters();
    drop(done.acquire_many(1000).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_threads_delay_no_other_future_and_end_when_they_return() {
    let (executor, gate) = (executor(), Arc::new(Gate::default()));
    let entered = Arc::new(Semaphore::new(0));
    for _ in 0..30 {
        let (gate, entered) = (Arc::clone(&gate), Arc::clone(&entered));
        executor.spawn(async move {
            entered.add_permits(1);
            gate.pass();
        });
    }
    let all = tokio::time::timeout(LIMIT, entered.acquire_many(30)).await;
    drop(all.expect("each has a thread, though the ones before never return").unwrap());
    let (sender, receiver) = tokio::sync::oneshot::channel();
    executor.spawn(async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        sender.send(()).unwrap();
    });
    tokio::time::timeout(LIMIT, receiver).await.expect("another is served").unwrap();
    assert!(executor.threads() >= 31);
    gate.open();
    until("the threads to end", || executor.threads() <= 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_future_that_never_yields_occupies_one_thread_and_starves_no_other() {
    let (executor, stop) = (executor(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    for _ in 0..4 {
        let stop = Arc::clone(&stop);
        executor.spawn(async move {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
    }
    for _ in 0..20 {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        executor.spawn(async move { sender.send(()).unwrap() });
        tokio::time::timeout(LIMIT, receiver).await.expect("served beside those that compute").unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    until("the threads to end", || executor.threads() <= 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_its_future_alone() {
    let executor = executor();
    executor.spawn(async { panic!("as a plugin might") });
    let (sender, receiver) = tokio::sync::oneshot::channel();
    executor.spawn(async move { sender.send(()).unwrap() });
    tokio::time::timeout(LIMIT, receiver).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_threads_end_with_the_last_handle() {
    let executor = executor();
    let inner = Arc::downgrade(&executor.0);
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let kept = executor.clone();
    executor.spawn(async move {
        drop(kept);
        sender.send(()).unwrap();
    });
    receiver.await.unwrap();
    drop(executor);
    until("the last thread to let go", || inner.strong_count() == 0).await;
}
