use async_trait::async_trait;
use tributary_api::{Connector, ConnectorContext, Offsets, Props, Result, SinkConnector};

/// Every task appends to the same file.
#[derive(Default)]
pub(super) struct FileStreamSinkConnector {
    props: Props,
}

#[async_trait]
impl Connector for FileStreamSinkConnector {
    async fn start(&mut self, _cx: ConnectorContext, props: &Props) -> Result<()> {
        super::config().parse(props)?;
        self.props = props.clone();
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone(); max_tasks])
    }
}

#[async_trait]
impl SinkConnector for FileStreamSinkConnector {
    async fn alter_offsets(&mut self, _props: &Props, _offsets: &Offsets) -> Result<bool> {
        Ok(true)
    }
}
