//! The promises of the plugin contract, kept by the example's connectors.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use tributary_api::{Datum, Plugin, PluginKind, Props, Record, async_trait};
use tributary_testkit::battery::{self, SinkSubject, SourceSubject, TransformationSubject, Violation};

/// A folder to read from or to write to.
struct Folder {
    folder: TempDir,
    fed: usize,
}

impl Folder {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), fed: 0 }
    }

    fn props(&self) -> Props {
        [("folder".to_owned(), self.folder.path().to_str().unwrap().to_owned())].into()
    }
}

fn plugin(kind: PluginKind) -> Plugin {
    custom_worker::plugins().into_iter().find(|plugin| plugin.description.kind == kind).unwrap()
}

#[async_trait]
impl SourceSubject for Folder {
    fn plugin(&self) -> Plugin {
        plugin(PluginKind::Source)
    }

    fn props(&self) -> Props {
        let mut props = self.props();
        props.insert("topic".to_owned(), "letters".to_owned());
        props
    }

    async fn feed(&mut self, items: &[String]) {
        let elsewhere = TempDir::new().unwrap();
        for item in items {
            let draft = elsewhere.path().join("draft");
            fs::write(&draft, item).unwrap();
            fs::rename(draft, self.folder.path().join(format!("{:06}", self.fed))).unwrap();
            self.fed += 1;
        }
    }
}

#[async_trait]
impl SinkSubject for Folder {
    fn plugin(&self) -> Plugin {
        plugin(PluginKind::Sink)
    }

    fn props(&self) -> Props {
        self.props()
    }

    async fn delivered(&mut self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|file| fs::read_to_string(file).unwrap()).collect()
    }
}

#[tokio::test]
async fn the_source_keeps_the_contract() {
    assert_eq!(battery::source(Folder::new).await, Vec::<Violation>::new());
}

#[tokio::test]
async fn the_sink_keeps_the_contract() {
    assert_eq!(battery::sink(Folder::new).await, Vec::<Violation>::new());
}

/// The transform needs nothing outside.
struct Prefix;

impl TransformationSubject for Prefix {
    fn plugin(&self) -> Plugin {
        plugin(PluginKind::Transformation)
    }

    fn props(&self) -> Props {
        [("prefix".to_owned(), "Dear ".to_owned())].into()
    }

    fn records(&self) -> Vec<Record> {
        ["Ann", ""].map(|text| Record::new("letters", Datum::schemaless(text))).to_vec()
    }
}

#[test]
fn the_transform_keeps_the_contract() {
    assert_eq!(battery::transformation(&Prefix), Vec::<Violation>::new());
}
