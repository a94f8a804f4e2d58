use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tributary_api::{
    Datum, Error, Factory, OffsetMap, Plugin, Props, Record, Result, SourceFactory, SourceTask, SourceTaskContext,
};
use tributary_testkit::battery::SourceSubject;

use super::{Fault, MemoryConnector};

/// Items in memory.
#[derive(Default)]
pub(crate) struct Input {
    items: Mutex<Vec<String>>,
    /// The position of a source that does not use stored offsets.
    read: AtomicUsize,
}

pub(crate) struct MemorySource {
    fault: Fault,
    input: Arc<Input>,
    replays: bool,
}

impl MemorySource {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, input: Arc::default(), replays: true }
    }

    /// A source whose items can be read only once.
    pub(crate) fn once(fault: Fault, input: &Arc<Input>) -> Self {
        input.items.lock().unwrap().clear();
        Self { fault, input: input.clone(), replays: false }
    }
}

#[async_trait]
impl SourceSubject for MemorySource {
    fn plugin(&self) -> Plugin {
        let (fault, input) = (self.fault, self.input.clone());
        let factory = SourceFactory::new(
            move || Box::new(MemoryConnector { fault, stopped: false }),
            move || Box::new(Task { fault, input: input.clone(), cx: None, next: 0, commits: 0, stopped: false }),
            "MemorySourceTask",
        );
        Plugin::new("MemorySourceConnector", "1", fault.config(), Factory::Source(factory)).doc("Reads memory.")
    }

    fn props(&self) -> Props {
        self.fault.props()
    }

    fn call_timeout(&self) -> Duration {
        if self.replays { self.fault.call_timeout() } else { Fault::None.call_timeout() }
    }

    async fn feed(&mut self, items: &[String]) {
        self.input.items.lock().unwrap().extend_from_slice(items);
    }

    fn replays(&self) -> bool {
        self.replays
    }
}

struct Task {
    fault: Fault,
    input: Arc<Input>,
    cx: Option<SourceTaskContext>,
    next: usize,
    commits: usize,
    stopped: bool,
}

#[async_trait]
impl SourceTask for Task {
    async fn start(&mut self, cx: SourceTaskContext, _props: &Props) -> Result<()> {
        let stored = cx.offset(&partition()).await?.and_then(|offset| offset.int("next"));
        self.next = match self.fault {
            Fault::IgnoresOffsets => 0,
            Fault::RemembersElsewhere => self.input.read.load(Ordering::Relaxed),
            _ => usize::try_from(stored.unwrap_or(0)).unwrap(),
        };
        self.cx = Some(cx);
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<Record>> {
        if self.fault == Fault::PollNeverReturns {
            std::future::pending::<()>().await;
        }
        let items = self.input.items.lock().unwrap().clone();
        if self.next >= items.len() {
            let stopping = self.cx.as_ref().unwrap().stopping();
            tokio::select! {
                () = stopping.cancelled() => {}
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
            return Ok(Vec::new());
        }
        let mut records: Vec<Record> =
            (self.next..items.len()).map(|index| self.record(index, &items[index])).collect();
        self.next = items.len();
        self.input.read.store(self.next, Ordering::Relaxed);
        match self.fault {
            Fault::WrongOrder => records.reverse(),
            Fault::Loses => drop(records.pop()),
            _ => {}
        }
        Ok(records)
    }

    async fn commit(&mut self) -> Result<()> {
        self.commits += 1;
        if self.fault == Fault::CommitFails { Err(Error::fatal("nothing to commit")) } else { Ok(()) }
    }

    async fn stop(&mut self) -> Result<()> {
        self.fault.once(Fault::TaskStopsOnce, &mut self.stopped)
    }
}

impl Task {
    fn record(&self, index: usize, item: &str) -> Record {
        let record = Record::new("memory", Datum::schemaless(item));
        let next = i64::try_from(index).unwrap()
            + match self.fault {
                Fault::OffsetTooFar => 2,
                Fault::OffsetTooNear => 0,
                _ => 1,
            };
        if self.fault == Fault::NoOffsets {
            return record;
        }
        record.from_source(&partition(), OffsetMap::new([("next", next.into())]))
    }
}

fn partition() -> OffsetMap {
    OffsetMap::new([("place", "memory".into())])
}
