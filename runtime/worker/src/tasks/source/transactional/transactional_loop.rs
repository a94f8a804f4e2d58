use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tributary_api::time::now_ms;
use tributary_api::{Error, ErrorKind, Record, SourceTask, Topic, TransactionContext, TransactionEnd};

use super::ExitReason;
use super::requested_ends::requested_ends;
use super::transaction::Transactions;
use crate::connector_config::TransactionBoundary;
use crate::tasks::errors::{ErrorOperator, FailedRecord, Failure, Stage};
use crate::tasks::source::chunk::Chunk;
use crate::tasks::source::{Flow, PRODUCER_CLASS, SEND_AGAIN, TopicCreation, commit_plugin, encoding, plugin_context};
use crate::tasks::{Encoder, PluginCalls, TaskContext};

/// The wait before sending again when the producer's queue is full.
const QUEUE_FULL: Duration = Duration::from_millis(5);

/// The loop of one source task that writes in transactions.
pub(super) struct TransactionalLoop {
    cx: Arc<TaskContext>,
    task: Box<dyn SourceTask>,
    calls: PluginCalls,
    /// The plugin's token: cancelled when the task should end, also because it has failed.
    stopping: CancellationToken,
    encoder: Encoder,
    operator: Arc<ErrorOperator>,
    topics: TopicCreation,
    chunk: Chunk,
    transactions: Transactions,
    boundary: TransactionBoundary,
    /// The ends of transactions that the plugin asks for.
    requests: Option<TransactionContext>,
}

impl TransactionalLoop {
    pub(super) fn new(
        cx: Arc<TaskContext>,
        task: Box<dyn SourceTask>,
        transactions: Transactions,
        boundary: TransactionBoundary,
    ) -> Result<Self, ExitReason> {
        let (encoder, operator) = encoding(&cx)?;
        Ok(Self {
            topics: TopicCreation::new(&cx.spec.connector, &cx.spec.worker)?,
            stopping: cx.control.stopping().child_token(),
            task,
            calls: PluginCalls::default(),
            encoder,
            operator,
            chunk: Chunk::default(),
            transactions,
            boundary,
            requests: (boundary == TransactionBoundary::Connector).then(TransactionContext::new),
            cx,
        })
    }

    /// Runs until the task is stopped or fails. At a stop the open transaction is committed, unless the plugin decides where
    /// transactions end: then it is aborted.
    ///
    /// # Errors
    /// Why it failed, or must be renewed.
    pub(super) async fn run(mut self) -> Result<(), ExitReason> {
        let outcome = match self.start().await {
            Ok(()) => self.work().await,
            Err(ExitReason::Fail(error)) => Err(ExitReason::Fail(error.context("could not start"))),
            Err(reason) => Err(reason),
        };
        self.finish(outcome).await
    }

    async fn start(&mut self) -> Result<(), ExitReason> {
        let cx = plugin_context(&self.cx, self.stopping.clone());
        let cx = match &self.requests {
            Some(requests) => cx.with_transaction(requests.clone()),
            None => cx,
        };
        self.calls.call("start", self.task.start(cx, &self.cx.spec.task)).await?;
        if let Some(listener) = self.task.ack_listener() {
            self.operator.answers_senders();
            self.transactions.set_listener(listener);
        }
        self.cx.reporter.running(self.cx.control.is_paused());
        Ok(())
    }

    async fn work(&mut self) -> Result<(), ExitReason> {
        let mut held = None;
        while self.wait_while_paused().await? == Flow::Go {
            let Some(batch) = held.take() else {
                held = Some(self.poll().await?);
                continue;
            };
            if self.submit(batch).await? == Flow::Stop {
                return Ok(());
            }
        }
        // The last batch is sent although the task should end: the plugin will not return it again.
        if let Some(batch) = held.filter(|_| !self.cx.control.is_paused() && !self.cx.control.is_abandoned()) {
            self.submit(batch).await?;
        }
        Ok(())
    }

    /// Returns at once when the task is not paused. Before a pause the open transaction is committed, so that readers do not
    /// wait for it; unless the plugin decides where transactions end.
    async fn wait_while_paused(&mut self) -> Result<Flow, ExitReason> {
        if self.cx.control.is_stopping() {
            return Ok(Flow::Stop);
        }
        if !self.cx.control.is_paused() {
            self.cx.reporter.running(false);
            return Ok(Flow::Go);
        }
        self.commit_unless_plugin_decides()?;
        self.cx.reporter.running(true);
        let go = self.cx.wait_until_resumed().await;
        self.cx.reporter.running(!go);
        Ok(if go { Flow::Go } else { Flow::Stop })
    }

