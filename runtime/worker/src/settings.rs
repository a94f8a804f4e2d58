use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tributary_api::{Config, ConfigDef, Error, Props, Result};
use tributary_kafka::{Admin, ClientConfig, Role};

use crate::clients::Clients;
use crate::definitions::{ALLOWLIST, EXACTLY_ONCE_SOURCE, POLICY, worker_definition};
use crate::executor::Executor;
use crate::redaction::Redaction;

/// The group notices a killed worker after this time, and assigns its partitions to others.
const SESSION_TIMEOUT_MS: i64 = 10_000;

/// The settings of a worker, under Kafka Connect's names, parsed once.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// The worker's properties, variables resolved: clients and converters inherit from them.
    pub defaults: Props,
    /// The name of the Connect cluster: the prefix of the worker's client ids and transactional ids.
    pub group_id: String,
    /// `host:port` under which other workers and clients reach this one.
    pub worker_id: String,
    /// `offset.flush.interval.ms`: how often offsets are stored. The default is in `definitions/worker.rs`.
    pub offset_flush_interval: Duration,
    /// `offset.flush.timeout.ms`: how long storing them may take.
    pub offset_flush_timeout: Duration,
    /// How long a task may take to end.
    pub graceful_timeout: Duration,
    /// Whether source connectors may create topics through the admin client.
    pub topic_creation: bool,
    /// Whether the topics of a connector are recorded.
    pub topic_tracking: bool,
    /// Whether that record may be reset.
    pub topic_tracking_reset: bool,
    /// The broker is the one inside this process: no usable `read_committed`, one replica.
    pub embedded_broker: bool,
    /// The three topics.
    pub topics: InternalTopics,
    /// Whether source tasks write in transactions.
    pub exactly_once: ExactlyOnce,
    /// The client settings that a connector may override.
    pub override_policy: OverridePolicy,
    /// Hides secret values in the errors of tasks.
    pub(crate) redaction: Redaction,
    /// Runs plugin futures.
    pub(crate) executor: Executor,
    /// Kafka clients that tasks share.
    pub(crate) clients: Arc<Clients>,
}

/// One of the worker's own topics.
#[derive(Clone, Debug)]
pub struct InternalTopic {
    /// The name.
    pub name: String,
    /// Partitions to create it with.
    pub partitions: i32,
    /// Replicas to create it with; -1 is the broker's default.
    pub replication: i32,
    /// Further topic settings to create it with.
    pub config: Props,
}

/// The worker's own topics.
#[derive(Clone, Debug)]
pub struct InternalTopics {
    /// `config.storage.topic`.
    pub configs: InternalTopic,
    /// `offset.storage.topic`.
    pub offsets: InternalTopic,
    /// `status.storage.topic`.
    pub statuses: InternalTopic,
}

/// `exactly.once.source.support`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExactlyOnce {
    /// Source tasks write without transactions.
    Disabled,
    /// They still do, but all workers of the cluster heed those that do not.
    Preparing,
    /// They write records and offsets in transactions.
    Enabled,
}

/// `connector.client.config.override.policy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverridePolicy {
    /// Anything may be overridden.
    All,
    /// Nothing may.
    None,
    /// Only who the client is: `sasl.jaas.config`, `sasl.mechanism`, `security.protocol`.
    Principal,
    /// What `connector.client.config.override.allowlist` names.
    Allowlist(Vec<String>),
}

impl OverridePolicy {
    /// `All` of `All`, and of `org.apache.kafka.connect.connector.policy.AllConnectorClientConfigOverridePolicy`.
    pub(crate) fn short_name(name: &str) -> &str {
        let simple = name.rsplit('.').next().unwrap_or(name);
        simple.strip_suffix("ConnectorClientConfigOverridePolicy").unwrap_or(simple)
    }

    /// Whether a client setting may be overridden, and the policy's name for the message.
    pub(crate) fn allows(&self, setting: &str) -> Result<(), &'static str> {
        match self {
            Self::All => Ok(()),
            Self::None => Err("None"),
            Self::Principal if ["sasl.jaas.config", "sasl.mechanism", "security.protocol"].contains(&setting) => Ok(()),
            Self::Principal => Err("Principal"),
            Self::Allowlist(allowed) if allowed.iter().any(|allowed| allowed == setting) => Ok(()),
            Self::Allowlist(_) => Err("Allowlist"),
        }
    }
}

impl WorkerSettings {
    /// The properties of a worker that the engine reads itself; all others are kept for clients and converters.
    pub fn definition() -> ConfigDef {
        worker_definition()
    }

