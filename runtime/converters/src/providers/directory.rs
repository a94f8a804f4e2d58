use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;

use tributary_api::{ConfigProvider, Error, Factory, KAFKA_VERSION, Plugin, Result, read_small_file};

use super::MAX_BYTES;
use super::allowed_paths::AllowedPaths;

pub(super) fn plugin() -> Plugin {
    let factory =
        Factory::ConfigProvider(Arc::new(|config| Ok(Box::new(DirectoryConfigProvider(AllowedPaths::new(config)?)))));
    let class = "org.apache.kafka.common.config.provider.DirectoryConfigProvider";
    Plugin::new(class, KAFKA_VERSION, AllowedPaths::config(), factory)
        .doc("${directory:/path/to/folder:file}: the whole content of a file in a folder, as mounted secrets are.")
}

struct DirectoryConfigProvider(AllowedPaths);

impl ConfigProvider for DirectoryConfigProvider {
    fn get(&self, path: &str, keys: &[&str]) -> Result<BTreeMap<String, String>> {
        if path.is_empty() {
            return Ok(BTreeMap::new());
        }
        let folder = self.0.check(path)?;
        if !folder.is_dir() {
            return Err(Error::config(format!("{} is not a folder", folder.display())));
        }
        let mut values = BTreeMap::new();
        for key in keys.iter().filter(|key| is_file_name(key)) {
            let file = folder.join(key);
            if file.is_file() {
                let unreadable = || Error::config(format!("cannot read {} as text", file.display()));
                let bytes = read_small_file(&file, MAX_BYTES).map_err(|error| unreadable().cause(&error))?;
                let value = String::from_utf8(bytes).map_err(|_| unreadable())?;
                values.insert((*key).to_owned(), value);
            }
        }
        Ok(values)
    }
}

/// A key names a file in the folder, not one somewhere else.
fn is_file_name(key: &str) -> bool {
    let mut components = Path::new(key).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(name)), None) if name == key)
}
