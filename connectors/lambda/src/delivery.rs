use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tributary_api::{Backoff, Error, Record, Result, TopicPartition};

use crate::answer::{Failures, failures};
use crate::config::OnError;
use crate::invoke::{InvocationResult, RequestOutcome};
use crate::item::Item;
use crate::partition_queue::Queue;
use crate::payload::Envelope;
use crate::shared::{Shared, TaskSignal};

/// Delivers the batches of one partition, in order.
pub(crate) struct Delivery {
    partition: TopicPartition,
    function: String,
    shared: Arc<Shared>,
    envelope: Arc<Envelope>,
    queue: Arc<Queue>,
}

/// Records that are sent in one event: a batch or a part of it.
struct Part {
    items: Vec<Item>,
    /// How often their function failed.
    failed: u32,
    /// How often the function reported each record as failed, by offset.
    named: BTreeMap<i64, u32>,
}

/// Continues, or breaks because the task is stopping or has failed: unfinished records are then delivered again.
type Flow = ControlFlow<()>;

impl Delivery {
    pub(crate) fn new(
        partition: TopicPartition,
        shared: Arc<Shared>,
        envelope: Arc<Envelope>,
        queue: Arc<Queue>,
    ) -> Self {
        let function = shared.settings.functions.of(&partition.topic).to_owned();
        Self { partition, function, shared, envelope, queue }
    }

    /// Delivers a batch: a record is done after its invocation and, if configured, its report.
    pub(crate) async fn deliver(&self, batch: Vec<Item>) -> Flow {
        let mut parts = VecDeque::from([Part::new(batch)]);
        let held = |parts: &VecDeque<Part>| -> usize { parts.iter().flat_map(|part| &part.items).map(Item::len).sum() };
        let mut before = held(&parts);
        while let Some(part) = parts.pop_front() {
            for left in self.attempt(part).await?.into_iter().rev() {
                parts.push_front(left);
            }
            let after = held(&parts);
            self.queue.done(parts.front().map(Part::first), before.saturating_sub(after));
            before = after;
        }
        self.shared.delivered();
        Flow::Continue(())
    }

    /// Sends a part once; returns what remains to be sent, in order.
    async fn attempt(&self, mut part: Part) -> ControlFlow<(), Vec<Part>> {
        if let [Item { written: Err(reason), .. }] = &part.items[..] {
            self.give_up(&part.items, reason).await?;
            return ControlFlow::Continue(Vec::new());
        }
        let retries = &self.shared.settings.retries;
        let reason = match self.send(&part.items).await? {
            InvocationResult::Answered(answer) => {
                let named = match retries.items {
                    Some(_) => failures(&answer, &self.partition, |offset| part.has(offset)),
                    None => Failures::None,
                };
                match named {
                    Failures::None => {
                        if let Some(reporter) = &self.shared.reporter {
                            self.report(|| reporter.answered(&self.partition, &part.items, &answer)).await?;
                        }
                        return ControlFlow::Continue(Vec::new());
                    }
                    Failures::Of(offsets) => return self.some_failed(part, &offsets).await,
                    Failures::Unknown(what) => format!(
                        "function {} reports {what} as failed, which is not in the batch: it must return the partition \
                         and the offset of a record",
                        self.function
                    ),
                }
            }
            InvocationResult::Failed(reason) => reason,
            InvocationResult::NotTaken(reason) if part.items.len() > 1 => {
                tracing::debug!(partition = %self.partition, records = part.items.len(), reason, "halving a batch");
                return ControlFlow::Continue(part.halves());
            }
            InvocationResult::NotTaken(reason) => {
                self.give_up(&part.items, &reason).await?;
                return ControlFlow::Continue(Vec::new());
            }
            InvocationResult::TimedOut => {
                // The function may still be running: it is not invoked again.
                let waited = self.shared.settings.access.timeout.as_millis();
                let reason = format!(
                    "function {} did not respond within {waited} ms: set aws.lambda.socket.timeout above the \
                     function's own timeout",
                    self.function
                );
                self.give_up(&part.items, &reason).await?;
                return ControlFlow::Continue(Vec::new());
            }
        };
        let (partition, records) = (&self.partition, part.items.len());
        if part.failed < retries.functions {
            part.failed += 1;
            tracing::warn!(%partition, reason, records, attempt = part.failed, "invoking a batch again");
            self.pause(part.failed, None).await?;
            return ControlFlow::Continue(vec![part]);
        }
        if retries.bisect && records > 1 {
            tracing::warn!(%partition, reason, records, "halving a batch that failed");
            return ControlFlow::Continue(part.halves());
        }
        self.give_up(&part.items, &reason).await?;
        ControlFlow::Continue(Vec::new())
    }

