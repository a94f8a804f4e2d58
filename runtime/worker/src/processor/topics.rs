use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tributary_api::{Error, Props, Result, Topic};
use tributary_kafka::{Admin, GroupMember, NewTopic};

use super::ProcessorConfig;
use crate::clients::create_topics;
use crate::tasks::TaskContext;

/// Seven days: deleted data is removed from a changelog within this time.
const MAX_COMPACTION_LAG_MS: i64 = 7 * 24 * 3_600_000;

/// Creates the topics that a processor needs and that do not exist.
pub(super) struct Topics {
    admin: Arc<Admin>,
    /// The input topics.
    inputs: Vec<String>,
    /// Those to which outputs may be written.
    repartition: Vec<String>,
    compacted: Vec<String>,
    creates: bool,
    /// False for the embedded broker, whose topics have no ids.
    have_ids: bool,
    replication: i32,
    known: HashSet<Topic>,
}

impl Topics {
    pub(super) fn new(cx: &TaskContext, config: &ProcessorConfig) -> Result<Self> {
        let worker = &cx.spec.worker;
        Ok(Self {
            admin: worker.admin_client(&cx.spec.connector.props)?,
            inputs: config.topics.clone(),
            repartition: config.repartition.clone(),
            compacted: config.compacted.clone(),
            creates: worker.topic_creation,
            have_ids: !worker.embedded_broker,
            replication: config.replication,
            known: HashSet::new(),
        })
    }

    /// The number of partitions of the input topics. It must be the same for all, because partitions with the same
    /// number share their state.
    pub(super) async fn input_partitions(&self) -> Result<i32> {
        let counts: Vec<(String, i32)> = self.describe(&self.inputs).await?;
        let Some((first, count)) = counts.first() else {
            return Err(Error::retriable("the input topics are not there"));
        };
        match counts.iter().find(|(_, other)| other != count) {
            None => Ok(*count),
            Some((topic, other)) => Err(Error::config_at(
                "topics",
                format!("{first} has {count} partitions but {topic} has {other}: topics of one processor need as many"),
            )),
        }
    }

    /// Ensures that the repartition topics exist, with as many partitions as the other inputs. While none of those is there,
    /// their number is not known, so it must be called again when one is.
    pub(super) async fn ensure_repartition(&self) -> Result<()> {
        if self.repartition.is_empty() {
            return Ok(());
        }
        let there = self.describe(&self.inputs).await?;
        let Some((_, partitions)) = there.iter().find(|(topic, _)| !self.repartition.contains(topic)) else {
            return Ok(());
        };
        for name in self.repartition.iter().filter(|name| !there.iter().any(|(topic, _)| topic == *name)) {
            self.create(name, *partitions, Props::new()).await?;
        }
        Ok(())
    }

    /// Ensures that the changelogs exist, with as many partitions as the inputs.
    pub(super) async fn ensure_changelogs(&self, names: &[String], partitions: i32) -> Result<()> {
        let mut settings = compacted();
        settings.insert("max.compaction.lag.ms".to_owned(), MAX_COMPACTION_LAG_MS.to_string());
        let there = self.describe(names).await?;
        if let Some((topic, count)) = there.iter().find(|(_, count)| *count != partitions) {
            return Err(Error::config_at(
                "name",
                format!(
                    "changelog {topic} has {count} partitions but the input topics have {partitions}: the state of their keys \
                 cannot be found; process into a new connector, or delete the changelog to start anew"
                ),
            ));
        }
        for name in names.iter().filter(|name| !there.iter().any(|(topic, _)| topic == *name)) {
            self.create(name, partitions, settings.clone()).await?;
        }
        Ok(())
    }

    /// The ids of topics, by name; empty for a broker without topic ids.
    pub(super) async fn ids(&self, names: &[String]) -> Result<BTreeMap<String, String>> {
        if !self.have_ids {
            return Ok(BTreeMap::new());
        }
        Ok(self.admin.topic_ids(names).await?.into_iter().collect())
    }

    /// Ensures that a table's topic exists, and returns its number of partitions.
    pub(super) async fn ensure_table(&self, topic: &str) -> Result<i32> {
        let name = [topic.to_owned()];
        if let Some((_, count)) = self.describe(&name).await?.first() {
            return Ok(*count);
        }
        self.create(topic, -1, compacted()).await?;
        let there = self.describe(&name).await?;
        there
            .first()
            .map(|(_, count)| *count)
            .ok_or_else(|| Error::retriable(format!("topic {topic} is not there yet")))
    }

    /// Whether an output topic is known to exist; otherwise call [`ensure_output`](Self::ensure_output) first.
    pub(super) fn is_known(&self, topic: &Topic) -> bool {
        self.known.contains(topic)
    }

    /// Ensures that an output topic exists.
    ///
    /// # Errors
    /// `Config` when it is one of the inputs, and no repartition topic.
    pub(super) async fn ensure_output(&mut self, topic: &Topic) -> Result<()> {
        let is = |name: &String| **name == **topic;
        if self.inputs.iter().any(is) && !self.repartition.iter().any(is) {
            return Err(Error::config_at(
                "transforms",
                format!(
                    "a record would be written back to the input topic {topic}: let a transform give it another topic, or \
                     name it in repartition.topics"
                ),
            ));
        }
        let name = [topic.to_string()];
        if self.describe(&name).await?.is_empty() && self.creates {
            let settings = if self.compacted.contains(&name[0]) { compacted() } else { Props::new() };
            self.create(topic, -1, settings).await?;
        }
        self.known.insert(Arc::clone(topic));
        Ok(())
    }

    /// The members of a group.
    pub(super) async fn members(&self, group: &str) -> Result<Vec<GroupMember>> {
        self.admin.group_members(group).await
    }

    async fn describe(&self, names: &[String]) -> Result<Vec<(String, i32)>> {
        let found = self.admin.topics(names).await?;
        Ok(found.into_iter().filter_map(|topic| Some((topic.name, topic.partitions?))).collect())
    }

    async fn create(&self, name: &str, partitions: i32, config: Props) -> Result<()> {
        if !self.creates {
            return Err(Error::config_at(
                "topic.creation.enable",
                format!("topic {name} is not there and topic.creation.enable is false: create it"),
            ));
        }
        let topic = NewTopic { name: name.to_owned(), partitions, replication: self.replication, config };
        create_topics(&self.admin, vec![topic]).await
    }
}

fn compacted() -> Props {
    Props::from([("cleanup.policy".to_owned(), "compact".to_owned())])
}
