//! What `/validate` shows, and what refuses a configuration.

use std::collections::{BTreeMap, HashMap};

use super::read::{self, Fault};
use super::{Config, ConfigDef, ConfigIssue, ConfigValue, Props};
use crate::{Error, Result};

impl ConfigDef {
    /// Every property with its value, masked if secret, and what is wrong with it: those of the keys in their order, then
    /// those that are given by other names and wrong.
    pub fn validate(&self, props: &Props) -> Vec<ConfigValue> {
        let (config, faults) = read::read(self, props);
        let views = Views::new(self, &config);
        let mut shown: Vec<ConfigValue> = self
            .keys()
            .map(|key| {
                let mut value = ConfigValue::new(&key.name);
                if key.pattern.is_none() {
                    value.value = config.values.get(&key.name).and_then(|parsed| read::shown(key, parsed));
                }
                if let Some(recommender) = &key.recommender {
                    let recommended = recommender.ask(views.under(&recommender.under));
                    (value.recommended_values, value.visible) = (recommended.values, recommended.visible);
                }
                value
            })
            .collect();
        let mut places: HashMap<String, usize> =
            shown.iter().enumerate().map(|(place, value)| (value.name.clone(), place)).collect();
        let is_whole = faults.is_empty();
        let found = faults.into_iter().map(|Fault { property, message }| ConfigIssue::new(property, message));
        let found: Vec<ConfigIssue> = found.chain(self.cross_check(&views, is_whole)).collect();
        for ConfigIssue { name, message } in found {
            let place = *places.entry(name).or_insert_with_key(|name| {
                shown.push(ConfigValue::new(name));
                shown.len() - 1
            });
            let value = &mut shown[place];
            value.value = value.value.take().or_else(|| self.as_given(&value.name, props));
            if !value.errors.contains(&message) {
                value.errors.push(message);
            }
        }
        shown
    }

    /// The values of all defined properties.
    ///
    /// # Errors
    /// `Config`, with every fault found, and of the first property that has one.
    pub fn parse(&self, props: &Props) -> Result<Config> {
        let (config, mut faults) = read::read(self, props);
        if faults.is_empty() && !self.checks.is_empty() {
            let issues = self.cross_check(&Views::new(self, &config), true);
            faults =
                issues.into_iter().map(|ConfigIssue { name, message }| Fault { property: name, message }).collect();
        }
        let Some(first) = faults.first() else { return Ok(config) };
        let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
        Err(Error::config_at(&first.property, messages.join(" ")))
    }

    /// What the checks of several properties find.
    fn cross_check(&self, views: &Views<'_>, is_whole: bool) -> Vec<ConfigIssue> {
        let mut found = Vec::new();
        for check in &self.checks {
            match check.ask(views.under(&check.under)) {
                Ok(issues) => found.extend(issues),
                // It may be of a value that does not parse.
                Err(_) if !is_whole => {}
                Err(error) => {
                    let otherwise = self.keys().next().map_or("", |key| &key.name);
                    let property = error.property().map(|name| format!("{}{name}", check.under));
                    found.push(ConfigIssue::new(property.unwrap_or_else(|| otherwise.to_owned()), error.to_string()));
                }
            }
        }
        found
    }

    /// What is given of a property, as far as it may be shown.
    fn as_given(&self, name: &str, props: &Props) -> Option<String> {
        let key = self.key_of(name)?;
        let text = props.get(name).map(String::as_str).or_else(|| read::given(key, props))?;
        if key.is_secret() {
            return None;
        }
        let parsed = read::parse_text(key, text).ok().and_then(|parsed| read::shown(key, &parsed));
        Some(parsed.unwrap_or_else(|| text.to_owned()))
    }
}

/// The values for an embedded definition, without its prefix: created once for each.
struct Views<'a> {
    whole: &'a Config,
    parts: BTreeMap<&'a str, Config>,
}

impl<'a> Views<'a> {
    fn new(definition: &'a ConfigDef, whole: &'a Config) -> Self {
        let recommenders = definition.keys().filter_map(|key| key.recommender.as_ref()).map(|one| one.under.as_str());
        let checks = definition.checks.iter().map(|check| check.under.as_str());
        let prefixes = recommenders.chain(checks).filter(|prefix| !prefix.is_empty());
        let mut parts = BTreeMap::new();
        for prefix in prefixes {
            parts.entry(prefix).or_insert_with(|| whole.under(prefix));
        }
        Self { whole, parts }
    }

    fn under(&self, prefix: &str) -> &Config {
        self.parts.get(prefix).unwrap_or(self.whole)
    }
}
