use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tributary_api::{Backoff, Error, Result, SinkTask, SinkTaskContext, Topic, TopicPartition};
use tributary_kafka::{Polled, RawRecord};

use super::{Batch, Progress, RecordConsumer, SinkTaskHost, Subscription};
use crate::tasks::errors::ErrorOperator;
use crate::tasks::{Decoder, PluginCalls, TaskContext, now_ms};

/// The wait after a read that failed.
const READ_AGAIN: Duration = Duration::from_millis(100);
const FIRST_RETRY: Duration = Duration::from_millis(300);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// The loop of one sink task.
pub(crate) struct SinkLoop<I> {
    pub(super) cx: TaskContext,
    pub(super) task: Box<dyn SinkTask>,
    pub(super) calls: PluginCalls,
    /// The plugin's token: cancelled when the task should end.
    pub(super) stopping: CancellationToken,
    pub(super) input: I,
    decoder: Decoder,
    pub(super) operator: Arc<ErrorOperator>,
    pub(super) host: Arc<SinkTaskHost>,
    subscription: Subscription,
    max_records: usize,
    pub(super) progress: Progress,
    /// Being put, or waiting to be put again.
    pub(super) batch: Batch,
    /// Read before the partitions were paused; put after the batch.
    pub(super) backlog: VecDeque<Vec<RawRecord>>,
    pub(super) redelivery: Option<Redelivery>,
    /// Paused by the operator; partitions paused by the plugin are in the host's requests.
    pub(super) paused: bool,
    /// When the plugin wants to be called at the latest.
    timer: Option<Instant>,
    pub(super) next_commit: Instant,
    /// When the asynchronous commit was sent whose answer is pending.
    pub(super) committing: Option<Instant>,
    topics: BTreeSet<Topic>,
}

/// The parts of a sink loop.
pub(crate) struct SinkParts<I> {
    pub(crate) input: I,
    pub(crate) decoder: Decoder,
    pub(crate) operator: Arc<ErrorOperator>,
    pub(crate) host: Arc<SinkTaskHost>,
    pub(crate) subscription: Subscription,
    pub(crate) max_records: usize,
}

/// A batch that is put again because the plugin returned a retriable error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redelivery {
    attempt: u32,
    at: Instant,
}

impl<I: RecordConsumer> SinkLoop<I> {
    pub(crate) fn new(cx: TaskContext, task: Box<dyn SinkTask>, parts: SinkParts<I>) -> Self {
        let SinkParts { input, decoder, operator, host, subscription, max_records } = parts;
        let stopping = cx.control.stopping().child_token();
        let next_commit = Instant::now() + cx.spec.worker.offset_flush_interval;
        Self {
            cx,
            task,
            calls: PluginCalls::default(),
            stopping,
            input,
            decoder,
            operator,
            host,
            subscription,
            max_records,
            progress: Progress::default(),
            batch: Batch::default(),
            backlog: VecDeque::new(),
            redelivery: None,
            paused: false,
            timer: None,
            next_commit,
            committing: None,
            topics: BTreeSet::new(),
        }
    }

    /// Runs until the task is stopped or fails; safe offsets are committed in both cases.
    ///
    /// # Errors
    /// Why it failed.
    pub(crate) async fn run(mut self) -> Result<()> {
        let outcome = match self.start().await {
            Ok(()) => self.work().await,
            Err(error) => Err(error.context("could not start")),
        };
        self.finish().await;
        outcome
    }

    async fn start(&mut self) -> Result<()> {
        let id = &self.cx.spec.id;
        let host = Arc::clone(&self.host) as _;
        let cx = SinkTaskContext::new(&id.connector, id.task, self.stopping.clone(), host)
            .with_metrics(self.cx.metrics.plugins.clone());
        self.calls.call("start", self.task.start(cx, &self.cx.spec.task)).await?;
        self.cx.reporter.running(self.cx.control.is_paused());
        Ok(())
    }