    fn commit_unless_plugin_decides(&mut self) -> Result<(), ExitReason> {
        if self.boundary == TransactionBoundary::Connector { Ok(()) } else { self.transactions.commit() }
    }

    /// When the open transaction is committed although no batch comes: at its interval, and well before the broker aborts it.
    fn commit_at(&self) -> Option<Instant> {
        let TransactionBoundary::Interval(interval) = self.boundary else { return None };
        let opened = self.transactions.opened()?;
        Some(Instant::from_std(opened + interval.min(self.transactions.timeout() / 2)))
    }

    /// The plugin's next batch. While the plugin polls, requests to pause are reported and transactions end at their interval.
    async fn poll(&mut self) -> Result<Vec<Record>, ExitReason> {
        if self.transactions.take_commit_due() {
            commit_plugin(&mut self.calls, &mut *self.task).await?;
        }
        let started = Instant::now();
        let batch = self.poll_plugin().await?;
        self.cx.metrics.source.poll_time.record_time(started.elapsed());
        match batch {
            Ok(batch) => {
                self.cx.metrics.polled(batch.len());
                Ok(batch)
            }
            Err(error) if error.is_retriable() => {
                tracing::warn!(%error, "poll failed, it is called again");
                self.pause_for(error.retry_after().unwrap_or(SEND_AGAIN)).await;
                Ok(Vec::new())
            }
            Err(error) => Err(ExitReason::Fail(error)),
        }
    }

    async fn poll_plugin(&mut self) -> Result<tributary_api::Result<Vec<Record>>, ExitReason> {
        let mut paused = self.cx.control.watch_paused();
        // A request that came after the last check is handled, too.
        paused.mark_changed();
        let grace = self.cx.spec.worker.graceful_timeout;
        let (mut failure, mut give_up_at, mut commit_at) = (None, None, self.commit_at());
        let batch = {
            let mut poll = std::pin::pin!(self.calls.call("poll", self.task.poll()));
            loop {
                let wake_at = give_up_at.or(commit_at);
                tokio::select! {
                    biased;
                    batch = &mut poll => break Some(batch),
                    // Only the state is reported: the loop pauses when the plugin has returned.
                    Ok(()) = paused.changed() => self.cx.reporter.running(*paused.borrow_and_update()),
                    // The open transaction is to be committed or, if that has failed, the plugin has not stopped in time.
                    () = tokio::time::sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {
                        if failure.is_some() {
                            break None;
                        }
                        commit_at = None;
                        if let Err(reason) = self.transactions.commit() {
                            self.stopping.cancel();
                            give_up_at = Some(Instant::now() + grace);
                            failure = Some(reason);
                        }
                    }
                }
            }
        };
        if batch.is_none() {
            self.calls.mark_broken();
        }
        match (failure, batch) {
            (Some(reason), _) => Err(reason),
            (None, Some(batch)) => Ok(batch),
            (None, None) => Ok(Ok(Vec::new())),
        }
    }

    async fn pause_for(&mut self, time: Duration) -> Flow {
        self.cx.control.sleep(time).await;
        if self.cx.control.is_stopping() { Flow::Stop } else { Flow::Go }
    }

    /// Sends a batch, and ends transactions within and after it.
    async fn submit(&mut self, batch: Vec<Record>) -> Result<Flow, ExitReason> {
        let now = now_ms();
        let requests = self.requests.as_ref().map(TransactionContext::take).unwrap_or_default();
        let ends = requested_ends(requests, batch.len())?;
        let mut records = batch.into_iter();
        let mut passed = 0;
        for (after, end) in ends {
            let piece: Vec<Record> = records.by_ref().take(after - passed).collect();
            passed = after;
            if self.write(piece.into_iter(), now).await? == Flow::Stop {
                return Ok(Flow::Stop);
            }
            if end == TransactionEnd::Abort {
                tracing::info!("the connector aborts its transaction: its records are discarded");
                self.transactions.abort_records()?;
            }
            self.transactions.commit()?;
        }
        if self.write(records, now).await? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        match self.boundary {
            TransactionBoundary::Poll => self.transactions.commit()?,
            TransactionBoundary::Interval(_) if self.commit_at().is_some_and(|at| at <= Instant::now()) => {
                self.transactions.commit()?;
            }
            TransactionBoundary::Interval(_) | TransactionBoundary::Connector => {}
        }
        Ok(Flow::Go)
    }

