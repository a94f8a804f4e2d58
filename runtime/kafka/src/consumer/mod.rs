mod assignment;
mod commits;

use self::assignment::Reset;
pub(crate) use self::commits::all_listed;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tributary_api::{Error, Offsets, Result, Topic, TopicPartition};
use tributary_librdkafka::{Client, Failure, Fetched, PartitionList, Queue, Waker, code};

use crate::records::{Copier, RawRecord};
use crate::{ClientConfig, GroupMetadata};

/// The result of a poll.
#[derive(Debug)]
pub enum Polled {
    /// Records, in order within each partition.
    Records(Vec<RawRecord>),
    /// The group gives these partitions to the consumer: answer with [`Consumer::accept`].
    Assigned(Vec<TopicPartition>),
    /// The group takes these partitions back: commit, then answer with [`Consumer::release`].
    Revoked {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// They belong to another consumer already: do not commit.
        lost: bool,
    },
    /// Nothing within the timeout.
    Idle,
}

/// Where to begin reading a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// At the first record.
    Earliest,
    /// After the last record.
    Latest,
    /// At an offset.
    At(i64),
    /// At the group's offset or, without one, by `auto.offset.reset`.
    Committed,
}

/// The start offsets of assigned partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartOffsets {
    /// At the group's offsets.
    pub committed: Offsets,
    /// By `auto.offset.reset`, because the group has no offset.
    pub reset: Offsets,
}

impl StartOffsets {
    /// The start offset of a partition; none if it is not known.
    pub fn of(&self, partition: &TopicPartition) -> Option<i64> {
        self.committed.get(partition).or_else(|| self.reset.get(partition)).copied()
    }
}

/// Reads records. One owner, on any thread.
///
/// A member of a group must be polled at least every `max.poll.interval.ms`, also while it is paused.
pub struct Consumer {
    client: Arc<Client>,
    queue: Arc<Queue>,
    waker: Waker,
    /// The results of asynchronous commits.
    commits: Queue,
    fetched: Fetched,
    copier: Copier,
    /// An error that followed records in a batch; returned by the next poll.
    failed: Option<Error>,
    /// A rebalance was returned and not answered yet.
    rebalancing: bool,
    /// Ends of partitions reached, if `enable.partition.eof` is set.
    ends: Vec<(TopicPartition, i64)>,
    api_timeout: Duration,
    poll_interval: Duration,
    /// Whether the queues signal events.
    signalling: bool,
    reset: Reset,
    /// At `isolation.level=read_committed`.
    committed_only: bool,
    /// A static member stays in its group when it is closed.
    is_static: bool,
    closed: bool,
}

/// Ends a consumer's wait in [`Consumer::poll`], from any thread. A wake between two polls ends the next one.
#[derive(Clone)]
pub struct ConsumerWaker(Waker);

impl ConsumerWaker {
    /// Ends the present wait, or the next one.
    pub fn wake(&self) {
        self.0.wake();
    }
}

impl Consumer {
    /// Joins the group of the settings (`group.id`) for these topics; later, when there are none yet.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used.
    pub fn subscribe(config: &ClientConfig, topics: &[String]) -> Result<Self> {
        if config.get("group.id").is_none() {
            return Err(Error::config_at(
                "group.id",
                "group.id is missing: a consumer that subscribes belongs to a group",
            ));
        }
        let mut consumer = Self::new(config)?;
        if !topics.is_empty() {
            consumer.change_subscription(topics)?;
        }
        Ok(consumer)
    }

    /// Reads these partitions, in no group.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used.
    pub fn assign(config: &ClientConfig, partitions: &[(TopicPartition, Position)]) -> Result<Self> {
        // librdkafka requires a group name even if no group is joined.
        let name = config.get("client.id").unwrap_or("tributary").to_owned();
        let config = config.clone().set_default("group.id", name).set_default("allow.auto.create.topics", false);
        let consumer = Self::new(&config)?;
        let list = list(partitions.iter().map(|(tp, position)| (tp, position.offset())))?;
        consumer.client.assign(Some(&list)).map_err(|failure| consumer.reason(failure, "read the partitions"))?;
        Ok(consumer)
    }

