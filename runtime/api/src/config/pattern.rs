use std::fmt;

use super::KeyNames;
use crate::JavaRegex;

/// The names of a family of properties.
#[derive(Clone, PartialEq)]
pub(crate) struct NamePattern {
    /// What a definition is embedded under.
    under: String,
    rest: Rest,
}

#[derive(Clone)]
enum Rest {
    Prefix(String),
    Regex(Box<JavaRegex>),
    /// An invalid expression: every use of the definition reports it, so that its author notices it at once.
    Wrong(String),
}

impl NamePattern {
    pub(super) fn prefix(prefix: &str) -> Self {
        Self { under: String::new(), rest: Rest::Prefix(prefix.to_owned()) }
    }

    pub(super) fn regex(pattern: &str) -> Self {
        let rest = match JavaRegex::compile(pattern) {
            Ok(regex) => Rest::Regex(Box::new(regex)),
            Err(error) => Rest::Wrong(format!("{pattern} is not a regular expression: {error}")),
        };
        Self { under: String::new(), rest }
    }

    pub(super) fn embed(&mut self, prefix: &str) {
        self.under.insert_str(0, prefix);
    }

    /// What the groups of the pattern hold in a name that it means; of a prefix, what follows it.
    pub(super) fn groups(&self, name: &str) -> Option<Vec<String>> {
        let name = name.strip_prefix(&self.under)?;
        match &self.rest {
            Rest::Prefix(prefix) => Some(vec![name.strip_prefix(prefix)?.to_owned()]),
            // A name for which the expression takes too long does not match.
            Rest::Regex(regex) => regex.groups(name).ok().flatten(),
            Rest::Wrong(_) => None,
        }
    }

    pub(super) fn names(&self) -> KeyNames {
        match &self.rest {
            Rest::Prefix(prefix) => KeyNames::Begin(format!("{}{prefix}", self.under)),
            Rest::Regex(regex) if self.under.is_empty() => KeyNames::Match(regex.as_str().to_owned()),
            Rest::Regex(regex) => KeyNames::Match(format!(r"\Q{}\E(?:{})", self.under, regex.as_str())),
            Rest::Wrong(fault) => KeyNames::Match(fault.clone()),
        }
    }

    /// What is wrong with the pattern itself.
    pub(super) fn fault(&self) -> Option<&str> {
        match &self.rest {
            Rest::Wrong(fault) => Some(fault),
            Rest::Prefix(_) | Rest::Regex(_) => None,
        }
    }
}

impl PartialEq for Rest {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Prefix(one), Self::Prefix(other)) | (Self::Wrong(one), Self::Wrong(other)) => one == other,
            (Self::Regex(one), Self::Regex(other)) => one.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamePattern({:?})", self.names())
    }
}
