//! `${provider:path:key}` in configurations.

use std::collections::BTreeMap;
use std::sync::Arc;

use tributary_api::{ConfigProvider, Error, Factory, PluginKind, PluginRegistry, Props, Result};

use crate::settings::under;

/// The configuration providers of a worker. REST and the configuration topic keep the text as written; only what a
/// plugin is given has the values in it.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, Arc<dyn ConfigProvider>>);

impl Variables {
    /// The providers named by `config.providers`, each with its `config.providers.<name>.class` and `.param.*`.
    ///
    /// # Errors
    /// `Config` when a provider has no class, an unknown one, or wrong parameters.
    pub fn parse(worker: &Props, plugins: &PluginRegistry) -> Result<Self> {
        let names = worker.get("config.providers").map(String::as_str).unwrap_or_default();
        let mut providers = BTreeMap::new();
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let prefix = format!("config.providers.{name}.");
            let class = worker
                .get(&format!("{prefix}class"))
                .ok_or_else(|| Error::config(format!("{prefix}class is missing: name the provider's class")))?;
            let plugin = plugins.find(class, |kind| kind == PluginKind::ConfigProvider)?;
            let Factory::ConfigProvider(make) = &plugin.factory else { continue };
            let config = plugin.description.config.parse(&under(worker, &format!("{prefix}param.")))?;
            let provider = make(&config).map_err(|error| error.context(format!("configuration provider {name}")))?;
            providers.insert(name.to_owned(), Arc::from(provider));
        }
        Ok(Self(providers))
    }

    /// The same providers with one more.
    #[must_use]
    pub fn with(mut self, name: &str, provider: Arc<dyn ConfigProvider>) -> Self {
        self.0.insert(name.to_owned(), provider);
        self
    }

    /// The properties with every variable of a known provider replaced, once; a value is not looked at again. What no
    /// provider knows stays as it is.
    ///
    /// # Errors
    /// The provider's own, with the property.
    pub fn resolve(&self, props: &Props) -> Result<Props> {
        let resolve = |(name, value): (&String, &String)| {
            let resolved = self.resolve_value(value).map_err(|error| error.context(format!("property {name}")))?;
            Ok((name.clone(), resolved))
        };
        props.iter().map(resolve).collect()
    }

    fn resolve_value(&self, value: &str) -> Result<String> {
        let (mut resolved, mut rest) = (String::with_capacity(value.len()), value);
        while let Some(start) = rest.find("${") {
            let Some(length) = rest[start..].find('}') else { break };
            let variable = &rest[start..=start + length];
            resolved.push_str(&rest[..start]);
            match self.look_up(&variable[2..variable.len() - 1])? {
                Some(found) => resolved.push_str(&found),
                None => resolved.push_str(variable),
            }
            rest = &rest[start + length + 1..];
        }
        resolved.push_str(rest);
        Ok(resolved)
    }

    fn look_up(&self, variable: &str) -> Result<Option<String>> {
        let mut parts = variable.splitn(3, ':');
        let (Some(provider), Some(second)) = (parts.next(), parts.next()) else { return Ok(None) };
        let (path, key) = parts.next().map_or(("", second), |key| (second, key));
        let Some(provider) = self.0.get(provider) else { return Ok(None) };
        Ok(provider.get(path, &[key])?.remove(key))
    }
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    struct Echo;

    impl ConfigProvider for Echo {
        fn get(&self, path: &str, keys: &[&str]) -> Result<BTreeMap<String, String>> {
            let known = keys.iter().filter(|key| **key != "missing");
            Ok(known.map(|&key| (key.to_owned(), format!("<{path}|{key}>"))).collect())
        }
    }

    fn check(value: &str, expected: &str) {
        let variables = Variables::default().with("echo", Arc::new(Echo));
        let props = Props::from([("p".to_owned(), value.to_owned())]);
        assert_eq!(variables.resolve(&props).unwrap()["p"], expected);
    }

    #[test]
    fn variables_are_replaced_once_and_unknown_ones_stay() {
        check("${echo:/a:b}", "</a|b>");
        check("x${echo:k}y${echo:/a:b}z", "x<|k>y</a|b>z");
        check("${other:/a:b}", "${other:/a:b}");
        check("${echo:missing}", "${echo:missing}");
        check("${not-a-variable}", "${not-a-variable}");
        check("${echo:open", "${echo:open");
        check("plain", "plain");
    }
}