    /// The function has reported failed records: those before the first one are done, the rest is sent again in order.
    /// A record that fails too often is given to the error handling.
    async fn some_failed(&self, mut part: Part, offsets: &[i64]) -> ControlFlow<(), Vec<Part>> {
        let most = self.shared.settings.retries.items.unwrap_or_default();
        for offset in offsets {
            *part.named.entry(*offset).or_default() += 1;
        }
        let times = |item: &Item| if offsets.contains(&item.offset) { part.named[&item.offset] } else { 0 };
        let again = part.items.iter().position(|item| (1..=most).contains(&times(item)));
        let (over, rest) = part.items.split_at(again.unwrap_or(part.items.len()));
        let reason = format!("function {} calls the record failed", self.function);
        for run in over.chunk_by(|one, next| (times(one) > 0) == (times(next) > 0)) {
            // The records before are done, whatever happens to these.
            self.queue.done(Some(run[0].offset), 0);
            if times(&run[0]) > 0 {
                self.give_up(run, &reason).await?;
            } else if let Some(reporter) = &self.shared.reporter {
                self.report(|| reporter.not_named(&self.partition, run)).await?;
            }
        }
        let Some(first) = rest.first() else { return ControlFlow::Continue(Vec::new()) };
        let attempt = times(first);
        let (partition, first, records) = (&self.partition, first.offset, rest.len());
        self.queue.done(Some(first), 0);
        tracing::warn!(%partition, first, records, attempt, "invoking a batch again from a failed record on");
        self.pause(attempt, None).await?;
        let over = over.len();
        part.items.drain(..over);
        ControlFlow::Continue(vec![part])
    }

    /// Sends until Lambda accepts the event or refuses it for good.
    async fn send(&self, items: &[Item]) -> ControlFlow<(), InvocationResult> {
        let retries = &self.shared.settings.retries;
        let key = self.key(items);
        let mut attempt = 0;
        loop {
            let outcome = {
                let stopping = self.shared.cx.stopping();
                let slot = tokio::select! {
                    () = stopping.cancelled() => return ControlFlow::Break(()),
                    // One of the invocations that may run at a time.
                    slot = self.shared.slots.acquire() => slot,
                };
                tokio::select! {
                    () = stopping.cancelled() => return ControlFlow::Break(()),
                    // The rate to which throttled requests have led.
                    () = self.shared.throttle.token() => {}
                }
                let outcome = self.shared.invoker.invoke(&self.function, self.event(items), &key).await;
                drop(slot);
                outcome
            };
            attempt += 1;
            let (after, reason) = match outcome {
                RequestOutcome::Throttled { after, reason } => {
                    let wait = after.unwrap_or_else(|| self.backoff(attempt));
                    self.shared.throttle.throttled(wait);
                    (Some(wait), format!("Lambda throttles function {} ({reason})", self.function))
                }
                RequestOutcome::Unavailable { status, reason } => {
                    let listed = |status: u16| retries.statuses.as_ref().is_none_or(|listed| listed.contains(&status));
                    if !status.is_none_or(listed) {
                        return ControlFlow::Continue(InvocationResult::Failed(format!("Lambda answers {reason}")));
                    }
                    (None, format!("Lambda is not available ({reason})"))
                }
                RequestOutcome::Refused(error) => return self.fail(error),
                RequestOutcome::Ended(end) => return ControlFlow::Continue(end),
            };
            // Nordstrom's sink counts only retries after the statuses it lists, and throttling is not among them.
            let counts = after.is_none() || retries.statuses.is_none();
            if counts && retries.requests.is_some_and(|most| attempt > most) {
                return self.fail(Error::fatal(format!("gave up after {attempt} attempts: {reason}")));
            }
            tracing::warn!(partition = %self.partition, reason, attempt, "sending an event again");
            self.pause(attempt, after).await?;
        }
    }

