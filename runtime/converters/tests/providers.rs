//! The configuration providers, made from properties as the runtime makes them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;

use tempfile::TempDir;
use tributary_api::{ConfigProvider, Factory, PluginRegistry, Props, Result};

fn provider(name: &str, config: &[(&str, &str)]) -> Result<Box<dyn ConfigProvider>> {
    let registry = PluginRegistry::new(tributary_converters::plugins()).unwrap();
    let plugin = registry.find(name, |_| true)?;
    let Factory::ConfigProvider(make) = &plugin.factory else { panic!("not a provider") };
    let props: Props = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    make(&plugin.description.config.parse(&props)?)
}

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A folder with an allowed and a forbidden folder in it.
fn folders() -> (TempDir, String, String) {
    let root = TempDir::new().unwrap();
    let [allowed, forbidden] = ["allowed", "forbidden"].map(|name| {
        let folder = root.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("secrets.properties"), "# comment\nuser = m\u{fc}ller\npassword: p\\u00e4ss\\\n  word\n")
            .unwrap();
        fs::write(folder.join("token"), "line 1\nline 2\n").unwrap();
        folder.to_str().unwrap().to_owned()
    });
    (root, allowed, forbidden)
}

#[test]
fn a_properties_file_returns_the_requested_keys() {
    let (_root, folder, _) = folders();
    let provider = provider("FileConfigProvider", &[]).unwrap();
    let file = format!("{folder}/secrets.properties");
    assert_eq!(
        provider.get(&file, &["user", "password", "other"]).unwrap(),
        values(&[("user", "müller"), ("password", "pässword")])
    );
    assert_eq!(provider.get("", &["user"]).unwrap(), values(&[]));
    let error = provider.get(&format!("{folder}/none"), &["user"]).err().unwrap();
    assert!(error.to_string().contains("cannot read properties"), "{error}");
}

#[test]
fn a_folder_gives_whole_files() {
    let (_root, folder, _) = folders();
    let provider = provider("DirectoryConfigProvider", &[]).unwrap();
    assert_eq!(provider.get(&folder, &["token", "none"]).unwrap(), values(&[("token", "line 1\nline 2\n")]));
    assert_eq!(provider.get(&folder, &["../forbidden/token", ".."]).unwrap(), values(&[]));
    assert!(provider.get(&format!("{folder}/token"), &["token"]).is_err());
}

#[test]
fn only_allowed_paths_are_read() {
    let (root, allowed, forbidden) = folders();
    for (name, file) in [("FileConfigProvider", "/secrets.properties"), ("DirectoryConfigProvider", "")] {
        let provider = provider(name, &[("allowed.paths", &allowed)]).unwrap();
        assert!(provider.get(&format!("{allowed}{file}"), &["user"]).is_ok());
        for path in [format!("{forbidden}{file}"), format!("{allowed}/../forbidden{file}"), format!("{allowed}x")] {
            let error = provider.get(&path, &["user"]).err().unwrap();
            assert!(error.to_string().contains("allowed.paths"), "{path}: {error}");
        }
    }
    assert!(provider("FileConfigProvider", &[("allowed.paths", "relative")]).is_err());
    let missing = root.path().join("missing");
    assert!(provider("FileConfigProvider", &[("allowed.paths", missing.to_str().unwrap())]).is_err());
}

#[test]
fn environment_variables_are_read_if_their_whole_name_is_allowed() {
    let all = provider("EnvVarConfigProvider", &[]).unwrap();
    let path = std::env::var("PATH").unwrap();
    assert_eq!(all.get("", &["PATH", "TRIBUTARY_NO_SUCH_VARIABLE"]).unwrap(), values(&[("PATH", &path)]));
    assert!(all.get("somewhere", &["PATH"]).is_err());
    let none = provider("EnvVarConfigProvider", &[("allowlist.pattern", "PAT")]).unwrap();
    assert_eq!(none.get("", &["PATH"]).unwrap(), values(&[]));
    let some = provider("EnvVarConfigProvider", &[("allowlist.pattern", "(?!HOME)PA.*|X")]).unwrap();
    assert_eq!(some.get("", &["PATH", "HOME"]).unwrap(), values(&[("PATH", &path)]));
    assert!(provider("EnvVarConfigProvider", &[("allowlist.pattern", "(")]).is_err());
}

#[test]
fn pipes_devices_and_long_files_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    assert!(std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    std::fs::write(path("long"), "k=v\n".repeat(300_000)).unwrap();
    std::fs::write(path("most"), format!("k={}", "v".repeat((1 << 20) - 2))).unwrap();
    let file = provider("FileConfigProvider", &[]).unwrap();
    for (name, why) in [
        (path("pipe"), "not a regular file"),
        ("/dev/zero".to_owned(), "not a regular file"),
        (path("long"), "more than 1048576 bytes"),
    ] {
        let message = file.get(&name, &["k"]).unwrap_err().to_string();
        assert!(message.contains(why), "{message}");
    }
    assert_eq!(file.get(&path("most"), &["k"]).unwrap()["k"].len(), (1 << 20) - 2);
    let directory = provider("DirectoryConfigProvider", &[]).unwrap();
    let here = folder.path().to_string_lossy().into_owned();
    assert!(directory.get(&here, &["long"]).unwrap_err().to_string().contains("more than 1048576 bytes"));
    assert_eq!(directory.get(&here, &["pipe"]).unwrap(), values(&[]));
}
