//! Records of topics to lines of a file.

mod output;
mod task;

use tributary_api::{ConfigDef, ConfigKey, ConfigType, Importance, KAFKA_VERSION, Plugin, SimpleConnector};

use self::task::FileStreamSinkTask;

const FILE: &str = "file";

pub(crate) fn plugin() -> Plugin {
    let class = "org.apache.kafka.connect.file.FileStreamSinkConnector";
    // Every task appends to the same file.
    let connector = || SimpleConnector::new().with_frameworks_offsets();
    Plugin::sink(class, KAFKA_VERSION, config(), connector, FileStreamSinkTask::start).doc(
        "Appends the value of each record, as text and a line end, to a file. Bytes are written as they are. Offsets \
         are committed once the lines are synced to disk.",
    )
}

/// Name, default, importance and text are those of the Java connector: clients compare them.
fn config() -> ConfigDef {
    ConfigDef::new([ConfigKey::new(FILE, ConfigType::String)
        .importance(Importance::High)
        .doc("The file to append to; standard output when there is none.")])
}
