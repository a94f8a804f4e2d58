use std::collections::BTreeMap;
use std::fmt;

use super::Props;
use crate::{Error, Result};

/// A configuration parsed by its [`ConfigDef`](super::ConfigDef): every defined property has a value of its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub(super) values: BTreeMap<String, Parsed>,
    pub(super) originals: Originals,
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
