use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tributary_api::{Error, Result, TopicRecord, TopicWriter, TopicWriterOptions};

use super::lock;

/// What plugins write to topics of their own.
#[derive(Debug, Default)]
pub(super) struct MemoryTopics {
    options: Mutex<Vec<TopicWriterOptions>>,
    written: Arc<Written>,
}

#[derive(Debug, Default)]
struct Written {
    records: Mutex<Vec<TopicRecord>>,
    error: Mutex<Option<Error>>,
}

impl MemoryTopics {
    pub(super) fn writer(&self, options: TopicWriterOptions) -> Box<dyn TopicWriter> {
        lock(&self.options).push(options);
        Box::new(Writer(Arc::clone(&self.written)))
    }

    /// What the writers were asked for, in order.
    pub(super) fn options(&self) -> Vec<TopicWriterOptions> {
        lock(&self.options).clone()
    }

    /// The records written, in order.
    pub(super) fn written(&self) -> Vec<TopicRecord> {
        lock(&self.written.records).clone()
    }

    /// Makes every write fail, or no longer.
    pub(super) fn fail(&self, error: Option<Error>) {
        *lock(&self.written.error) = error;
    }
}

/// Writes to memory.
struct Writer(Arc<Written>);

#[async_trait]
impl TopicWriter for Writer {
    async fn write(&self, records: Vec<TopicRecord>) -> Result<()> {
        if let Some(error) = lock(&self.0.error).clone() {
            return Err(error);
        }
        lock(&self.0.records).extend(records);
        Ok(())
    }
}
