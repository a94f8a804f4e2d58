//! The life of a task: which states the herder gets, whatever the plugin does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tributary_api::{Error, Props, Record, Result, SourceTask, SourceTaskContext};
use tributary_control::InstanceState;

use super::fakes::{Heard, Stored, source, spec};
use crate::tasks::{TaskHandle, start};

/// What the plugin does in `poll`.
#[derive(Clone, Copy, PartialEq)]
enum Poll {
    Waits,
    Panics,
    Fails,
    BlocksTheThread,
    IgnoresStop,
}

struct Plugin {
    poll: Poll,
    stopping: Option<CancellationToken>,
    release: Arc<AtomicBool>,
    polling: Arc<Notify>,
}

#[async_trait]
impl SourceTask for Plugin {
    async fn start(&mut self, cx: SourceTaskContext, _props: &Props) -> Result<()> {
        self.stopping = Some(cx.stopping().clone());
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<Record>> {
        self.polling.notify_one();
        match self.poll {
            Poll::Waits => self.stopping.as_ref().unwrap().cancelled().await,
            Poll::Panics => panic!("the disk is gone"),
            Poll::Fails => return Err(Error::fatal("the disk is full")),
            Poll::BlocksTheThread => {
                while !self.release.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                return Err(Error::fatal("too late to matter"));
            }
            Poll::IgnoresStop => std::future::pending().await,
        }
        Ok(Vec::new())
    }
}

struct Life {
    handle: TaskHandle,
    heard: Arc<Heard>,
    store: Arc<Stored>,
    release: Arc<AtomicBool>,
    polling: Arc<Notify>,
}

fn live(poll: Poll, paused: bool) -> Life {
    let (heard, store, release) = (Arc::<Heard>::default(), Arc::<Stored>::default(), Arc::<AtomicBool>::default());
    let polling = Arc::<Notify>::default();
    let (released, polls) = (Arc::clone(&release), Arc::clone(&polling));
    let make = move || {
        let (release, polling) = (Arc::clone(&released), Arc::clone(&polls));
        Box::new(Plugin { poll, stopping: None, release, polling }) as Box<dyn SourceTask>
    };
    let mut spec = spec(source(make), &[], Arc::clone(&store));
    spec.paused = paused;
    let handle = start(spec, Arc::clone(&heard) as _);
    Life { handle, heard, store, release, polling }
}

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_and_stops_on_request() {
    let mut life = live(Poll::Waits, false);
    life.heard.wait_for(InstanceState::Running).await;
    assert!(!life.handle.has_ended());
    life.handle.stop();
    assert!(life.handle.stopped(SOON).await);
    assert!(life.handle.has_ended());
    assert_eq!(life.heard.states(), [InstanceState::Running, InstanceState::Unassigned]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_paused_and_resumed_while_poll_waits() {
    let mut life = live(Poll::Waits, false);
    life.heard.wait_for(InstanceState::Running).await;
    life.handle.pause();
    life.heard.wait_for(InstanceState::Paused).await;
    life.handle.resume();
    life.heard.wait_for(InstanceState::Running).await;
    life.handle.stop();
    assert!(life.handle.stopped(SOON).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_starts_paused_does_not_start_its_plugin() {
    let mut life = live(Poll::Fails, true);
    life.heard.wait_for(InstanceState::Paused).await;
    life.handle.resume();
    life.heard.wait_for(InstanceState::Failed).await;
    assert!(life.handle.stopped(SOON).await);
    assert_eq!(life.heard.states(), [InstanceState::Paused, InstanceState::Running, InstanceState::Failed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_the_task_with_its_message() {
    let mut life = live(Poll::Panics, false);
    life.heard.wait_for(InstanceState::Failed).await;
    assert!(life.heard.trace().contains("the plugin panicked in poll: the disk is gone"), "{}", life.heard.trace());
    assert!(life.handle.stopped(SOON).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_fails_the_task_with_its_trace() {
    let mut life = live(Poll::Fails, false);
    life.heard.wait_for(InstanceState::Failed).await;
    assert_eq!(life.heard.trace(), "org.apache.kafka.connect.errors.ConnectException: the disk is full");
    assert!(life.handle.stopped(SOON).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_blocks_is_abandoned_and_cleaned_up() {
    let mut life = live(Poll::BlocksTheThread, false);
    life.polling.notified().await;
    life.handle.stop();
    assert!(!life.handle.stopped(Duration::from_millis(50)).await);
    // The thread goes on after all: it must keep silent.
    life.release.store(true, Ordering::Release);
    assert!(life.handle.stopped(SOON).await, "the thread ends");
    assert_eq!(life.heard.states(), [InstanceState::Running]);
    assert!(life.store.puts.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_never_returns_is_dropped_once_it_is_abandoned() {
    let mut life = live(Poll::IgnoresStop, false);
    life.polling.notified().await;
    life.handle.stop();
    assert!(!life.handle.stopped(Duration::from_millis(50)).await);
    assert!(life.handle.stopped(SOON).await, "the thread ends");
    assert_eq!(life.heard.states(), [InstanceState::Running]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_handle_stops_the_task() {
    let life = live(Poll::Waits, false);
    life.heard.wait_for(InstanceState::Running).await;
    drop(life.handle);
    life.heard.wait_for(InstanceState::Unassigned).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_fails_the_task() {
    let heard = Arc::<Heard>::default();
    let never = || -> Box<dyn SourceTask> { panic!("made for nothing") };
    let wrong = spec(source(never), &[("transforms", "a")], Arc::default());
    let _handle = start(wrong, Arc::clone(&heard) as _);
    heard.wait_for(InstanceState::Failed).await;
    let known = Mutex::new(heard.trace()).into_inner().unwrap();
    assert!(known.contains("made for nothing") || known.contains("transforms.a"), "{known}");
}
