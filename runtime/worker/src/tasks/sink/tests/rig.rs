//! The loop on its own thread, with a plugin and a consumer that follow the test's script and log their calls.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TryRecvError};
use tributary_api::{
    Error, Factory, Offsets, PluginKind, Props, Record, Result, SinkHost as _, SinkTask, SinkTaskContext,
    TimestampType, TopicPartition,
};
use tributary_kafka::{ClientConfig, Polled, RawRecord, Role, StartOffsets};

use crate::tasks::errors::ErrorOperator;
use crate::tasks::sink::{HostParts, RecordConsumer, SinkLoop, SinkParts, SinkTaskHost, Subscription, TopicReaders};
use crate::tasks::tests::fakes::{RecordingListener, context, props, registry, settings, spec};
use crate::tasks::{Control, Decoder, TaskMetrics, TopicWriters};

/// What happened, in order.
#[derive(Default)]
pub(super) struct CallLog {
    lines: Mutex<Vec<String>>,
    changed: Condvar,
}

impl CallLog {
    pub(super) fn write(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
        self.changed.notify_all();
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits until a line was written so many times.
    pub(super) fn wait_for(&self, line: &str, times: usize) {
        let missing = |lines: &mut Vec<String>| lines.iter().filter(|known| *known == line).count() < times;
        let lines = self.lines.lock().unwrap();
        let (lines, waited) = self.changed.wait_timeout_while(lines, Duration::from_secs(60), missing).unwrap();
        assert!(!waited.timed_out(), "waited for {line:?}, found {lines:?}");
    }

    /// The lines from the first one that is this.
    pub(super) fn from(&self, line: &str) -> Vec<String> {
        self.lines().into_iter().skip_while(|known| known != line).collect()
    }
}

struct Consumer {
    events: Receiver<Polled>,
    /// Met while waiting.
    next: Option<Polled>,
    calls: Arc<CallLog>,
    committed: Vec<Result<Offsets>>,
    script: Arc<Script>,
}

pub(super) fn names(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(TopicPartition::to_string).collect::<Vec<_>>().join(",")
}

fn offsets(offsets: &Offsets) -> String {
    offsets.iter().map(|(partition, offset)| format!("{partition}@{offset}")).collect::<Vec<_>>().join(",")
}

impl Consumer {
    fn note(&self, line: String) -> Result<()> {
        self.calls.write(line);
        Ok(())
    }
}

impl RecordConsumer for Consumer {
    fn poll(&mut self, _max_records: usize) -> Result<Polled> {
        if let Some(event) = self.next.take() {
            return Ok(event);
        }
        match self.events.try_recv() {
            Ok(event) => Ok(event),
            Err(TryRecvError::Empty) => Ok(Polled::Idle),
            Err(TryRecvError::Disconnected) => Err(Error::fatal("the test is over")),
        }
    }

    async fn ready(&mut self) {
        if self.next.is_none() {
            self.next = self.events.recv().await;
        }
    }