    fn event(&self, items: &[Item]) -> Vec<u8> {
        let bytes = items.iter().map(Item::len).sum();
        self.envelope.wrap(items.iter().map(|item| item.written.as_deref().unwrap_or_default()), bytes)
    }

    /// The idempotency key, which is the same for the same records: `topic-partition-first-last`.
    fn key(&self, items: &[Item]) -> String {
        let first = items.first().map_or(0, |item| item.offset);
        let last = items.last().map_or(first, |item| item.offset);
        format!("{}-{first}-{last}", self.partition)
    }

    /// Handles records that failed for good, as configured.
    async fn give_up(&self, items: &[Item], reason: &str) -> Flow {
        match self.shared.settings.on_error {
            OnError::Ignore => {
                tracing::debug!(partition = %self.partition, reason, records = items.len(), "ignoring failed records");
            }
            OnError::Log => {
                let (first, last) = (items[0].offset, items[items.len() - 1].offset);
                tracing::error!(partition = %self.partition, reason, first, last, "skipping failed records");
                if let Some(reporter) = &self.shared.reporter {
                    self.report(|| reporter.failed(&self.partition, items, reason)).await?;
                }
            }
            OnError::Fail => {
                let (acknowledged, done) = oneshot::channel();
                let records: Vec<Record> = items.iter().map(|item| item.record(&self.partition)).collect();
                self.shared.send(TaskSignal::Bad { records, error: Error::data(reason), acknowledged });
                tokio::select! {
                    () = self.shared.cx.stopping().cancelled() => return Flow::Break(()),
                    // The task has reported the records. An error: it has failed instead.
                    done = done => if done.is_err() { return Flow::Break(()) },
                }
            }
        }
        Flow::Continue(())
    }

    /// Writes reports, with retries until they are written.
    async fn report<F: Future<Output = Result<()>>>(&self, mut write: impl FnMut() -> F) -> Flow {
        let mut attempt = 0;
        while let Err(error) = write().await {
            if !error.is_retriable() {
                return self.fail(error.context("cannot write a report"));
            }
            attempt += 1;
            tracing::warn!(%error, attempt, "could not write a report, trying again");
            self.pause(attempt, None).await?;
        }
        Flow::Continue(())
    }

    fn fail<T>(&self, error: Error) -> ControlFlow<(), T> {
        self.shared.send(TaskSignal::Fatal(error));
        ControlFlow::Break(())
    }

    async fn pause(&self, attempt: u32, wait: Option<Duration>) -> Flow {
        let wait = wait.unwrap_or_else(|| self.backoff(attempt));
        tokio::select! {
            () = self.shared.cx.stopping().cancelled() => Flow::Break(()),
            () = tokio::time::sleep(wait) => Flow::Continue(()),
        }
    }

    /// The wait after an attempt, counted from 1: it doubles, with jitter.
    fn backoff(&self, attempt: u32) -> Duration {
        let retries = &self.shared.settings.retries;
        Backoff::new(retries.backoff, retries.backoff_max).after(attempt.saturating_sub(1)).next_wait()
    }
}

impl Part {
    fn new(items: Vec<Item>) -> Self {
        Self { items, failed: 0, named: BTreeMap::new() }
    }

    fn first(&self) -> i64 {
        self.items.first().map_or(i64::MAX, |item| item.offset)
    }

    fn has(&self, offset: i64) -> bool {
        self.items.binary_search_by_key(&offset, |item| item.offset).is_ok()
    }

    fn halves(mut self) -> Vec<Self> {
        let second = self.items.split_off(self.items.len().div_ceil(2));
        vec![Self::new(self.items), Self::new(second)]
    }
}
