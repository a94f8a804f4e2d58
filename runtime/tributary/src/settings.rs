//! The worker's settings: the environment overrides a properties file, which overrides the defaults.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use java_properties::PropertiesError;
use tributary_api::{Config, ConfigDef, ConfigType, PluginRegistry, Props};
use tributary_worker::{ConfigTransformer, Redaction};

use crate::cli::WorkerArgs;
use crate::{environment, worker_properties};

/// How long tasks may take to end; the process waits a little longer.
const GRACEFUL: &str = "task.shutdown.graceful.timeout.ms";

const FILE: &str = "worker.properties";
const LOGIN_CONFIG: &str = "rest.basic.auth.login.config";

/// The defaults for the embedded broker; for any other broker Connect's defaults apply.
pub(crate) const EMBEDDED: [(&str, &str); 9] = [
    ("group.id", "tributary"),
    ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
    ("config.storage.topic", "tributary-configs"),
    ("offset.storage.topic", "tributary-offsets"),
    ("offset.storage.partitions", "1"),
    ("status.storage.topic", "tributary-status"),
    ("status.storage.partitions", "1"),
    ("offset.flush.interval.ms", "5000"),
    ("listeners", "http://127.0.0.1:8083"),
];

pub(crate) const JSON_VALUES: [(&str, &str); 2] =
    [("value.converter", "org.apache.kafka.connect.json.JsonConverter"), ("value.converter.schemas.enable", "false")];

/// The settings as written in a file, the environment and on the command line.
pub(crate) struct Written {
    /// The worker's properties, as written, plus the embedded defaults.
    pub(crate) props: Props,
    /// The folder with connectors/*.json.
    pub(crate) configs: PathBuf,
    /// The folder for the data of embedded servers and stateful connectors.
    pub(crate) data: PathBuf,
    /// No broker is configured: the embedded one is started.
    pub(crate) embedded: bool,
    /// REST's address is not configured: another port may be used if the default one is taken.
    pub(crate) any_rest_port: bool,
}

/// How to run this process.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The worker's properties, variables resolved.
    pub(crate) props: Props,
    pub(crate) configs: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) embedded: bool,
    pub(crate) any_rest_port: bool,
    /// The same, parsed.
    config: Config,
}

impl Written {
    pub(crate) fn load(args: &WorkerArgs, variables: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let file = properties_file(args)?;
        let mut props = file.as_deref().map(read_properties).transpose()?.unwrap_or_default();
        let variables: Vec<(String, String)> = variables.collect();
        props.extend(environment::settings(variables.iter().cloned()));
        if let Some(login) = environment::login_config(variables.into_iter()) {
            props.entry(LOGIN_CONFIG.to_owned()).or_insert(login);
        }
        let embedded = !props.contains_key("bootstrap.servers");
        let any_rest_port = embedded && !props.contains_key("listeners");
        if embedded {
            add_missing(&mut props, &EMBEDDED);
            if !props.contains_key("value.converter") {
                add_missing(&mut props, &JSON_VALUES);
            }
        }
        Ok(Self {
            props,
            configs: configs_folder(args, file.as_deref()),
            data: args.data.clone(),
            embedded,
            any_rest_port,
        })
    }

    /// Resolves variables, and logs settings that are not used.
    ///
    /// # Errors
    /// Names every wrong property.
    pub(crate) fn resolve(mut self, plugins: &PluginRegistry, redaction: &Redaction) -> Result<Settings> {
        self.props = ConfigTransformer::parse(&self.props, plugins, redaction)?.resolve(&self.props)?;
        worker_properties::log_unread(&self.props);
        self.parse()
    }

    /// Parses all properties that the worker defines.
    ///
    /// # Errors
    /// Names every wrong property.
    pub(crate) fn parse(mut self) -> Result<Settings> {
        let definition = definition();
        // Environment variables of containers are often set to an empty value.
        let is_given = |name: &str, value: &str| {
            let text = [ConfigType::String, ConfigType::List];
            !value.trim().is_empty() || definition.key(name).is_none_or(|key| text.contains(&key.kind))
        };
        self.props.retain(|name, value| is_given(name, value));
        let config = definition.parse(&self.props)?;
        let Self { props, configs, data, embedded, any_rest_port } = self;
        Ok(Settings { props, configs, data, embedded, any_rest_port, config })
    }
}

#[cfg(test)]
impl Written {
    /// These properties, and the defaults for the embedded broker.
    pub(crate) fn for_test(props: &[(&str, &str)]) -> Self {
        let mut props: Props = props.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        add_missing(&mut props, &EMBEDDED);
        add_missing(&mut props, &JSON_VALUES);
        Self { props, configs: "configs".into(), data: "data".into(), embedded: true, any_rest_port: false }
    }
}

