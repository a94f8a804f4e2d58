use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::parsed::{Originals, Parsed};
use super::{Config, ConfigKey, ConfigType, ConfigValue, Default, Props, Secret, Validator};
use crate::{Error, Result};

/// The properties of a plugin, in the order they are documented.
///
/// ```
/// use tributary_api::{ConfigDef, ConfigKey, ConfigType, Props};
/// let def = ConfigDef::new([ConfigKey::new("batch.size", ConfigType::Int).default(2000).doc("Records in a batch.")]);
/// assert_eq!(def.parse(&Props::new()).unwrap().int::<i32>("batch.size").unwrap(), 2000);
/// ```
#[derive(Clone, Debug, std::default::Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<ConfigKey>", into = "Vec<ConfigKey>")]
pub struct ConfigDef {
    keys: Vec<ConfigKey>,
    /// Where each key is, and how many stand under each heading: some definitions have thousands.
    places: HashMap<String, usize>,
    headings: HashMap<String, i32>,
}

/// The longest list that a property may have.
const MAX_LIST: usize = 10_000;

impl From<Vec<ConfigKey>> for ConfigDef {
    fn from(keys: Vec<ConfigKey>) -> Self {
        Self::new(keys)
    }
}

impl From<ConfigDef> for Vec<ConfigKey> {
    fn from(definition: ConfigDef) -> Self {
        definition.keys
    }
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

    /// The same definition with all properties of another behind it, each under a prefix and, if given, a group.
    #[must_use]
    pub fn embed(mut self, prefix: &str, group: Option<&str>, other: &Self) -> Self {
        for key in &other.keys {
            let mut key = key.clone();
            key.name = format!("{prefix}{}", key.name);
            key.dependents.iter_mut().for_each(|name| name.insert_str(0, prefix));
            if let Some(group) = group {
                key.group = Some(group.to_owned());
            }
            self = self.with(key);
        }
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

    /// Every property with its value, masked if secret, and what is wrong with it.
    pub fn validate(&self, props: &Props) -> Vec<ConfigValue> {
        self.keys
            .iter()
            .map(|key| {
                let (value, errors) = match parse_key(key, props) {
                    Ok(parsed) => (render(&parsed), Vec::new()),
                    Err(message) => {
                        let given = props.get(&key.name).filter(|_| !key.is_secret());
                        let read = |text: &String| parse_text(key.kind, text).ok().and_then(|parsed| render(&parsed));
                        (given.map(|text| read(text).unwrap_or_else(|| text.clone())), vec![message])
                    }
                };
                ConfigValue { name: key.name.clone(), value, recommended_values: Vec::new(), errors, visible: true }
            })
            .collect()
    }

    /// The values of all defined properties.
    ///
    /// # Errors
    /// `Config`, with every fault found, and of the first property that has one.
    pub fn parse(&self, props: &Props) -> Result<Config> {
        let (mut values, mut errors, mut first) = (BTreeMap::new(), Vec::new(), None);
        for key in &self.keys {
            match parse_key(key, props) {
                Ok(parsed) => drop(values.insert(key.name.clone(), parsed)),
                Err(message) => {
                    first.get_or_insert(&key.name);
                    errors.push(message);
                }
            }
        }
        match first {
            None => Ok(Config { values, originals: Originals(props.clone()) }),
            Some(property) => Err(Error::config_at(property, errors.join(" "))),
        }
    }

    /// The properties with the values of secrets replaced by `[hidden]`.
    pub fn mask(&self, props: &Props) -> Props {
        let hide = |name: &String| self.key(name).is_some_and(ConfigKey::is_secret);
        props
            .iter()
            .map(|(name, value)| (name.clone(), if hide(name) { "[hidden]".to_owned() } else { value.clone() }))
            .collect()
    }
}

/// How much of a value a message quotes, in bytes: what is wrong with it stands behind.
const LONGEST_SHOWN: usize = 1024;

/// The texts of these messages are Kafka's own: clients match them.
fn parse_key(key: &ConfigKey, props: &Props) -> Result<Parsed, String> {
    let text = match (props.get(&key.name), &key.default) {
        (Some(text), _) | (None, Default::Value(text)) => text,
        (None, Default::Null) => return Ok(Parsed::Null),
        (None, Default::Required) => {
            return Err(format!("Missing required configuration \"{}\" which has no default value.", key.name));
        }
    };
    let shown = if key.is_secret() { "[hidden]" } else { text };
    let fault = |shown: &str, reason: &str| {
        let end = shown.floor_char_boundary(LONGEST_SHOWN);
        let cut = if end < shown.len() { "..." } else { "" };
        format!("Invalid value {}{cut} for configuration {}: {reason}", &shown[..end], key.name)
    };
    let parsed = parse_text(key.kind, text).map_err(|reason| fault(shown, &reason))?;
    match &key.validator {
        Some(Validator::Distinct { empty }) => check_distinct(&key.name, *empty, &parsed)?,
        Some(validator) => check(validator, &parsed).map_err(|reason| fault(shown.trim(), &reason))?,
        None => {}
    }
    Ok(parsed)
}

fn parse_text(kind: ConfigType, text: &str) -> Result<Parsed, String> {
    let trimmed = text.trim();
    let integer = |min: i64, max: i64| match trimmed.parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(Parsed::Integer(number)),
        _ => Err(format!("Not a number of type {}", kind.name())),
    };
    match kind {
        ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Parsed::Boolean(true)),
        ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Parsed::Boolean(false)),
        ConfigType::Boolean => Err("Expected value to be either true or false".to_owned()),
        ConfigType::Short => integer(i16::MIN.into(), i16::MAX.into()),
        ConfigType::Int => integer(i32::MIN.into(), i32::MAX.into()),
        ConfigType::Long => integer(i64::MIN, i64::MAX),
        ConfigType::Double => trimmed.parse().map(Parsed::Double).map_err(|_| "Not a number of type DOUBLE".to_owned()),
        ConfigType::List if trimmed.is_empty() => Ok(Parsed::List(Vec::new())),
        ConfigType::List if trimmed.split(',').nth(MAX_LIST).is_some() => {
            Err(format!("A list may have {MAX_LIST} elements at the most"))
        }
        ConfigType::List => Ok(Parsed::List(trimmed.split(',').map(|item| item.trim().to_owned()).collect())),
        ConfigType::String | ConfigType::Class => Ok(Parsed::Text(trimmed.to_owned())),
        ConfigType::Password => Ok(Parsed::Secret(Secret::new(trimmed))),
    }
}

