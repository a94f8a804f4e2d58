use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Props;
use crate::{Error, JavaRegex, Result};

/// A configuration parsed by its [`ConfigDef`](super::ConfigDef): every defined property has a value of its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub(super) values: BTreeMap<String, Parsed>,
    /// By the name of the key that has a pattern.
    pub(super) matches: BTreeMap<String, Vec<NameMatch>>,
    pub(super) originals: Originals,
}

/// A given property whose name a pattern means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameMatch {
    /// The property: its value is had by this name, as of any other.
    pub name: String,
    /// What the groups of the pattern hold; of a prefix, what follows it.
    pub groups: Vec<String>,
}

/// A parsed value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Parsed {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    List(Vec<String>),
    Secret(Secret),
}

/// Properties as written; `Debug` shows their names only.
#[derive(Clone, PartialEq)]
pub(super) struct Originals(pub(super) Props);

/// Text that `Debug` and `Display` never show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Config {
    /// Text, or the name of a class.
    ///
    /// # Errors
    /// When it is null or not defined as text.
    pub fn string(&self, name: &str) -> Result<&str> {
        self.optional_string(name)?.ok_or_else(|| missing(name))
    }

    /// Text, or the name of a class, if given.
    ///
    /// # Errors
    /// When it is not defined as text.
    pub fn optional_string(&self, name: &str) -> Result<Option<&str>> {
        match self.parsed(name)? {
            Parsed::Null => Ok(None),
            Parsed::Text(text) => Ok(Some(text)),
            other => Err(mistyped(name, "text", other)),
        }
    }

    /// A whole number of any width.
    ///
    /// # Errors
    /// When it is null, not defined as a number, or wider than asked for.
    pub fn int<T: TryFrom<i64>>(&self, name: &str) -> Result<T> {
        self.optional_int(name)?.ok_or_else(|| missing(name))
    }

    /// A whole number of any width, if given.
    ///
    /// # Errors
    /// When it is not defined as a number, or wider than asked for.
    pub fn optional_int<T: TryFrom<i64>>(&self, name: &str) -> Result<Option<T>> {
        match self.parsed(name)? {
            Parsed::Null => Ok(None),
            Parsed::Integer(number) => match T::try_from(*number) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(Error::config_at(name, format!("{name} is out of range: {number}"))),
            },
            other => Err(mistyped(name, "a whole number", other)),
        }
    }

    /// A double.
    ///
    /// # Errors
    /// When it is null or not defined as a double.
    pub fn double(&self, name: &str) -> Result<f64> {
        match self.parsed(name)? {
            Parsed::Double(number) => Ok(*number),
            Parsed::Null => Err(missing(name)),
            other => Err(mistyped(name, "a number", other)),
        }
    }

    /// A boolean.
    ///
    /// # Errors
    /// When it is null or not defined as a boolean.
    pub fn boolean(&self, name: &str) -> Result<bool> {
        match self.parsed(name)? {
            Parsed::Boolean(value) => Ok(*value),
            Parsed::Null => Err(missing(name)),
            other => Err(mistyped(name, "true or false", other)),
        }
    }

    /// A list; null is an empty one.
    ///
    /// # Errors
    /// When it is not defined as a list.
    pub fn list(&self, name: &str) -> Result<&[String]> {
        match self.parsed(name)? {
            Parsed::Null => Ok(&[]),
            Parsed::List(items) => Ok(items),
            other => Err(mistyped(name, "a list", other)),
        }
    }

    /// A secret, if given.
    ///
    /// # Errors
    /// When it is not defined as a password.
    pub fn secret(&self, name: &str) -> Result<Option<&Secret>> {
        match self.parsed(name)? {
            Parsed::Null => Ok(None),
            Parsed::Secret(secret) => Ok(Some(secret)),
            other => Err(mistyped(name, "a password", other)),
        }
    }

    /// A duration that is written as a whole number of milliseconds.
    ///
    /// # Errors
    /// When it is null, negative or not defined as a number.
    pub fn millis(&self, name: &str) -> Result<Duration> {
        self.optional_millis(name)?.ok_or_else(|| missing(name))
    }

    /// A duration that is written as a whole number of milliseconds, if given.
    ///
    /// # Errors
    /// When it is negative or not defined as a number.
    pub fn optional_millis(&self, name: &str) -> Result<Option<Duration>> {
        Ok(self.optional_int(name)?.map(Duration::from_millis))
    }

    /// The value for a text, in any case: for an [`enumeration`](super::ConfigKey::enumeration).
    ///
    /// ```
    /// use tributary_api::{ConfigDef, ConfigKey, ConfigType, Props};
    /// #[derive(Clone, Debug, PartialEq)]
    /// enum Mode {
    ///     Initial,
    ///     Never,
    /// }
    /// let modes = [("initial", Mode::Initial), ("never", Mode::Never)];
    /// let key = ConfigKey::new("mode", ConfigType::String).enumeration(&["initial", "never"]).default("initial");
    /// let config = ConfigDef::new([key]).parse(&Props::from([("mode".to_owned(), "NEVER".to_owned())])).unwrap();
    /// assert_eq!(config.choice("mode", &modes).unwrap(), Mode::Never);
    /// ```
    ///
    /// # Errors
    /// When it is null, not defined as text, or none of these.
    pub fn choice<T: Clone>(&self, name: &str, choices: &[(&str, T)]) -> Result<T> {
        let text = self.string(name)?;
        let chosen = choices.iter().find(|(choice, _)| choice.eq_ignore_ascii_case(text));
        chosen.map(|(_, value)| value.clone()).ok_or_else(|| {
            let known: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            Error::config_at(name, format!("{name} is {text}: write one of {}", known.join(", ")))
        })
    }

    /// A regular expression in Java's dialect, if given.
    ///
    /// # Errors
    /// When it is none, or not defined as text.
    pub fn regex(&self, name: &str) -> Result<Option<JavaRegex>> {
        self.optional_string(name)?.map(|pattern| JavaRegex::new(name, pattern)).transpose()
    }

    /// Regular expressions in Java's dialect, of text or of a list whose validator is
    /// [`RegexList`](super::Validator::RegexList); null is none.
    ///
    /// # Errors
    /// When one of them is none, or they are not defined as text or a list.
    pub fn regexes(&self, name: &str) -> Result<Vec<JavaRegex>> {
        match self.parsed(name)? {
            Parsed::Null => Ok(Vec::new()),
            Parsed::Text(list) => JavaRegex::list(name, list),
            Parsed::List(patterns) => patterns.iter().map(|pattern| JavaRegex::new(name, pattern)).collect(),
            other => Err(mistyped(name, "a list", other)),
        }
    }

    /// The given properties that a key's pattern means, in the order of their names.
    ///
    /// ```
    /// use tributary_api::{ConfigDef, ConfigKey, ConfigType, Props};
    /// let key = ConfigKey::new("column.truncate.to.(d+).chars", ConfigType::String);
    /// let def = ConfigDef::new([key.name_matches(r"column\.truncate\.to\.(\d+)\.chars")]);
    /// let config = def.parse(&Props::from([("column.truncate.to.20.chars".to_owned(), "dbo.orders.note".to_owned())]));
    /// let config = config.unwrap();
    /// let found = &config.matching("column.truncate.to.(d+).chars").unwrap()[0];
    /// assert_eq!((found.groups[0].as_str(), config.string(&found.name).unwrap()), ("20", "dbo.orders.note"));
    /// ```
    ///
    /// # Errors
    /// When there is no such key, or it has no pattern.
    pub fn matching(&self, key: &str) -> Result<&[NameMatch]> {
        let found = self.matches.get(key).map(Vec::as_slice);
        found.ok_or_else(|| Error::config(format!("{key} has no pattern of names: add it to the ConfigDef")))
    }

    /// What is defined under a prefix, without it.
    pub(super) fn under(&self, prefix: &str) -> Self {
        let strip = |name: &String| name.strip_prefix(prefix).map(str::to_owned);
        let strip_match = |found: &NameMatch| {
            let name = strip(&found.name)?;
            Some(NameMatch { name, groups: found.groups.clone() })
        };
        let (values, matches) = (self.values.iter(), self.matches.iter());
        Self {
            values: values.filter_map(|(name, value)| Some((strip(name)?, value.clone()))).collect(),
            matches: matches
                .filter_map(|(name, found)| Some((strip(name)?, found.iter().filter_map(strip_match).collect())))
                .collect(),
            originals: Originals(
                self.originals.0.iter().filter_map(|(name, text)| Some((strip(name)?, text.clone()))).collect(),
            ),
        }
    }

    /// The configuration of so many tasks that all have the connector's own, for
    /// [`task_configs`](crate::Connector::task_configs).
    pub fn for_tasks(&self, count: usize) -> Vec<Props> {
        vec![self.originals.0.clone(); count]
    }

    /// The properties as written, those without a definition too.
    pub fn originals(&self) -> &Props {
        &self.originals.0
    }

    fn parsed(&self, name: &str) -> Result<&Parsed> {
        self.values.get(name).ok_or_else(|| Error::config(format!("{name} is not defined: add it to the ConfigDef")))
    }
}

fn missing(name: &str) -> Error {
    Error::config_at(name, format!("{name} is null: give it a value"))
}

fn mistyped(name: &str, asked: &str, found: &Parsed) -> Error {
    Error::config(format!("{name} is not defined as {asked} but holds {found:?}: correct the ConfigDef"))
}

impl Parsed {
    /// The value as it is shown.
    pub(super) fn shown(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Boolean(value) => Some(value.to_string()),
            Self::Integer(number) => Some(number.to_string()),
            // Java prints a whole double with one decimal.
            Self::Double(number) => Some(format!("{number:?}")),
            Self::Text(text) => Some(text.clone()),
            Self::List(items) => Some(items.join(",")),
            Self::Secret(_) => Some("[hidden]".to_owned()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl fmt::Debug for Originals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
