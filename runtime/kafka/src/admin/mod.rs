mod versions;

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tributary_api::{Error, Offsets, Props, Result, TopicPartition};
use tributary_librdkafka::{Client, Failure, Outcomes, PartitionList, Setting, TopicCreation, code};

use crate::ClientConfig;
use crate::consumer::all_listed;

/// Errors after which the coordinator is looked up and asked again.
const AWAY: [i32; 4] =
    [code::COORDINATOR_LOAD_IN_PROGRESS, code::COORDINATOR_NOT_AVAILABLE, code::NOT_COORDINATOR, code::TIMED_OUT];
const RETRY: Duration = Duration::from_millis(100);

/// A topic to be created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// The name.
    pub name: String,
    /// How many partitions; -1 leaves it to the broker.
    pub partitions: i32,
    /// How many replicas; -1 leaves it to the broker.
    pub replication: i32,
    /// Settings of the topic, such as `cleanup.policy`.
    pub config: Props,
}

/// The outcome of creating a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    New,
    /// It existed already, and is unchanged.
    Existed,
}

/// A topic as the broker describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// The name.
    pub name: String,
    /// How many partitions it has; none when there is no such topic.
    pub partitions: Option<i32>,
}

/// A member of a group, as returned by its coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator gave it.
    pub id: String,
    /// Its `client.id`.
    pub client_id: String,
}

/// Creates, describes and deletes topics and groups. A cheap handle: clones share one client.
#[derive(Clone)]
pub struct Admin {
    client: Arc<Client>,
    settings: Arc<[Setting]>,
    /// The timeout of a whole call.
    timeout: Duration,
    /// For one request.
    request_timeout: Duration,
    /// The brokers, if they need no encryption and no login.
    plain: Option<Arc<str>>,
}

impl Admin {
    /// A client for administration. It connects with the first call.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used.
    pub fn new(config: &ClientConfig) -> Result<Self> {
        let plain = config.get("security.protocol").is_none_or(|protocol| protocol.eq_ignore_ascii_case("plaintext"));
        let settings = config.translate()?;
        Ok(Self {
            client: Client::admin(&settings)?,
            settings: settings.into(),
            timeout: config.api_timeout()?,
            request_timeout: config.request_timeout()?,
            plain: config.get("bootstrap.servers").filter(|_| plain).map(Arc::from),
        })
    }

    /// The cluster's id; none when the broker has none.
    ///
    /// # Errors
    /// `Retriable` when no broker answered in time.
    pub async fn cluster_id(&self) -> Result<Option<String>> {
        // The call for the id alone does not distinguish a broker without one from no broker.
        self.ask("reach the cluster", |client, timeout| {
            client.all_topics(timeout)?;
            Ok(client.cluster_id(timeout.min(Duration::from_secs(1))))
        })
        .await
    }

    /// All topics that the client may see.
    ///
    /// # Errors
    /// `Retriable` when no broker answered in time.
    pub async fn list_topics(&self) -> Result<Vec<TopicDescription>> {
        let topics = self.ask("list topics", |client, timeout| client.all_topics(timeout)).await?;
        let describe = |(name, partitions)| TopicDescription { name, partitions: Some(partitions) };
        Ok(topics.into_iter().map(describe).collect())
    }

    /// These topics, in this order, whether or not they exist.
    ///
    /// # Errors
    /// `Retriable` when no broker answered in time.
    pub async fn topics(&self, names: &[String]) -> Result<Vec<TopicDescription>> {
        let all = self.list_topics().await?;
        let find = |name: &String| all.iter().find(|topic| topic.name == *name).and_then(|topic| topic.partitions);
        Ok(names.iter().map(|name| TopicDescription { name: name.clone(), partitions: find(name) }).collect())
    }

