use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use fancy_regex::Regex;
use tributary_api::{Error, Props, Result, Topic};
use tributary_kafka::{Admin, Created, NewTopic};

use crate::settings::{WorkerSettings, under};

/// Looks for topics and makes them.
#[async_trait]
pub(crate) trait TopicAdmin: Send + Sync {
    /// Whether a topic is there.
    async fn exists(&self, topic: &str) -> Result<bool>;
    /// Makes a topic; one that is there already is as good.
    async fn create(&self, topic: NewTopic) -> Result<()>;
}

#[async_trait]
impl TopicAdmin for Admin {
    async fn exists(&self, topic: &str) -> Result<bool> {
        let found = self.topics(&[topic.to_owned()]).await?;
        Ok(found.iter().any(|found| found.partitions.is_some()))
    }

    async fn create(&self, topic: NewTopic) -> Result<()> {
        for (topic, created) in self.create_topics(vec![topic]).await? {
            match created? {
                Created::New => tracing::info!(topic, "created topic"),
                Created::Existed => {}
            }
        }
        Ok(())
    }
}

/// Sees to it that a topic is there before the first record is sent to it: made by the rules of the connector's
/// `topic.creation.*` properties, or left to the broker when it has none.
pub(crate) struct TopicCreation {
    rules: Option<(Rules, Arc<dyn TopicAdmin>)>,
    known: HashSet<Topic>,
    last: Option<Topic>,
}

impl TopicCreation {
    /// For a connector; where it has rules, with an admin client.
    ///
    /// # Errors
    /// `Config` when the rules are wrong.
    pub(crate) fn new(connector: &Props, worker: &WorkerSettings) -> Result<Self> {
        let rules = if worker.topic_creation { Rules::parse(connector, worker.embedded_broker)? } else { None };
        let admin = || worker.clients.admin(worker.shared_admin(connector));
        let with_admin = |rules| Ok::<_, Error>((rules, admin()? as Arc<dyn TopicAdmin>));
        Ok(Self::with(rules.map(with_admin).transpose()?))
    }

    pub(crate) fn with(rules: Option<(Rules, Arc<dyn TopicAdmin>)>) -> Self {
        Self { rules, known: HashSet::new(), last: None }
    }

    /// Whether this topic was not seen before; in most cases one comparison of pointers.
    pub(crate) fn is_new(&mut self, topic: &Topic) -> bool {
        if self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, topic)) {
            return false;
        }
        self.last = Some(Arc::clone(topic));
        !self.known.contains(topic)
    }

    /// Makes the topic if need be, and remembers it.
    ///
    /// # Errors
    /// When it is not there and cannot be made.
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

async fn create(rules: &Rules, admin: &dyn TopicAdmin, topic: &Topic) -> Result<()> {
    if admin.exists(topic).await? {
        return Ok(());
    }
    admin.create(rules.describe(topic)).await
}

/// The rules of `topic.creation.*`.
#[derive(Debug)]
pub(crate) struct Rules {
    groups: Vec<Group>,
    default: Shape,
}

#[derive(Debug)]
struct Group {
    include: Vec<Regex>,
    exclude: Vec<Regex>,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq)]
struct Shape {
    partitions: i32,
    replication: i32,
    config: Props,
}

impl Rules {
    /// Reads the rules; none when the connector does not ask for topics to be made. On the embedded broker, which is
    /// one machine, every topic has one replica.
    ///
    /// # Errors
    /// `Config` when a group or the default is incomplete or wrong.
    pub(crate) fn parse(connector: &Props, embedded: bool) -> Result<Option<Self>> {
        if !connector.keys().any(|name| name.starts_with("topic.creation.") && name != "topic.creation.groups") {
            return Ok(None);
        }
        let mut default = Shape::parse(connector, "default", None)?;
        let names = connector.get("topic.creation.groups").map_or("", String::as_str);
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "default");
        let mut groups = names.map(|name| Group::parse(connector, name, &default)).collect::<Result<Vec<_>>>()?;
        if embedded {
            default.replication = 1;
            groups.iter_mut().for_each(|group| group.shape.replication = 1);
        }
        Ok(Some(Self { groups, default }))
    }

    /// How a topic is made: by the first group that wants it, else by the default.
    pub(crate) fn describe(&self, topic: &str) -> NewTopic {
        let shape = self.groups.iter().find(|group| group.wants(topic)).map_or(&self.default, |group| &group.shape);
        NewTopic {
            name: topic.to_owned(),
            partitions: shape.partitions,
            replication: shape.replication,
            config: shape.config.clone(),
        }
    }
}

impl Group {
    fn parse(connector: &Props, name: &str, default: &Shape) -> Result<Self> {
        let patterns = |kind: &str| -> Result<Vec<Regex>> {
            let property = format!("topic.creation.{name}.{kind}");
            let list = connector.get(&property).map_or("", String::as_str);
            let patterns = list.split(',').map(str::trim).filter(|pattern| !pattern.is_empty());
            patterns.map(|pattern| whole_match(pattern).map_err(|error| error.context(&property))).collect()
        };
        let include = patterns("include")?;
        if include.is_empty() {
            return Err(Error::config(format!("topic.creation.{name}.include is missing: name the group's topics")));
        }
        Ok(Self { include, exclude: patterns("exclude")?, shape: Shape::parse(connector, name, Some(default))? })
    }

    fn wants(&self, topic: &str) -> bool {
        let any = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(topic).unwrap_or(false));
        any(&self.include) && !any(&self.exclude)
    }
}

impl Shape {
    fn parse(connector: &Props, group: &str, default: Option<&Self>) -> Result<Self> {
        let prefix = format!("topic.creation.{group}.");
        let mut props = under(connector, &prefix);
        let mut number = |name: &str, inherited: Option<i32>| match (props.remove(name), inherited) {
            (Some(text), _) => match text.trim().parse::<i32>() {
                Ok(number) if number == -1 || number >= 1 => Ok(number),
                _ => Err(Error::config(format!(
                    "{prefix}{name} is {text}: write a number from 1, or -1 for the broker's"
                ))),
            },
            (None, Some(inherited)) => Ok(inherited),
            (None, None) => {
                Err(Error::config(format!("{prefix}{name} is missing: write a number, or -1 for the broker's")))
            }
        };
        let partitions = number("partitions", default.map(|default| default.partitions))?;
        let replication = number("replication.factor", default.map(|default| default.replication))?;
        props.retain(|name, _| name != "include" && name != "exclude");
        Ok(Self { partitions, replication, config: props })
    }
}

/// A pattern that a name matches as a whole, as Java's `matches` does.
///
/// # Errors
/// `Config` when it is not a regular expression.
pub(crate) fn whole_match(pattern: &str) -> Result<Regex> {
    Regex::new(&format!(r"\A(?:{pattern})\z"))
        .map_err(|error| Error::config(format!("{pattern} is not a regular expression")).cause(&error))
}
