use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tributary_api::{Result, SinkTask, SinkTaskContext, Topic, TopicPartition};
use tributary_kafka::{Polled, RawRecord};

use super::commit::Commits;
use super::delivery::Delivery;
use super::partitions::Partitions;
use super::plugin::SinkPlugin;
use super::{RecordConsumer, SinkTaskHost, Subscription};
use crate::tasks::errors::ErrorOperator;
use crate::tasks::{Decoder, TaskContext};

/// The wait after a read that failed.
const READ_AGAIN: Duration = Duration::from_millis(100);

/// The loop of one sink task: it reads, and decides what its parts do next.
pub(crate) struct SinkLoop<I> {
    cx: TaskContext,
    pub(super) plugin: SinkPlugin,
    pub(super) partitions: Partitions<I>,
    pub(super) delivery: Delivery,
    commits: Commits,
    /// Holds the plugin's requests until the loop carries them out.
    host: Arc<SinkTaskHost>,
    subscription: Subscription,
    max_records: usize,
    /// When the plugin wants to be called at the latest.
    timer: Option<Instant>,
    /// The topics that are reported as used.
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

impl<I: RecordConsumer> SinkLoop<I> {
    pub(crate) fn new(cx: TaskContext, task: Box<dyn SinkTask>, parts: SinkParts<I>) -> Self {
        let SinkParts { input, decoder, operator, host, subscription, max_records } = parts;
        let metrics = || Arc::clone(&cx.metrics);
        Self {
            plugin: SinkPlugin::new(task, cx.control.stopping().child_token()),
            partitions: Partitions::new(input, Arc::clone(&host), metrics()),
            delivery: Delivery::new(decoder, Arc::clone(&operator), Arc::clone(&host), metrics()),
            commits: Commits::new(operator, &cx),
            cx,
            host,
            subscription,
            max_records,
            timer: None,
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
        let cx = SinkTaskContext::new(&id.connector, id.task, self.plugin.stopping().clone(), host)
            .with_metrics(self.cx.metrics.plugins.clone());
        self.plugin.start(cx, &self.cx.spec.task).await?;
        self.cx.reporter.running(self.cx.control.is_paused());
        Ok(())
    }

    async fn work(&mut self) -> Result<()> {
        while !self.cx.control.is_stopping() {
            self.follow_pause()?;
            if let Some(topics) = self.subscription.changed(self.cx.spec.worker.executor.runtime()) {
                tracing::info!(?topics, "the topics that match topics.regex have changed");
                self.partitions.consumer.change_subscription(&topics)?;
            }
            self.commits.collect(&mut self.partitions);
            let requested = std::mem::take(&mut self.host.requests().commit);
            if requested || Instant::now() >= self.commits.due() {
                self.commits.commit_if_free(&mut self.plugin, &mut self.partitions, &mut self.delivery).await?;
            }
            self.apply_requests()?;
            if self.delivery.retry_at().is_some_and(|at| Instant::now() >= at) {
                self.put().await?;
            }
            self.read().await?;
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<()> {
        if let Some(raw) = self.delivery.next_kept() {
            return self.take(raw).await;
        }
        let polled = match self.partitions.consumer.poll(self.max_records) {
            Ok(Polled::Idle) => {
                self.wait().await;
                self.partitions.consumer.poll(self.max_records)
            }
            polled => polled,
        };
        match polled {
            Ok(Polled::Records(raw)) if self.delivery.is_retrying() => {
                self.delivery.keep(raw, &mut self.partitions);
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
        let latest = now + self.partitions.consumer.longest_wait();
        let due = [Some(self.commits.due()), self.timer, self.delivery.retry_at()];
        let until = due.into_iter().flatten().fold(latest, Instant::min);
        tokio::select! {
            // Records or an event of the consumer, or a wake-up by a request to pause, resume or stop.
            () = self.partitions.consumer.ready() => {}
            // The topics that match topics.regex are to be listed again.
            () = self.subscription.wait_for_listing() => {}
            // A commit, the timeout that the plugin has set, or a retry of put is due.
            () = tokio::time::sleep_until(until) => {}
        }
        self.host.requests().end_wait();
    }

    /// No records came: the plugin is called all the same when it has asked to be by now, or when a commit is due,
    /// before which it may have to flush.
    async fn idle(&mut self) -> Result<()> {
        let now = Instant::now();
        let due = self.timer.is_some_and(|timer| now >= timer) || now >= self.commits.due();
        if due && !self.delivery.is_retrying() { self.put().await } else { Ok(()) }
    }

    async fn take(&mut self, raw: Vec<RawRecord>) -> Result<()> {
        let Some(ranges) = self.delivery.fill(raw).await? else { return Ok(()) };
        for range in ranges {
            self.partitions.progress.read(&range.partition, range.first);
            if !self.topics.contains(&range.partition.topic) {
                self.topics.insert(Arc::clone(&range.partition.topic));
                self.cx.reporter.topic_used(&range.partition.topic);
            }
        }
        self.put().await
    }

    async fn put(&mut self) -> Result<()> {
        self.timer = None;
        self.delivery.put(&mut self.plugin, &mut self.partitions).await
    }

    /// Pauses and resumes on the operator's request; what was delivered before a pause is committed.
    fn follow_pause(&mut self) -> Result<()> {
        let paused = self.cx.control.is_paused();
        if paused == self.partitions.is_paused_by_operator() {
            return Ok(());
        }
        self.partitions.pause_by_operator(paused)?;
        if paused {
            self.host.requests().commit = true;
        }
        self.cx.reporter.running(paused);
        Ok(())
    }

    /// Carries out the plugin's requests: pauses, resumes, seeks.
    pub(super) fn apply_requests(&mut self) -> Result<()> {
        self.partitions.follow_plugin()?;
        let seeks = std::mem::take(&mut self.host.requests().seeks);
        for (partition, offset) in seeks {
            if self.partitions.progress.seek(&partition, offset) {
                self.delivery.discard(std::slice::from_ref(&partition), &mut self.partitions)?;
                self.partitions.consumer.seek(&partition, offset)?;
            }
        }
        Ok(())
    }

    pub(super) async fn commit_and_wait(&mut self, of: &[TopicPartition]) -> Result<()> {
        let Self { cx, plugin, partitions, commits, .. } = self;
        commits.commit_and_wait(of, plugin, partitions, || cx.control.is_abandoned()).await
    }

    /// Commits the safe offsets, closes the partitions and stops the plugin.
    async fn finish(mut self) {
        self.plugin.stopping().cancel();
        if self.cx.control.is_abandoned() {
            return;
        }
        let partitions = self.partitions.all();
        if !partitions.is_empty() && !self.plugin.is_broken() {
            if let Err(error) = self.commit_and_wait(&partitions).await {
                tracing::error!(%error, "could not commit the last offsets: records will be delivered again");
            }
            self.plugin.close(&partitions).await;
        }
        self.plugin.stop().await;
        if !self.cx.control.is_abandoned() {
            self.partitions.consumer.close();
        }
    }
}
