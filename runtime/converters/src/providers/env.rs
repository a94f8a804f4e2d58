use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;

use fancy_regex::Regex;
use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigProvider, ConfigType, Error, Factory, Importance, KAFKA_VERSION, Plugin, Result,
};

const ALLOWLIST_PATTERN: &str = "allowlist.pattern";

pub(super) fn plugin() -> Plugin {
    let factory = Factory::ConfigProvider(Arc::new(|config| Ok(Box::new(EnvVarConfigProvider::new(config)?))));
    let config = ConfigDef::new([ConfigKey::new(ALLOWLIST_PATTERN, ConfigType::String)
        .default(".*")
        .importance(Importance::Low)
        .doc("A regular expression that the whole name of a variable must match to be read.")]);
    Plugin::new("org.apache.kafka.common.config.provider.EnvVarConfigProvider", KAFKA_VERSION, config, factory)
        .doc("${env:VARIABLE}: an environment variable.")
}

struct EnvVarConfigProvider {
    allowed: Regex,
}

impl EnvVarConfigProvider {
    fn new(config: &Config) -> Result<Self> {
        let pattern = config.string(ALLOWLIST_PATTERN)?;
        let allowed = Regex::new(&format!("^(?:{pattern})$"));
        let allowed = allowed.map_err(|error| {
            Error::config_at(ALLOWLIST_PATTERN, format!("{ALLOWLIST_PATTERN} is not a regular expression"))
                .cause(&error)
        })?;
        Ok(Self { allowed })
    }
}

impl ConfigProvider for EnvVarConfigProvider {
    fn get(&self, path: &str, keys: &[&str]) -> Result<BTreeMap<String, String>> {
        if !path.is_empty() {
            return Err(Error::config(format!("environment variables have no path: write ${{env:NAME}}, not {path}")));
        }
        let allowed = |key: &&&str| self.allowed.is_match(key).unwrap_or(false);
        let read = |key: &&str| env::var(key).ok().map(|value| ((*key).to_owned(), value));
        Ok(keys.iter().filter(allowed).filter_map(read).collect())
    }
}
