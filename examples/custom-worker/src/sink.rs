use std::path::{Path, PathBuf};

use tokio::fs;
use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Counter, Error, Importance, Plugin, Record, Result, SimpleConnector,
    SinkTask, SinkTaskContext, Validator, async_trait,
};

const CLASS: &str = "com.example.FolderSinkConnector";

pub(crate) fn plugin() -> Plugin {
    // Each task does the same with the partitions that the consumer group gives it.
    Plugin::sink(CLASS, env!("CARGO_PKG_VERSION"), config(), SimpleConnector::new, FolderSinkTask::start)
        .doc("Writes each record's text as a file of a folder. A record that comes again is the same file.")
}

fn config() -> ConfigDef {
    ConfigDef::new([ConfigKey::new("folder", ConfigType::String)
        .required()
        .validator(Validator::NonEmpty)
        .importance(Importance::High)
        .doc("The folder, which must be there.")])
}

/// Writes to the folder.
struct FolderSinkTask {
    cx: SinkTaskContext,
    folder: PathBuf,
    bytes: Counter,
}

#[async_trait]
impl SinkTask for FolderSinkTask {
    /// When it returns the files are on the disk, so the default `pre_commit` is right: all that was put may be committed.
    async fn put(&mut self, records: &[Record]) -> Result<()> {
        for record in records {
            match record.value.value.as_str() {
                Some(text) => self.write(record, text).await?,
                // Only this record is bad: it goes to the dead letter queue, or fails the task if there is none.
                None => self.cx.report(record, &Error::data("the value is no text: use the StringConverter"))?,
            }
        }
        // The names of the files are on the disk only when the folder is synced.
        if records.is_empty() { Ok(()) } else { sync(&self.folder).await.map_err(failed) }
    }
}

impl FolderSinkTask {
    async fn start(cx: SinkTaskContext, config: Config) -> Result<Self> {
        // On /metrics as kafka_connect_plugins_written_bytes_total, with the names of the connector and the task.
        let bytes = cx.metrics().counter("written-bytes", "Bytes of all files written.", &[])?;
        Ok(Self { cx, folder: config.string("folder")?.into(), bytes })
    }

    /// The name is derived from the record's origin: if a record is read again after a crash, its file is replaced.
    async fn write(&self, record: &Record, text: &str) -> Result<()> {
        let Some((topic, partition, offset)) = record.consumed_from() else { return Ok(()) };
        let path = self.folder.join(format!("{topic}-{partition}-{offset:020}.txt"));
        let draft = path.with_extension("draft");
        fs::write(&draft, text).await.map_err(failed)?;
        sync(&draft).await.map_err(failed)?;
        fs::rename(&draft, &path).await.map_err(failed)?;
        self.bytes.add(text.len() as u64);
        Ok(())
    }
}

async fn sync(path: &Path) -> std::io::Result<()> {
    fs::File::open(path).await?.sync_all().await
}

/// A disk may be full for a while: the same batch is put again.
fn failed(error: std::io::Error) -> Error {
    Error::retriable("cannot write to the folder").cause(&error)
}
