use std::io::Write;
use std::path::Path;

use async_trait::async_trait;
use tributary_api::{Config, Error, Offsets, Record, Result, SinkTask, SinkTaskContext, Value};

use super::FILE;
use super::output::Output;

/// The buffer is written when it holds this many bytes, and at the end of each batch.
const WRITE_SIZE: usize = 256 * 1024;

pub(super) struct FileStreamSinkTask {
    output: Output,
    buffer: Vec<u8>,
    /// Whether something was written since the last sync.
    dirty: bool,
}

impl FileStreamSinkTask {
    pub(super) async fn start(_cx: SinkTaskContext, config: Config) -> Result<Self> {
        let file = config.optional_string(FILE)?.filter(|file| !file.is_empty());
        let output = Output::open(file.map(Path::new)).await?;
        Ok(Self { output, buffer: Vec::new(), dirty: false })
    }
}

#[async_trait]
impl SinkTask for FileStreamSinkTask {
    async fn put(&mut self, records: &[Record]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut batch = self.output.batch();
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        self.dirty = true;
        for record in records {
            append(&mut buffer, &record.value.value)?;
            if buffer.len() >= WRITE_SIZE {
                buffer = batch.write(buffer).await?;
            }
        }
        self.buffer = if buffer.is_empty() { buffer } else { batch.write(buffer).await? };
        Ok(())
    }

    async fn pre_commit(&mut self, offsets: &Offsets) -> Result<Offsets> {
        if self.dirty {
            self.output.sync().await?;
            self.dirty = false;
        }
        Ok(offsets.clone())
    }
}

fn append(buffer: &mut Vec<u8>, value: &Value) -> Result<()> {
    match value {
        Value::String(text) => buffer.extend_from_slice(text.as_bytes()),
        Value::Bytes(bytes) => buffer.extend_from_slice(bytes),
        other => write!(buffer, "{other}").map_err(|error| Error::fatal("cannot print a value").cause(&error))?,
    }
    buffer.push(b'\n');
    Ok(())
}
