use super::{File, Finding};

const PRODUCT: &str = "Cargo.toml";
const STANDIN: &str = "tests/sqlserver-standin/Cargo.toml";
/// Sections of the stand-in's workspace with their names in the product's: in another profile, or with another version or
/// other features, what both need would be built twice.
const SAME: [(&str, &str); 6] = [
    ("[dependencies]", "[workspace.dependencies]"),
    ("[dev-dependencies]", "[workspace.dependencies]"),
    ("[lints.rust]", "[workspace.lints.rust]"),
    ("[lints.clippy]", "[workspace.lints.clippy]"),
    ("[profile.release]", "[profile.release]"),
    ("[profile.release.build-override]", "[profile.release.build-override]"),
];

/// Whether settings that both workspaces have are equal.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str());
    let (product, standin) = (text(PRODUCT), text(STANDIN));
    let findings = SAME.iter().flat_map(|(here, there)| {
        settings(standin, here).filter_map(move |(name, value)| {
            let (_, expected) = settings(product, there).find(|(other, _)| *other == name)?;
            (value != expected).then(|| Finding::error(STANDIN, format!("{here}: {PRODUCT} has {name} = {expected}")))
        })
    });
    findings.collect()
}

/// The names and values of a section.
fn settings<'a>(text: &'a str, section: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let lines = text.lines().skip_while(move |line| *line != section).skip(1);
    lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once(" = "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace.dependencies]\nrand = \"0.9\"\nuuid = \"1\"\n\n[profile.release]\nlto = \"off\"\n";

    fn findings(standin: &str) -> Vec<String> {
        let files = [File::new(PRODUCT, ROOT), File::new(STANDIN, standin)];
        check(&files).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn equal_versions_and_profiles_are_no_finding() {
        let same = "[dependencies]\nrand = \"0.9\"\nrusqlite = \"0.42\"\n\n[profile.release]\nlto = \"off\"\n";
        assert!(findings(same).is_empty());
    }

    #[test]
    fn another_version_or_profile_is_found() {
        assert_eq!(findings("[dev-dependencies]\nrand = \"0.8\"\n").len(), 1);
        assert_eq!(
            findings("[profile.release]\nlto = \"thin\"\n"),
            ["[profile.release]: Cargo.toml has lto = \"off\""]
        );
    }
}
