use async_trait::async_trait;
use tributary_api::{
    Config, Connector, Error, ExactlyOnceSupport, OffsetMap, OffsetValue, Props, Result, SourceConnector,
};

use super::{FILE, FILENAME, POSITION};

/// One file is one task's work.
pub(super) struct FileStreamSourceConnector;

#[async_trait]
impl Connector for FileStreamSourceConnector {
    async fn task_configs(&mut self, config: &Config, _max_tasks: usize) -> Result<Vec<Props>> {
        Ok(config.for_tasks(1))
    }
}

#[async_trait]
impl SourceConnector for FileStreamSourceConnector {
    fn exactly_once_support(&self, config: &Config) -> ExactlyOnceSupport {
        // Standard input cannot be read again.
        if has_file(config) { ExactlyOnceSupport::Supported } else { ExactlyOnceSupport::Unsupported }
    }

    async fn alter_offsets(&mut self, config: &Config, offsets: &[(OffsetMap, Option<OffsetMap>)]) -> Result<bool> {
        if !has_file(config) {
            return Err(refused(
                "Offsets cannot be modified if the 'file' configuration is unspecified. \
                 This is because stdin is used for input and offsets are not tracked.",
            ));
        }
        for (partition, offset) in offsets {
            if let Some(offset) = offset {
                check_offset(offset)?;
            }
            if partition.get(FILENAME).is_none() {
                return Err(refused("Partition objects should contain the key 'filename'"));
            }
        }
        Ok(true)
    }
}

fn check_offset(offset: &OffsetMap) -> Result<()> {
    match offset.get(POSITION) {
        None => Err(refused("Offset objects should either be null or contain the key 'position'")),
        Some(OffsetValue::Int(position)) if *position < 0 => {
            Err(refused("The value for the 'position' key in the offset should be a non-negative value"))
        }
        Some(OffsetValue::Int(_)) => Ok(()),
        Some(_) => Err(refused("The value for the 'position' key in the offset is expected to be a Long value")),
    }
}

fn has_file(config: &Config) -> bool {
    config.optional_string(FILE).is_ok_and(|file| file.is_some_and(|file| !file.is_empty()))
}

/// The texts are those of the Java connector: REST clients see them.
fn refused(message: &str) -> Error {
    Error::config(message).with_class("org.apache.kafka.connect.errors.ConnectException")
}