    fn new(config: &ClientConfig) -> Result<Self> {
        let client = Client::consumer(&config.translate()?)?;
        let none = || Error::fatal("the kafka client has no event queue");
        let queue = Arc::new(Queue::consumer(&client).ok_or_else(none)?);
        Ok(Self {
            waker: Waker::new(&queue),
            queue,
            commits: Queue::new(&client).ok_or_else(none)?,
            client,
            fetched: Fetched::default(),
            copier: Copier::default(),
            failed: None,
            rebalancing: false,
            ends: Vec::new(),
            api_timeout: config.api_timeout()?,
            poll_interval: config.poll_interval()?,
            signalling: false,
            reset: Reset::of(config),
            committed_only: config
                .get("isolation.level")
                .is_some_and(|level| level.eq_ignore_ascii_case("read_committed")),
            is_static: config.get("group.instance.id").is_some(),
            closed: false,
        })
    }

    /// Replaces the topics subscribed to; the group rebalances.
    ///
    /// # Errors
    /// `Config` when a name is not one of a topic.
    pub fn change_subscription(&mut self, topics: &[String]) -> Result<()> {
        let list = PartitionList::new(topics.iter().map(|topic| (topic.as_str(), -1, 0)));
        let list = list.ok_or_else(|| Error::fatal("out of memory"))?;
        self.client.subscribe(&list).map_err(|failure| self.reason(failure, "subscribe"))
    }

