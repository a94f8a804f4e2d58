use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tributary_api::{
    Error, Factory, Offsets, Plugin, Props, Record, Result, SinkFactory, SinkTask, SinkTaskContext, TopicPartition,
};
use tributary_testkit::battery::SinkSubject;

use super::{Fault, MemoryConnector};

type Target = Arc<Mutex<Vec<String>>>;

pub(crate) struct MemorySink {
    fault: Fault,
    target: Target,
}

impl MemorySink {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, target: Target::default() }
    }
}

#[async_trait]
impl SinkSubject for MemorySink {
    fn plugin(&self) -> Plugin {
        let (fault, target) = (self.fault, self.target.clone());
        let task = move || Task { fault, target: target.clone(), ..Task::default() };
        let factory = SinkFactory::new(
            move || Box::new(MemoryConnector { fault, stopped: false }),
            move || Box::new(task()),
            "MemorySinkTask",
        );
        Plugin::new("MemorySinkConnector", "1", fault.config(), Factory::Sink(factory)).doc("Writes to memory.")
    }

    fn props(&self) -> Props {
        self.fault.props()
    }

    fn call_timeout(&self) -> Duration {
        self.fault.call_timeout()
    }

    async fn delivered(&mut self) -> Vec<String> {
        self.target.lock().unwrap().clone()
    }
}

/// Collects records and writes them in `pre_commit`.
struct Task {
    fault: Fault,
    target: Target,
    collected: Vec<String>,
    highest: i64,
    closed: bool,
    stopped: bool,
}

impl Default for Task {
    fn default() -> Self {
        Self {
            fault: Fault::None,
            target: Target::default(),
            collected: Vec::new(),
            highest: -1,
            closed: false,
            stopped: false,
        }
    }
}

#[async_trait]
impl SinkTask for Task {
    async fn start(&mut self, _cx: SinkTaskContext, _props: &Props) -> Result<()> {
        Ok(())
    }

    async fn put(&mut self, records: &[Record]) -> Result<()> {
        if records.is_empty() && self.fault == Fault::EmptyBatchFails {
            return Err(Error::fatal("the batch is empty"));
        }
        for record in records {
            let (_, _, offset) = record.consumed_from().unwrap();
            if offset <= self.highest && self.fault == Fault::RefusesAgain {
                return Err(Error::fatal("this record was put before"));
            }
            self.highest = self.highest.max(offset);
            let skipped = self.fault == Fault::SkipsByOffset && (5..10).contains(&offset) && self.is_new();
            let refused = self.closed && self.fault == Fault::IgnoresReopening;
            if !skipped && !refused {
                self.collected.push(record.value.value.as_str().unwrap().to_owned());
            }
        }
        Ok(())
    }

    async fn pre_commit(&mut self, offsets: &Offsets) -> Result<Offsets> {
        let mut safe = offsets.clone();
        match self.fault {
            Fault::CommitsAhead => return Ok(safe),
            Fault::NeverSafe => return Ok(Offsets::new()),
            Fault::SaysMoreThanAsked => drop(safe.insert(TopicPartition::new("other", 0), 1)),
            Fault::WrongOrder => self.collected.reverse(),
            Fault::Loses => drop(self.collected.pop()),
            _ => {}
        }
        self.target.lock().unwrap().append(&mut self.collected);
        Ok(safe)
    }

    async fn close(&mut self, _partitions: &[TopicPartition]) -> Result<()> {
        self.closed = true;
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.fault.once(Fault::TaskStopsOnce, &mut self.stopped)
    }
}

impl Task {
    /// Whether this task was started after the first batch.
    fn is_new(&self) -> bool {
        self.collected.is_empty() && self.target.lock().unwrap().len() == 5 && self.highest < 10
    }
}
