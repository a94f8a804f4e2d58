//! The configuration of a connector, parsed once: the framework's properties have their types and bounds here, and
//! `/validate`, the connector's start and its tasks use the same checks. A configuration that `/validate` accepts is
//! accepted by the task.

mod clients;
mod input_topics;
mod limits;
mod overrides;
mod restarts;
mod rules;
#[cfg(test)]
mod tests;
mod topic_creation;
mod transactions;

use tributary_api::{Config, ConfigIssue, Error, Plugin, PluginKind, Props, Result};

pub(crate) use self::clients::ClientLimits;
#[cfg(test)]
use self::input_topics::BY_NAME;
pub(crate) use self::input_topics::InputTopics;
pub(crate) use self::limits::with_limits;
pub(crate) use self::overrides::PREFIXES;
pub(crate) use self::restarts::RestartPolicy;
pub(crate) use self::topic_creation::TopicRules;
pub(crate) use self::transactions::TransactionBoundary;
use crate::definitions::connector_definition;
use crate::processor::ProcessorConfig;
use crate::settings::WorkerSettings;
use crate::tasks::ErrorConfig;

/// The framework's properties of a connector, parsed.
#[derive(Clone, Debug)]
pub(crate) struct ConnectorConfig {
    /// The whole configuration, variables resolved: plugins, converters and clients find their own properties in it.
    pub(crate) props: Props,
    /// `tasks.max`.
    pub(crate) max_tasks: usize,
    /// Whether a connector that makes more tasks fails.
    pub(crate) enforce_max_tasks: bool,
    pub(crate) errors: ErrorConfig,
    /// When tasks that have failed are started again.
    pub(crate) restarts: RestartPolicy,
    /// What a sink or a processor reads; none of a source.
    pub(crate) input: Option<InputTopics>,
    /// How the topics of a source are created; without rules this is left to the broker.
    pub(crate) topic_creation: Option<TopicRules>,
    /// Where the transactions of a source end; none where it writes without.
    pub(crate) transactions: Option<TransactionBoundary>,
    pub(crate) clients: ClientLimits,
    /// What only processors have.
    pub(crate) processor: Option<ProcessorConfig>,
}

/// The parts that result from more than one property.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Of a processor: its own properties, or why they cannot be used.
    pub(crate) processor: Option<Result<ProcessorConfig>>,
    input: Option<InputTopics>,
    topic_creation: Option<TopicRules>,
    clients: ClientLimits,
}

impl ConnectorConfig {
    /// Parses a configuration whose variables are resolved.
    ///
    /// # Errors
    /// `Config`, with every error found.
    pub(crate) fn parse(props: Props, plugin: &Plugin, worker: &WorkerSettings) -> Result<Self> {
        let kind = plugin.description.kind;
        let framework = connector_definition(kind, None, &plugin.description.version, &props).parse(&props);
        let (parts, issues) = check(&props, kind, worker);
        match framework {
            Ok(framework) if issues.is_empty() => Self::of(props, kind, &framework, parts, worker),
            framework => Err(refusal(framework.err(), issues)),
        }
    }

    fn of(props: Props, kind: PluginKind, framework: &Config, parts: Parts, worker: &WorkerSettings) -> Result<Self> {
        Ok(Self {
            transactions: match kind {
                PluginKind::Source => TransactionBoundary::of(framework, worker)?,
                _ => None,
            },
            max_tasks: framework.int("tasks.max")?,
            enforce_max_tasks: framework.boolean("tasks.max.enforce")?,
            errors: ErrorConfig::of(framework, kind)?,
            restarts: RestartPolicy::parse(&props, kind)?,
            input: parts.input,
            topic_creation: parts.topic_creation,
            clients: parts.clients,
            processor: parts.processor.transpose()?,
            props,
        })
    }
}

/// Checks of combinations of properties and of items in lists, which a single key's definition cannot check.
pub(crate) fn check(props: &Props, kind: PluginKind, worker: &WorkerSettings) -> (Parts, Vec<ConfigIssue>) {
    let mut issues = Vec::new();
    let is_source = kind == PluginKind::Source;
    let parts = Parts {
        processor: (kind == PluginKind::Processor).then(|| ProcessorConfig::parse(props, worker)),
        input: if is_source { None } else { InputTopics::parse(props, &mut issues) },
        topic_creation: match is_source && worker.topic_creation {
            true => TopicRules::parse(props, worker.embedded_broker, &mut issues),
            false => None,
        },
        clients: ClientLimits::parse(props, worker, &mut issues),
    };
    rules::check(props, kind, worker, &parts, &mut issues);
    overrides::check(props, worker, &mut issues);
    limits::check(props, kind, worker, &parts.clients, &mut issues);
    (parts, issues)
}

/// All errors in one, of the property that has the first.
fn refusal(framework: Option<Error>, issues: Vec<ConfigIssue>) -> Error {
    let mut faults: Vec<String> = Vec::new();
    let of_framework = framework.as_ref().and_then(Error::property).map(str::to_owned);
    let property = of_framework.or_else(|| issues.first().map(|issue| issue.name.clone())).unwrap_or_default();
    let messages = issues.into_iter().map(|issue| issue.message);
    for fault in framework.map(|error| error.to_string()).into_iter().chain(messages) {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    Error::config_at(property, faults.join(" "))
}
