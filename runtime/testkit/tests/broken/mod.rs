//! Connectors to and from memory, with faults to choose from.

pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod stateless;

use std::time::Duration;

use async_trait::async_trait;
use tributary_api::{
    Config, ConfigDef, ConfigIssue, ConfigKey, ConfigType, Connector, ConnectorContext, Error, Importance, Props,
    Result, SinkConnector, SourceConnector, Validator,
};

/// Memory is fast: nothing is waited for longer.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    // Of the configuration and the connector.
    NoDocumentation,
    RequiredButUnimportant,
    RejectsItsConfiguration,
    UndefinedProperty,
    SecretAsText,
    SecretInError,
    IssueWithTheValid,
    TooManyTasks,
    NoTasks,
    ConnectorStopsOnce,
    TaskStopsOnce,
    // Of both kinds of tasks.
    WrongOrder,
    Loses,
    // Of source tasks.
    PollNeverReturns,
    CommitFails,
    NoOffsets,
    RemembersElsewhere,
    IgnoresOffsets,
    OffsetTooFar,
    OffsetTooNear,
    // Of sink tasks.
    EmptyBatchFails,
    SaysMoreThanAsked,
    CommitsAhead,
    NeverSafe,
    RefusesAgain,
    ClosesForEver,
    SkipsByOffset,
}

impl Fault {
    pub(crate) fn config(self) -> ConfigDef {
        let doc = if self == Self::NoDocumentation { "" } else { "Where things are." };
        let importance = if self == Self::RequiredButUnimportant { Importance::Low } else { Importance::High };
        let mut place = ConfigKey::new("place", ConfigType::String).required().importance(importance).doc(doc);
        if self == Self::RejectsItsConfiguration {
            place = place.validator(Validator::OneOf(vec!["elsewhere".to_owned()]));
        }
        let secret = if self == Self::SecretAsText { ConfigType::String } else { ConfigType::Password };
        ConfigDef::new([place, ConfigKey::new("place.password", secret).doc("Opens the place.")])
    }

    pub(crate) fn props(self) -> Props {
        let mut props: Props = [("place".to_owned(), "memory".to_owned())].into();
        if self == Self::UndefinedProperty {
            props.insert("plaice".to_owned(), "a fish".to_owned());
        }
        props
    }

    /// Fails every second time if the fault is this one.
    pub(crate) fn once(self, which: Self, done: &mut bool) -> Result<()> {
        let again = std::mem::replace(done, true);
        if again && self == which { Err(Error::fatal("already done")) } else { Ok(()) }
    }
}

pub(crate) struct MemoryConnector {
    pub(crate) fault: Fault,
    pub(crate) stopped: bool,
}

#[async_trait]
impl Connector for MemoryConnector {
    async fn validate(&mut self, _config: &Config) -> Result<Vec<ConfigIssue>> {
        let issue = || ConfigIssue::new("place", "is not to our taste");
        Ok((self.fault == Fault::IssueWithTheValid).then(issue).into_iter().collect())
    }

    async fn start(&mut self, _cx: ConnectorContext, config: &Config) -> Result<()> {
        match config.originals().get("place.password") {
            Some(password) if self.fault == Fault::SecretInError => Err(Error::fatal(format!("no entry: {password}"))),
            _ => Ok(()),
        }
    }

    async fn task_configs(&mut self, _config: &Config, max_tasks: usize) -> Result<Vec<Props>> {
        let tasks = match self.fault {
            Fault::TooManyTasks => 3,
            Fault::NoTasks => 0,
            _ => max_tasks,
        };
        Ok(vec![Props::new(); tasks])
    }

    async fn stop(&mut self) -> Result<()> {
        self.fault.once(Fault::ConnectorStopsOnce, &mut self.stopped)
    }
}

impl SourceConnector for MemoryConnector {}
impl SinkConnector for MemoryConnector {}
