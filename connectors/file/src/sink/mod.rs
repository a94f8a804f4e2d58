//! Records of topics to lines of a file.

mod connector;
mod output;
mod task;

use std::sync::Arc;

use tributary_api::{ConfigDef, ConfigKey, ConfigType, Factory, Importance, Plugin, SinkFactory};

use self::connector::FileStreamSinkConnector;
use self::task::FileStreamSinkTask;

const FILE: &str = "file";

pub(crate) fn plugin() -> Plugin {
    let factory = SinkFactory {
        connector: Arc::new(|| Box::<FileStreamSinkConnector>::default()),
        task: Arc::new(|| Box::<FileStreamSinkTask>::default()),
        task_class: "org.apache.kafka.connect.file.FileStreamSinkTask".to_owned(),
    };
    Plugin::new("org.apache.kafka.connect.file.FileStreamSinkConnector", config(), Factory::Sink(factory)).doc(
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
