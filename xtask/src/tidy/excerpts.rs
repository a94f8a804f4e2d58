use super::{File, Finding};

/// Code that a Markdown file quotes from the checkout is still there: a fence that names a file, as in
/// `rust examples/custom-worker/src/main.rs`, holds lines that follow each other in it. Indentation does not count.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    documents
        .flat_map(|document| excerpts(document).filter_map(|excerpt| check_excerpt(files, document, &excerpt)))
        .collect()
}

struct Excerpt<'a> {
    line: usize,
    source: &'a str,
    code: Vec<&'a str>,
}

fn excerpts(document: &File) -> impl Iterator<Item = Excerpt<'_>> {
    let mut lines = document.text.lines().enumerate();
    std::iter::from_fn(move || {
        loop {
            let (number, line) = lines.next()?;
            let Some(info) = line.trim_start().strip_prefix("```") else { continue };
            let code = lines.by_ref().map(|(_, line)| line.trim()).take_while(|line| *line != "```").collect();
            if let Some((_, source)) = info.split_once(' ') {
                return Some(Excerpt { line: number + 1, source: source.trim(), code });
            }
        }
    })
}

fn check_excerpt(files: &[File], document: &File, excerpt: &Excerpt<'_>) -> Option<Finding> {
    let place = format!("{}:{}", document.path, excerpt.line);
    let Some(source) = files.iter().find(|file| file.path == excerpt.source) else {
        return Some(Finding::error(place, format!("quotes {}, which is not there", excerpt.source)));
    };
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    let found = !excerpt.code.is_empty() && lines.windows(excerpt.code.len()).any(|lines| lines == excerpt.code);
    (!found).then(|| Finding::error(place, format!("these lines are no longer in {}", excerpt.source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(document: &str) -> Vec<String> {
        let source = "fn main() {\n    first();\n    second();\n}\n";
        let files = [File::new("docs/a.md", document), File::new("examples/a.rs", source)];
        check(&files).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn excerpts_of_the_file_pass_and_others_are_found() {
        let right = "Text.\n```rust examples/a.rs\nfirst();\nsecond();\n```\n```rust\nanything\n```\n";
        assert!(findings(right).is_empty());
        let wrong = right.replace("second", "third");
        assert_eq!(findings(&wrong), ["error: docs/a.md:2: these lines are no longer in examples/a.rs"]);
        let gap = "```rust examples/a.rs\nfn main() {\nsecond();\n```\n";
        assert_eq!(findings(gap).len(), 1);
        assert_eq!(
            findings("```sh examples/b.rs\n```\n"),
            ["error: docs/a.md:1: quotes examples/b.rs, which is not there"]
        );
        assert_eq!(findings("```rust examples/a.rs\n```\n").len(), 1, "an empty one shows nothing");
    }
}
