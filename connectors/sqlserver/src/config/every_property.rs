//! Checks that each property of Debezium is used, refused or listed as one without effect, and that the documentation
//! says so.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use super::definition::definition;
use super::unsupported::{is_refused, is_without_effect};

/// Properties whose names are put together, by their beginnings.
const MADE_NAMES: [&str; 4] =
    ["column.mask.", "column.truncate.to.", "snapshot.mode.configuration.based.", "openlineage.integration."];

/// The sources of the connector, without the definition and the lists of properties.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "definition" {
                sources(&path, text);
            }
        } else if name != "unsupported.rs" && name != "every_property.rs" {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_property_is_used_or_refused_or_documented_as_without_effect() {
    let mut source = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut source);
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md")).unwrap();
    let definition = definition();
    let mut wrong = Vec::new();
    for key in definition.keys().filter(|key| !key.internal) {
        let name = key.name.as_str();
        let made = MADE_NAMES.iter().any(|beginning| name.starts_with(beginning));
        let used = made || source.contains(&format!("\"{name}\""));
        let (refused, without_effect) = (is_refused(name), is_without_effect(name));
        if !used && !refused && !without_effect {
            wrong.push(format!("{name} is accepted without an effect"));
        }
        if without_effect && used && !made {
            wrong.push(format!("{name} is used, and listed as without effect"));
        }
        if without_effect && !page.contains(&format!("`{name}`")) {
            wrong.push(format!("docs/compatibility.md does not say that {name} has no effect"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
