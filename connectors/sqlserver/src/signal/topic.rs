use bytestring::ByteString;
use serde_json::Value;
use tributary_api::{RawTopicReader, Result, SourceTaskContext, TopicReaderOptions, TopicRecord};
use uuid::Uuid;

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
    next: i64,
    reader: Option<Box<dyn RawTopicReader>>,
}

impl SignalTopic {
    pub(super) fn new(cx: SourceTaskContext, settings: TopicSettings, prefix: &str, next: i64) -> Self {
        Self { cx, settings, key: prefix.into(), next, reader: None }
    }

    /// Reads the signals since the last poll.
    pub(super) async fn read(&mut self) -> Result<Vec<Arrived>> {
        // A reader that has failed is opened again.
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => {
                let options = TopicReaderOptions::new(&*self.settings.topic, 0).from(self.next);
                let options = options.consumer(self.settings.consumer.clone());
                // A topic that does not exist yet has no signals.
                let Some(reader) = self.cx.topic_reader(options).await? else { return Ok(Vec::new()) };
                reader
            }
        };
        reader.look_for_end().await?;
        let mut arrived = Vec::new();
        let records = reader.read(PAGE).await?;
        for (offset, record) in records {
            self.next = offset.saturating_add(1);
            arrived.extend(self.signal(&record).map(|signal| Arrived { signal, offset: Some(offset) }));
        }
        self.reader = Some(reader);
        Ok(arrived)
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
