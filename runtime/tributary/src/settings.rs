//! The worker's settings: a properties file, the environment over it, and what holds with nothing configured under it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use java_properties::PropertiesError;
use tributary_api::Props;

use crate::cli::WorkerArgs;
use crate::environment;

/// The port of REST where nobody has chosen one.
pub(crate) const REST_PORT: u16 = 8083;

const FILE: &str = "worker.properties";
const LOGIN_CONFIG: &str = "rest.basic.auth.login.config";

/// What holds on the embedded broker where nothing else is said. On any other broker these must be given, as in Connect.
const EMBEDDED: [(&str, &str); 9] = [
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

const JSON_VALUES: [(&str, &str); 2] =
    [("value.converter", "org.apache.kafka.connect.json.JsonConverter"), ("value.converter.schemas.enable", "false")];

/// Short of Connect's 5 s, so that the whole process is gone in that time.
const GRACEFUL_MS: &str = "3000";

/// How to run this process.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The worker's properties, as written but for the embedded default's.
    pub(crate) props: Props,
    /// Holds connectors/*.json.
    pub(crate) configs: PathBuf,
    /// For what embedded servers and stateful connectors keep.
    pub(crate) data: PathBuf,
    /// No broker is configured: bring one.
    pub(crate) embedded: bool,
    /// Nobody chose where REST listens: another port will do when the usual one is taken.
    pub(crate) any_rest_port: bool,
}

impl Settings {
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
        add_missing(&mut props, &[("task.shutdown.graceful.timeout.ms", GRACEFUL_MS), ("listeners", "http://:8083")]);
        Ok(Self {
            props,
            configs: configs_folder(args, file.as_deref()),
            data: args.data.clone(),
            embedded,
            any_rest_port,
        })
    }

    /// A setting, an empty one being none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.props.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A setting that is `true` or `false`.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => bail!("{name} is {other}: write true or false"),
        }
    }

    /// A setting that is a port.
    pub(crate) fn port(&self, name: &str, default: u16) -> Result<u16> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse().with_context(|| format!("{name} is {text}: write a port from 0 to 65535"))
    }

    /// A setting in milliseconds.
    pub(crate) fn duration(&self, name: &str, default: Duration) -> Result<Duration> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse().map(Duration::from_millis).with_context(|| format!("{name} is {text}: write milliseconds"))
    }

    /// How long tasks may take to end.
    pub(crate) fn graceful_timeout(&self) -> Duration {
        let ms = self.get("task.shutdown.graceful.timeout.ms").and_then(|text| text.parse().ok());
        Duration::from_millis(ms.unwrap_or(3_000))
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
    // The parser's own words may quote a line, which may hold a password.
    parse_properties(file).map_err(|error| match error.line_number() {
        Some(line) => anyhow!("read {}: line {line} is no property", path.display()),
        None => anyhow!("read {}: it is no properties file", path.display()),
    })
}

fn parse_properties(text: impl Read) -> Result<Props, PropertiesError> {
    // The parser panics over a last line that ends with a letter of other than ASCII, and with no end of line.
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

    fn load(file: &str, variables: &[(&str, &str)]) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.properties");
        std::fs::write(&path, file).unwrap();
        let args = WorkerArgs { properties: Some(path), ..WorkerArgs::default() };
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Settings::load(&args, variables.collect::<Vec<_>>().into_iter()).unwrap();
        assert_eq!(settings.configs, folder.path());
        settings
    }

    #[test]
    fn with_nothing_configured_everything_is_embedded() {
        let settings = load("", &[]);
        assert!(settings.embedded && settings.any_rest_port);
        assert_eq!(settings.get("group.id"), Some("tributary"));
        assert_eq!(settings.get("value.converter.schemas.enable"), Some("false"));
    }

    #[test]
    fn a_real_broker_gets_no_defaults_but_connects_own() {
        let settings = load("bootstrap.servers=a:1\nvalue.converter=X", &[]);
        assert!(!settings.embedded && !settings.any_rest_port);
        assert_eq!((settings.get("group.id"), settings.get("listeners")), (None, Some("http://:8083")));
    }

    #[test]
    fn the_environment_wins_over_the_file_and_both_over_defaults() {
        let settings = load("group.id=file\nlisteners=http://:1\nvalue.converter=X", &[("CONNECT_GROUP_ID", "env")]);
        assert_eq!((settings.get("group.id"), settings.get("listeners")), (Some("env"), Some("http://:1")));
        assert_eq!(settings.get("value.converter.schemas.enable"), None);
        assert!(!settings.any_rest_port);
    }

    #[test]
    fn kafka_opts_name_the_login_configuration_unless_a_setting_does() {
        let opts = ("KAFKA_OPTS", "-Djava.security.auth.login.config=/etc/jaas.conf");
        assert_eq!(load("", &[opts]).get(LOGIN_CONFIG), Some("/etc/jaas.conf"));
        assert_eq!(load("rest.basic.auth.login.config=/own", &[opts]).get(LOGIN_CONFIG), Some("/own"));
    }

    #[test]
    fn a_file_that_is_no_properties_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.properties");
        std::fs::write(&path, "a=b\npassword=\\uXYZ1geheim\n").unwrap();
        let args = WorkerArgs { properties: Some(path), ..WorkerArgs::default() };
        let message = format!("{:#}", Settings::load(&args, std::iter::empty()).err().unwrap());
        assert!(message.contains("line 2") && !message.contains("geheim"), "{message}");
    }

    #[test]
    fn a_wrong_value_names_its_setting() {
        let settings = load("demo.shop.enable=maybe\nembedded.broker.port=x", &[]);
        assert!(settings.flag("demo.shop.enable", true).unwrap_err().to_string().contains("demo.shop.enable is maybe"));
        assert!(
            settings.port("embedded.broker.port", 1).unwrap_err().to_string().contains("embedded.broker.port is x")
        );
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let args = WorkerArgs { properties: Some("/nowhere/w.properties".into()), ..WorkerArgs::default() };
        let error = Settings::load(&args, std::iter::empty()).err().unwrap();
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
