//! The contract battery.
#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use async_trait::async_trait;
use tempfile::TempDir;
use tributary_api::{Plugin, PluginKind, Props};
use tributary_testkit::battery::{self, SinkSubject, SourceSubject, Violation};

struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("lines.txt");
        fs::write(&path, "").unwrap();
        Self { path, _folder: folder }
    }

    fn props(&self, more: &[(&str, &str)]) -> Props {
        let file = ("file", self.path.to_str().unwrap());
        more.iter().chain([&file]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

fn plugin(kind: PluginKind) -> Plugin {
    tributary_file::plugins().into_iter().find(|plugin| plugin.description.kind == kind).unwrap()
}

#[async_trait]
impl SourceSubject for File {
    fn plugin(&self) -> Plugin {
        plugin(PluginKind::Source)
    }

    fn props(&self) -> Props {
        self.props(&[("topic", "lines"), ("batch.size", "7")])
    }

    async fn feed(&mut self, items: &[String]) {
        let mut file = OpenOptions::new().append(true).open(&self.path).unwrap();
        for item in items {
            writeln!(file, "{item}").unwrap();
        }
    }
}

#[async_trait]
impl SinkSubject for File {
    fn plugin(&self) -> Plugin {
        plugin(PluginKind::Sink)
    }

    fn props(&self) -> Props {
        self.props(&[])
    }

    async fn delivered(&mut self) -> Vec<String> {
        fs::read_to_string(&self.path).unwrap().lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn the_source_keeps_the_contract() {
    assert_eq!(battery::source(File::new).await, Vec::<Violation>::new());
}

#[tokio::test]
async fn the_sink_keeps_the_contract() {
    assert_eq!(battery::sink(File::new).await, Vec::<Violation>::new());
}
