use std::collections::BTreeSet;

use super::{File, Finding};

/// What `cargo generate` makes a connector of.
const TEMPLATE: &str = "templates/connector/";
/// What it makes with [`VALUES`], and what is built and tested: the template holds no code of its own.
const RENDERED: &str = "examples/custom-worker/";
/// The values of the placeholders for that. The first two are cargo-generate's own.
const VALUES: [(&str, &str); 4] = [
    ("project-name", "custom-worker"),
    ("crate_name", "custom_worker"),
    ("package", "com.example"),
    ("repository", "https://github.com/tributary-io/tributary"),
];
const DECLARATION: &str = "templates/connector/cargo-generate.toml";
const MANIFEST: &str = "templates/connector/Cargo.toml.liquid";

/// The template renders to the example, which is compiled and tested, and declares the placeholders that it uses.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let Some(declaration) = files.iter().find(|file| file.path == DECLARATION) else { return Vec::new() };
    let template: Vec<&File> =
        files.iter().filter(|file| file.path.starts_with(TEMPLATE) && file.path != DECLARATION).collect();
    let mut findings: Vec<Finding> = template.iter().filter_map(|file| check_file(files, file)).collect();
    let used: BTreeSet<&str> = template.iter().flat_map(|file| placeholders(&file.text)).collect();
    for name in used {
        let own = ["project-name", "crate_name"].contains(&name);
        if !own && !declaration.text.contains(&format!("[placeholders.{name}]")) {
            findings.push(Finding::error(DECLARATION, format!("does not declare the placeholder {name}")));
        }
    }
    let has = |path: &str| template.iter().any(|file| file.path.strip_prefix(TEMPLATE) == Some(path));
    let sources = files.iter().filter_map(|file| file.path.strip_prefix(RENDERED)).filter(|path| path.ends_with(".rs"));
    findings.extend(
        sources
            .filter(|path| !has(path))
            .map(|path| Finding::error(TEMPLATE, format!("has no {path}, as {RENDERED} has: copy it"))),
    );
    findings
}

fn check_file(files: &[File], file: &File) -> Option<Finding> {
    let rendered =
        VALUES.iter().fold(file.text.clone(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value));
    if let Some(name) = placeholders(&rendered).next() {
        return Some(Finding::error(&file.path, format!("uses {name}, which is no placeholder")));
    }
    if file.path == MANIFEST {
        return check_manifest(files, file, &rendered);
    }
    let path = format!("{RENDERED}{}", file.path.strip_prefix(TEMPLATE)?);
    match files.iter().find(|file| file.path == path) {
        None => Some(Finding::error(&file.path, format!("there is no {path} that it becomes"))),
        Some(example) if example.text != rendered => {
            let differs = example.text.lines().zip(rendered.lines()).position(|(one, other)| one != other);
            let line = differs.map_or(0, |line| line + 1);
            Some(Finding::error(&file.path, format!("does not become {path}: line {line} differs")))
        }
        Some(_) => None,
    }
}

/// Its dependencies are those of the example, by git instead of by path.
fn check_manifest(files: &[File], file: &File, rendered: &str) -> Option<Finding> {
    let example = files.iter().find(|file| file.path == format!("{RENDERED}Cargo.toml"))?;
    let (ours, theirs) = (dependencies(rendered), dependencies(&example.text));
    (ours != theirs).then(|| Finding::error(&file.path, format!("depends on {ours:?}, and the example on {theirs:?}")))
}

/// The sections with the names of what stands in them.
fn dependencies(manifest: &str) -> BTreeSet<(&str, &str)> {
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && let Some(name) = line.split([' ', '.', '=']).next().filter(|name| !name.is_empty())
        {
            found.insert((section, name));
        }
    }
    found
}

fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next().map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(sources: &[(&str, &str)], more: &[(&str, &str)]) -> Vec<String> {
        let example = [
            ("examples/custom-worker/src/main.rs", "fn main() {\n    custom_worker::run(\"com.example.A\");\n}\n"),
            ("examples/custom-worker/Cargo.toml", "[dependencies]\ntokio.workspace = true\n"),
            (DECLARATION, "[placeholders.package]\n"),
            (MANIFEST, "name = \"{{project-name}}\"\n[dependencies]\ntokio = \"1\"\n"),
        ];
        let all = example.iter().filter(|(path, _)| !more.iter().any(|(other, _)| other == path));
        let files: Vec<File> = all.chain(sources).chain(more).map(|(path, text)| File::new(path, text)).collect();
        check(&files).into_iter().map(|finding| finding.to_string()).collect()
    }

    const MAIN: &str = "templates/connector/src/main.rs";

    #[test]
    fn a_template_that_becomes_the_example_is_right() {
        let right = "fn main() {\n    {{crate_name}}::run(\"{{package}}.A\");\n}\n";
        assert_eq!(findings(&[(MAIN, right)], &[]), [""; 0]);
    }

    #[test]
    fn what_differs_is_missing_or_not_declared_is_found() {
        let other = "fn main() {\n    {{crate_name}}::run(\"{{package}}.B\");\n}\n";
        assert!(findings(&[(MAIN, other)], &[])[0].contains("line 2 differs"));
        assert!(findings(&[(MAIN, "{{name}}")], &[])[0].contains("uses name, which is no placeholder"));
        assert!(findings(&[], &[])[0].contains("has no src/main.rs"));
        let right = "fn main() {\n    {{crate_name}}::run(\"{{package}}.A\");\n}\n";
        let undeclared = findings(&[(MAIN, right)], &[(DECLARATION, "")]);
        assert!(undeclared[0].contains("does not declare the placeholder package"), "{undeclared:?}");
        let manifest = findings(&[(MAIN, right)], &[(MANIFEST, "[dependencies]\nserde = \"1\"\n")]);
        assert!(manifest[0].contains("depends on"), "{manifest:?}");
        let stray = findings(&[(MAIN, right), ("templates/connector/src/more.rs", "")], &[]);
        assert!(stray[0].contains("there is no examples/custom-worker/src/more.rs"), "{stray:?}");
    }
}
