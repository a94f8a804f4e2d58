use std::collections::BTreeSet;

use super::{File, Finding};

/// The document with the table of faults.
const DOCUMENT: &str = "docs/guarantees.md";
/// The first cells of the table's heading.
const HEADING: &str = "| part | kind | fault |";

/// The rows of one part are together, each row of the table of faults names a test, and each test named there exists.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let Some(document) = files.iter().find(|file| file.path == DOCUMENT) else { return Vec::new() };
    let functions: BTreeSet<&str> =
        files.iter().filter(|file| file.is_rust()).flat_map(|file| functions(&file.text)).collect();
    let rows = rows(&document.text);
    if rows.is_empty() {
        return vec![Finding::error(DOCUMENT, format!("has no table that begins with {HEADING}"))];
    }
    let mut findings = Vec::new();
    let (mut parts, mut last) = (BTreeSet::new(), "");
    for (line, row) in rows {
        let place = format!("{DOCUMENT}:{line}");
        let part = row.split('|').nth(1).unwrap_or_default().trim();
        if part != last && !parts.insert(part) {
            findings.push(Finding::error(&place, format!("the row belongs to the others of the part {part}")));
        }
        last = part;
        let tests = tests(row);
        if tests.is_empty() {
            findings.push(Finding::error(&place, "the row names no test"));
        }
        let unknown = tests.into_iter().filter(|test| !functions.contains(test));
        findings.extend(unknown.map(|test| Finding::error(&place, format!("there is no test {test}"))));
    }
    findings
}

/// The rows below the heading, each with the number of its line.
fn rows(text: &str) -> Vec<(usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let table = lines.skip_while(|(_, line)| !line.starts_with(HEADING));
    table.skip(2).take_while(|(_, line)| line.starts_with('|')).collect()
}

/// The functions in the last cell, without the path before them.
fn tests(row: &str) -> Vec<&str> {
    let cell = row.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default();
    cell.split('`').skip(1).step_by(2).filter_map(|path| path.rsplit("::").next()).collect()
}

fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (_, name) = line.split_once("fn ")?;
        name.split(['(', '<']).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "| part | kind | fault | what happens | test |\n|---|---|---|---|---|\n";

    fn messages(table: &str) -> Vec<String> {
        let code = File::new("a/tests/b.rs", "#[test]\nfn holds() {}\n    async fn heals<T>(x: T) {}\n");
        let document = File::new(DOCUMENT, table);
        check(&[code, document]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rows_name_tests_that_are_there() {
        let table = format!(
            "{HEAD}| sink | disk | full | waits | `a::holds`, `heals` |\n| sink | time | late | waits | `heals` |\n"
        );
        assert!(messages(&table).is_empty());
    }

    #[test]
    fn finds_rows_without_a_test_and_tests_that_are_gone() {
        let table = format!(
            "{HEAD}| sink | disk | full | waits | by hand |\n| sink | disk | slow | waits | `a::gone` |\n\n| other | `table` |\n"
        );
        assert_eq!(
            messages(&table),
            [
                "error: docs/guarantees.md:3: the row names no test",
                "error: docs/guarantees.md:4: there is no test gone"
            ]
        );
    }

    #[test]
    fn finds_a_row_apart_from_the_others_of_its_part() {
        let row = |part: &str| format!("| {part} | disk | full | waits | `holds` |\n");
        let table = [HEAD, &row("sink"), &row("source"), &row("sink")].concat();
        assert_eq!(messages(&table), ["error: docs/guarantees.md:5: the row belongs to the others of the part sink"]);
    }

    #[test]
    fn finds_that_the_table_is_gone() {
        assert_eq!(
            messages("text"),
            ["error: docs/guarantees.md: has no table that begins with | part | kind | fault |"]
        );
    }
}
