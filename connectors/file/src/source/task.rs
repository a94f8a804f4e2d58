use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytestring::ByteString;
use tokio::time::{Instant, sleep};
use tributary_api::time::now_ms;
use tributary_api::{
    Config, Datum, Error, OffsetMap, OffsetValue, Origin, Record, Result, Schema, SchemaRef, SchemaType,
    SourcePartition, SourceTask, SourceTaskContext, Topic, Value,
};

use super::input::{Found, Input};
use super::lines::Lines;
use super::{BATCH_SIZE, FILE, FILENAME, POSITION, TOPIC};

/// Without new lines, `poll` returns after this time.
const POLL_TIMEOUT: Duration = Duration::from_secs(1);
/// The minimum and maximum interval of checks for new lines. It is a share of the time since the last line: a file that
/// is being written is checked often, and a thousand idle ones cost almost nothing.
const CHECK_INTERVALS: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(500)];
const SHARE: u32 = 8;
/// A file with a longer line is considered not to be text.
const MAX_LINE_BYTES: usize = 128 * 1024 * 1024;

pub(super) struct FileStreamSourceTask {
    cx: SourceTaskContext,
    /// Absent: standard input.
    file: Option<PathBuf>,
    topic: Topic,
    batch_size: usize,
    schema: SchemaRef,
    input: Option<Input>,
    /// Absent for an input that cannot be read again.
    partition: Option<SourcePartition>,
    lines: Lines,
    /// The size of the last batch, as an estimate for the next one.
    expected: usize,
    missed: bool,
    /// Since when there were no new lines.
    idle_since: Option<Instant>,
}

#[async_trait]
impl SourceTask for FileStreamSourceTask {
    async fn poll(&mut self) -> Result<Vec<Record>> {
        let stopping = self.cx.stopping().clone();
        let deadline = Instant::now() + POLL_TIMEOUT;
        while !stopping.is_cancelled() {
            self.open().await?;
            let records = self.read_batch()?;
            if !records.is_empty() {
                self.idle_since = None;
                return Ok(records);
            }
            tokio::select! {
                () = stopping.cancelled() => {}
                () = sleep(self.pause()) => {}
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        Ok(Vec::new())
    }
}

impl FileStreamSourceTask {
    pub(super) async fn start(cx: SourceTaskContext, config: Config) -> Result<Self> {
        let file = config.optional_string(FILE)?.filter(|file| !file.is_empty()).map(PathBuf::from);
        Ok(Self {
            cx,
            file,
            topic: config.string(TOPIC)?.into(),
            batch_size: usize::try_from(config.int::<i32>(BATCH_SIZE)?).unwrap_or(0).max(1),
            schema: Schema::new(SchemaType::String).into_ref(),
            input: None,
            partition: None,
            lines: Lines::default(),
            expected: 0,
            missed: false,
            idle_since: None,
        })
    }

    /// The wait before the next check.
    fn pause(&mut self) -> Duration {
        let [shortest, longest] = CHECK_INTERVALS;
        let idle_since = self.idle_since.get_or_insert_with(Instant::now).elapsed();
        (idle_since / SHARE).clamp(shortest, longest)
    }

    /// Opens the input, if it exists by now.
    async fn open(&mut self) -> Result<()> {
        if self.input.is_some() {
            return Ok(());
        }
        let Some(path) = self.file.clone() else {
            self.input = Some(Input::stdin()?);
            return Ok(());
        };
        match Found::open(&path)? {
            Found::Nothing if !self.missed => {
                // A file that was read once has gone; another one is only to come.
                let (connector, file) = (&self.cx.connector, path.display());
                match self.stored_position(&partition_of(&path)).await? {
                    0 => tracing::info!(connector, %file, "the file is not there yet: waiting for it"),
                    _ => {
                        tracing::warn!(connector, %file, "no such file, of which lines were read before: waiting for it")
                    }
                }
                self.missed = true;
            }
            Found::Nothing => {}
            Found::Pipe => self.input = Some(Input::pipe(&path)?),
            Found::File(file) => {
                let partition = partition_of(&path);
                let position = self.stored_position(&partition).await?;
                tracing::debug!(connector = self.cx.connector, file = %path.display(), position, "reading file");
                self.input = Some(Input::file(Path::new(&path), file, position)?);
                self.lines = Lines::at(position);
                self.partition = Some(partition);
            }
        }
        Ok(())
    }

    async fn stored_position(&self, partition: &SourcePartition) -> Result<u64> {
        let offset = self.cx.offset(partition).await?;
        match offset.as_ref().and_then(|offset| offset.get(POSITION)) {
            None | Some(OffsetValue::Null) => Ok(0),
            Some(OffsetValue::Int(position)) => u64::try_from(*position).map_err(|_| {
                Error::fatal(format!("stored position {position} is below 0: alter the offsets of the connector"))
            }),
            Some(other) => {
                Err(Error::fatal(format!("stored position {other:?} is no number: alter the offsets of the connector")))
            }
        }
    }

    /// A batch of complete lines; reads until there are enough or the input has no more.
    fn read_batch(&mut self) -> Result<Vec<Record>> {
        let Some(input) = &mut self.input else { return Ok(Vec::new()) };
        let mut records = Vec::with_capacity(self.expected);
        let timestamp = now_ms();
        loop {
            while records.len() < self.batch_size
                && let Some((line, end)) = self.lines.next()
            {
                records.push(record(&self.topic, &self.schema, self.partition.as_ref(), timestamp, line, end));
            }
            if records.len() >= self.batch_size {
                break;
            }
            let buffer = self.lines.take_buffer();
            let known = buffer.len();
            let (buffer, read) = input.read(buffer);
            self.lines.return_buffer(buffer, known);
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) if !records.is_empty() => break,
                Err(error) => return Err(error),
            }
            if self.lines.pending() > MAX_LINE_BYTES {
                let message = format!("a line is longer than {MAX_LINE_BYTES} bytes: check that the file is text");
                return Err(Error::fatal(message));
            }
        }
        self.expected = records.len();
        Ok(records)
    }
}

fn partition_of(path: &Path) -> SourcePartition {
    OffsetMap::new([(FILENAME, OffsetValue::from(path.to_string_lossy().into_owned()))])
}

fn record(
    topic: &Topic,
    schema: &SchemaRef,
    partition: Option<&SourcePartition>,
    timestamp: i64,
    line: ByteString,
    end: u64,
) -> Record {
    let record = Record::new(topic.clone(), Datum::new(schema.clone(), Value::String(line))).at(timestamp);
    let position = i64::try_from(end).unwrap_or(i64::MAX);
    let offset = partition.map(|_| OffsetMap::new([(POSITION, position.into())]));
    record.with_origin(Origin::source(partition.cloned(), offset))
}
