use async_trait::async_trait;
use tributary_api::{
    Connector, ConnectorContext, Error, ExactlyOnceSupport, OffsetMap, OffsetValue, Props, Result, SourceConnector,
};

use super::{FILE, FILENAME, POSITION};

/// One file is one task's work.
#[derive(Default)]
pub(super) struct FileStreamSourceConnector {
    props: Props,
}

#[async_trait]
impl Connector for FileStreamSourceConnector {
    async fn start(&mut self, _cx: ConnectorContext, props: &Props) -> Result<()> {
        super::config().parse(props)?;
        self.props = props.clone();
        Ok(())
    }

    async fn task_configs(&mut self, _max_tasks: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone()])
    }
}

#[async_trait]
impl SourceConnector for FileStreamSourceConnector {
    fn exactly_once_support(&self, props: &Props) -> ExactlyOnceSupport {
        // Standard input cannot be read again.
        if has_file(props) { ExactlyOnceSupport::Supported } else { ExactlyOnceSupport::Unsupported }
    }

    async fn alter_offsets(&mut self, props: &Props, offsets: &[(OffsetMap, Option<OffsetMap>)]) -> Result<bool> {
        if !has_file(props) {
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

fn has_file(props: &Props) -> bool {
    props.get(FILE).is_some_and(|file| !file.trim().is_empty())
}

/// The texts are those of the Java connector: REST clients see them.
fn refused(message: &str) -> Error {
    Error::config(message).with_class("org.apache.kafka.connect.errors.ConnectException")
}