    /// The ids of topics, which change when a topic is deleted and created again. Topics that do not exist are left
    /// out, and all on a broker without ids.
    ///
    /// # Errors
    /// `Retriable` when no broker answered in time.
    pub async fn topic_ids(&self, names: &[String]) -> Result<Vec<(String, String)>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let names = names.to_vec();
        self.ask("read the ids of topics", move |client, timeout| client.topic_ids(&names, timeout)).await
    }

    /// Creates topics, each with its own outcome.
    ///
    /// # Errors
    /// `Retriable` when no broker answered in time.
    pub async fn create_topics(&self, topics: Vec<NewTopic>) -> Result<Vec<(String, Result<Created>)>> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let created = self
            .ask("create topics", move |client, timeout| {
                let creations = topics.iter().map(|topic| TopicCreation {
                    name: &topic.name,
                    partitions: topic.partitions,
                    replication: topic.replication,
                    config: &topic.config,
                });
                client.create_topics(&creations.collect::<Vec<_>>(), timeout)
            })
            .await?;
        let outcome = |(name, result): (String, Result<(), Failure>)| {
            let result = match result {
                Ok(()) => Ok(Created::New),
                Err(failure) if failure.code == code::TOPIC_ALREADY_EXISTS => Ok(Created::Existed),
                Err(failure) => Err(Error::from(failure).context(format!("cannot create topic {name}"))),
            };
            (name, result)
        };
        Ok(created.into_iter().map(outcome).collect())
    }

    /// The settings of a topic, defaults included. None when the broker returns an empty answer, as some do.
    ///
    /// # Errors
    /// `Retriable` when there is no such topic, or no broker answered in time.
    pub async fn topic_config(&self, topic: &str) -> Result<Option<Props>> {
        let name = topic.to_owned();
        let what = format!("read the settings of topic {topic}");
        let config = self.ask(&what, move |client, timeout| client.topic_config(&name, timeout)).await?;
        Ok(Some(config).filter(|config| !config.is_empty()))
    }

    /// Deletes topics; ignores those that do not exist.
    ///
    /// # Errors
    /// Of the first topic that could not be deleted.
    pub async fn delete_topics(&self, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let names = names.to_vec();
        self.ask("delete topics", move |client, timeout| {
            first_failure(client.delete_topics(&names, timeout)?, code::UNKNOWN_TOPIC_OR_PART)
        })
        .await
    }

    /// Deletes groups with their offsets; ignores those that do not exist.
    ///
    /// # Errors
    /// Of the first group that could not be deleted: `Config` when it has members.
    pub async fn delete_groups(&self, groups: &[String]) -> Result<()> {
        if groups.is_empty() {
            return Ok(());
        }
        let groups = groups.to_vec();
        self.ask_coordinator("delete groups", move |client, timeout| {
            first_failure(client.delete_groups(&groups, timeout)?, code::GROUP_ID_NOT_FOUND)
        })
        .await
    }

    /// All offsets of a group; none if the group does not exist. Those of a transaction appear shortly after its commit
    /// was answered; [`crate::Consumer::committed`] at `isolation.level=read_committed` waits for them.
    ///
    /// # Errors
    /// `Retriable` when no broker answered in time.
    pub async fn group_offsets(&self, group: &str) -> Result<Offsets> {
        let (name, reader) = (group.to_owned(), Client::group_reader(&self.settings, group)?);
        let what = format!("read the offsets of group {group}");
        self.ask_coordinator(&what, move |_, timeout| offsets_of(&reader, &name, timeout)).await
    }

    /// Sets offsets of a group without members.
    ///
    /// # Errors
    /// `Config` or `Retriable` when the group has members.
    pub async fn alter_group_offsets(&self, group: &str, offsets: &Offsets) -> Result<()> {
        let (name, offsets) = (group.to_owned(), offsets.clone());
        let what = format!("set the offsets of group {group}");
        self.ask_coordinator(&what, move |client, timeout| set_offsets(client, &name, &offsets, timeout)).await
    }

    /// Deletes offsets of a group that does not read their topics; ignores those that do not exist. On a broker that
    /// cannot delete single offsets the group is deleted, and the other offsets are set again.
    ///
    /// # Errors
    /// `Config` when the group has members that read the topic.
    pub async fn delete_group_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Result<()> {
        if partitions.is_empty() {
            return Ok(());
        }
        let what = format!("delete offsets of group {group}");
        let (name, partitions) = (group.to_owned(), partitions.to_vec());
        if self.can_delete_offsets(&what).await? {
            let delete = move |client: &_, timeout| delete_offsets(client, &name, &partitions, timeout);
            return self.ask_coordinator(&what, delete).await;
        }
        let mut kept = self.group_offsets(group).await?;
        kept.retain(|tp, _| !partitions.contains(tp));
        self.delete_groups(&[name]).await?;
        self.alter_group_offsets(group, &kept).await
    }

    async fn can_delete_offsets(&self, what: &str) -> Result<bool> {
        let Some(brokers) = self.plain.clone() else { return Ok(true) };
        self.ask(what, move |_, timeout| {
            let known = versions::supports(&brokers, versions::OFFSET_DELETE, timeout);
            known.map_err(|error| Failure::new(code::TIMED_OUT, format!("no broker responds: {error}")))
        })
        .await
    }

    /// The offsets after the last records of partitions; with `committed_only` the last stable offsets.
    ///
    /// # Errors
    /// `Retriable` when a partition has no leader at the moment, or no broker answered in time.
    pub async fn end_offsets(&self, partitions: &[TopicPartition], committed_only: bool) -> Result<Offsets> {
        if partitions.is_empty() {
            return Ok(Offsets::new());
        }
        let partitions = partitions.to_vec();
        self.ask("read the end offsets", move |client, timeout| {
            let wanted = partitions.iter().map(|tp| (&*tp.topic, tp.partition));
            client.end_offsets(wanted, committed_only, timeout).and_then(all_listed)
        })
        .await
    }

    /// Whether a group has members.
    ///
    /// # Errors
    /// `Retriable` when no broker answered in time.
    pub async fn group_is_active(&self, group: &str) -> Result<bool> {
        Ok(!self.group_members(group).await?.is_empty())
    }

    /// The members of a group; none if it does not exist.
    ///
    /// # Errors
    /// `Retriable` when no broker answered in time.
    pub async fn group_members(&self, group: &str) -> Result<Vec<GroupMember>> {
        let name = group.to_owned();
        let what = format!("describe group {group}");
        let members = self.ask_coordinator(&what, move |client, timeout| match client.group_members(&name, timeout) {
            Err(failure) if failure.code == code::GROUP_ID_NOT_FOUND => Ok(Vec::new()),
            answer => answer,
        });
        Ok(members.await?.into_iter().map(|(id, client_id)| GroupMember { id, client_id }).collect())
    }

    /// Asks a group's coordinator, and repeats this while there is none.
    async fn ask_coordinator<T: Send + 'static>(
        &self,
        what: &str,
        call: impl Fn(&Arc<Client>, Duration) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let request_timeout = self.request_timeout;
        self.ask(what, move |client, timeout| {
            let deadline = Instant::now() + timeout;
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                match call(client, left.min(request_timeout)) {
                    Err(failure) if AWAY.contains(&failure.code) && Instant::now() + RETRY < deadline => {
                        tracing::debug!(?failure, "asking the group's coordinator again");
                        thread::sleep(RETRY);
                    }
                    answer => return answer,
                }
            }
        })
        .await
    }

    /// Makes a blocking call on a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        what: &str,
        call: impl FnOnce(&Arc<Client>, Duration) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let (client, timeout) = (Arc::clone(&self.client), self.timeout);
        let answer = tokio::task::spawn_blocking(move || call(&client, timeout)).await;
        let answer = answer.map_err(|error| Error::fatal(format!("cannot {what}")).cause(&error))?;
        answer.map_err(|failure| Error::from(self.client.reason(failure)).context(format!("cannot {what}")))
    }
}

