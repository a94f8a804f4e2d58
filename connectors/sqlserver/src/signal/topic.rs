use bytestring::ByteString;
use serde_json::Value;
use tributary_api::{RawTopicReader, Result, SourceTaskContext, TopicRecord};
use uuid::Uuid;

use super::channels::SignalPosition;
use super::{ReceivedSignal, Signal};
use crate::config::TopicSettings;

/// How many records are read at once.
const PAGE: usize = 100;

/// The first partition of a topic whose records are signals.
pub(super) struct SignalTopic {
    cx: SourceTaskContext,
    settings: TopicSettings,
    /// The key of the records for this connector: its topic prefix.
    key: ByteString,
    /// The offset to continue from; `None` at the start.
    next: Option<i64>,
    /// Where readers begin that have followed no signal yet.
    begin: i64,
    end: i64,
    /// The group's committed offset.
    committed: Option<i64>,
    reader: Option<Box<dyn RawTopicReader>>,
}

impl SignalTopic {
    pub(super) fn new(cx: SourceTaskContext, settings: TopicSettings, prefix: &str) -> Self {
        Self { cx, settings, key: prefix.into(), next: None, begin: 0, end: 0, committed: None, reader: None }
    }

    pub(super) fn begin(&self) -> i64 {
        self.begin
    }

    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// Reads the signals since the last poll. `followed` are the offsets of the signals that readers have followed last.
    pub(super) async fn read(&mut self, followed: &[Option<i64>]) -> Result<Vec<ReceivedSignal>> {
        // A reader that has failed is opened again.
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => {
                let Some(reader) = self.open(followed).await? else {
                    // All records of a topic that is created later are new.
                    self.next.get_or_insert(0);
                    return Ok(Vec::new());
                };
                reader
            }
        };
        let end = reader.look_for_end().await?;
        self.end = end;
        let mut received = Vec::new();
        let records = reader.read(PAGE).await?;
        for (offset, record) in records {
            self.next = Some(offset.saturating_add(1));
            let position = Some(SignalPosition { offset, end });
            received.extend(self.signal(&record).map(|signal| ReceivedSignal { signal, position }));
        }
        self.reader = Some(reader);
        Ok(received)
    }

    /// Commits the offset of the first signal that is not followed for sure, or else of the next one that is read.
    pub(super) async fn commit(&mut self, first: Option<i64>) -> Result<()> {
        let (Some(reader), Some(offset)) = (&mut self.reader, first.or(self.next)) else { return Ok(()) };
        if self.committed != Some(offset) {
            reader.commit(offset).await?;
            self.committed = Some(offset);
        }
        Ok(())
    }

    async fn open(&mut self, followed: &[Option<i64>]) -> Result<Option<Box<dyn RawTopicReader>>> {
        let from = self.next.unwrap_or(0);
        let Some(mut reader) = self.reader_from(from).await? else { return Ok(None) };
        self.end = reader.end();
        let next = match self.next {
            Some(next) => next,
            None => self.find_beginning(&mut *reader, followed).await?,
        };
        let next = if next > self.end { self.warn_of_end(next) } else { next };
        self.next = Some(next);
        if next == from { Ok(Some(reader)) } else { self.reader_from(next).await }
    }

    /// Readers continue behind the signals that they have followed. One without any begins where a consumer of the group
    /// begins, so that signals which Debezium has followed are not followed again.
    async fn find_beginning(&mut self, reader: &mut dyn RawTopicReader, followed: &[Option<i64>]) -> Result<i64> {
        self.committed = match reader.committed().await {
            Err(error) if !error.is_retriable() => {
                tracing::warn!(topic = self.settings.topic, %error, "the offset of the group of the signal topic cannot be read: allow it, or name \
                    another group by signal.kafka.groupId");
                None
            }
            committed => committed?,
        };
        let latest = self.settings.consumer.get("auto.offset.reset").is_some_and(|reset| reset == "latest");
        self.begin = match self.committed {
            Some(committed) if committed > self.end => self.warn_of_end(committed),
            Some(committed) => committed,
            None if latest => self.end,
            None => 0,
        };
        let places = followed.iter().map(|offset| offset.map_or(self.begin, |offset| offset.saturating_add(1)));
        Ok(places.min().unwrap_or(self.begin))
    }

    /// Returns where the topic is read from instead.
    fn warn_of_end(&self, known: i64) -> i64 {
        tracing::warn!(
            topic = self.settings.topic,
            known,
            end = self.end,
            "the signal topic ends before the position that was stored, as one that was deleted and made again: it is read \
             from its first record on"
        );
        0
    }

    async fn reader_from(&mut self, offset: i64) -> Result<Option<Box<dyn RawTopicReader>>> {
        self.cx.topic_reader(self.settings.reader(offset)).await
    }

    fn signal(&self, record: &TopicRecord) -> Option<Signal> {
        if record.key.as_deref() != Some(self.key.as_bytes()) {
            tracing::debug!(
                topic = self.settings.topic,
                "a signal is for another connector: its key is not topic.prefix"
            );
            return None;
        }
        let parsed = signal_of_json(record.value.as_deref()?);
        if parsed.is_none() {
            tracing::warn!(
                topic = self.settings.topic,
                "a signal is left out: it is no JSON object with type and data"
            );
        }
        parsed
    }
}

/// Reads `id`, `type` and `data`, which is an object.
pub(super) fn signal_of_json(json: &[u8]) -> Option<Signal> {
    let value: Value = serde_json::from_slice(json).ok()?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let data = match &value["data"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(Signal { id: text("id").unwrap_or_else(|| Uuid::new_v4().to_string()), kind: text("type")?, data })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_signal_is_an_object_with_a_type() {
        let signal = signal_of_json(br#"{"id": "1", "type": "log", "data": {"message": "a"}}"#).unwrap();
        assert_eq!((&*signal.id, &*signal.kind, &*signal.data), ("1", "log", r#"{"message":"a"}"#));
        assert!(!signal_of_json(br#"{"type": "log"}"#).unwrap().id.is_empty());
        assert_eq!(signal_of_json(br#"{"id": "1"}"#), None);
        assert_eq!(signal_of_json(b"log"), None);
    }
}
