use bytestring::ByteString;
use serde_json::Value;
use tributary_api::{RawTopicReader, Result, SourceTaskContext, TopicReaderOptions, TopicRecord};
use uuid::Uuid;

use super::channels::Place;
use super::{Arrived, Signal};
use crate::config::TopicSettings;

/// How many records are read at once.
const PAGE: usize = 100;

/// The first partition of a topic whose records are signals.
pub(super) struct SignalTopic {
    cx: SourceTaskContext,
    settings: TopicSettings,
    /// The key of the records for this connector: its topic prefix.
    key: ByteString,
    /// The offset to continue from; `None` at the first start.
    next: Option<i64>,
    reader: Option<Box<dyn RawTopicReader>>,
}

impl SignalTopic {
    pub(super) fn new(cx: SourceTaskContext, settings: TopicSettings, prefix: &str, next: Option<i64>) -> Self {
        Self { cx, settings, key: prefix.into(), next, reader: None }
    }

    /// Reads the signals since the last poll.
    pub(super) async fn read(&mut self) -> Result<Vec<Arrived>> {
        // A reader that has failed is opened again.
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => {
                let Some(reader) = self.open().await? else {
                    // All records of a topic that is created later are new.
                    self.next.get_or_insert(0);
                    return Ok(Vec::new());
                };
                reader
            }
        };
        let end = reader.look_for_end().await?;
        let mut arrived = Vec::new();
        let records = reader.read(PAGE).await?;
        for (offset, record) in records {
            self.next = Some(offset.saturating_add(1));
            let place = Some(Place { offset, end });
            arrived.extend(self.signal(&record).map(|signal| Arrived { signal, place }));
        }
        self.reader = Some(reader);
        Ok(arrived)
    }

    /// Continues from the stored offset. Without one it starts as a consumer whose group has no offset.
    async fn open(&mut self) -> Result<Option<Box<dyn RawTopicReader>>> {
        let latest = self.settings.consumer.get("auto.offset.reset").is_some_and(|reset| reset == "latest");
        let Some(reader) = self.reader_from(self.next.unwrap_or(0)).await? else { return Ok(None) };
        let end = reader.end();
        let from = match self.next {
            None if latest => end,
            Some(next) if next > end => {
                tracing::warn!(
                    topic = self.settings.topic,
                    next,
                    end,
                    "the signal topic ends before the place that was stored, as one that \
                    was deleted and made again: it is read from its first record on"
                );
                0
            }
            known => {
                self.next = Some(known.unwrap_or(0));
                return Ok(Some(reader));
            }
        };
        self.next = Some(from);
        self.reader_from(from).await
    }

    async fn reader_from(&mut self, offset: i64) -> Result<Option<Box<dyn RawTopicReader>>> {
        let options = TopicReaderOptions::new(&*self.settings.topic, 0).from(offset);
        self.cx.topic_reader(options.consumer(self.settings.consumer.clone())).await
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