fn check(validator: &Validator, value: &Parsed) -> Result<(), String> {
    match (validator, value) {
        (Validator::AtLeast(min) | Validator::Between(min, _), Parsed::Integer(number)) if number < min => {
            Err(format!("Value must be at least {min}"))
        }
        (Validator::Between(_, max), Parsed::Integer(number)) if number > max => {
            Err(format!("Value must be no more than {max}"))
        }
        (Validator::OneOf(allowed), Parsed::Text(text)) if !allowed.contains(text) => {
            Err(format!("String must be one of: {}", allowed.join(", ")))
        }
        (Validator::OneOf(allowed), Parsed::List(items)) => match items.iter().find(|item| !allowed.contains(item)) {
            Some(_) => Err(format!("String must be one of: {}", allowed.join(", "))),
            None => Ok(()),
        },
        (Validator::OneOfIgnoringCase(allowed), Parsed::Text(text))
            if !allowed.iter().any(|one| one.eq_ignore_ascii_case(text)) =>
        {
            Err(format!("String must be one of (case insensitive): {}", allowed.join(", ")))
        }
        (Validator::NonEmpty, Parsed::Text(text)) if text.is_empty() => Err("String must be non-empty".to_owned()),
        (Validator::Name, Parsed::Text(text)) if text.is_empty() => Err("String may not be empty".to_owned()),
        (Validator::Name, Parsed::Text(text)) if text.contains(is_control) => {
            let found: Vec<String> =
                text.chars().filter(|c| is_control(*c)).map(|c| u32::from(c).to_string()).collect();
            let message = "String may not contain control sequences but had the following ASCII chars:";
            Err(format!("{message} {}", found.join(", ")))
        }
        _ => Ok(()),
    }
}

/// As Java's `Character.isISOControl`.
fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}')
}

fn check_distinct(name: &str, may_be_empty: bool, value: &Parsed) -> Result<(), String> {
    let Parsed::List(items) = value else { return Ok(()) };
    if items.is_empty() && !may_be_empty {
        return Err(format!("Configuration '{name}' must not be empty. Valid values include: any non-empty value"));
    }
    if items.iter().collect::<HashSet<_>>().len() < items.len() {
        return Err(format!("Configuration '{name}' values must not be duplicated."));
    }
    if items.iter().any(String::is_empty) {
        return Err(format!("Configuration '{name}' values must not be empty."));
    }
    Ok(())
}

fn render(value: &Parsed) -> Option<String> {
    match value {
        Parsed::Null => None,
        Parsed::Boolean(value) => Some(value.to_string()),
        Parsed::Integer(number) => Some(number.to_string()),
        // Java prints a whole double with one digit behind the point.
        Parsed::Double(number) => Some(format!("{number:?}")),
        Parsed::Text(text) => Some(text.clone()),
        Parsed::List(items) => Some(items.join(",")),
        Parsed::Secret(_) => Some("[hidden]".to_owned()),
    }
}
