use super::{File, Finding};

/// A dependency is named in its crate's Rust files, as a whole word and in this case: `ByteString` is no use of `bytestring`.
/// One that is there for its features alone is among cargo-machete's `ignored`.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let manifests = files.iter().filter_map(|file| Some((file.path.strip_suffix("Cargo.toml")?, file)));
    let folders: Vec<&str> = manifests.clone().map(|(folder, _)| folder).filter(|folder| !folder.is_empty()).collect();
    manifests
        // Its purpose is to name what all crates depend on.
        .filter(|(folder, _)| !folder.is_empty() && *folder != "xtask/unify/")
        .flat_map(|(folder, manifest)| {
            let nested = |path: &str| {
                folders
                    .iter()
                    .any(|other| other.len() > folder.len() && other.starts_with(folder) && path.starts_with(other))
            };
            let sources: Vec<&str> = files
                .iter()
                .filter(|file| file.is_rust() && file.path.starts_with(folder) && !nested(&file.path))
                .map(|file| file.text.as_str())
                .collect();
            let is_unused = move |name: &&str| {
                let name = name.replace('-', "_");
                !sources.iter().any(|text| has_word(text, &name))
            };
            dependencies(&manifest.text).into_iter().filter(is_unused).map(|name| {
                Finding::error(
                    &manifest.path,
                    format!("depends on {name}, which no Rust file of the crate names: remove it"),
                )
            })
        })
        .collect()
}

/// The names of all dependencies but those that cargo-machete ignores.
fn dependencies(manifest: &str) -> Vec<&str> {
    let (mut names, mut ignored, mut section) = (Vec::new(), "", "");
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if section == "package.metadata.cargo-machete" && line.starts_with("ignored") {
            ignored = line;
        } else if section.ends_with("dependencies") && !section.starts_with("workspace") {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('#') {
                names.push(name);
            }
        }
    }
    names.retain(|name| !ignored.contains(&format!("\"{name}\"")));
    names
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_nothing_names_is_found() {
        let manifest = "[package]\nname = \"a\"\n\n[package.metadata.cargo-machete]\nignored = [\"only-features\"]\n\n\
                        [dependencies]\nbytestring.workspace = true\nserde_json = { workspace = true }\n\
                        only-features.workspace = true\n# a comment\n\n[dev-dependencies]\ntokio-stream.workspace = true\n";
        let files = [
            File::new("a/Cargo.toml", manifest),
            File::new("a/src/lib.rs", "use x::ByteString;\nlet _ = serde_json::json!(1);\nlet my_tokio_stream = 1;"),
            File::new("a/inner/Cargo.toml", "[dependencies]\nserde.workspace = true"),
            File::new("a/inner/src/lib.rs", "use bytestring::ByteString; use serde::Serialize;"),
        ];
        let found: Vec<String> = check(&files).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains("depends on bytestring,") && found[1].contains("depends on tokio-stream,"),
            "{found:?}"
        );
    }
}
