//! Configuration: one definition drives parsing, validation, masking and generated documentation.

mod definition;
mod key;
mod parsed;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::definition::ConfigDef;
pub use self::key::{ConfigKey, ConfigType, Default, Importance, Validator, Width};
pub use self::parsed::{Config, Secret};
use crate::{Error, Result};

/// A configuration as it is written: property names to text.
pub type Props = BTreeMap<String, String>;

/// A property with its value and what is wrong with it, as `/validate` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Something wrong with a property, found by a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Looks up the values that stand in a configuration as `${provider:path:key}`.
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