    async fn work(&mut self) -> Result<()> {
        while !self.cx.control.is_stopping() {
            self.follow_pause()?;
            if let Some(topics) = self.subscription.changed(self.cx.spec.worker.executor.runtime()) {
                tracing::info!(?topics, "the topics that match topics.regex have changed");
                self.input.change_subscription(&topics)?;
            }
            self.collect_commits();
            let requested = std::mem::take(&mut self.host.requests().commit);
            if requested || Instant::now() >= self.next_commit {
                self.commit_if_free().await?;
            }
            self.apply_requests()?;
            if self.redelivery.is_some_and(|redelivery| Instant::now() >= redelivery.at) {
                self.put().await?;
            }
            self.read().await?;
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<()> {
        if self.redelivery.is_none()
            && let Some(raw) = self.backlog.pop_front()
        {
            return self.take(raw).await;
        }
        let polled = match self.input.poll(self.max_records) {
            Ok(Polled::Idle) => {
                self.wait().await;
                self.input.poll(self.max_records)
            }
            polled => polled,
        };
        match polled {
            Ok(Polled::Records(raw)) if self.redelivery.is_some() => {
                for record in &raw {
                    self.progress
                        .read(&TopicPartition::new(Arc::clone(&record.topic), record.partition), record.offset);
                }
                self.backlog.push_back(raw);
                Ok(())
            }
            Ok(Polled::Records(raw)) => self.take(raw).await,
            Ok(Polled::Assigned(partitions)) => self.assigned(&partitions).await,
            Ok(Polled::Revoked { partitions, lost }) => self.revoked(&partitions, lost).await,
            Ok(Polled::Idle) => self.idle().await,
            Err(error) if error.is_retriable() => {
                tracing::warn!(%error, "could not read, trying again");
                self.cx.control.sleep(READ_AGAIN).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Waits for records, a rebalance, a change of the matching topics, or the next due time.
    async fn wait(&mut self) {
        let now = Instant::now();
        {
            let mut requests = self.host.requests();
            if let Some(timeout) = requests.timeout.take() {
                self.timer = Some(now + timeout);
            }
            if !requests.wait() {
                return;
            }
        }
        let redelivery = self.redelivery.map(|redelivery| redelivery.at);
        let latest = now + self.input.longest_wait();
        let until = [Some(self.next_commit), self.timer, redelivery].into_iter().flatten().fold(latest, Instant::min);
        tokio::select! {
            () = self.input.ready() => {}
            () = self.subscription.wait_for_listing() => {}
            () = tokio::time::sleep_until(until) => {}
        }
        self.host.requests().end_wait();
    }

    /// No records came: the plugin is called all the same when it has asked to be by now, or when a commit is due,
    /// before which it may have to flush.
    async fn idle(&mut self) -> Result<()> {
        let now = Instant::now();
        let due = self.timer.is_some_and(|timer| now >= timer) || now >= self.next_commit;
        if due && self.redelivery.is_none() { self.put().await } else { Ok(()) }
    }

    async fn take(&mut self, raw: Vec<RawRecord>) -> Result<()> {
        self.cx.metrics.sink.read.add(raw.len());
        self.batch.clear();
        let fill = self.batch.fill(raw, &mut self.decoder, &self.operator, now_ms());
        if !PluginCalls::default().call("a transform or converter", fill).await? {
            self.batch.clear();
            return Ok(());
        }
        self.record_ranges();
        self.put().await
    }

    /// Puts the batch. On a retriable error all partitions are paused and the same batch is put again (I6).
    async fn put(&mut self) -> Result<()> {
        self.timer = None;
        if self.operator.reports() {
            self.host.swap_batch(&mut self.batch.raw);
        }
        let started = Instant::now();
        let outcome = self.calls.call("put", self.task.put(&self.batch.records)).await;
        if self.operator.reports() {
            self.host.swap_batch(&mut self.batch.raw);
        }
        match outcome {
            Ok(()) => {
                let metrics = &self.cx.metrics;
                metrics.sink.put_time.record_time(started.elapsed());
                metrics.put(self.batch.records.len());
                for range in &self.batch.ranges {
                    self.progress.delivered(&range.partition, range.next);
                }
                self.batch.clear();
                self.end_redelivery()
            }
            Err(error) if error.is_retriable() && !self.calls.is_broken() => self.put_later(&error),
            Err(error) => {
                let text = "Exiting WorkerSinkTask due to unrecoverable exception.";
                Err(Error::fatal(text).cause(&error))
            }
        }
    }

    fn put_later(&mut self, error: &Error) -> Result<()> {
        if self.redelivery.is_none() {
            self.input.pause(&self.progress.partitions())?;
        }
        let attempt = self.redelivery.map_or(1, |redelivery| redelivery.attempt + 1);
        let asked = self.host.requests().timeout.take().or_else(|| error.retry_after());
        let delay = asked.unwrap_or_else(|| Backoff::new(FIRST_RETRY, LAST_RETRY).after(attempt - 1).next_wait());
        tracing::warn!(%error, attempt, delay_ms = delay.as_millis(), "put failed, the same batch is put again");
        self.redelivery = Some(Redelivery { attempt, at: Instant::now() + delay });
        Ok(())
    }

    /// Resumes the partitions, except those paused by the plugin or the operator.
    pub(super) fn end_redelivery(&mut self) -> Result<()> {
        if self.redelivery.take().is_none() || self.paused {
            return Ok(());
        }
        self.resume_unpaused()
    }

    /// Pauses and resumes on the operator's request. The consumer stays in its group.
    fn follow_pause(&mut self) -> Result<()> {
        let paused = self.cx.control.is_paused();
        if paused == self.paused {
            return Ok(());
        }
        self.paused = paused;
        if paused {
            self.input.pause(&self.progress.partitions())?;
            self.host.requests().commit = true;
        } else if self.redelivery.is_none() {
            self.resume_unpaused()?;
        }
        self.cx.reporter.running(paused);
        Ok(())
    }

    fn resume_unpaused(&mut self) -> Result<()> {
        let mut partitions = self.progress.partitions();
        partitions.retain({
            let requests = self.host.requests();
            move |partition| !requests.paused.contains(partition)
        });
        self.input.resume(&partitions)
    }

    /// Carries out the plugin's requests: seeks, pauses, resumes.
    pub(super) fn apply_requests(&mut self) -> Result<()> {
        let (seeks, mut pause, mut resume) = {
            let mut requests = self.host.requests();
            let seeks = std::mem::take(&mut requests.seeks);
            (seeks, std::mem::take(&mut requests.to_pause), std::mem::take(&mut requests.to_resume))
        };
        let own: BTreeSet<TopicPartition> = if pause.is_empty() && resume.is_empty() {
            BTreeSet::new()
        } else {
            self.progress.partitions().into_iter().collect()
        };
        pause.retain(|partition| own.contains(partition));
        resume.retain(|partition| own.contains(partition));
        if !pause.is_empty() {
            self.input.pause(&pause)?;
        }
        if !resume.is_empty() && self.redelivery.is_none() && !self.paused {
            self.input.resume(&resume)?;
        }
        for (partition, offset) in seeks {
            if self.progress.seek(&partition, offset) {
                self.discard_undelivered(std::slice::from_ref(&partition))?;
                self.input.seek(&partition, offset)?;
            }
        }
        Ok(())
    }

    /// Discards records of these partitions that were read and not yet put.
    pub(super) fn discard_undelivered(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.batch.forget(partitions);
        for raw in &mut self.backlog {
            raw.retain(|raw| !partitions.iter().any(|tp| tp.partition == raw.partition && tp.topic == raw.topic));
        }
        self.backlog.retain(|raw| !raw.is_empty());
        if self.redelivery.is_some() && self.batch.ranges.is_empty() {
            self.batch.clear();
            self.end_redelivery()?;
        }
        Ok(())
    }

    fn record_ranges(&mut self) {
        for range in &self.batch.ranges {
            self.progress.read(&range.partition, range.first);
            if !self.topics.contains(&range.partition.topic) {
                self.topics.insert(Arc::clone(&range.partition.topic));
                self.cx.reporter.topic_used(&range.partition.topic);
            }
        }
    }

    /// Commits the safe offsets, closes the partitions and stops the plugin.
    async fn finish(mut self) {
        self.stopping.cancel();
        if self.cx.control.is_abandoned() {
            return;
        }
        let partitions = self.progress.partitions();
        if !partitions.is_empty() && !self.calls.is_broken() {
            if let Err(error) = self.commit_and_wait(&partitions).await {
                tracing::error!(%error, "could not commit the last offsets: records will be delivered again");
            }
            self.close_partitions(&partitions).await;
        }
        if !self.calls.is_broken()
            && let Err(error) = self.calls.call("stop", self.task.stop()).await
        {
            tracing::error!(%error, "the plugin did not stop cleanly");
        }
        if !self.cx.control.is_abandoned() {
            self.input.close();
        }
    }
}