    /// Transforms, converts and sends records.
    async fn write(&mut self, mut records: std::vec::IntoIter<Record>, now: i64) -> Result<Flow, ExitReason> {
        while records.len() > 0 {
            let work = self.chunk.fill(&mut self.encoder, &self.operator, &mut records, now);
            let complete = PluginCalls::default().call("a transform or converter", work).await?;
            if !complete {
                return Ok(Flow::Stop);
            }
            if self.send_chunk().await? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Go)
    }

    /// All records of the chunk are sent before any is noted, so a transaction with a part of the chunk is never committed.
    async fn send_chunk(&mut self) -> Result<Flow, ExitReason> {
        let outputs = std::mem::take(&mut self.chunk.outputs);
        let mut inputs = self.chunk.take_inputs();
        let mut rest = outputs.iter();
        for (place, input) in inputs.iter_mut().enumerate() {
            let token = self.transactions.token(place);
            for record in rest.by_ref().take(input.outputs as usize) {
                if *record.topic == *self.cx.spec.offsets.topic() {
                    return Err(ExitReason::Fail(own_offsets()));
                }
                if self.topics.is_new(&record.topic) {
                    if self.ensure(&record.topic).await? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                    self.transactions.first_use(Arc::clone(&record.topic));
                }
                self.transactions.begin()?;
                loop {
                    if self.cx.control.is_abandoned() {
                        return Ok(Flow::Stop);
                    }
                    match record.send_with(|record| self.transactions.send(record, token)) {
                        Ok(true) => break,
                        Ok(false) => {
                            if self.pause_for(QUEUE_FULL).await == Flow::Stop {
                                return Ok(Flow::Stop);
                            }
                        }
                        Err(error) if error.kind() == ErrorKind::Data => {
                            let failure = Failure::new(Stage::KafkaProduce, &PRODUCER_CLASS.into(), error);
                            self.operator.give_up(&failure, FailedRecord::Origin(&input.origin))?;
                            input.lost = Some(failure.error);
                            break;
                        }
                        Err(error) => return Err(self.transactions.send_failed(error)),
                    }
                }
            }
        }
        for input in inputs.drain(..) {
            self.transactions.note(input.origin, input.outputs, input.lost);
        }
        self.transactions.all_noted();
        self.chunk.give_back(outputs, inputs);
        Ok(Flow::Go)
    }

    /// Creates a topic if it is missing. Retries while the broker does not answer.
    async fn ensure(&mut self, topic: &Topic) -> Result<Flow, ExitReason> {
        loop {
            match self.topics.ensure(topic).await {
                Ok(()) => return Ok(Flow::Go),
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, topic = &**topic, "could not check whether the topic exists, trying again");
                    if self.pause_for(SEND_AGAIN).await == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                Err(error) => return Err(ExitReason::Fail(error)),
            }
        }
    }

    /// Commits what may be committed, aborts the rest, and stops the plugin.
    async fn finish(&mut self, outcome: Result<(), ExitReason>) -> Result<(), ExitReason> {
        self.stopping.cancel();
        if self.cx.control.is_abandoned() {
            return outcome;
        }
        let outcome = match outcome {
            Ok(()) if self.transactions.is_complete() => self.commit_unless_plugin_decides(),
            outcome => outcome,
        };
        // Otherwise readers wait until the broker aborts it.
        self.transactions.abort();
        if self.calls.is_broken() {
            return outcome;
        }
        if self.transactions.take_commit_due() {
            commit_plugin(&mut self.calls, &mut *self.task).await?;
        }
        if let Err(error) = self.calls.call("stop", self.task.stop()).await {
            tracing::error!(%error, "the plugin did not stop cleanly");
        }
        outcome
    }
}

/// Kafka Connect's message. When reading its offsets the task would wait for the end of its own transaction.
fn own_offsets() -> Error {
    Error::fatal("Source tasks may not produce to their own offsets topics when exactly-once support is enabled")
        .with_class("org.apache.kafka.connect.errors.ConnectException")
}