/// All properties of the worker. Brokers need not be named: without, the embedded one starts.
fn definition() -> ConfigDef {
    let all = worker_properties::definition();
    let brokers = all.key("bootstrap.servers").cloned().map(|key| key.default(""));
    brokers.into_iter().fold(all, ConfigDef::with)
}

impl Settings {
    /// A text, an empty one being none.
    ///
    /// # Errors
    /// When it is not defined.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>> {
        Ok(self.config.optional_string(name)?.filter(|text| !text.is_empty()))
    }

    /// A list.
    ///
    /// # Errors
    /// When it is not defined.
    pub(crate) fn list(&self, name: &str) -> Result<&[String]> {
        Ok(self.config.list(name)?)
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is not defined.
    pub(crate) fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.config.boolean(name)?)
    }

    /// The same with a default that depends on other settings.
    ///
    /// # Errors
    /// When it is not defined.
    pub(crate) fn flag_or(&self, name: &str, default: bool) -> Result<bool> {
        let given = self.props.get(name).is_some_and(|value| !value.trim().is_empty());
        if given { self.flag(name) } else { Ok(default) }
    }

    /// A port, where there is one.
    ///
    /// # Errors
    /// When it is not defined.
    pub(crate) fn optional_port(&self, name: &str) -> Result<Option<u16>> {
        Ok(self.config.optional_int(name)?)
    }

    /// A port.
    ///
    /// # Errors
    /// When it is not defined.
    pub(crate) fn port(&self, name: &str) -> Result<u16> {
        Ok(self.config.int(name)?)
    }

    /// A time in milliseconds.
    ///
    /// # Errors
    /// When it is not defined.
    pub(crate) fn duration(&self, name: &str) -> Result<Duration> {
        Ok(Duration::from_millis(self.config.int(name)?))
    }

    /// How long tasks may take to end.
    ///
    /// # Errors
    /// When it is not defined.
    pub(crate) fn graceful_timeout(&self) -> Result<Duration> {
        self.duration(GRACEFUL)
    }
}

fn properties_file(args: &WorkerArgs) -> Result<Option<PathBuf>> {
    if let Some(given) = &args.properties {
        return Ok(Some(given.clone()));
    }
    let usual = args.configs.as_deref().unwrap_or_else(|| Path::new("configs")).join(FILE);
    Ok(usual.try_exists().with_context(|| format!("look for {}", usual.display()))?.then_some(usual))
}

fn configs_folder(args: &WorkerArgs, file: Option<&Path>) -> PathBuf {
    let beside = || file.and_then(Path::parent).map(Path::to_owned);
    let folder = args.configs.clone().or_else(beside).unwrap_or_else(|| PathBuf::from("configs"));
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }
}

fn read_properties(path: &Path) -> Result<Props> {
    let file = File::open(path).with_context(|| format!("read {}: name an existing file", path.display()))?;
    // The parser's message is not shown, because it may quote a line with a password.
    parse_properties(file).map_err(|error| match error.line_number() {
        Some(line) => anyhow!("read {}: line {line} is no property", path.display()),
        None => anyhow!("read {}: it is no properties file", path.display()),
    })
}

fn parse_properties(text: impl Read) -> Result<Props, PropertiesError> {
    // The parser panics on a last line without a line end whose last character is not ASCII.
    Ok(java_properties::read(text.chain(&b"\n"[..]))?.into_iter().collect())
}

