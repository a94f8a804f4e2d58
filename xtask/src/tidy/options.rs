use std::collections::BTreeSet;

use super::{File, Finding};

/// What comes before the options of a program in a command, and where its options are defined.
const PROGRAMS: [(&str, &str); 7] = [
    ("sqlserver-standin/Cargo.toml --target-dir target -- ", STANDIN),
    ("target/release/sqlserver-standin ", STANDIN),
    ("target/release/lambda-front ", "tests/lambda-front/src/main.rs"),
    ("cargo run --release --target-dir ../../target -- ", STANDIN),
    ("cargo xtask bench ", "benches/src/main.rs"),
    ("cargo run --release -- ", WORKER),
    ("target/release/tributary ", WORKER),
];
const STANDIN: &str = "tests/sqlserver-standin/src/bin/sqlserver-standin.rs";
const WORKER: &str = "runtime/tributary/src/cli.rs";

/// The options with which Markdown starts a program are options of that program.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|file| file.path.ends_with(".md")).flat_map(|file| check_file(file, files)).collect()
}

fn check_file(file: &File, files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    // A command that goes on in the next line is one.
    let text = file.text.replace("\\\n", " ");
    for line in text.lines() {
        let Some((marker, source)) = PROGRAMS.into_iter().find(|(marker, _)| line.contains(marker)) else { continue };
        let known = files.iter().find(|file| file.path == source).map(|file| defined(&file.text)).unwrap_or_default();
        let command = line.split_once(marker).map_or("", |(_, command)| command);
        for option in used(command).filter(|option| !known.contains(*option)) {
            findings.push(Finding::error(&file.path, format!("{marker}has no option --{option}, see {source}")));
        }
    }
    findings
}

/// The long options up to the end of a command.
fn used(command: &str) -> impl Iterator<Item = &str> {
    let command = command.split(['`', '#', '|', ';', '&']).next().unwrap_or_default();
    let options = command.split_whitespace().filter_map(|word| word.strip_prefix("--"));
    options.map(|option| option.split('=').next().unwrap_or(option)).filter(|option| !option.is_empty())
}

/// The long options of a program: the fields with `#[arg(long)]`, by their names unless they have another.
fn defined(source: &str) -> BTreeSet<String> {
    let mut options = BTreeSet::from(["help", "version"].map(str::to_owned));
    let mut lines = source.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(arguments) = line.strip_prefix("#[arg(").filter(|arguments| arguments.contains("long")) else {
            continue;
        };
        let named = arguments.split_once("long = \"").and_then(|(_, name)| name.split('"').next());
        let field = lines.next().unwrap_or_default().trim_start_matches("pub ");
        let field = field.split(':').next().unwrap_or_default().replace('_', "-");
        options.insert(named.map_or(field, str::to_owned));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_an_option_that_the_program_does_not_have() {
        let cli = "#[arg(long, default_value = \"data\")]\n    pub data: PathBuf,\n\
                   #[arg(long = \"function\")]\n    functions: Vec<String>,\n#[arg(long)]\n    idle_sinks: usize,";
        let check = |text: &str| {
            let files = [File::new("a.md", text), File::new(WORKER, cli)];
            check(&files).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let right = "`cargo run --release -- w.properties --data x --idle-sinks=3` is not --folder";
        assert_eq!(check(right), [""; 0]);
        assert_eq!(check("cargo run --release -- \\\n  --function f=g   # not --folder"), [""; 0]);
        let wrong = check("cargo run --release -- --folder x");
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].contains("a.md") && wrong[0].contains("--folder"), "{wrong:?}");
    }
}
