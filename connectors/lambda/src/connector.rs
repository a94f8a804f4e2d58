use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tributary_api::{Config, ConfigIssue, Connector, Offsets, Props, Result, SinkConnector, TopicClient};

use crate::client::connect;
use crate::config::{Flavour, Reports, Settings};
use crate::invoke::Invoker;

/// The timeout of a dry run when a configuration is validated.
const DRY_RUN_TIMEOUT: Duration = Duration::from_secs(10);

/// Plans the Lambda sink: every task has the same configuration, and its share of the partitions.
#[derive(Debug)]
pub(crate) struct LambdaConnector {
    flavour: Flavour,
}

impl LambdaConnector {
    pub(crate) fn new(flavour: Flavour) -> Self {
        Self { flavour }
    }

    fn function(&self) -> &'static str {
        match self.flavour {
            Flavour::Confluent => "aws.lambda.function.name",
            Flavour::Nordstrom => "aws.lambda.function.arn",
        }
    }
}

#[async_trait]
impl Connector for LambdaConnector {
    /// Checks with a dry run whether the functions exist and may be invoked.
    async fn validate(&mut self, config: &Config) -> Result<Vec<ConfigIssue>> {
        let settings = Arc::new(Settings::new(self.flavour, config)?);
        let client = match connect(&settings.access).await {
            Ok(client) => client,
            Err(error) => return Ok(vec![ConfigIssue::of_error(&error, settings.access.properties.credentials)]),
        };
        let invoker = Invoker::new(client, Arc::clone(&settings));
        let mut issues = Vec::new();
        for function in settings.functions.all() {
            if let Some(error) = invoker.dry_run(function, DRY_RUN_TIMEOUT).await {
                let name = if function == settings.functions.default {
                    self.function()
                } else {
                    "aws.lambda.topic2function.map"
                };
                issues.push(ConfigIssue::new(name, error.to_string()));
            }
        }
        Ok(issues)
    }

    fn topic_clients(&self, config: &Config) -> Result<Vec<TopicClient>> {
        Ok(Settings::new(self.flavour, config)?.reports.iter().map(Reports::topic_client).collect())
    }

    async fn task_configs(&mut self, config: &Config, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(config.for_tasks(max_tasks))
    }
}

#[async_trait]
impl SinkConnector for LambdaConnector {
    async fn alter_offsets(&mut self, _config: &Config, _offsets: &Offsets) -> Result<bool> {
        Ok(true)
    }
}
