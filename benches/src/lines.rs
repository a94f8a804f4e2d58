use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use tributary_tests::RunFolder;

/// A file of JSON lines, each about 100 bytes, and what it holds.
pub(crate) struct Lines {
    _folder: RunFolder,
    pub(crate) file: PathBuf,
    pub(crate) count: usize,
    pub(crate) bytes: u64,
}

impl Lines {
    pub(crate) fn write(count: usize) -> Result<Self> {
        let folder = RunFolder::new("lines")?;
        let file = folder.path().join("input.jsonl");
        let mut text = String::with_capacity(count * 110);
        for number in 0..count {
            let (cents, city) = (number * 7919 % 100_000, ["London", "Leeds", "York"][number % 3]);
            writeln!(
                text,
                r#"{{"id":{number},"name":"customer {:05}","city":"{city}","amount":{}.{:02},"status":"shipped"}}"#,
                number % 100_000,
                cents / 100,
                cents % 100
            )?;
        }
        fs::write(&file, &text)?;
        Ok(Self { _folder: folder, file, count, bytes: text.len() as u64 })
    }
}
