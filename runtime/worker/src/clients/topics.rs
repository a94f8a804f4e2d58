use tributary_api::Result;
use tributary_kafka::{Admin, Created, NewTopic};

/// Creates those of the topics that do not exist.
///
/// # Errors
/// When they cannot be described, or one cannot be created; `Retriable` when no broker answers.
pub(crate) async fn ensure_topics(admin: &Admin, topics: Vec<NewTopic>) -> Result<()> {
    if topics.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    let there = admin.topics(&names).await?;
    let is_missing =
        |topic: &NewTopic| !there.iter().any(|found| found.name == topic.name && found.partitions.is_some());
    create_topics(admin, topics.into_iter().filter(is_missing).collect()).await
}

/// Creates topics; it is no error if one exists.
///
/// # Errors
/// When one cannot be created; `Retriable` when no broker answers.
pub(crate) async fn create_topics(admin: &Admin, topics: Vec<NewTopic>) -> Result<()> {
    for (topic, created) in admin.create_topics(topics).await? {
        if created? == Created::New {
            tracing::info!(topic, "created topic");
        }
    }
    Ok(())
}
