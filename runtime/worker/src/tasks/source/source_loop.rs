use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tributary_api::time::now_ms;
use tributary_api::{Record, Result, SourceTask, Topic};
use tributary_kafka::Token;

use super::chunk::Chunk;
use super::{Capacity, Deliveries, Flow, OffsetFlusher, RecordProducer, TopicCreation, commit_plugin, plugin_context};
use crate::tasks::errors::ErrorOperator;
use crate::tasks::{Encoded, Encoder, PluginCalls, TaskContext};

/// The wait before a record is sent again after the producer's queue was full.
pub(super) const SEND_AGAIN: Duration = Duration::from_millis(100);

/// The loop of one source task.
pub(crate) struct SourceLoop<O> {
    cx: Arc<TaskContext>,
    task: Box<dyn SourceTask>,
    calls: PluginCalls,
    /// What the plugin watches: cancelled when the task should end, also because it has failed.
    stopping: CancellationToken,
    encoder: Encoder,
    operator: Arc<ErrorOperator>,
    output: Arc<O>,
    deliveries: Arc<Deliveries>,
    flusher: OffsetFlusher,
    topics: TopicCreation,
    capacity: Capacity,
    chunk: Chunk,
}

/// The parts of a source loop.
pub(crate) struct SourceParts<O> {
    pub(crate) encoder: Encoder,
    pub(crate) operator: Arc<ErrorOperator>,
    pub(crate) output: Arc<O>,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) topics: TopicCreation,
    pub(crate) capacity: Capacity,
}

impl<O: RecordProducer> SourceLoop<O> {
    pub(crate) fn new(cx: Arc<TaskContext>, task: Box<dyn SourceTask>, parts: SourceParts<O>) -> Self {
        let SourceParts { encoder, operator, output, deliveries, topics, capacity } = parts;
        let worker = &cx.spec.worker;
        let flusher = OffsetFlusher::new(
            cx.spec.id.connector.clone(),
            Arc::clone(&cx.spec.offsets),
            Arc::clone(&deliveries),
            Arc::clone(&cx.control),
            Arc::clone(&cx.metrics),
            (worker.offset_flush_interval, worker.offset_flush_timeout),
        );
        let stopping = cx.control.stopping().child_token();
        let calls = PluginCalls::default();
        let chunk = Chunk::default();
        Self { cx, task, calls, stopping, encoder, operator, output, deliveries, flusher, topics, capacity, chunk }
    }

