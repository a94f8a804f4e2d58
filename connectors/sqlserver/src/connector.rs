use tokio::time::timeout;
use tributary_api::{
    Config, ConfigIssue, Connector, ConnectorContext, Error, ExactlyOnceSupport, OffsetMap, Props, Result,
    SourceConnector, async_trait,
};

use crate::catalog::{real_name, sees_capture};
use crate::config::{OTHER_TASKS, Settings, not_supported, warn_of_no_effect};
use crate::lsn::Lsn;
use crate::sql::Client;

const NAMES: &str = "database.names";

/// Distributes the databases over the tasks.
pub(crate) struct SqlServerConnector;

#[async_trait]
impl Connector for SqlServerConnector {
    async fn validate(&mut self, config: &Config) -> Result<Vec<ConfigIssue>> {
        let mut issues = not_supported(config.originals());
        let settings = match Settings::new(config) {
            Ok(settings) => settings,
            Err(error) => {
                issues.push(ConfigIssue::of_error(&error, "connector.class"));
                return Ok(issues);
            }
        };
        match timeout(settings.validation_timeout, check_server(&settings)).await {
            Ok(Ok(found)) => issues.extend(found),
            Ok(Err(error)) => issues.push(unreachable(error.property(), &error.to_string())),
            Err(_) => {
                let message =
                    format!("no answer within connection.validation.timeout.ms, {:?}", settings.validation_timeout);
                issues.push(unreachable(None, &message));
            }
        }
        Ok(issues)
    }

    async fn start(&mut self, _cx: ConnectorContext, config: &Config) -> Result<()> {
        let props = config.originals();
        if let Some(issue) = not_supported(props).pop() {
            return Err(Error::config_at(issue.name, issue.message));
        }
        Settings::new(config)?;
        warn_of_no_effect(props);
        Ok(())
    }

    async fn task_configs(&mut self, config: &Config, max_tasks: usize) -> Result<Vec<Props>> {
        let settings = Settings::new(config)?;
        let mut client = Client::connect(&settings.login).await?;
        let tasks = settings.databases.len().min(max_tasks.max(1));
        let mut databases = vec![Vec::new(); tasks];
        // Offsets contain the database's name as the server writes it.
        let names = real_names(&mut client, &settings).await?;
        refuse_ambiguous(&names)?;
        for (number, name) in names.into_iter().enumerate() {
            databases[number % tasks].push(name);
        }
        let task = |number: usize| {
            let others = (0..tasks).filter(|other| *other != number).flat_map(|other| &databases[other]);
            let others: Vec<&str> = others.map(String::as_str).collect();
            let mut props = config.originals().clone();
            props.insert(NAMES.to_owned(), databases[number].join(","));
            props.insert("task.id".to_owned(), number.to_string());
            props.insert(OTHER_TASKS.to_owned(), others.join(","));
            props
        };
        Ok((0..tasks).map(task).collect())
    }
}

#[async_trait]
impl SourceConnector for SqlServerConnector {
    /// Every record has an offset from which the next record follows. A snapshot that was interrupted starts again.
    fn exactly_once_support(&self, _config: &Config) -> ExactlyOnceSupport {
        ExactlyOnceSupport::Supported
    }

    async fn alter_offsets(&mut self, _config: &Config, offsets: &[(OffsetMap, Option<OffsetMap>)]) -> Result<bool> {
        for (partition, offset) in offsets {
            if partition.string("server").is_none() {
                return Err(Error::config(format!(
                    "{partition:?} is not a partition of this connector: write server (topic.prefix) and database"
                )));
            }
            let wrong = |name: &str| {
                let text = offset.as_ref().and_then(|offset| offset.string(name));
                text.is_some_and(|text| text != "NULL" && Lsn::parse(text).is_none())
            };
            if let Some(name) = ["commit_lsn", "change_lsn"].into_iter().find(|name| wrong(name)) {
                return Err(Error::config(format!(
                    "{name} is not a log sequence number: write one as 00000027:00000758:0003"
                )));
            }
        }
        Ok(true)
    }
}

/// Checks the configuration against the server.
async fn check_server(settings: &Settings) -> Result<Vec<ConfigIssue>> {
    let mut client = Client::connect(&settings.login).await?;
    let names = real_names(&mut client, settings).await?;
    if let Err(error) = refuse_ambiguous(&names) {
        return Ok(vec![ConfigIssue::of_error(&error, NAMES)]);
    }
    let mut closed = Vec::new();
    for name in names {
        if !sees_capture(&mut client, &name).await? {
            closed.push(name);
        }
    }
    if closed.is_empty() {
        return Ok(Vec::new());
    }
    let message = format!(
        "User {} does not have access to CDC schema in the following databases: {}. This user can only be used in \
         initial_only snapshot mode",
        settings.login.user,
        closed.join(", ")
    );
    let only_rows = settings.snapshot_mode == crate::config::SnapshotMode::InitialOnly;
    Ok(if only_rows { Vec::new() } else { vec![ConfigIssue::new("database.user", message)] })
}

/// The names of the databases as the server writes them.
async fn real_names(client: &mut Client, settings: &Settings) -> Result<Vec<String>> {
    let mut names = Vec::with_capacity(settings.databases.len());
    for database in &settings.databases {
        names.push(real_name(client, database).await?.to_string());
    }
    Ok(names)
}

/// If a database were listed twice, two readers would send its changes. A name with a comma cannot be expressed in a
/// list.
fn refuse_ambiguous(names: &[String]) -> Result<()> {
    for (number, name) in names.iter().enumerate() {
        if names[..number].contains(name) {
            let message = format!("{NAMES} has the database {name} twice, perhaps in another case: write it once");
            return Err(Error::config_at(NAMES, message));
        }
        if name.contains(',') {
            let message = format!("{NAMES} cannot list {name:?}: the name of a database must not contain a comma");
            return Err(Error::config_at(NAMES, message));
        }
    }
    Ok(())
}

/// The text is the same as Debezium's.
fn unreachable(property: Option<&str>, error: &str) -> ConfigIssue {
    let message = format!("Unable to connect. Check this and other connection properties. Error: {error}");
    ConfigIssue::new(property.unwrap_or("database.hostname"), message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_database_is_read_once_and_has_no_comma_in_its_name() {
        let refused = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            refuse_ambiguous(&names).map_err(|error| error.to_string())
        };
        assert_eq!(refused(&["shop", "Shop", "stock"]), Ok(()), "the server tells them apart");
        assert!(refused(&["shop", "stock", "shop"]).unwrap_err().contains("shop twice"));
        assert!(refused(&["a,b"]).unwrap_err().contains("comma"));
    }
}
