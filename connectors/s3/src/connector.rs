use async_trait::async_trait;
use tributary_api::{Config, ConfigIssue, Connector, Offsets, Props, Result, SinkConnector};

use crate::client::{connect, failure, wrong_region};

/// Plans the S3 sink: every task has the same configuration, and its share of the partitions.
pub(crate) struct S3Connector;

#[async_trait]
impl Connector for S3Connector {
    async fn validate(&mut self, config: &Config) -> Result<Vec<ConfigIssue>> {
        let issue = match connect(config).await {
            Err(error) => Some(ConfigIssue::of_error(&error, "aws.access.key.id")),
            Ok(client) => bucket_issue(&client, config.string("s3.bucket.name")?).await,
        };
        Ok(issue.into_iter().collect())
    }

    async fn task_configs(&mut self, config: &Config, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(config.for_tasks(max_tasks))
    }
}

#[async_trait]
impl SinkConnector for S3Connector {
    async fn alter_offsets(&mut self, _config: &Config, _offsets: &Offsets) -> Result<bool> {
        Ok(true)
    }
}

/// 403 means that the bucket exists, but not that it may be listed: the task's error will be more specific.
async fn bucket_issue(client: &aws_sdk_s3::Client, bucket: &str) -> Option<ConfigIssue> {
    let error = client.head_bucket().bucket(bucket).send().await.err()?;
    if let Some(message) = wrong_region(bucket, &error) {
        return Some(ConfigIssue::new("s3.region", message));
    }
    match error.raw_response().map(|response| response.status().as_u16()) {
        Some(403) => None,
        Some(404) => {
            let what =
                format!("Invalid value {bucket} for configuration s3.bucket.name: there is no such bucket: create it");
            Some(ConfigIssue::new("s3.bucket.name", what))
        }
        _ => {
            let what = failure("cannot reach the bucket", bucket, &error);
            Some(ConfigIssue::new("store.url", format!("{what}: check store.url and s3.region")))
        }
    }
}