    /// Runs until the task is stopped or fails; the last offsets are stored in both cases.
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
        let cx = plugin_context(&self.cx, self.stopping.clone());
        self.calls.call("start", self.task.start(cx, &self.cx.spec.task)).await?;
        if let Some(listener) = self.task.ack_listener() {
            self.deliveries.set_ack_listener(listener);
        }
        self.cx.reporter.running(self.cx.control.is_paused());
        Ok(())
    }

    async fn work(&mut self) -> Result<()> {
        let mut held = Vec::new();
        while self.wait_while_paused().await? == Flow::Go {
            if held.is_empty() {
                held = self.poll().await?;
                continue;
            }
            let batch = std::mem::take(&mut held);
            if self.submit(batch).await? == Flow::Stop {
                return Ok(());
            }
        }
        // The last batch is sent although the task is stopping: the plugin has handed it over and will not return it
        // again.
        if !held.is_empty() && !self.cx.control.is_paused() && !self.cx.control.is_abandoned() {
            self.submit(held).await?;
        }
        Ok(())
    }

    /// Returns at once when the task is not paused.
    async fn wait_while_paused(&mut self) -> Result<Flow> {
        if let Some(error) = self.deliveries.failure() {
            return Err(error.clone());
        }
        if self.cx.control.is_stopping() {
            return Ok(Flow::Stop);
        }
        if !self.cx.control.is_paused() {
            self.cx.reporter.running(false);
            return Ok(Flow::Go);
        }
        self.cx.reporter.running(true);
        let go = tokio::select! {
            biased;
            // A record that was sent before the pause could not be delivered: the task fails.
            error = self.deliveries.failed() => return Err(error),
            go = self.cx.wait_until_resumed() => go,
            // Stores offsets during the pause.
            never = self.flusher.serve() => match never {},
        };
        self.cx.reporter.running(!go);
        Ok(if go { Flow::Go } else { Flow::Stop })
    }

    /// The plugin's next batch. Meanwhile offsets are stored and requests to pause are answered. The plugin's future is
    /// not dropped before it ends, unless the task has failed and the plugin does not react to the cancelled token
    /// within the graceful timeout.
    async fn poll(&mut self) -> Result<Vec<Record>> {
        if self.flusher.take_commit_due() {
            commit_plugin(&mut self.calls, &mut *self.task).await?;
        }
        let started = Instant::now();
        let batch = self.poll_plugin().await;
        self.cx.metrics.source.poll_time.record_time(started.elapsed());
        match batch {
            Ok(batch) => {
                self.cx.metrics.polled(batch.len());
                Ok(batch)
            }
            Err(error) if error.is_retriable() => {
                tracing::warn!(%error, "poll failed, it is called again");
                self.pause_for(error.retry_after().unwrap_or(SEND_AGAIN)).await.map(|_| Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    async fn poll_plugin(&mut self) -> Result<Vec<Record>> {
        let mut paused = self.cx.control.watch_paused();
        // A request that came since the last poll is answered too.
        paused.mark_changed();
        let grace = self.cx.spec.worker.graceful_timeout;
        let (mut failure, mut give_up_at) = (None, None);
        let batch = {
            let mut poll = std::pin::pin!(self.calls.call("poll", self.task.poll()));
            loop {
                tokio::select! {
                    biased;
                    // Stores offsets while the plugin works. It is polled first, so that a
                    // plugin that always has records cannot delay it.
                    never = self.flusher.serve() => match never {},
                    batch = &mut poll => break Some(batch),
                    // A sent record could not be delivered: the plugin is asked to stop, and gets the graceful timeout for it.
                    error = self.deliveries.failed(), if failure.is_none() => {
                        self.stopping.cancel();
                        give_up_at = Some(Instant::now() + grace);
                        failure = Some(error);
                    }
                    // Only the state is reported: the loop pauses when the plugin has returned.
                    Ok(()) = paused.changed() => self.cx.reporter.running(*paused.borrow_and_update()),
                    // The plugin has not stopped in time.
                    () = tokio::time::sleep_until(give_up_at.unwrap_or_else(Instant::now)), if give_up_at.is_some() => {
                        break None;
                    }
                }
            }
        };
        if batch.is_none() {
            self.calls.mark_broken();
        }
        match (failure, batch) {
            (Some(error), _) => Err(error),
            (None, Some(batch)) => batch,
            (None, None) => Ok(Vec::new()),
        }
    }

    /// Waits while offsets are stored as usual.
    async fn pause_for(&mut self, time: Duration) -> Result<Flow> {
        tokio::select! {
            biased;
            // A sent record could not be delivered: the task fails.
            error = self.deliveries.failed() => Err(error),
            () = self.cx.control.stopping().cancelled() => Ok(Flow::Stop),
            () = tokio::time::sleep(time) => Ok(Flow::Go),
            // Stores offsets meanwhile.
            never = self.flusher.serve() => match never {},
        }
    }

    async fn submit(&mut self, batch: Vec<Record>) -> Result<Flow> {
        let now = now_ms();
        let mut records = batch.into_iter();
        while records.len() > 0 {
            if self.prepare(&mut records, now).await? == Flow::Stop || self.track().await? == Flow::Stop {
                return Ok(Flow::Stop);
            }
            if self.send().await? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Go)
    }

    /// Transforms and converts the next chunk.
    async fn prepare(&mut self, records: &mut std::vec::IntoIter<Record>, now: i64) -> Result<Flow> {
        let work = self.chunk.fill(&mut self.encoder, &self.operator, records, now);
        let complete = PluginCalls::default().call("a transform or converter", work).await?;
        Ok(if complete { Flow::Go } else { Flow::Stop })
    }

    /// Waits until there is capacity in flight and adds the chunk to the queues of its partitions.
    async fn track(&mut self) -> Result<Flow> {
        loop {
            {
                let mut in_flight = self.deliveries.in_flight();
                let records = in_flight.records();
                if records == 0 || (records < self.capacity.records && in_flight.bytes() < self.capacity.bytes) {
                    self.chunk.track(&mut in_flight);
                    self.cx.metrics.source.active.set(in_flight.records() as u64);
                    break;
                }
            }
            tokio::select! {
                biased;
                error = self.deliveries.failed() => return Err(error),
                () = self.cx.control.stopping().cancelled() => return Ok(Flow::Stop),
                // A delivery was acknowledged: there may be room now.
                () = self.deliveries.changed() => {}
                never = self.flusher.serve() => match never {},
            }
        }
        self.deliveries.acknowledge_unsent(&self.chunk.unsent);
        Ok(Flow::Go)
    }

    async fn send(&mut self) -> Result<Flow> {
        let outputs = std::mem::take(&mut self.chunk.outputs);
        let tokens = std::mem::take(&mut self.chunk.tokens);
        self.deliveries.sending(outputs.len());
        let mut sent = 0;
        let flow = self.send_all(&outputs, &tokens, &mut sent).await;
        self.deliveries.not_sent(outputs.len() - sent);
        self.chunk.outputs = outputs;
        self.chunk.tokens = tokens;
        flow
    }

    /// Ensures that a topic exists; retries for as long as the broker is not reachable.
    async fn ensure(&mut self, topic: &Topic) -> Result<Flow> {
        loop {
            match self.topics.ensure(topic).await {
                Ok(()) => return Ok(Flow::Go),
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, topic = &**topic, "could not look up the topic, trying again");
                    if self.pause_for(SEND_AGAIN).await? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Counts in `sent` the records that were handed to the producer or refused by it.
    async fn send_all(&mut self, outputs: &[Encoded], tokens: &[Token], sent: &mut usize) -> Result<Flow> {
        for (record, &token) in outputs.iter().zip(tokens) {
            if self.topics.is_new(&record.topic) {
                if self.ensure(&record.topic).await? == Flow::Stop {
                    return Ok(Flow::Stop);
                }
                self.deliveries.first_use(token, Arc::clone(&record.topic));
            }
            loop {
                if self.cx.control.is_abandoned() {
                    return Ok(Flow::Stop);
                }
                match record.send_with(|record| self.output.send(record, token)) {
                    Ok(()) => break,
                    Err(error) if error.is_retriable() => {
                        tracing::debug!(%error, "the producer's queue is full, trying again");
                        if self.pause_for(SEND_AGAIN).await? == Flow::Stop {
                            return Ok(Flow::Stop);
                        }
                    }
                    // The producer has failed, not this record.
                    Err(error) if self.output.is_lost() => return Err(error),
                    Err(error) => {
                        let refused = self.deliveries.refused(token, &error);
                        if refused.is_err() {
                            *sent += 1;
                        }
                        refused?;
                        break;
                    }
                }
            }
            *sent += 1;
        }
        Ok(Flow::Go)
    }

    /// Waits for the last acknowledgements, stores the offsets that may be stored and stops the plugin.
    async fn finish(&mut self) {
        self.stopping.cancel();
        let timeout = self.cx.spec.worker.offset_flush_timeout.min(self.cx.spec.worker.graceful_timeout);
        if tokio::time::timeout(timeout, self.deliveries.drained()).await.is_err() {
            tracing::warn!("not all records were acknowledged in time: they will be sent again at the next start");
        }
        self.flusher.flush().await;
        if self.calls.is_broken() || self.cx.control.is_abandoned() {
            return;
        }
        if self.flusher.take_commit_due() && commit_plugin(&mut self.calls, &mut *self.task).await.is_err() {
            return;
        }
        if let Err(error) = self.calls.call("stop", self.task.stop()).await {
            tracing::error!(%error, "the plugin did not stop cleanly");
        }
    }
}
