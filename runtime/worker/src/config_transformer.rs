//! `${provider:path:key}` in configurations.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tributary_api::{ConfigProvider, Error, PluginRegistry, Props, Result, list_items};

use crate::blocking_pool::BlockingPool;
use crate::plugins::NamedPlugin;
use crate::redaction::Redaction;

/// How many different variables a configuration may have.
const MAX_VARIABLES: usize = 1_000;
/// How many bytes it may have once variables are replaced: a short variable can have a long value.
const MAX_BYTES: usize = 8 << 20;
/// How many configurations are resolved at a time, because a provider may block, and how many may wait for their turn.
const MAX_CALLS: usize = 4;
const MAX_WAITING: usize = 10_000;
const DEADLINE: Duration = Duration::from_secs(10);

/// The configuration providers of a worker. REST and the configuration topic keep the text as written; only what a
/// plugin is given has the values in it.
#[derive(Clone)]
pub struct ConfigTransformer {
    providers: BTreeMap<String, Arc<dyn ConfigProvider>>,
    redaction: Redaction,
    pool: BlockingPool,
}

impl Default for ConfigTransformer {
    fn default() -> Self {
        Self {
            providers: BTreeMap::new(),
            redaction: Redaction::default(),
            pool: BlockingPool::new(MAX_CALLS, MAX_WAITING),
        }
    }
}

impl ConfigTransformer {
    /// The providers named by `config.providers`, each with its `config.providers.<name>.class` and `.param.*`. Secret
    /// values that they return are added to the redaction.
    ///
    /// # Errors
    /// `Config` when a provider has no class, an unknown one, or wrong parameters.
    pub fn parse(worker: &Props, plugins: &PluginRegistry, redaction: &Redaction) -> Result<Self> {
        let mut providers = BTreeMap::new();
        for name in list_items(worker, "config.providers") {
            let provider = NamedPlugin::config_provider(name, worker, plugins)?.make_config_provider()?;
            providers.insert(name.to_owned(), Arc::from(provider));
        }
        Ok(Self { providers, redaction: redaction.clone(), ..Self::default() })
    }

    /// The same providers with one more.
    #[must_use]
    pub fn with(mut self, name: &str, provider: Arc<dyn ConfigProvider>) -> Self {
        self.providers.insert(name.to_owned(), provider);
        self
    }

    /// Hides the values that providers returned.
    pub(crate) fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// The properties with every variable of a known provider replaced, once; a value is not looked at again. What no
    /// provider knows stays as it is. Providers may block: `resolve_async` is for asynchronous code.
    ///
    /// # Errors
    /// The provider's own, with the property; `Config` for too many variables or too long values.
    pub fn resolve(&self, props: &Props) -> Result<Props> {
        let wanted = self.wanted(props)?;
        if wanted.is_empty() {
            return Ok(props.clone());
        }
        let values = self.look_up(wanted)?;
        let mut bytes = 0;
        let mut resolve = |(name, value): (&String, &String)| {
            let resolved: String = Pieces(value)
                .map(|piece| match piece {
                    Piece::Text(text) => text,
                    Piece::Variable { whole, inner } => values.get(inner).map_or(whole, String::as_str),
                })
                .collect();
            bytes += resolved.len();
            match bytes > MAX_BYTES {
                true => Err(Error::config_at(
                    name,
                    format!(
                        "property {name}: with the values of its variables the configuration has more than {MAX_BYTES} bytes"
                    ),
                )),
                false => Ok((name.clone(), resolved)),
            }
        };
        props.iter().map(&mut resolve).collect()
    }

    /// As [`resolve`](Self::resolve), on a thread that may block, with a deadline.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve); others when the providers do not answer.
    pub(crate) async fn resolve_async(&self, props: &Props) -> Result<Props> {
        if self.wanted(props)?.is_empty() {
            return Ok(props.clone());
        }
        let (transformer, props) = (self.clone(), props.clone());
        self.pool.call("looking up variables", DEADLINE, move || transformer.resolve(&props)).await?
    }

    /// What is asked of each provider, by name and path.
    fn wanted<'a>(&self, props: &'a Props) -> Result<BTreeMap<(&'a str, &'a str), Wanted<'a>>> {
        let (mut wanted, mut count) = (BTreeMap::<_, Wanted<'a>>::new(), 0);
        for (property, value) in props {
            for piece in Pieces(value) {
                let Piece::Variable { inner, .. } = piece else { continue };
                let Some((provider, path, key)) = parts(inner) else { continue };
                if !self.providers.contains_key(provider) {
                    continue;
                }
                let entry =
                    wanted.entry((provider, path)).or_insert_with(|| Wanted { property, keys: BTreeSet::new() });
                count += usize::from(entry.keys.insert((key, inner)));
                if count > MAX_VARIABLES {
                    return Err(Error::config_at(
                        property,
                        format!("property {property}: a configuration may have {MAX_VARIABLES} variables at the most"),
                    ));
                }
            }
        }
        Ok(wanted)
    }

    /// The values, by the text between the braces.
    fn look_up<'a>(&self, wanted: BTreeMap<(&'a str, &'a str), Wanted<'a>>) -> Result<HashMap<&'a str, String>> {
        let mut values = HashMap::new();
        for ((name, path), Wanted { property, keys }) in wanted {
            let Some(provider) = self.providers.get(name) else { continue };
            let names: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
            let found = provider.get(path, &names);
            let found = found.map_err(|error| error.context(format!("property {property}")).with_property(property))?;
            for (key, inner) in keys {
                let Some(value) = found.get(key) else { continue };
                if provider.is_secret(path, key) {
                    self.redaction.add(&format!("${{{inner}}}"), value);
                }
                values.insert(inner, value.clone());
            }
        }
        Ok(values)
    }
}

