//! The lifecycle of a task: which states the herder gets, whatever the plugin does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tributary_api::{Error, Props, Record, Result, SourceTask, SourceTaskContext};
use tributary_control::InstanceState;

use super::fakes::{RecordingListener, Stored, source, spec};
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

struct RunningTask {
    handle: TaskHandle,
    recorded: Arc<RecordingListener>,
    store: Arc<Stored>,
    release: Arc<AtomicBool>,
    polling: Arc<Notify>,
}

fn run_task(poll: Poll, paused: bool) -> RunningTask {
    let (recorded, store, release) =
        (Arc::<RecordingListener>::default(), Arc::<Stored>::default(), Arc::<AtomicBool>::default());
    let polling = Arc::<Notify>::default();
    let (released, polls) = (Arc::clone(&release), Arc::clone(&polling));
    let make = move || {
        let (release, polling) = (Arc::clone(&released), Arc::clone(&polls));
        Box::new(Plugin { poll, stopping: None, release, polling }) as Box<dyn SourceTask>
    };
    let mut spec = spec(source(make), &[], Arc::clone(&store));
    spec.paused = paused;
    let handle = start(spec, Arc::clone(&recorded) as _);
    RunningTask { handle, recorded, store, release, polling }
}

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_and_stops_on_request() {
    let mut task = run_task(Poll::Waits, false);
    task.recorded.wait_for(InstanceState::Running).await;
    assert!(!task.handle.has_ended());
    task.handle.stop();
    assert!(task.handle.stopped(SOON).await);
    assert!(task.handle.has_ended());
    assert_eq!(task.recorded.states(), [InstanceState::Running, InstanceState::Unassigned]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_paused_and_resumed_while_poll_waits() {
    let mut task = run_task(Poll::Waits, false);
    task.recorded.wait_for(InstanceState::Running).await;
    task.handle.pause();
    task.recorded.wait_for(InstanceState::Paused).await;
    task.handle.resume();
    task.recorded.wait_for(InstanceState::Running).await;
    task.handle.stop();
    assert!(task.handle.stopped(SOON).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_starts_paused_does_not_start_its_plugin() {
    let mut task = run_task(Poll::Fails, true);
    task.recorded.wait_for(InstanceState::Paused).await;
    task.handle.resume();
    task.recorded.wait_for(InstanceState::Failed).await;
    assert!(task.handle.stopped(SOON).await);
    assert_eq!(task.recorded.states(), [InstanceState::Paused, InstanceState::Running, InstanceState::Failed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_the_task_with_its_message() {
    let mut task = run_task(Poll::Panics, false);
    task.recorded.wait_for(InstanceState::Failed).await;
    assert!(
        task.recorded.trace().contains("the plugin panicked in poll: the disk is gone"),
        "{}",
        task.recorded.trace()
    );
    assert!(task.handle.stopped(SOON).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_fails_the_task_with_its_trace() {
    let mut task = run_task(Poll::Fails, false);
    task.recorded.wait_for(InstanceState::Failed).await;
    assert_eq!(task.recorded.trace(), "org.apache.kafka.connect.errors.ConnectException: the disk is full");
    assert!(task.handle.stopped(SOON).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_blocks_is_abandoned_and_cleaned_up() {
    let mut task = run_task(Poll::BlocksTheThread, false);
    task.polling.notified().await;
    task.handle.stop();
    assert!(!task.handle.stopped(Duration::from_millis(50)).await);
    // The thread goes on after all: it must keep silent.
    task.release.store(true, Ordering::Release);
    assert!(task.handle.stopped(SOON).await, "the thread ends");
    assert_eq!(task.recorded.states(), [InstanceState::Running]);
    assert!(task.store.puts.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_never_returns_is_dropped_once_it_is_abandoned() {
    let mut task = run_task(Poll::IgnoresStop, false);
    task.polling.notified().await;
    task.handle.stop();
    assert!(!task.handle.stopped(Duration::from_millis(50)).await);
    assert!(task.handle.stopped(SOON).await, "the thread ends");
    assert_eq!(task.recorded.states(), [InstanceState::Running]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_handle_stops_the_task() {
    let task = run_task(Poll::Waits, false);
    task.recorded.wait_for(InstanceState::Running).await;
    drop(task.handle);
    task.recorded.wait_for(InstanceState::Unassigned).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_fails_the_task() {
    let recorded = Arc::<RecordingListener>::default();
    let never = || -> Box<dyn SourceTask> { panic!("made for nothing") };
    let wrong = spec(source(never), &[("transforms", "a")], Arc::default());
    let _handle = start(wrong, Arc::clone(&recorded) as _);
    recorded.wait_for(InstanceState::Failed).await;
    let known = Mutex::new(recorded.trace()).into_inner().unwrap();
    assert!(known.contains("made for nothing") || known.contains("transforms.a"), "{known}");
}
