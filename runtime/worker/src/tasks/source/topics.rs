use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use tributary_api::{Error, Result, Topic};
use tributary_kafka::{Admin, NewTopic};

use crate::clients::create_topics;
use crate::connector_config::{ConnectorConfig, TopicRules};
use crate::settings::WorkerSettings;

/// Looks up and creates topics.
#[async_trait]
pub(crate) trait TopicAdmin: Send + Sync {
    /// Whether a topic exists.
    async fn exists(&self, topic: &str) -> Result<bool>;
    /// Creates a topic; it is no error if it exists.
    async fn create(&self, topic: NewTopic) -> Result<()>;
}

#[async_trait]
impl TopicAdmin for Admin {
    async fn exists(&self, topic: &str) -> Result<bool> {
        let found = self.topics(&[topic.to_owned()]).await?;
        Ok(found.iter().any(|found| found.partitions.is_some()))
    }

    async fn create(&self, topic: NewTopic) -> Result<()> {
        create_topics(self, vec![topic]).await
    }
}

/// Ensures that a topic exists before the first record is sent to it: created by the rules of the connector's
/// `topic.creation.*` properties, or left to the broker when it has none.
pub(crate) struct TopicCreation {
    rules: Option<(TopicRules, Arc<dyn TopicAdmin>)>,
    known: HashSet<Topic>,
    last: Option<Topic>,
}

impl TopicCreation {
    /// For a connector; with an admin client if it has rules.
    ///
    /// # Errors
    /// When the client cannot be created.
    pub(crate) fn new(connector: &ConnectorConfig, worker: &WorkerSettings) -> Result<Self> {
        let admin = || worker.admin_client(&connector.props);
        let with_admin = |rules| Ok::<_, Error>((rules, admin()? as Arc<dyn TopicAdmin>));
        Ok(Self::with(connector.topic_creation.clone().map(with_admin).transpose()?))
    }

    pub(crate) fn with(rules: Option<(TopicRules, Arc<dyn TopicAdmin>)>) -> Self {
        Self { rules, known: HashSet::new(), last: None }
    }

    /// Whether this topic was not used before; in most cases one comparison of pointers.
    pub(crate) fn is_new(&mut self, topic: &Topic) -> bool {
        if self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, topic)) {
            return false;
        }
        self.last = Some(Arc::clone(topic));
        !self.known.contains(topic)
    }

    /// Creates the topic if it does not exist, and remembers it.
    ///
    /// # Errors
    /// When it does not exist and cannot be created.
    pub(crate) async fn ensure(&mut self, topic: &Topic) -> Result<()> {
        if let Some((rules, admin)) = &self.rules {
            create(rules, &**admin, topic).await.map_err(|error| {
                error.context(format!(
                    "Task failed to create new topic ({topic}). Ensure that the task is authorized to create topics or \
                     that the topic exists and restart the task"
                ))
            })?;
        }
        self.known.insert(Arc::clone(topic));
        Ok(())
    }
}

async fn create(rules: &TopicRules, admin: &dyn TopicAdmin, topic: &Topic) -> Result<()> {
    if admin.exists(topic).await? {
        return Ok(());
    }
    admin.create(rules.describe(topic)).await
}
