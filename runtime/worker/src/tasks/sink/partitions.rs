use std::collections::BTreeSet;
use std::sync::Arc;

use tributary_api::{Result, TopicPartition};

use super::{RecordConsumer, SinkOffsets, SinkTaskHost};
use crate::tasks::TaskMetrics;

/// The assigned partitions: their consumer, their offsets, and why they are paused.
///
/// All are paused at the operator's request or while a batch is put again; single ones at the plugin's request (those
/// are in the host's requests). A partition is resumed only when no reason is left.
pub(super) struct Partitions<I> {
    pub(super) consumer: I,
    pub(super) progress: SinkOffsets,
    host: Arc<SinkTaskHost>,
    metrics: Arc<TaskMetrics>,
    paused_by_operator: bool,
    paused_for_retry: bool,
}

impl<I: RecordConsumer> Partitions<I> {
    pub(super) fn new(consumer: I, host: Arc<SinkTaskHost>, metrics: Arc<TaskMetrics>) -> Self {
        let progress = SinkOffsets::default();
        Self { consumer, progress, host, metrics, paused_by_operator: false, paused_for_retry: false }
    }

    /// All that are assigned.
    pub(super) fn all(&self) -> Vec<TopicPartition> {
        self.progress.partitions()
    }

    pub(super) fn add(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let starts = self.consumer.accept(partitions)?;
        self.progress.assigned(partitions, &starts);
        self.publish_assignment();
        if self.are_paused() { self.consumer.pause(partitions) } else { Ok(()) }
    }

    /// Removes partitions whose offsets are committed; the consumer still has to release them.
    pub(super) fn remove(&mut self, partitions: &[TopicPartition]) {
        self.progress.revoked(partitions);
        self.publish_assignment();
    }

    pub(super) fn is_paused_by_operator(&self) -> bool {
        self.paused_by_operator
    }

    /// Pauses or resumes at the operator's request. The consumer stays in its group.
    pub(super) fn pause_by_operator(&mut self, paused: bool) -> Result<()> {
        self.paused_by_operator = paused;
        if paused { self.consumer.pause(&self.all()) } else { self.resume_unpaused() }
    }

    /// Pauses while a batch is put again, or resumes after it.
    pub(super) fn pause_for_retry(&mut self, paused: bool) -> Result<()> {
        if paused == self.paused_for_retry {
            return Ok(());
        }
        self.paused_for_retry = paused;
        if paused { self.consumer.pause(&self.all()) } else { self.resume_unpaused() }
    }

    fn are_paused(&self) -> bool {
        self.paused_by_operator || self.paused_for_retry
    }

    fn resume_unpaused(&mut self) -> Result<()> {
        if self.are_paused() {
            return Ok(());
        }
        let mut partitions = self.all();
        partitions.retain({
            let requests = self.host.requests();
            move |partition| !requests.paused.contains(partition)
        });
        self.consumer.resume(&partitions)
    }

    /// Pauses and resumes at the plugin's request.
    pub(super) fn follow_plugin(&mut self) -> Result<()> {
        let (mut pause, mut resume) = {
            let mut requests = self.host.requests();
            (std::mem::take(&mut requests.to_pause), std::mem::take(&mut requests.to_resume))
        };
        if pause.is_empty() && resume.is_empty() {
            return Ok(());
        }
        let own: BTreeSet<TopicPartition> = self.all().into_iter().collect();
        pause.retain(|partition| own.contains(partition));
        resume.retain(|partition| own.contains(partition));
        if !pause.is_empty() {
            self.consumer.pause(&pause)?;
        }
        if resume.is_empty() || self.are_paused() { Ok(()) } else { self.consumer.resume(&resume) }
    }

    fn publish_assignment(&self) {
        let assignment = self.all();
        self.metrics.sink.partitions.set(assignment.len() as u64);
        let mut requests = self.host.requests();
        requests.assignment = assignment.into_iter().collect();
        let kept = std::mem::take(&mut requests.paused);
        requests.paused = kept.into_iter().filter(|partition| requests.assignment.contains(partition)).collect();
    }
}
