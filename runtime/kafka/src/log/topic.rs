use std::time::{Duration, Instant};

use tributary_api::{Error, Props, Result};

use super::LogOptions;
use crate::Admin;

/// How long a topic may take to become visible after it was created.
const APPEAR: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(20);

/// Ensures that the topic exists and is suitable; returns its number of partitions.
pub(super) async fn prepare(admin: &Admin, options: &LogOptions) -> Result<i32> {
    let name = &options.topic.name;
    let partitions = match partitions(admin, name).await? {
        Some(partitions) => partitions,
        None if options.create => create(admin, options).await?,
        None => {
            return Err(Error::config(format!("topic {name} does not exist: create it with cleanup.policy=compact")));
        }
    };
    if options.require_compacted {
        check_compacted(admin, name).await?;
    }
    Ok(partitions)
}

async fn partitions(admin: &Admin, name: &String) -> Result<Option<i32>> {
    let topics = admin.topics(std::slice::from_ref(name)).await?;
    Ok(topics.first().and_then(|topic| topic.partitions).filter(|partitions| *partitions > 0))
}

async fn create(admin: &Admin, options: &LogOptions) -> Result<i32> {
    let name = &options.topic.name;
    for (_, created) in admin.create_topics(vec![options.topic.clone()]).await? {
        created?;
    }
    let deadline = Instant::now() + APPEAR;
    while Instant::now() < deadline {
        if let Some(partitions) = partitions(admin, name).await? {
            return Ok(partitions);
        }
        tokio::time::sleep(STEP).await;
    }
    Err(Error::retriable(format!("topic {name} was created but did not become visible: check the brokers")))
}

/// A topic with another policy loses records by age or size. If the broker does not return the policy, it is assumed to
/// be right.
async fn check_compacted(admin: &Admin, name: &str) -> Result<()> {
    let config = known_config(admin, name).await?;
    let Some(policy) = config.as_ref().and_then(|config| config.get("cleanup.policy")) else {
        tracing::warn!(topic = name, "the broker does not report whether the topic is compacted");
        return Ok(());
    };
    if policy.trim() == "compact" {
        return Ok(());
    }
    // Kafka Connect's message, which operators know.
    Err(Error::config(format!(
        "Topic '{name}' is required to have 'cleanup.policy=compact' to guarantee consistency and durability, but \
         found the topic currently has 'cleanup.policy={policy}'. Continuing would likely result in eventually \
         losing records and problems restarting this Connect cluster in the future. Change the topic, or use a topic \
         with 'cleanup.policy=compact'."
    )))
}

/// A topic just created is not known to every broker at once.
async fn known_config(admin: &Admin, name: &str) -> Result<Option<Props>> {
    let deadline = Instant::now() + APPEAR;
    loop {
        match admin.topic_config(name).await {
            Err(error) if error.is_retriable() && Instant::now() < deadline => tokio::time::sleep(STEP).await,
            config => return config,
        }
    }
}