    /// Reads a worker's properties.
    ///
    /// # Errors
    /// `Config`, naming every property that is missing or wrong.
    pub fn parse(props: &Props, worker_id: String, embedded_broker: bool) -> Result<Arc<Self>> {
        let config = worker_definition().parse(props)?;
        let ms = |name: &str| config.int::<u64>(name).map(Duration::from_millis);
        check_topics(&config)?;
        let topic = |prefix: &str, partitions: i32| internal_topic(&config, prefix, partitions, embedded_broker);
        let runtime =
            Handle::try_current().map_err(|error| Error::fatal("start the worker in a runtime").cause(&error))?;
        Ok(Arc::new(Self {
            defaults: props.clone(),
            group_id: config.string("group.id")?.to_owned(),
            worker_id,
            offset_flush_interval: ms("offset.flush.interval.ms")?,
            offset_flush_timeout: ms("offset.flush.timeout.ms")?,
            graceful_timeout: ms("task.shutdown.graceful.timeout.ms")?,
            topic_creation: config.boolean("topic.creation.enable")?,
            topic_tracking: config.boolean("topic.tracking.enable")?,
            topic_tracking_reset: config.boolean("topic.tracking.allow.reset")?,
            embedded_broker,
            topics: InternalTopics {
                configs: topic("config", 1)?,
                offsets: topic("offset", config.int("offset.storage.partitions")?)?,
                statuses: topic("status", config.int("status.storage.partitions")?)?,
            },
            exactly_once: exactly_once(&config, embedded_broker)?,
            override_policy: override_policy(&config)?,
            redaction: Redaction::default(),
            executor: Executor::new(runtime),
            clients: Arc::default(),
        }))
    }

    /// The same settings with this redaction for errors of tasks.
    pub(crate) fn with_redaction(self: Arc<Self>, redaction: &Redaction) -> Arc<Self> {
        Arc::new(Self { redaction: redaction.clone(), ..Arc::unwrap_or_clone(self) })
    }

    /// The settings of the producer that source tasks with equal settings share.
    pub(crate) fn source_producer(&self, props: &Props) -> ClientConfig {
        let own = ClientConfig::new(Role::Producer, &self.client_props("producer."))
            .set("client.id", format!("connector-producer-{}", self.group_id));
        override_with(own, props, "producer.override.")
    }

    /// The settings of the producer of a source task that writes in transactions. As in Kafka Connect, the settings that make
    /// it exactly-once cannot be overridden.
    pub(crate) fn transactional_producer(&self, connector: &str, task: u32, props: &Props) -> ClientConfig {
        let id = format!("{}-{connector}-{task}", self.group_id);
        let fixed = [("enable.idempotence", "true".to_owned()), ("transactional.id", id)];
        fixed
            .into_iter()
            .fold(self.producer(connector, task, props), |client, (setting, value)| client.set(setting, value))
    }

    /// Logs which overrides of a connector's have no effect on the producer that its task uses.
    pub(crate) fn log_ignored_overrides(&self, connector: &str, task: u32, props: &Props) {
        let (given, used) =
            (self.producer(connector, task, props), self.transactional_producer(connector, task, props));
        for setting in ["enable.idempotence", "transactional.id"] {
            let (Some(given), Some(used)) = (given.get(setting), used.get(setting)) else { continue };
            if !given.eq_ignore_ascii_case(used) {
                tracing::warn!(
                    connector,
                    "The value '{given}' for the '{setting}' property will be ignored as it cannot be overridden for \
                     connectors when exactly-once source support is enabled. The value '{used}' will be used instead."
                );
            }
        }
    }

    /// The administration client of a connector's tasks; those of equal settings share it.
    ///
    /// # Errors
    /// `Config` when a setting cannot be used.
    pub(crate) fn admin_client(&self, props: &Props) -> Result<Arc<Admin>> {
        self.clients.admin(self.shared_admin(props))
    }

    /// The settings of the administration client that tasks with equal settings share.
    fn shared_admin(&self, props: &Props) -> ClientConfig {
        let own = ClientConfig::new(Role::Admin, &self.client_props("admin."))
            .set("client.id", format!("connector-adminclient-{}", self.group_id));
        override_with(own, props, "admin.override.")
    }

    /// The settings of a producer that is used by one task.
    pub fn producer(&self, connector: &str, task: u32, props: &Props) -> ClientConfig {
        let own = ClientConfig::new(Role::Producer, &self.client_props("producer."))
            .set_default("client.id", format!("connector-producer-{connector}-{task}"));
        override_with(own, props, "producer.override.")
    }

