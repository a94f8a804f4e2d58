use std::collections::BTreeSet;

use super::{File, Finding};

/// A crate with plugins keeps the contract's battery under one name, so that one tier runs all of them.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let crates = files.iter().filter(|file| file.text.contains("pub fn plugins()")).filter_map(|file| {
        let folder = file.path.strip_suffix("/src/lib.rs")?;
        Some((folder, &file.path))
    });
    let has_battery = |folder: &str| {
        ["contract.rs", "contract/main.rs"].iter().any(|name| paths.contains(format!("{folder}/tests/{name}").as_str()))
    };
    crates
        .filter(|(folder, _)| !has_battery(folder))
        .map(|(_, path)| {
            Finding::error(path, "has plugins and no tests/contract.rs that runs the battery of tributary-testkit")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_with_plugins_and_without_their_battery_is_found() {
        let lib = |folder: &str| File::new(&format!("{folder}/src/lib.rs"), "pub fn plugins() -> Vec<Plugin> {}");
        let files = [
            lib("connectors/a"),
            File::new("connectors/a/tests/contract.rs", ""),
            lib("connectors/b"),
            File::new("connectors/b/tests/contract/main.rs", ""),
            lib("connectors/c"),
            File::new("connectors/c/tests/battery.rs", ""),
            File::new("runtime/d/src/lib.rs", "pub use plugins::plugins;"),
        ];
        let found: Vec<String> = check(&files).into_iter().map(|finding| finding.place).collect();
        assert_eq!(found, ["connectors/c/src/lib.rs"]);
    }
}
