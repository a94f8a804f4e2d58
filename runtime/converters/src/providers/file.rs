use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use encoding_rs::UTF_8;
use java_properties::PropertiesIter;
use tributary_api::{ConfigProvider, Error, Factory, KAFKA_VERSION, Plugin, Result, read_small_file};

use super::MAX_BYTES;
use super::allowed_paths::AllowedPaths;

pub(super) fn plugin() -> Plugin {
    let factory =
        Factory::ConfigProvider(Arc::new(|config| Ok(Box::new(FileConfigProvider(AllowedPaths::new(config)?)))));
    let class = "org.apache.kafka.common.config.provider.FileConfigProvider";
    Plugin::new(class, KAFKA_VERSION, AllowedPaths::config(), factory)
        .doc("${file:/path/to.properties:key}: a key of a properties file.")
}

struct FileConfigProvider(AllowedPaths);

impl ConfigProvider for FileConfigProvider {
    fn get(&self, path: &str, keys: &[&str]) -> Result<BTreeMap<String, String>> {
        if path.is_empty() {
            return Ok(BTreeMap::new());
        }
        let path = self.0.check(path)?;
        let unreadable = || Error::config(format!("cannot read properties from {}", path.display()));
        let file = read_small_file(&path, MAX_BYTES).map_err(|error| unreadable().cause(&error))?;
        let mut values = BTreeMap::new();
        let mut keep = |key: String, value: String| {
            if keys.contains(&key.as_str()) {
                values.insert(key, value);
            }
        };
        // The error of the parser may quote a line, which may hold a secret.
        // It panics over a last line that ends with a letter of other than ASCII, and with no end of line.
        PropertiesIter::new_with_encoding((&*file).chain(&b"\n"[..]), UTF_8)
            .read_into(&mut keep)
            .map_err(|_| unreadable())?;
        Ok(values)
    }
}