fn delete_offsets(
    client: &Arc<Client>,
    group: &str,
    partitions: &[TopicPartition],
    timeout: Duration,
) -> Result<(), Failure> {
    let entries = partitions.iter().map(|tp| (&*tp.topic, tp.partition, 0));
    let list = PartitionList::new(entries).ok_or_else(|| Failure::of(code::STATE))?;
    match client.delete_group_offsets(group, &list, timeout) {
        Err(failure) if failure.code == code::GROUP_ID_NOT_FOUND => Ok(()),
        list => list?.iter().try_for_each(|entry| entry.result),
    }
}

fn offsets_of(client: &Arc<Client>, group: &str, timeout: Duration) -> Result<Offsets, Failure> {
    let list = match client.group_offsets(group, timeout) {
        Err(failure) if failure.code == code::GROUP_ID_NOT_FOUND => return Ok(Offsets::new()),
        list => list?,
    };
    let mut offsets = Offsets::new();
    for entry in list.iter() {
        entry.result?;
        if entry.offset >= 0 {
            offsets.insert(TopicPartition::new(entry.topic, entry.partition), entry.offset);
        }
    }
    Ok(offsets)
}

fn set_offsets(client: &Arc<Client>, group: &str, offsets: &Offsets, timeout: Duration) -> Result<(), Failure> {
    if offsets.is_empty() {
        return Ok(());
    }
    let entries = offsets.iter().map(|(tp, offset)| (&*tp.topic, tp.partition, *offset));
    let list = PartitionList::new(entries).ok_or_else(|| Failure::of(code::STATE))?;
    client.alter_group_offsets(group, &list, timeout)?.iter().try_for_each(|entry| entry.result)
}

fn first_failure(results: Outcomes, absent: i32) -> Result<(), Failure> {
    for (name, result) in results {
        match result {
            Err(failure) if failure.code != absent => {
                let message = format!("{name}: {}", failure.message);
                return Err(Failure { message, ..failure });
            }
            _ => {}
        }
    }
    Ok(())
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
