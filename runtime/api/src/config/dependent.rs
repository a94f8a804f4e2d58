//! What depends on more than one property.

use std::fmt;
use std::sync::Arc;

use super::{Config, ConfigIssue};
use crate::Result;

/// What a form should offer for a property, given the values of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recommendation {
    /// Values that would be right.
    pub values: Vec<String>,
    /// Whether the property is of any use.
    pub visible: bool,
}

impl Recommendation {
    /// These values.
    pub fn values<T: Into<String>>(values: impl IntoIterator<Item = T>) -> Self {
        Self { values: values.into_iter().map(Into::into).collect(), visible: true }
    }

    /// No values; a form shows the property, or does not.
    pub fn visible(visible: bool) -> Self {
        Self { values: Vec::new(), visible }
    }
}

type Recommend = dyn Fn(&Config) -> Recommendation + Send + Sync;
type Check = dyn Fn(&Config) -> Result<Vec<ConfigIssue>> + Send + Sync;

/// Says what a form should offer for a property.
#[derive(Clone)]
pub(crate) struct Recommender {
    /// What the definition is embedded under: the function knows the names without.
    pub(super) under: String,
    recommend: Arc<Recommend>,
}

impl Recommender {
    pub(super) fn new(recommend: impl Fn(&Config) -> Recommendation + Send + Sync + 'static) -> Self {
        Self { under: String::new(), recommend: Arc::new(recommend) }
    }

    pub(super) fn ask(&self, config: &Config) -> Recommendation {
        (self.recommend)(config)
    }
}

/// Looks at several properties together.
#[derive(Clone)]
pub(super) struct CrossCheck {
    /// What the definition is embedded under: the function knows the names without.
    pub(super) under: String,
    check: Arc<Check>,
}

impl CrossCheck {
    pub(super) fn new(check: impl Fn(&Config) -> Result<Vec<ConfigIssue>> + Send + Sync + 'static) -> Self {
        Self { under: String::new(), check: Arc::new(check) }
    }

    pub(super) fn ask(&self, config: &Config) -> Result<Vec<ConfigIssue>> {
        let mut issues = (self.check)(config)?;
        issues.iter_mut().for_each(|issue| issue.name.insert_str(0, &self.under));
        Ok(issues)
    }
}

impl PartialEq for Recommender {
    fn eq(&self, other: &Self) -> bool {
        self.under == other.under && Arc::ptr_eq(&self.recommend, &other.recommend)
    }
}

impl PartialEq for CrossCheck {
    fn eq(&self, other: &Self) -> bool {
        self.under == other.under && Arc::ptr_eq(&self.check, &other.check)
    }
}

impl fmt::Debug for Recommender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recommender(under {:?})", self.under)
    }
}

impl fmt::Debug for CrossCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CrossCheck(under {:?})", self.under)
    }
}
