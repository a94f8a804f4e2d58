//! Configuration: one definition drives parsing, validation, masking and generated documentation.

mod definition;
mod dependent;
mod key;
mod parsed;
mod pattern;
mod read;
mod validation;
mod validator;
mod wording;

use std::collections::BTreeMap;

pub use self::definition::ConfigDef;
pub use self::dependent::Recommendation;
pub use self::key::{ConfigKey, ConfigType, DefaultValue, Importance, KeyNames, Width};
pub use self::parsed::{Config, NameMatch, Secret};
pub use self::validator::{CustomValidator, Validator, check_topic_name};
pub use self::wording::Wording;
use crate::{Error, Result};

/// A configuration as it is written: property names to text.
pub type Props = BTreeMap<String, String>;

/// The items of a comma-separated property, trimmed and without empty ones. For a property that another definition has:
/// a sink's `topics`, for example. A plugin's own list comes from [`Config::list`].
///
/// ```
/// use tributary_api::{Props, list_items};
/// let props = Props::from([("topics".to_owned(), "orders, ,clicks".to_owned())]);
/// assert!(list_items(&props, "topics").eq(["orders", "clicks"]));
/// ```
pub fn list_items<'a>(props: &'a Props, name: &str) -> impl Iterator<Item = &'a str> {
    let list = props.get(name).map_or("", String::as_str);
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// A property with its value and what is wrong with it, as `/validate` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigValue {
    /// The property.
    pub name: String,
    /// The value as text, secrets masked; absent when null.
    pub value: Option<String>,
    /// Values that would be right.
    pub recommended_values: Vec<String>,
    /// What is wrong.
    pub errors: Vec<String>,
    /// Whether a form should show it.
    pub visible: bool,
}

impl ConfigValue {
    /// A property without a value, visible.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), visible: true, ..Self::default() }
    }
}

/// Something wrong with a property, found by a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigIssue {
    /// The property.
    pub name: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl ConfigIssue {
    /// An issue with a property.
    pub fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { name: name.into(), message: message.into() }
    }

    /// The issue as an error of its property.
    pub fn into_error(self) -> Error {
        Error::config_at(self.name, self.message)
    }

    /// An error as an issue with the property that it is of, or else with another one.
    pub fn of_error(error: &Error, otherwise: &str) -> Self {
        Self::new(error.property().unwrap_or(otherwise), error.to_string())
    }
}

/// Looks up the values for `${provider:path:key}` in a configuration.
///
/// ```
/// use std::collections::BTreeMap;
/// use tributary_api::{ConfigProvider, Result};
///
/// /// `${upper::name}` is `NAME`.
/// struct Upper;
///
/// impl ConfigProvider for Upper {
///     fn get(&self, _path: &str, keys: &[&str]) -> Result<BTreeMap<String, String>> {
///         Ok(keys.iter().map(|key| ((*key).to_owned(), key.to_uppercase())).collect())
///     }
///
///     fn is_secret(&self, _path: &str, _key: &str) -> bool {
///         false
///     }
/// }
/// ```
pub trait ConfigProvider: Send + Sync {
    /// The values of the keys under a path; keys that are not there are left out.
    ///
    /// # Errors
    /// `Config` when the path cannot be read or is not allowed.
    fn get(&self, path: &str, keys: &[&str]) -> Result<BTreeMap<String, String>>;

    /// Whether a value is hidden wherever it would be shown or logged: everything, unless the provider knows better.
    fn is_secret(&self, _path: &str, _key: &str) -> bool {
        true
    }
}
