use std::path::PathBuf;
use std::time::Duration;

use tokio::fs;
use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Error, ExactlyOnceSupport, Importance, OffsetMap, OffsetValue,
    Plugin, Record, Result, SimpleConnector, SourcePartition, SourceTask, SourceTaskContext, Validator, async_trait,
};

const CLASS: &str = "com.example.FolderSourceConnector";
/// The most records of one poll.
const BATCH: usize = 100;
/// How often the folder is read while there are no new files.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) fn plugin() -> Plugin {
    // One task reads the folder. A record's offset is all that is needed to continue after it, so it is enough for exactly
    // once that the worker writes records and offsets in one transaction.
    let connector = || SimpleConnector::one_task().exactly_once(ExactlyOnceSupport::Supported);
    Plugin::source(CLASS, env!("CARGO_PKG_VERSION"), config(), connector, FolderSourceTask::start)
        .doc("Sends each file of a folder to a topic, in the order of their names.")
}

fn config() -> ConfigDef {
    ConfigDef::new([
        ConfigKey::new("folder", ConfigType::String)
            .required()
            .validator(Validator::NonEmpty)
            .importance(Importance::High)
            .doc("The folder; a file must be complete when it appears there, and come after those before it by name."),
        ConfigKey::new("topic", ConfigType::String)
            .required()
            .validator(Validator::NonEmpty)
            .importance(Importance::High)
            .doc("The topic to write to."),
    ])
}

/// Reads the folder.
struct FolderSourceTask {
    cx: SourceTaskContext,
    folder: PathBuf,
    topic: String,
    /// The source partition that offsets are stored for: another folder has its own.
    partition: SourcePartition,
    /// The name of the last file that was returned.
    last: String,
}

#[async_trait]
impl SourceTask for FolderSourceTask {
    async fn poll(&mut self) -> Result<Vec<Record>> {
        let records = self.read().await?;
        if records.is_empty() {
            // The wait ends at once when the task stops: the runtime does not interrupt a poll.
            tokio::select! {
                () = self.cx.stopping().cancelled() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        Ok(records)
    }
}

impl FolderSourceTask {
    async fn start(cx: SourceTaskContext, config: Config) -> Result<Self> {
        let folder = config.string("folder")?.to_owned();
        let partition = OffsetMap::new([("folder", OffsetValue::from(folder.clone()))]);
        // The offset that was acknowledged and stored before the last stop or crash; everything after it is sent again.
        let last = match cx.offset(&partition).await?.as_ref().and_then(|offset| offset.get("file")) {
            Some(OffsetValue::String(name)) => name.to_string(),
            _ => String::new(),
        };
        let topic = config.string("topic")?.to_owned();
        Ok(Self { cx, folder: folder.into(), topic, partition, last })
    }

    async fn read(&mut self) -> Result<Vec<Record>> {
        // A folder that is not available may come back: the runtime calls `poll` again.
        let away = |error: std::io::Error| Error::retriable("cannot read the folder").cause(&error);
        let mut names = Vec::new();
        let mut entries = fs::read_dir(&self.folder).await.map_err(away)?;
        while let Some(entry) = entries.next_entry().await.map_err(away)? {
            names.extend(entry.file_name().into_string().ok().filter(|name| *name > self.last));
        }
        names.sort_unstable();
        let mut records = Vec::new();
        for name in names.into_iter().take(BATCH) {
            let text = fs::read_to_string(self.folder.join(&name)).await.map_err(away)?;
            let offset = OffsetMap::new([("file", OffsetValue::from(name.clone()))]);
            let record = Record::new(self.topic.as_str(), Datum::schemaless(text));
            records.push(record.with_key(Datum::schemaless(name.clone())).from_source(&self.partition, offset));
            self.last = name;
        }
        Ok(records)
    }
}
