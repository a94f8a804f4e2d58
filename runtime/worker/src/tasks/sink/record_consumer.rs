use std::time::Duration;

use tributary_api::{Offsets, Result, TopicPartition};
use tributary_kafka::{Consumer, Polled, StartOffsets};

/// What a sink loop uses of a [`Consumer`].
#[allow(missing_docs)]
pub(crate) trait RecordConsumer: Send {
    /// Records or events that are available now, without waiting.
    fn poll(&mut self, max_records: usize) -> Result<Polled>;
    fn ready(&mut self) -> impl Future<Output = ()> + Send;
    fn longest_wait(&self) -> Duration;
    fn accept(&mut self, assigned: &[TopicPartition]) -> Result<StartOffsets>;
    fn release(&mut self, revoked: &[TopicPartition]) -> Result<()>;
    fn change_subscription(&mut self, topics: &[String]) -> Result<()>;
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()>;
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()>;
    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<()>;
    fn commit(&mut self, offsets: &Offsets) -> Result<()>;
    fn commit_async(&mut self, offsets: &Offsets) -> Result<()>;
    fn commit_results(&mut self) -> Vec<Result<Offsets>>;
    fn close(self);
}

impl RecordConsumer for Consumer {
    fn poll(&mut self, max_records: usize) -> Result<Polled> {
        Consumer::poll(self, max_records, Duration::ZERO)
    }

    fn ready(&mut self) -> impl Future<Output = ()> + Send {
        Consumer::ready(self)
    }

    fn longest_wait(&self) -> Duration {
        Consumer::longest_wait(self)
    }

    fn accept(&mut self, assigned: &[TopicPartition]) -> Result<StartOffsets> {
        Consumer::accept(self, assigned)
    }

    fn release(&mut self, revoked: &[TopicPartition]) -> Result<()> {
        Consumer::release(self, revoked)
    }

    fn change_subscription(&mut self, topics: &[String]) -> Result<()> {
        Consumer::change_subscription(self, topics)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        Consumer::pause(self, partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        Consumer::resume(self, partitions)
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<()> {
        Consumer::seek(self, partition, offset)
    }

    fn commit(&mut self, offsets: &Offsets) -> Result<()> {
        Consumer::commit(self, offsets)
    }

    fn commit_async(&mut self, offsets: &Offsets) -> Result<()> {
        Consumer::commit_async(self, offsets)
    }

    fn commit_results(&mut self) -> Vec<Result<Offsets>> {
        Consumer::commit_results(self)
    }

    fn close(self) {
        Consumer::close(self);
    }
}
