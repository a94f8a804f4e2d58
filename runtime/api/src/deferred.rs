use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    AckListener, Config, ConfigDef, Error, Offsets, Props, Record, Result, SinkTask, SinkTaskContext, SourceTask,
    SourceTaskContext, TopicPartition,
};

/// A task that the plugin's function makes when the runtime starts it, so that a plugin has no state for a task that is
/// not started.
pub(crate) struct Deferred<F, T> {
    config: Arc<ConfigDef>,
    start: Arc<F>,
    task: Option<T>,
}

impl<F, T> Deferred<F, T> {
    pub(crate) fn new(config: &Arc<ConfigDef>, start: &Arc<F>) -> Self {
        Self { config: Arc::clone(config), start: Arc::clone(start), task: None }
    }

    fn task(&mut self) -> Result<&mut T> {
        self.task.as_mut().ok_or_else(|| Error::fatal("the task is not started"))
    }
}

#[async_trait]
impl<F, Made, T> SourceTask for Deferred<F, T>
where
    F: Fn(SourceTaskContext, Config) -> Made + Send + Sync,
    Made: Future<Output = Result<T>> + Send,
    T: SourceTask,
{
    async fn start(&mut self, cx: SourceTaskContext, props: &Props) -> Result<()> {
        let config = self.config.parse(props)?;
        self.task = Some((self.start)(cx, config).await?);
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<Record>> {
        self.task()?.poll().await
    }

    fn ack_listener(&self) -> Option<Arc<dyn AckListener>> {
        self.task.as_ref()?.ack_listener()
    }

    async fn commit(&mut self) -> Result<()> {
        self.task()?.commit().await
    }

    async fn stop(&mut self) -> Result<()> {
        match self.task.take() {
            Some(mut task) => task.stop().await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl<F, Made, T> SinkTask for Deferred<F, T>
where
    F: Fn(SinkTaskContext, Config) -> Made + Send + Sync,
    Made: Future<Output = Result<T>> + Send,
    T: SinkTask,
{
    async fn start(&mut self, cx: SinkTaskContext, props: &Props) -> Result<()> {
        let config = self.config.parse(props)?;
        self.task = Some((self.start)(cx, config).await?);
        Ok(())
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.task()?.open(partitions).await
    }

    async fn put(&mut self, records: &[Record]) -> Result<()> {
        self.task()?.put(records).await
    }

    async fn pre_commit(&mut self, offsets: &Offsets) -> Result<Offsets> {
        self.task()?.pre_commit(offsets).await
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.task()?.close(partitions).await
    }

    async fn stop(&mut self) -> Result<()> {
        match self.task.take() {
            Some(mut task) => task.stop().await,
            None => Ok(()),
        }
    }
}