    fn longest_wait(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn accept(&mut self, assigned: &[TopicPartition]) -> Result<StartOffsets> {
        self.note(format!("accept {}", names(assigned)))?;
        Ok(self.script.starts.lock().unwrap().clone())
    }

    fn release(&mut self, revoked: &[TopicPartition]) -> Result<()> {
        self.note(format!("release {}", names(revoked)))
    }

    fn change_subscription(&mut self, topics: &[String]) -> Result<()> {
        self.note(format!("subscribe {}", topics.join(",")))
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.note(format!("pause {}", names(partitions)))
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.note(format!("resume {}", names(partitions)))
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<()> {
        self.note(format!("seek {partition}@{offset}"))
    }

    fn commit(&mut self, committed: &Offsets) -> Result<()> {
        self.note(format!("commit {}", offsets(committed)))
    }

    fn commit_async(&mut self, committed: &Offsets) -> Result<()> {
        self.committed.push(Ok(committed.clone()));
        self.note(format!("commit async {}", offsets(committed)))
    }

    fn commit_results(&mut self) -> Vec<Result<Offsets>> {
        std::mem::take(&mut self.committed)
    }

    fn close(self) {
        self.calls.write("leave");
    }
}

/// What the plugin does, beyond writing it down.
#[derive(Default)]
pub(super) struct Script {
    pub(super) puts: Mutex<VecDeque<Result<()>>>,
    pub(super) safe: Mutex<Option<Result<Offsets>>>,
    pub(super) report_all: Mutex<Option<Error>>,
    pub(super) timeout: Mutex<Option<Duration>>,
    /// What the consumer knows of the partitions it takes on.
    pub(super) starts: Mutex<StartOffsets>,
}

struct Plugin {
    script: Arc<Script>,
    calls: Arc<CallLog>,
    cx: Option<SinkTaskContext>,
}

#[async_trait]
impl SinkTask for Plugin {
    async fn start(&mut self, cx: SinkTaskContext, _props: &Props) -> Result<()> {
        if let Some(timeout) = *self.script.timeout.lock().unwrap() {
            cx.set_timeout(timeout);
        }
        self.cx = Some(cx);
        self.calls.write("start");
        Ok(())
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.calls.write(format!("open {}", names(partitions)));
        Ok(())
    }

    async fn put(&mut self, records: &[Record]) -> Result<()> {
        let outcome = self.script.puts.lock().unwrap().pop_front().unwrap_or(Ok(()));
        let texts: Vec<&str> = records.iter().map(|record| record.value.value.as_str().unwrap()).collect();
        self.calls.write(format!("put {}", texts.join(",")));
        let report = self.script.report_all.lock().unwrap().clone();
        if let Some(error) = report {
            records.iter().try_for_each(|record| self.cx.as_ref().unwrap().report(record, &error))?;
        }
        outcome
    }

    async fn pre_commit(&mut self, current: &Offsets) -> Result<Offsets> {
        self.calls.write(format!("pre_commit {}", offsets(current)));
        self.script.safe.lock().unwrap().clone().unwrap_or_else(|| Ok(current.clone()))
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.calls.write(format!("close {}", names(partitions)));
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.calls.write("stop");
        Ok(())
    }
}

pub(super) struct Rig {
    pub(super) calls: Arc<CallLog>,
    pub(super) script: Arc<Script>,
    pub(super) host: Arc<SinkTaskHost>,
    pub(super) recorded: Arc<RecordingListener>,
    pub(super) control: Arc<Control>,
    pub(super) metrics: Arc<TaskMetrics>,
    events: Sender<Polled>,
    thread: JoinHandle<Result<()>>,
}

pub(super) fn rig(connector: &[(&str, &str)]) -> Rig {
    rig_with(connector, Script::default())
}

/// To be called in a runtime with threads of its own.
pub(super) fn rig_with(connector: &[(&str, &str)], script: Script) -> Rig {
    let connector: Vec<(&str, &str)> = [&[("topics", "t")], connector].concat();
    let factory = Factory::Processor; // the loop is given its plugin below
    let mut spec = spec(factory, &connector, Arc::default());
    spec.plugin.description.kind = PluginKind::Sink;
    let (cx, recorded) = context(spec);
    let (calls, script) = (Arc::<CallLog>::default(), Arc::new(script));
    let (events, received) = channel(64);
    let (control, metrics) = (Arc::clone(&cx.control), Arc::clone(&cx.metrics));
    let (woken, asked) = (events.clone(), events.clone());
    control.on_request(Box::new(move || drop(woken.try_send(Polled::Idle))));
    let made = Arc::new(Mutex::new(None));
    let (runtime, give, log, plan) = (Handle::current(), Arc::clone(&made), Arc::clone(&calls), Arc::clone(&script));
    let thread = std::thread::spawn(move || {
        let _entered = runtime.enter();
        let connector = cx.spec.connector.props.clone();
        let defaults = settings(&[]).defaults.clone();
        let decoder = || Decoder::for_sink(&connector, &defaults, &registry()).unwrap();
        let operator = Arc::new(ErrorOperator::new(
            cx.spec.id.clone(),
            cx.spec.connector.errors.clone(),
            None,
            Arc::clone(&cx.metrics),
            cx.control.stopping().clone(),
        ));
        let client = ClientConfig::new(Role::Consumer, &props(&[]));
        let readers = TopicReaders::new(client, connector.clone(), defaults.clone(), registry());
        let wake = Box::new(move || drop(asked.try_send(Polled::Idle)));
        let parts = HostParts { decoder: decoder(), readers, writers: TopicWriters::new(&cx) };
        let host = SinkTaskHost::new(Arc::clone(&operator), "test.Sink".into(), parts, wake);
        let host = Arc::new(host);
        *give.lock().unwrap() = Some(Arc::clone(&host));
        let subscription = Subscription::Topics(vec!["t".to_owned()]);
        let task = Box::new(Plugin { script: Arc::clone(&plan), calls: Arc::clone(&log), cx: None });
        let input = Consumer { events: received, next: None, calls: log, committed: Vec::new(), script: plan };
        let parts = SinkParts { input, decoder: decoder(), operator, host, subscription, max_records: 100 };
        let work = SinkLoop::new(cx, task, parts);
        runtime.block_on(work.run())
    });
    calls.wait_for("start", 1);
    let host = made.lock().unwrap().clone().unwrap();
    Rig { calls, script, host, recorded, control, metrics, events, thread }
}

impl Rig {
    pub(super) fn assign(&self, partitions: &[i32]) {
        self.events.try_send(Polled::Assigned(of(partitions))).unwrap();
        self.calls.wait_for(&format!("open {}", names(&of(partitions))), 1);
    }

    pub(super) fn revoke(&self, partitions: &[i32], lost: bool) {
        self.events.try_send(Polled::Revoked { partitions: of(partitions), lost }).unwrap();
        self.calls.wait_for(&format!("release {}", names(&of(partitions))), 1);
    }

    /// Records of a partition from an offset on, with these values.
    pub(super) fn records(&self, partition: i32, from: i64, values: &[&str]) {
        let record = |(offset, value): (i64, &&str)| RawRecord {
            topic: "t".into(),
            partition,
            offset,
            timestamp: None,
            timestamp_type: TimestampType::None,
            key: None,
            value: Some((*value).to_owned().into()),
            headers: Vec::new(),
        };
        self.events.try_send(Polled::Records((from..).zip(values).map(record).collect())).unwrap();
    }

    pub(super) fn commit(&self) {
        self.host.request_commit();
    }

    /// The outcome of the task that has ended by itself.
    pub(super) fn end(self) -> Result<()> {
        self.thread.join().unwrap()
    }

    pub(super) fn stop(self) -> (Result<()>, Arc<CallLog>) {
        self.control.stop();
        let calls = Arc::clone(&self.calls);
        (self.end(), calls)
    }
}

pub(super) fn of(partitions: &[i32]) -> Vec<TopicPartition> {
    partitions.iter().map(|partition| TopicPartition::new("t", *partition)).collect()
}