    /// The settings of the consumer of a sink's or processor's task.
    pub fn consumer(&self, connector: &str, task: u32, props: &Props) -> ClientConfig {
        let own = ClientConfig::new(Role::Consumer, &self.client_props("consumer."))
            .set_default("group.id", format!("connect-{connector}"))
            .set_default("auto.offset.reset", "earliest")
            .set("enable.auto.commit", false)
            // A topic that is created later is noticed within this time. Java's five minutes suit brokers that create
            // topics automatically.
            .set_default("metadata.max.age.ms", if self.embedded_broker { 1_000 } else { 5_000 })
            .set_default("session.timeout.ms", SESSION_TIMEOUT_MS)
            .set_default("client.id", format!("connector-consumer-{connector}-{task}"));
        override_with(own, props, "consumer.override.")
    }

    /// The settings of a dead letter queue's producer.
    pub fn dlq_producer(&self, connector: &str, task: u32, props: &Props) -> ClientConfig {
        let own = ClientConfig::new(Role::Producer, &self.client_props("producer."))
            .set_default("client.id", format!("connector-dlq-producer-{connector}-{task}"));
        override_with(own, props, "producer.override.")
    }

    /// The settings of a task's admin client.
    pub fn admin(&self, connector: &str, task: u32, props: &Props) -> ClientConfig {
        let own = ClientConfig::new(Role::Admin, &self.client_props("admin."))
            .set_default("client.id", format!("connector-adminclient-{connector}-{task}"));
        override_with(own, props, "admin.override.")
    }

    /// The settings of one of the worker's own clients.
    pub(crate) fn own_client(&self, role: Role, purpose: &str) -> ClientConfig {
        ClientConfig::new(role, &self.defaults).set("client.id", format!("{}-{purpose}", self.group_id))
    }

    /// The bootstrap servers and all settings with the prefix. Settings without a prefix are for the worker's own
    /// clients; admin clients inherit them, because they need the connection and security settings.
    fn client_props(&self, prefix: &str) -> Props {
        let mut props = Props::new();
        if let Some(servers) = self.defaults.get("bootstrap.servers") {
            props.insert("bootstrap.servers".to_owned(), servers.clone());
        }
        if prefix == "admin." {
            // The `client.id` of the worker's own clients is not inherited.
            let own = |name: &str| name.contains("converter") || name == "client.id";
            let unprefixed = self.defaults.iter().filter(|(name, _)| !own(name));
            props.extend(unprefixed.map(|(name, value)| (name.clone(), value.clone())));
        }
        props.extend(with_prefix(&self.defaults, prefix));
        props
    }
}

/// The properties under a prefix, without it.
pub(crate) fn with_prefix(props: &Props, prefix: &str) -> Props {
    props
        .range(prefix.to_owned()..)
        .map_while(|(name, value)| Some((name.strip_prefix(prefix)?.to_owned(), value.clone())))
        .collect()
}

fn override_with(config: ClientConfig, props: &Props, prefix: &str) -> ClientConfig {
    with_prefix(props, prefix).iter().fold(config, |config, (name, value)| config.set(name, value))
}

/// What one of the topics holds is unreadable to the two others.
fn check_topics(config: &Config) -> Result<()> {
    for (one, other) in [("config", "offset"), ("config", "status"), ("offset", "status")] {
        let [one, other] = [one, other].map(|name| format!("{name}.storage.topic"));
        let topic = config.string(&one)?;
        if topic == config.string(&other)? {
            return Err(Error::config_at(
                &other,
                format!("{one} and {other} are both {topic}: give each its own topic"),
            ));
        }
    }
    Ok(())
}

fn internal_topic(config: &Config, prefix: &str, partitions: i32, embedded: bool) -> Result<InternalTopic> {
    let replication = format!("{prefix}.storage.replication.factor");
    let extra = with_prefix(config.originals(), &format!("{prefix}.storage."));
    let known = ["topic", "partitions", "replication.factor"];
    Ok(InternalTopic {
        name: config.string(&format!("{prefix}.storage.topic"))?.to_owned(),
        partitions,
        replication: if embedded { 1 } else { config.int(&replication)? },
        config: extra.into_iter().filter(|(name, _)| !known.contains(&name.as_str())).collect(),
    })
}

