//! `${worker:NAME}` in a connector's configuration: the value of the worker's property `shared.NAME`.
//!
//! A connector file thus works with the embedded servers, whose addresses and keys are known only when they run, and
//! with any others, configured in worker.properties. Only properties with the prefix `shared.` can be read this way,
//! not the worker's passwords.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use tributary_api::{ConfigProvider, Props};

use crate::settings::Settings;

/// The provider's name in variables.
pub(crate) const PROVIDER: &str = "worker";
const PREFIX: &str = "shared.";
const PUBLIC: [&str; 7] =
    ["collect.listen", "configs.dir", "data.dir", "demo.customers.file", "s3.endpoint", "s3.region", "shop.origins"];

/// Values that connectors may read.
pub(crate) struct SharedValues(BTreeMap<String, String>);

impl SharedValues {
    /// The values of `shared.*`, and the folders of this process.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let mut values = Self(BTreeMap::new());
        values.add_missing("configs.dir", absolute(&settings.configs)?);
        values.add_missing("data.dir", absolute(&settings.data)?);
        values.0.extend(under_prefix(&settings.props));
        Ok(values)
    }

    /// Adds a value, unless the worker's properties have one.
    pub(crate) fn add_missing(&mut self, name: &str, value: impl Into<String>) {
        self.0.entry(name.to_owned()).or_insert_with(|| value.into());
    }

    /// A value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl ConfigProvider for SharedValues {
    fn get(&self, _path: &str, keys: &[&str]) -> tributary_api::Result<BTreeMap<String, String>> {
        let known = keys.iter().filter_map(|key| Some(((*key).to_owned(), self.0.get(*key)?.clone())));
        Ok(known.collect())
    }

    /// Addresses and folders of this process may appear in errors; values that an operator shares may be secrets.
    fn is_secret(&self, _path: &str, key: &str) -> bool {
        !PUBLIC.contains(&key)
    }
}

fn under_prefix(props: &Props) -> impl Iterator<Item = (String, String)> {
    props.iter().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value.clone())))
}

fn absolute(folder: &Path) -> Result<String> {
    let path = std::path::absolute(folder).with_context(|| format!("make {} absolute", folder.display()))?;
    Ok(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::settings::Written;

    #[test]
    fn only_what_is_shared_can_be_read_and_the_file_wins() {
        let props = [("shared.s3.endpoint", "http://s3"), ("sasl.password", "secret")];
        let settings = Written::for_test(&props).parse().unwrap();
        let mut values = SharedValues::new(&settings).unwrap();
        values.add_missing("s3.endpoint", "http://embedded");
        values.add_missing("collect.listen", "127.0.0.1:8081");
        let found = ConfigProvider::get(&values, "", &["s3.endpoint", "collect.listen", "sasl.password"]).unwrap();
        let expected = [("collect.listen", "127.0.0.1:8081"), ("s3.endpoint", "http://s3")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert!(values.get("configs.dir").unwrap().ends_with("/configs"));
        let secret = |name: &str| ConfigProvider::is_secret(&values, "", name);
        assert!(secret("session.secret") && secret("s3.secret.access.key") && !secret("s3.endpoint"));
    }
}
