use std::path::Path;

use super::{File, Finding};

/// Relative links in Markdown lead to a file or folder of the checkout.
pub(super) fn check(files: &[File], root: &Path) -> Vec<Finding> {
    files.iter().filter(|file| file.path.ends_with(".md")).flat_map(|file| check_file(file, root)).collect()
}

fn check_file(file: &File, root: &Path) -> Vec<Finding> {
    let folder = root.join(&file.path).parent().map(Path::to_owned).unwrap_or_default();
    let broken = links(&file.text).into_iter().filter(|(_, link)| !folder.join(link).exists());
    broken
        .map(|(line, link)| Finding::error(format_args!("{}:{line}", file.path), format!("there is no {link}")))
        .collect()
}

/// The relative targets of links, each with the number of its line; none from code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for piece in line.split("](").skip(1) {
            let target = piece.split(')').next().unwrap_or_default();
            let path = target.split(['#', ' ']).next().unwrap_or_default();
            if !path.is_empty() && !target.contains("://") && !target.starts_with("mailto:") && !target.contains('`') {
                links.push((number + 1, path));
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_relative_targets_only() {
        let text = "See [a](a.md#part), [b](docs/b.md \"title\") and [`c`](../c).\n\
            [web](https://example.org) [here](#part) [mail](mailto:a@example.org)\n\
            ```\n[code](none.md)\n```\n[d](d.md)";
        assert_eq!(links(text), [(1, "a.md"), (1, "docs/b.md"), (1, "../c"), (6, "d.md")]);
    }

    #[test]
    fn finds_a_broken_link() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("docs")).unwrap();
        std::fs::write(root.path().join("README.md"), "").unwrap();
        let findings = check(&[File::new("docs/a.md", "[up](../README.md) [no](../NONE.md)")], root.path());
        assert_eq!(
            findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["error: docs/a.md:1: there is no ../NONE.md"]
        );
    }
}