    /// Available records, up to `max_records`; waits up to `timeout` only if there are none. The wait ends at the first
    /// record, at a rebalance, or when woken.
    ///
    /// # Errors
    /// `Retriable` errors are temporary: poll again. Others need an action, usually of an administrator.
    pub fn poll(&mut self, max_records: usize, timeout: Duration) -> Result<Polled> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if let Some(rebalanced) = self.rebalanced() {
            return Ok(rebalanced);
        }
        let max = max_records.max(1);
        self.fetched.take(&self.queue, max);
        if self.fetched.is_empty() && !timeout.is_zero() && !self.client.has_rebalance() && !self.waker.take() {
            self.fetched.wait(&self.queue, max, timeout);
        }
        if !self.fetched.is_empty() {
            let records = self.copy();
            if !records.is_empty() {
                return Ok(Polled::Records(records));
            }
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
        }
        Ok(self.rebalanced().unwrap_or(Polled::Idle))
    }

    /// Waits, without blocking a thread, until there may be something for a poll without a timeout or for
    /// [`Consumer::commit_results`], or until woken. Poll first: only events after the last poll end the wait.
    pub async fn ready(&mut self) {
        if !self.signalling {
            self.queue.signal_events(self.waker.signal());
            self.commits.signal_events(self.waker.signal());
            self.signalling = true;
            // Events before the registration were not signalled.
            return;
        }
        self.waker.signal().notified().await;
        // The wake has ended this wait, and must not end the next poll too.
        self.waker.take();
    }

    /// The maximum time between polls, well below `max.poll.interval.ms`.
    pub fn longest_wait(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(60);
        (self.poll_interval / 3).min(LONGEST)
    }

    fn copy(&mut self) -> Vec<RawRecord> {
        let (client, failed, ends) = (&self.client, &mut self.failed, &mut self.ends);
        let records = self.copier.copy(&self.fetched, |message| match message.code() {
            code::PARTITION_EOF => {
                ends.push((TopicPartition::new(message.topic(), message.partition()), message.offset()))
            }
            // The rebalance that follows handles it.
            code::MAX_POLL_EXCEEDED => tracing::warn!("max.poll.interval.ms exceeded, leaving the group"),
            // A subscribed topic that does not exist yet, which librdkafka reports once: its partitions are assigned
            // when it does. If a partition is assigned, its topic has existed: then this is an error.
            code::UNKNOWN_TOPIC_OR_PART if !is_assigned(client, message.topic()) => {
                tracing::info!(topic = message.topic(), "topic does not exist yet, waiting for it")
            }
            number => {
                let text = message.value().map(String::from_utf8_lossy).unwrap_or_default();
                let failure = client.reason(Failure::new(number, text));
                let place = match message.topic() {
                    "" => "cannot consume".to_owned(),
                    topic => format!("cannot consume {topic}-{}", message.partition()),
                };
                failed.get_or_insert_with(|| Error::from(failure).context(place));
            }
        });
        self.fetched.clear();
        records
    }

    fn rebalanced(&mut self) -> Option<Polled> {
        let rebalance = self.client.next_rebalance()?;
        self.rebalancing = true;
        let mut partitions = Vec::new();
        for entry in rebalance.partitions.iter() {
            partitions.push(TopicPartition::new(Topic::from(entry.topic), entry.partition));
        }
        Some(if rebalance.assign {
            Polled::Assigned(partitions)
        } else {
            Polled::Revoked { partitions, lost: rebalance.lost }
        })
    }

    /// A waker to end a wait of this consumer from another thread.
    pub fn waker(&self) -> ConsumerWaker {
        ConsumerWaker(self.waker.clone())
    }

    /// The current identity of this consumer within its group.
    ///
    /// # Errors
    /// `Retriable` while it is not a member: offsets committed then would not be fenced.
    pub fn group_metadata(&self) -> Result<GroupMetadata> {
        let identity = tributary_librdkafka::GroupIdentity::of(&self.client);
        let member = identity.filter(|identity| identity.generation() >= 0 && !identity.member().is_empty());
        member.map(GroupMetadata::new).ok_or_else(|| {
            Error::retriable("the consumer is not a member of its group at the moment: wait for its partitions")
        })
    }

    /// Connects and fetches the metadata of partitions. librdkafka looks up the leaders of partitions assigned before
    /// that only once a second.
    pub(crate) fn connect(&self, timeout: Duration) -> Result<()> {
        self.client.all_topics(timeout).map(drop).map_err(|failure| self.reason(failure, "connect"))
    }

    /// Partition ends reached since the last call, with the offset after the last record.
    pub fn take_ends(&mut self) -> Vec<(TopicPartition, i64)> {
        std::mem::take(&mut self.ends)
    }

    /// Leaves the group at once instead of waiting for the session timeout, and frees the client.
    pub fn close(mut self) {
        self.leave();
    }

    /// Leaves the group at once instead of waiting for the session timeout. The consumer cannot be used afterwards.
    pub fn leave(&mut self) {
        const LEAVE: Duration = Duration::from_secs(5);
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.fetched.clear();
        if self.rebalancing || self.client.next_rebalance().is_some() {
            // Answers the pending rebalance, which the group would otherwise wait for.
            let _ = self.client.assign(None);
        }
        // A member of a cooperative group that is closed without partitions does not send LeaveGroup
        // (`rd_kafka_cgrp_revoke_all_rejoin` of 2.12 returns before), and the others wait until its session expires.
        // Without a subscription it does send it.
        let idle = self.client.assignment().is_ok_and(|list| list.is_none_or(|list| list.iter().next().is_none()));
        if idle && !self.is_static {
            self.client.unsubscribe();
        }
        if let Err(failure) = self.client.close_consumer(LEAVE) {
            tracing::warn!(error = ?failure, "the consumer was closed without leaving its group");
        }
    }

    fn reason(&self, failure: Failure, call: &str) -> Error {
        Error::from(self.client.reason(failure)).context(format!("cannot {call}"))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.leave();
    }
}

fn is_assigned(client: &Client, topic: &str) -> bool {
    client.assignment().is_ok_and(|list| list.is_some_and(|list| list.iter().any(|entry| entry.topic == topic)))
}

/// A list for librdkafka.
fn list<'a>(entries: impl IntoIterator<Item = (&'a TopicPartition, i64)>) -> Result<PartitionList> {
    let entries = entries.into_iter().map(|(tp, offset)| (&*tp.topic, tp.partition, offset));
    PartitionList::new(entries).ok_or_else(|| Error::fatal("out of memory"))
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("rebalancing", &self.rebalancing).finish_non_exhaustive()
    }
}

impl fmt::Debug for ConsumerWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConsumerWaker")
    }
}
