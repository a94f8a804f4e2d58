//! Records of topics to lines of a file.

mod connector;
mod output;
mod task;

use tributary_api::{ConfigDef, ConfigKey, ConfigType, Importance, KAFKA_VERSION, Plugin};

use self::connector::FileStreamSinkConnector;
use self::task::FileStreamSinkTask;

const FILE: &str = "file";

pub(crate) fn plugin() -> Plugin {
    let class = "org.apache.kafka.connect.file.FileStreamSinkConnector";
    Plugin::sink(class, KAFKA_VERSION, config(), FileStreamSinkConnector::default, FileStreamSinkTask::start).doc(
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