fn add_missing(props: &mut Props, defaults: &[(&str, &str)]) {
    for (name, value) in defaults {
        props.entry((*name).to_owned()).or_insert_with(|| (*value).to_owned());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn load(file: &str, variables: &[(&str, &str)]) -> Written {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.properties");
        std::fs::write(&path, file).unwrap();
        let args = WorkerArgs { properties: Some(path), ..WorkerArgs::default() };
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Written::load(&args, variables.collect::<Vec<_>>().into_iter()).unwrap();
        assert_eq!(settings.configs, folder.path());
        settings
    }

    fn get<'a>(settings: &'a Written, name: &str) -> Option<&'a str> {
        settings.props.get(name).map(String::as_str)
    }

    #[test]
    fn with_nothing_configured_everything_is_embedded() {
        let settings = load("", &[]);
        assert!(settings.embedded && settings.any_rest_port);
        assert_eq!(get(&settings, "group.id"), Some("tributary"));
        assert_eq!(get(&settings, "value.converter.schemas.enable"), Some("false"));
    }

    #[test]
    fn a_real_broker_gets_no_defaults_but_connects_own() {
        let settings = load("bootstrap.servers=a:1\nvalue.converter=X", &[]);
        assert!(!settings.embedded && !settings.any_rest_port);
        assert_eq!((get(&settings, "group.id"), get(&settings, "listeners")), (None, None));
        let missing = settings.parse().err().unwrap().to_string();
        for name in
            ["group.id", "key.converter", "config.storage.topic", "offset.storage.topic", "status.storage.topic"]
        {
            assert!(missing.contains(&format!("\"{name}\"")), "{missing}");
        }
        let connect = "bootstrap.servers=a:1\ngroup.id=g\nkey.converter=X\nvalue.converter=X\n\
                       config.storage.topic=c\noffset.storage.topic=o\nstatus.storage.topic=s";
        assert_eq!(load(connect, &[]).parse().unwrap().list("listeners").unwrap(), ["http://:8083"]);
    }

    #[test]
    fn the_environment_wins_over_the_file_and_both_over_defaults() {
        let settings = load("group.id=file\nlisteners=http://:1\nvalue.converter=X", &[("CONNECT_GROUP_ID", "env")]);
        assert_eq!((get(&settings, "group.id"), get(&settings, "listeners")), (Some("env"), Some("http://:1")));
        assert_eq!(get(&settings, "value.converter.schemas.enable"), None);
        assert!(!settings.any_rest_port);
    }

    #[test]
    fn kafka_opts_name_the_login_configuration_unless_a_setting_does() {
        let opts = ("KAFKA_OPTS", "-Djava.security.auth.login.config=/etc/jaas.conf");
        assert_eq!(get(&load("", &[opts]), LOGIN_CONFIG), Some("/etc/jaas.conf"));
        assert_eq!(get(&load("rest.basic.auth.login.config=/own", &[opts]), LOGIN_CONFIG), Some("/own"));
    }

    #[test]
    fn a_file_that_is_no_properties_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.properties");
        std::fs::write(&path, "a=b\npassword=\\uXYZ1geheim\n").unwrap();
        let args = WorkerArgs { properties: Some(path), ..WorkerArgs::default() };
        let message = format!("{:#}", Written::load(&args, std::iter::empty()).err().unwrap());
        assert!(message.contains("line 2") && !message.contains("geheim"), "{message}");
    }

    #[test]
    fn all_wrong_values_are_reported_at_once_and_an_empty_one_counts_as_unset() {
        let wrong = load(
            "demo.shop.enable=maybe\nembedded.broker.port=x\naccess.control.allow.methods=G ET\nlisteners=localhost\n\
             response.http.headers.config=X: y\nrest.extension.classes=Mine\nrest.advertised.listener=ftp\n\
             offset.storage.partitions=0\nconfig.storage.topic=a b\noffset.flush.timeout.ms=soon\n\
             connector.client.config.override.policy=Some",
            &[],
        );
        let error = wrong.parse().err().unwrap().to_string();
        for name in [
            "access.control.allow.methods",
            "listeners",
            "response.http.headers.config",
            "rest.extension.classes",
            "rest.advertised.listener",
            "offset.storage.partitions",
            "config.storage.topic",
            "offset.flush.timeout.ms",
            "connector.client.config.override.policy",
        ] {
            assert!(error.contains(&format!("for configuration {name}: ")), "{name}: {error}");
        }
        assert!(error.contains("Invalid value maybe for configuration demo.shop.enable"), "{error}");
        assert!(error.contains("Invalid value x for configuration embedded.broker.port"), "{error}");
        let empty = load("embedded.broker.port=\ndemo.shop.enable=\ndemo.shop.collector.url=", &[]).parse().unwrap();
        assert_eq!(empty.port("embedded.broker.port").unwrap(), 9092);
        assert!(empty.flag_or("demo.shop.enable", true).unwrap());
        assert_eq!(empty.text("demo.shop.collector.url").unwrap(), None);
        assert_eq!(empty.graceful_timeout().unwrap(), Duration::from_secs(3));
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let args = WorkerArgs { properties: Some("/nowhere/w.properties".into()), ..WorkerArgs::default() };
        let error = Written::load(&args, std::iter::empty()).err().unwrap();
        assert!(error.to_string().contains("/nowhere/w.properties"), "{error}");
    }

    #[test]
    fn fuzz_properties() {
        let examples: [&[u8]; 5] = [
            b"a=b\nc : d\\\n  e\n# f\n! g\nh\\ i=\\u00e4\\t",
            b"group.id=\xe4\r\nlisteners=http://:1\n=\n:\n\\",
            b"a=\\ud83d\\ude00\\uzzzz",
            b"a=b\xff",
            include_bytes!("../../../configs/worker.properties"),
        ];
        tributary_testkit::fuzz(&examples, |text| {
            let props = parse_properties(text).map_err(|error| error.to_string().len())?;
            let longest = props.values().map(String::len).max();
            Ok::<_, usize>((props.len().min(16), longest.map(|length| length.min(32))))
        });
    }
}
