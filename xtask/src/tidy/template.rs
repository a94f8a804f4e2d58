use std::collections::BTreeSet;

use super::{File, Finding};

/// The template for `cargo generate`.
const TEMPLATE: &str = "templates/connector/";
/// What it generates with [`VALUES`]; this is built and tested, so the template needs no build of its own.
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
    let rendered = render(&file.text, &VALUES);
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

/// The text with the values of its placeholders.
fn render(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
}

/// Its dependencies are those of the example, by git instead of by path.
fn check_manifest(files: &[File], file: &File, rendered: &str) -> Option<Finding> {
    let example = files.iter().find(|file| file.path == format!("{RENDERED}Cargo.toml"))?;
    let (ours, theirs) = (dependencies(rendered), dependencies(&example.text));
    (ours != theirs).then(|| Finding::error(&file.path, format!("depends on {ours:?}, and the example on {theirs:?}")))
}

/// The names of dependencies, with their section.
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
    use std::fs;
    use std::path::Path;

    use cargo_metadata::MetadataCommand;

    use super::*;
    use crate::tidy::read_files;

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

    /// What `cargo generate` does: it puts in the values of the placeholders and takes `.liquid` off the names.
    fn generate(root: &Path, folder: &Path, values: &[(&str, &str)]) {
        let files = read_files(root).unwrap();
        let template = files.iter().filter(|file| file.path.starts_with(TEMPLATE) && file.path != DECLARATION);
        for file in template {
            let path = folder.join(file.path[TEMPLATE.len()..].trim_end_matches(".liquid"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, render(&file.text, values)).unwrap();
        }
    }

    /// The generated code is the example's, which is compiled and tested. Here cargo reads the generated manifest, with
    /// other names than the example's and Tributary's crates of this checkout, and finds all dependencies.
    #[test]
    fn cargo_takes_what_is_generated() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).canonicalize().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let repository = "https://example.com/tributary";
        let names = [("project-name", "letter-box"), ("crate_name", "letter_box"), ("package", "org.example")];
        generate(&root, folder.path(), &[&names[..], &[("repository", repository)]].concat());
        for source in ["src/main.rs", "src/lib.rs", "tests/contract.rs"] {
            let text = fs::read_to_string(folder.path().join(source)).unwrap();
            assert!(!text.contains("custom_worker"), "{source} has the example's name");
        }
        let manifest = folder.path().join("Cargo.toml");
        let mut text = fs::read_to_string(&manifest).unwrap();
        let ours = [("tributary", "tributary"), ("tributary-api", "api"), ("tributary-testkit", "testkit")];
        for (name, at) in ours {
            let dependency = |from: &str| format!("{name} = {{ {from}\" }}\n");
            let by_git = dependency(&format!("git = \"{repository}"));
            assert!(text.contains(&by_git), "{name} is no dependency by git");
            text = text.replace(&by_git, &dependency(&format!("path = \"{}/runtime/{at}", root.display())));
        }
        fs::write(&manifest, text).unwrap();
        // The versions of this checkout, which are on this machine: nothing is downloaded.
        fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
        let metadata = MetadataCommand::new().manifest_path(&manifest).other_options(["--offline".to_owned()]).exec();
        let metadata = metadata.unwrap();
        let package = metadata.root_package().unwrap();
        let targets: Vec<&str> = package.targets.iter().map(|target| &*target.name).collect();
        assert_eq!(targets, ["letter_box", "letter-box", "contract"]);
        let resolved = metadata.resolve.as_ref().unwrap().nodes.iter().find(|node| node.id == package.id).unwrap();
        let dependencies: BTreeSet<&str> = resolved.deps.iter().map(|dependency| &*dependency.name).collect();
        let expected = ["tempfile", "tokio", "tributary", "tributary_api", "tributary_testkit"];
        assert_eq!(dependencies, BTreeSet::from(expected));
    }

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
