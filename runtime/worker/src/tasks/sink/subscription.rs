use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fancy_regex::Regex;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tributary_api::Result;
use tributary_kafka::Admin;

use crate::connector_config::InputTopics;

/// How often topics are listed while none matches.
const NO_MATCH_INTERVAL: Duration = Duration::from_secs(2);

/// Topics that no pattern matches, as in Java's consumer.
const INTERNAL_TOPICS: [&str; 2] = ["__consumer_offsets", "__transaction_state"];

/// Lists the topics of a cluster.
#[async_trait]
pub(crate) trait TopicList: Send + Sync {
    /// Their names.
    async fn names(&self) -> Result<Vec<String>>;
}

#[async_trait]
impl TopicList for Admin {
    async fn names(&self) -> Result<Vec<String>> {
        Ok(self.list_topics().await?.into_iter().map(|topic| topic.name).collect())
    }
}

/// What a sink reads: topics by name, or all whose whole name matches a Java regular expression; these are listed again
/// at the metadata interval.
pub(crate) enum Subscription {
    Topics(Vec<String>),
    Matching(Matching),
}

pub(crate) struct Matching {
    pattern: Arc<Regex>,
    list: Arc<dyn TopicList>,
    interval: Duration,
    due: Instant,
    current: Vec<String>,
    listing: JoinSet<Result<Vec<String>>>,
    found: Option<Listing>,
}

type Listing = std::result::Result<Result<Vec<String>>, JoinError>;

impl Subscription {
    /// To the topics that the connector names. Only a pattern needs a list of topics, which is requested at the
    /// metadata interval.
    ///
    /// # Errors
    /// When the topics cannot be listed at all.
    pub(crate) fn new(
        input: &InputTopics,
        metadata_max_age: Duration,
        list: impl FnOnce() -> Result<Arc<dyn TopicList>>,
    ) -> Result<Self> {
        match input {
            InputTopics::Topics(topics) => Ok(Self::Topics(topics.clone())),
            InputTopics::Matching(pattern) => Ok(Self::Matching(Matching {
                pattern: Arc::clone(pattern),
                list: list()?,
                interval: metadata_max_age.max(Duration::from_millis(100)),
                due: Instant::now(),
                current: Vec::new(),
                listing: JoinSet::new(),
                found: None,
            })),
        }
    }

    /// The topics to start with; none when nothing matches yet or the topics cannot be listed at the moment.
    ///
    /// # Errors
    /// When listing fails with an error that is not retriable.
    pub(crate) async fn first_topics(&mut self) -> Result<Vec<String>> {
        let matching = match self {
            Self::Topics(topics) => return Ok(topics.clone()),
            Self::Matching(matching) => matching,
        };
        match list_matching(&*matching.list, &matching.pattern).await {
            Ok(topics) => matching.current = topics,
            Err(error) if error.is_retriable() => tracing::warn!(%error, "could not list topics, trying again"),
            Err(error) => return Err(error),
        }
        if matching.current.is_empty() {
            tracing::info!("no topic matches topics.regex yet");
        }
        matching.schedule_listing();
        Ok(matching.current.clone())
    }

    /// Waits until [`changed`](Self::changed) has something to do: a listing is due or has arrived. Cancel safe.
    pub(crate) async fn wait_for_listing(&mut self) {
        match self {
            Self::Topics(_) => std::future::pending().await,
            Self::Matching(matching) if matching.found.is_some() => {}
            Self::Matching(matching) if matching.listing.is_empty() => tokio::time::sleep_until(matching.due).await,
            Self::Matching(matching) => matching.found = matching.listing.join_next().await,
        }
    }

    /// The topics, if they have changed. Never waits: listing runs in a task of its own.
    pub(crate) fn changed(&mut self, runtime: &Handle) -> Option<Vec<String>> {
        let Self::Matching(matching) = self else { return None };
        if matching.listing.is_empty() && matching.found.is_none() && Instant::now() >= matching.due {
            let (list, pattern) = (Arc::clone(&matching.list), Arc::clone(&matching.pattern));
            matching.listing.spawn_on(async move { list_matching(&*list, &pattern).await }, runtime);
        }
        let found = matching.found.take().or_else(|| matching.listing.try_join_next())?;
        matching.schedule_listing();
        match found {
            Ok(Ok(topics)) if topics != matching.current && !topics.is_empty() => {
                matching.current = topics.clone();
                matching.schedule_listing();
                Some(topics)
            }
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                tracing::warn!(%error, "could not list topics, the subscription is unchanged");
                None
            }
            Err(error) => {
                tracing::error!(%error, "listing topics failed, the subscription is unchanged");
                None
            }
        }
    }
}

impl Matching {
    fn schedule_listing(&mut self) {
        let wait = if self.current.is_empty() { NO_MATCH_INTERVAL.min(self.interval) } else { self.interval };
        self.due = Instant::now() + wait;
    }
}

async fn list_matching(list: &dyn TopicList, pattern: &Regex) -> Result<Vec<String>> {
    let mut topics = list.names().await?;
    topics.retain(|topic| !INTERNAL_TOPICS.contains(&topic.as_str()) && pattern.is_match(topic).unwrap_or(false));
    topics.sort_unstable();
    Ok(topics)
}