fn exactly_once(config: &Config, embedded: bool) -> Result<ExactlyOnce> {
    let value = config.string(EXACTLY_ONCE_SOURCE)?;
    let support = match value.to_ascii_lowercase().as_str() {
        "enabled" => ExactlyOnce::Enabled,
        "preparing" => ExactlyOnce::Preparing,
        _ => ExactlyOnce::Disabled,
    };
    if embedded && support != ExactlyOnce::Disabled {
        return Err(Error::config_at(
            EXACTLY_ONCE_SOURCE,
            format!(
                "{EXACTLY_ONCE_SOURCE} is {value}, but the embedded broker has no transactions to rely on: set bootstrap.servers to a \
                 Kafka cluster, or {EXACTLY_ONCE_SOURCE} to disabled"
            ),
        ));
    }
    Ok(support)
}

fn override_policy(config: &Config) -> Result<OverridePolicy> {
    let name = config.string(POLICY)?;
    match OverridePolicy::short_name(name) {
        "All" => Ok(OverridePolicy::All),
        "None" => Ok(OverridePolicy::None),
        "Principal" => Ok(OverridePolicy::Principal),
        "Allowlist" => Ok(OverridePolicy::Allowlist(config.list(ALLOWLIST)?.to_vec())),
        _ => Err(Error::config_at(POLICY, format!("{POLICY} is {name}: write All, None, Principal or Allowlist"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(support: &str, embedded: bool) -> Result<ExactlyOnce> {
        let props = [
            ("bootstrap.servers", "127.0.0.1:1"),
            ("group.id", "g"),
            ("key.converter", "k"),
            ("value.converter", "v"),
            ("config.storage.topic", "c"),
            ("offset.storage.topic", "o"),
            ("status.storage.topic", "s"),
            (EXACTLY_ONCE_SOURCE, support),
        ];
        let props = props.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Ok(WorkerSettings::parse(&props, "w:1".to_owned(), embedded)?.exactly_once)
    }

    #[tokio::test]
    async fn transactions_are_refused_where_the_broker_has_none_to_rely_on() {
        assert_eq!(parse("Enabled", false).unwrap(), ExactlyOnce::Enabled);
        assert_eq!(parse("preparing", false).unwrap(), ExactlyOnce::Preparing);
        assert_eq!(parse("disabled", true).unwrap(), ExactlyOnce::Disabled);
        for support in ["enabled", "preparing"] {
            let error = parse(support, true).unwrap_err().to_string();
            assert!(error.contains("embedded broker") && error.contains(EXACTLY_ONCE_SOURCE), "{error}");
        }
        assert!(parse("sometimes", false).is_err());
    }

    #[tokio::test]
    async fn what_makes_a_source_exactly_once_cannot_be_overridden() {
        let props =
            [("bootstrap.servers", "127.0.0.1:1"), ("group.id", "g"), ("key.converter", "k"), ("value.converter", "v")];
        let topics = [("config.storage.topic", "c"), ("offset.storage.topic", "o"), ("status.storage.topic", "s")];
        let owned = |pairs: &[(&str, &str)]| -> Props {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let all = owned(&[&props[..], &topics[..]].concat());
        let settings = WorkerSettings::parse(&all, "w:1".to_owned(), false).unwrap();
        let connector = owned(&[
            ("producer.override.transactional.id", "mine"),
            ("producer.override.enable.idempotence", "false"),
            ("producer.override.linger.ms", "7"),
        ]);
        let client = settings.transactional_producer("lines", 3, &connector);
        assert_eq!(client.get("transactional.id"), Some("g-lines-3"));
        assert_eq!(client.get("enable.idempotence"), Some("true"));
        assert_eq!(client.get("linger.ms"), Some("7"));
    }

    #[tokio::test]
    async fn the_group_and_its_three_topics_have_names_of_their_own() {
        let parse = |changed: &[(&str, &str)]| {
            let own = [
                ("bootstrap.servers", "127.0.0.1:1"),
                ("group.id", "g"),
                ("key.converter", "K"),
                ("value.converter", "V"),
                ("config.storage.topic", "configs"),
                ("offset.storage.topic", "offsets"),
                ("status.storage.topic", "statuses"),
            ];
            let props = own.iter().chain(changed).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            WorkerSettings::parse(&props.collect(), "w:1".to_owned(), false)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        assert_eq!(parse(&[]), Ok(()));
        for name in ["group.id", "config.storage.topic", "offset.storage.topic", "status.storage.topic"] {
            let error = parse(&[(name, " ")]).unwrap_err();
            assert!(error.contains(name) && error.contains("non-empty"), "{error}");
        }
        for (name, topic) in [
            ("offset.storage.topic", "configs"),
            ("status.storage.topic", "configs"),
            ("status.storage.topic", "offsets"),
        ] {
            let error = parse(&[(name, topic)]).unwrap_err();
            assert!(error.contains(&format!("and {name} are both {topic}")), "{error}");
        }
    }
}
