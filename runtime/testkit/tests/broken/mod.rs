//! Connectors to and from memory, each with a fault of choice.

pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod stateless;

use std::time::Duration;

use async_trait::async_trait;
use tributary_api::{
    Config, ConfigDef, ConfigIssue, ConfigKey, ConfigType, Connector, ConnectorContext, Error, Importance, Props,
    Result, SinkConnector, SourceConnector, Validator,
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    // Faults of the configuration and the connector.
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
    // Faults of source and sink tasks.
    WrongOrder,
    Loses,
    // Faults of source tasks.
    PollNeverReturns,
    CommitFails,
    NoOffsets,
    RemembersElsewhere,
    IgnoresOffsets,
    OffsetTooFar,
    OffsetTooNear,
    // Faults of sink tasks.
    EmptyBatchFails,
    SaysMoreThanAsked,
    CommitsAhead,
    NeverSafe,
    RefusesAgain,
    IgnoresReopening,
    SkipsByOffset,
}

impl Fault {
    /// The limit for calls. Some faults are found when it is over; without one it is not reached however busy the machine is.
    pub(crate) fn call_timeout(self) -> Duration {
        if self == Self::None { Duration::from_secs(60) } else { Duration::from_millis(300) }
    }

    pub(crate) fn config(self) -> ConfigDef {
        let doc = if self == Self::NoDocumentation { "" } else { "The place." };
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

    /// Fails when it is called again, if the fault is `which`.
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
        let issue = || ConfigIssue::new("place", "is refused");
        Ok((self.fault == Fault::IssueWithTheValid).then(issue).into_iter().collect())
    }

    async fn start(&mut self, _cx: ConnectorContext, config: &Config) -> Result<()> {
        match config.originals().get("place.password") {
            Some(password) if self.fault == Fault::SecretInError => {
                Err(Error::fatal(format!("wrong password: {password}")))
            }
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
