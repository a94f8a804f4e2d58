//! Lines of a file to records of a topic.

mod connector;
mod input;
mod lines;
mod task;

use tributary_api::{ConfigDef, ConfigKey, ConfigType, Importance, KAFKA_VERSION, Plugin, Validator};

use self::connector::FileStreamSourceConnector;
use self::task::FileStreamSourceTask;

const FILE: &str = "file";
const TOPIC: &str = "topic";
const BATCH_SIZE: &str = "batch.size";

/// The field of a source partition: the file's name as configured.
const FILENAME: &str = "filename";
/// The field of a source offset: bytes from the beginning of the file to the end of the line.
const POSITION: &str = "position";

pub(crate) fn plugin() -> Plugin {
    let class = "org.apache.kafka.connect.file.FileStreamSourceConnector";
    Plugin::source(class, KAFKA_VERSION, config(), || FileStreamSourceConnector, FileStreamSourceTask::start).doc(
        "Sends each line of a file, as text, to a topic, and follows the file as it grows. A line ends with \\n, \
         \\r\\n or \\r; the last one is sent once its line end is written.",
    )
}

/// Names, defaults, importance and texts are those of the Java connector: clients compare them.
fn config() -> ConfigDef {
    ConfigDef::new([
        ConfigKey::new(FILE, ConfigType::String)
            .importance(Importance::High)
            .doc("The file to read; standard input when there is none."),
        ConfigKey::new(TOPIC, ConfigType::String)
            .required()
            .validator(Validator::TopicName)
            .importance(Importance::High)
            .doc("The topic that lines are written to."),
        ConfigKey::new(BATCH_SIZE, ConfigType::Int)
            .default(2000)
            .importance(Importance::Low)
            .doc("The maximum of lines in a batch."),
    ])
}
