use tokio::time::timeout;
use tributary_api::{
    Config, ConfigIssue, Connector, ConnectorContext, Error, ExactlyOnceSupport, OffsetMap, Props, Result,
    SourceConnector, TopicClient, async_trait,
};

use crate::catalog::{real_name, sees_capture};
use crate::config::{HistorySettings, OTHER_TASKS, Settings, TopicSettings, warn_of_no_effect};
use crate::lsn::Lsn;
use crate::sql::Client;

const NAMES: &str = "database.names";

/// Distributes the databases over the tasks.
pub(crate) struct SqlServerConnector;

#[async_trait]
impl Connector for SqlServerConnector {
    async fn validate(&mut self, config: &Config) -> Result<Vec<ConfigIssue>> {
        let settings = Settings::new(config)?;
        let mut issues = Vec::new();
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

    fn topic_clients(&self, config: &Config) -> Result<Vec<TopicClient>> {
        let settings = Settings::new(config)?;
        let signals = settings.signals.topic.as_ref().map(TopicSettings::topic_client);
        let history = settings.history.as_ref().map(HistorySettings::topic_clients);
        Ok(history.into_iter().flatten().chain(signals).collect())
    }

    async fn start(&mut self, _cx: ConnectorContext, config: &Config) -> Result<()> {
        warn_of_no_effect(config.originals());
        if Settings::new(config)?.login.trust_any_certificate {
            tracing::info!("any certificate of the server is accepted, because driver.trustServerCertificate is true");
        }
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

    use tributary_api::ClientKind;

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

    fn parse(props: &[(&str, &str)]) -> Result<Config> {
        let required =
            [("topic.prefix", "p"), ("database.names", "d"), ("database.hostname", "h"), ("database.user", "u")];
        let props = required.iter().chain(props).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        crate::config::definition().parse(&props.collect())
    }

    #[test]
    fn what_a_task_would_refuse_is_refused_with_the_configuration_and_names_its_property() {
        assert!(parse(&[("topic.heartbeat.name", ""), ("signal.kafka.topic", "signals")]).is_ok());
        for (name, value) in [
            ("topic.prefix", "a b"),
            ("topic.delimiter", "/"),
            ("heartbeat.topics.prefix", "a:b"),
            ("topic.heartbeat.name", "a b"),
            ("signal.kafka.topic", ".."),
            ("notification.sink.topic.name", "a/b"),
            ("schema.history.internal.kafka.topic", "a,b"),
            ("message.key.columns", "dbo.t"),
            ("converters", "one"),
            ("driver.encrypt", "maybe"),
            ("driver.packetSize", "100"),
            ("driver.loginTimeout", "soon"),
        ] {
            let error = parse(&[(name, value)]).unwrap_err();
            assert_eq!(error.property(), Some(name), "{error}");
        }
        let several = parse(&[("max.queue.size", "10"), ("max.batch.size", "10"), ("converters", "one")]).unwrap_err();
        assert!(several.to_string().contains("max.queue.size is 10"), "all at once: {several}");
    }

    #[test]
    fn clients_have_the_properties_that_their_settings_come_from() {
        let clients = |props: &[(&str, &str)]| SqlServerConnector.topic_clients(&parse(props).unwrap()).unwrap();
        assert_eq!(clients(&[]).len(), 0);
        let (servers, given) = ("schema.history.internal.kafka.bootstrap.servers", Props::new());
        let history = [("schema.history.internal.kafka.topic", "history"), (servers, "broker:9092")];
        let found = clients(&[&history[..], &[("signal.enabled.channels", "kafka")]].concat());
        let property = |place: usize, kind, setting: &str| found[place].property(kind, setting, &given).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(property(0, ClientKind::Consumer, "x"), "schema.history.internal.consumer.x");
        assert_eq!(property(1, ClientKind::Producer, "x"), "schema.history.internal.producer.x");
        assert_eq!(property(1, ClientKind::Producer, "bootstrap.servers"), servers);
        assert_eq!(property(2, ClientKind::Consumer, "group.id"), "signal.kafka.groupId");
    }
}