/// What is asked of a provider under one path: keys, each as it is written, and a property that asks.
struct Wanted<'a> {
    property: &'a str,
    keys: BTreeSet<(&'a str, &'a str)>,
}

/// A text, cut where variables are.
struct Pieces<'a>(&'a str);

enum Piece<'a> {
    Text(&'a str),
    Variable { whole: &'a str, inner: &'a str },
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let start = self.0.find("${").unwrap_or(self.0.len());
        let length = self.0[start..].find('}').map(|length| length + 1);
        let cut = match (start, length) {
            (0, Some(length)) => length,
            (0, None) => self.0.len(),
            (start, _) => start,
        };
        let (piece, rest) = self.0.split_at(cut);
        self.0 = rest;
        match piece.strip_prefix("${").and_then(|inner| inner.strip_suffix('}')) {
            Some(inner) if start == 0 => Some(Piece::Variable { whole: piece, inner }),
            _ => Some(Piece::Text(piece)),
        }
    }
}

/// Provider, path and key.
fn parts(variable: &str) -> Option<(&str, &str, &str)> {
    let (provider, rest) = variable.split_once(':')?;
    let (path, key) = rest.split_once(':').unwrap_or(("", rest));
    Some((provider, path, key))
}

impl std::fmt::Debug for ConfigTransformer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.providers.keys()).finish()
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

        fn is_secret(&self, _path: &str, key: &str) -> bool {
            key != "public"
        }
    }

    /// Gives out a megabyte.
    struct Long;

    impl ConfigProvider for Long {
        fn get(&self, _path: &str, keys: &[&str]) -> Result<BTreeMap<String, String>> {
            Ok(keys.iter().map(|&key| (key.to_owned(), "x".repeat(1 << 20))).collect())
        }
    }

    fn props(value: &str) -> Props {
        Props::from([("p".to_owned(), value.to_owned())])
    }

    fn transformer() -> ConfigTransformer {
        ConfigTransformer::default().with("echo", Arc::new(Echo)).with("long", Arc::new(Long))
    }

    fn check(value: &str, expected: &str) {
        assert_eq!(transformer().resolve(&props(value)).unwrap()["p"], expected);
    }

    #[test]
    fn variables_are_replaced_once_and_unknown_ones_stay() {
        check("${echo:/a:b}", "</a|b>");
        check("x${echo:k}y${echo:/a:b}z", "x<|k>y</a|b>z");
        check("${other:/a:b}", "${other:/a:b}");
        check("${echo:missing}", "${echo:missing}");
        check("${not-a-variable}", "${not-a-variable}");
        check("${echo:open", "${echo:open");
        check("a${echo:k}${echo:open", "a<|k>${echo:open");
        check("plain", "plain");
        check("", "");
    }

    #[test]
    fn what_was_given_out_is_hidden_unless_it_is_public() {
        let transformer = transformer();
        transformer.resolve(&props("${echo:/folder:password}${echo:public}")).unwrap();
        let text = "cannot log in with </folder|password> at <|public>";
        assert_eq!(transformer.redaction().apply(text), "cannot log in with ${echo:/folder:password} at <|public>");
    }

    #[test]
    fn a_configuration_has_so_many_variables_and_so_many_bytes() {
        let many: String = (0..1_001).map(|number| format!("${{echo:{number}}}")).collect();
        let error = transformer().resolve(&props(&many)).unwrap_err();
        assert!(error.to_string().contains("1000 variables at the most"), "{error}");
        assert_eq!(error.property(), Some("p"));
        let error = transformer().resolve(&props(&"${long:k}".repeat(9))).unwrap_err();
        assert!(error.to_string().contains("more than 8388608 bytes"), "{error}");
        assert_eq!(error.property(), Some("p"));
        assert!(transformer().resolve(&props(&"${long:k}".repeat(7))).is_ok());
    }

    #[tokio::test]
    async fn a_provider_that_blocks_holds_up_no_other_work() {
        struct Blocks(parking_lot::Mutex<std::sync::mpsc::Receiver<()>>);
        impl ConfigProvider for Blocks {
            fn get(&self, _path: &str, _keys: &[&str]) -> Result<BTreeMap<String, String>> {
                let _ = self.0.lock().recv();
                Ok(BTreeMap::new())
            }
        }
        let (release, held) = std::sync::mpsc::sync_channel(1);
        let transformer = transformer().with("blocks", Arc::new(Blocks(held.into())));
        let (blocked, other) = (props("${blocks:k}"), props("${echo:k}"));
        // On the only thread of this runtime: one call on it would be the end.
        let first = transformer.resolve_async(&blocked);
        let then = async {
            let resolved = transformer.resolve_async(&other).await.unwrap();
            drop(release);
            resolved
        };
        let (first, second) = tokio::join!(first, then);
        assert_eq!((first.unwrap()["p"].as_str(), second["p"].as_str()), ("${blocks:k}", "<|k>"));
    }
}
