use std::collections::{HashMap, HashSet};

use super::dependent::CrossCheck;
use super::{Config, ConfigIssue, ConfigKey, Props, Wording, read};
use crate::Result;

/// The properties of a plugin, in the order they are documented.
///
/// ```
/// use tributary_api::{ConfigDef, ConfigKey, ConfigType, Props};
/// let def = ConfigDef::new([ConfigKey::new("batch.size", ConfigType::Int).default(2000).doc("Records in a batch.")]);
/// assert_eq!(def.parse(&Props::new()).unwrap().int::<i32>("batch.size").unwrap(), 2000);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigDef {
    keys: Vec<ConfigKey>,
    pub(super) checks: Vec<CrossCheck>,
    /// The index of each key, and the number of keys in each group: some definitions have thousands.
    places: HashMap<String, usize>,
    headings: HashMap<String, i32>,
}

impl ConfigDef {
    /// A definition of these properties; a later one of the same name replaces an earlier one.
    pub fn new(keys: impl IntoIterator<Item = ConfigKey>) -> Self {
        keys.into_iter().fold(Self::default(), Self::with)
    }

    /// The same definition with one more property.
    #[must_use]
    pub fn with(mut self, mut key: ConfigKey) -> Self {
        let before = key.group.as_ref().and_then(|group| self.headings.get(group)).copied().unwrap_or(0);
        if key.order < 0 && key.group.is_some() {
            key.order = before.saturating_add(1);
        }
        if let Some(group) = &key.group {
            self.headings.insert(group.clone(), before.saturating_add(1));
        }
        match self.places.get(&key.name) {
            Some(&place) => {
                let replaced = std::mem::replace(&mut self.keys[place], key);
                if let Some(count) = replaced.group.and_then(|group| self.headings.get_mut(&group)) {
                    *count -= 1;
                }
            }
            None => {
                self.places.insert(key.name.clone(), self.keys.len());
                self.keys.push(key);
            }
        }
        self
    }

    /// The same definition followed by all properties of another, each with a prefix and, if given, a group.
    #[must_use]
    pub fn embed(mut self, prefix: &str, group: Option<&str>, other: &Self) -> Self {
        for key in &other.keys {
            let mut key = key.clone();
            key.name = format!("{prefix}{}", key.name);
            let names = key.dependents.iter_mut().chain(&mut key.deprecated_names);
            names.for_each(|name| name.insert_str(0, prefix));
            if let Some(pattern) = &mut key.pattern {
                pattern.embed(prefix);
            }
            if let Some(recommender) = &mut key.recommender {
                recommender.under.insert_str(0, prefix);
            }
            if let Some(group) = group {
                key.group = Some(group.to_owned());
            }
            self = self.with(key);
        }
        for check in &other.checks {
            let mut check = check.clone();
            check.under.insert_str(0, prefix);
            self.checks.push(check);
        }
        self
    }

    /// The same definition with a check of several properties together. The function gets their values and returns the
    /// issues, each with the property on which it is shown; an error is shown on the property that it
    /// [names](crate::Error::config_at).
    ///
    /// [`validate`](Self::validate) calls it even if some properties do not parse, which are null then: an error caused
    /// by that is not shown. [`parse`](Self::parse) asks when all of them parse.
    ///
    /// ```
    /// use tributary_api::{ConfigDef, ConfigIssue, ConfigKey, ConfigType, Props};
    /// let key = |name| ConfigKey::new(name, ConfigType::List);
    /// let def = ConfigDef::new([key("include"), key("exclude")]).check(|config| {
    ///     let both = !config.list("include")?.is_empty() && !config.list("exclude")?.is_empty();
    ///     Ok(both.then(|| ConfigIssue::new("exclude", "write include or exclude, not both")).into_iter().collect())
    /// });
    /// let props = Props::from([("include".to_owned(), "a".to_owned()), ("exclude".to_owned(), "b".to_owned())]);
    /// assert_eq!(def.parse(&props).unwrap_err().property(), Some("exclude"));
    /// ```
    #[must_use]
    pub fn check(mut self, check: impl Fn(&Config) -> Result<Vec<ConfigIssue>> + Send + Sync + 'static) -> Self {
        self.checks.push(CrossCheck::new(check));
        self
    }

    /// The same definition, in which all keys so far say in these words what is wrong.
    #[must_use]
    pub fn wording(mut self, wording: Wording) -> Self {
        self.keys.iter_mut().for_each(|key| key.wording = wording);
        self
    }

    /// All properties, in order.
    pub fn keys(&self) -> impl Iterator<Item = &ConfigKey> {
        self.keys.iter()
    }

    /// A property.
    pub fn key(&self, name: &str) -> Option<&ConfigKey> {
        self.places.get(name).map(|&place| &self.keys[place])
    }

    /// The headings, in the order of first use.
    pub fn groups(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let groups = self.keys.iter().filter_map(|key| key.group.as_ref());
        groups.filter(|group| seen.insert(*group)).cloned().collect()
    }

    /// The key that a property is of: by its name, a name from before, or a pattern.
    pub fn key_of(&self, property: &str) -> Option<&ConfigKey> {
        self.key(property).or_else(|| {
            let is_meant = |key: &&ConfigKey| {
                key.deprecated_names.iter().any(|name| name == property)
                    || key.pattern.as_ref().is_some_and(|pattern| pattern.groups(property).is_some())
            };
            self.keys.iter().find(is_meant)
        })
    }

    /// What these properties say by names or values from before: a text for each, for the log.
    pub fn deprecations(&self, props: &Props) -> Vec<String> {
        self.keys.iter().flat_map(|key| read::deprecations(key, props)).collect()
    }

    /// The properties with the values of secrets replaced by `[hidden]`.
    pub fn mask(&self, props: &Props) -> Props {
        let hide = |name: &String| self.key_of(name).is_some_and(ConfigKey::is_secret);
        props
            .iter()
            .map(|(name, value)| (name.clone(), if hide(name) { "[hidden]".to_owned() } else { value.clone() }))
            .collect()
    }
}
