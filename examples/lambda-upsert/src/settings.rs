use std::fmt;

use anyhow::{Context, Result};

/// What the function's environment says.
#[derive(Clone)]
pub(crate) struct Settings {
    /// `MONGODB_URI`; may hold a password.
    pub(crate) uri: String,
    /// `MONGODB_DATABASE`.
    pub(crate) database: String,
    /// `MONGODB_COLLECTION`.
    pub(crate) collection: String,
    /// `ID_FIELD`: the field of an event that identifies it (`event_id`).
    pub(crate) id_field: String,
    /// `S3_PATH_STYLE=true`: buckets are addressed by path, for an S3 server that is not Amazon's.
    pub(crate) path_style: bool,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self> {
        Self::from(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let required = |name: &str| variable(name).with_context(|| format!("set the environment variable {name}"));
        Ok(Self {
            uri: required("MONGODB_URI")?,
            database: required("MONGODB_DATABASE")?,
            collection: required("MONGODB_COLLECTION")?,
            id_field: variable("ID_FIELD").unwrap_or_else(|| "event_id".to_owned()),
            path_style: variable("S3_PATH_STYLE").is_some_and(|value| value == "true"),
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = formatter.debug_struct("Settings");
        all.field("database", &self.database).field("collection", &self.collection).field("id_field", &self.id_field);
        all.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_and_the_address_is_not_shown() {
        let all = |name: &str| Some(format!("the-{name}"));
        let settings = Settings::from(all).unwrap();
        assert_eq!((settings.id_field.as_str(), settings.path_style), ("the-ID_FIELD", false));
        assert!(!format!("{settings:?}").contains("URI"));
        for missing in ["MONGODB_URI", "MONGODB_DATABASE", "MONGODB_COLLECTION"] {
            let error = Settings::from(|name| all(name).filter(|_| name != missing)).unwrap_err();
            assert!(error.to_string().ends_with(missing), "{error}");
        }
        let settings = Settings::from(|name| all(name).filter(|_| name.starts_with("MONGODB"))).unwrap();
        assert_eq!(settings.id_field, "event_id");
    }
}
