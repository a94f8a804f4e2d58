//! Reports on the outcome of records, written to separate topics.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tributary_api::{
    ByteString, NewTopic, Result, SinkTaskContext, Topic, TopicPartition, TopicRecord, TopicWriter, TopicWriterOptions,
    Value, json as plain,
};

use crate::answer::payloads;
use crate::config::{Report, Reports, Text};
use crate::item::Item;

/// Writes reports; they are durable when a call returns.
pub(crate) struct Reporter {
    writer: Box<dyn TopicWriter>,
    result: Option<Target>,
    error: Option<Target>,
}

struct Target {
    topic: Topic,
    key: Text,
    value: Text,
}

impl Reporter {
    /// Creates the topics unless they exist.
    ///
    /// # Errors
    /// When that cannot be done.
    pub(crate) async fn open(cx: &SinkTaskContext, reports: &Reports) -> Result<Self> {
        let target = |report: &Report| Target {
            topic: Arc::from(report.topic.replace("${connector}", &cx.connector)),
            key: report.key,
            value: report.value,
        };
        let (result, error) = (reports.result.as_ref().map(target), reports.error.as_ref().map(target));
        let new = |(report, target): (&Report, &Target)| {
            NewTopic::new(&*target.topic).partitions(report.partitions).replication_factor(report.replication)
        };
        let result_topic = reports.result.as_ref().zip(result.as_ref()).map(new);
        let error_topic = reports.error.as_ref().zip(error.as_ref()).map(new);
        let options = result_topic.into_iter().chain(error_topic).fold(reports.writer(), TopicWriterOptions::topic);
        let writer =
            cx.topic_writer(options).await.map_err(|error| error.context("cannot open the topics of reports"))?;
        Ok(Self { writer, result, error })
    }

    /// Reports a function's answer: one report for each record if the answer has a payload for each, otherwise one for
    /// all.
    ///
    /// # Errors
    /// When a report was not written; some may have been.
    pub(crate) async fn answered(&self, from: &TopicPartition, items: &[Item], answer: &[u8]) -> Result<()> {
        let (Some(target), Some(first)) = (&self.result, items.first()) else { return Ok(()) };
        let records = match payloads(answer, items.len()) {
            Some(payloads) => {
                items.iter().zip(&payloads).map(|(item, payload)| target.record(from, item, payload.get())).collect()
            }
            None => {
                let mut record = target.record(from, first, &String::from_utf8_lossy(answer));
                record.key = None;
                vec![record]
            }
        };
        self.writer.write(records).await
    }

    /// Reports records that the function did not name as failed, and for which its answer has no payload.
    ///
    /// # Errors
    /// When a report was not written; some may have been.
    pub(crate) async fn not_named(&self, from: &TopicPartition, items: &[Item]) -> Result<()> {
        let Some(target) = &self.result else { return Ok(()) };
        self.writer.write(items.iter().map(|item| target.record(from, item, "null")).collect()).await
    }

    /// Reports the error of failed records.
    ///
    /// # Errors
    /// When a report was not written; some may have been.
    pub(crate) async fn failed(&self, from: &TopicPartition, items: &[Item], reason: &str) -> Result<()> {
        let Some(target) = &self.error else { return Ok(()) };
        let reason = json!(reason).to_string();
        self.writer.write(items.iter().map(|item| target.record(from, item, &reason)).collect()).await
    }
}

impl Target {
    /// A report, as JSON or as plain text.
    fn record(&self, from: &TopicPartition, item: &Item, report: &str) -> TopicRecord {
        let header = |name: &str, value: String| (ByteString::from(name), Some(Bytes::from(value)));
        let mut headers = vec![
            header("input_record_topic", from.topic.to_string()),
            header("input_record_partition", from.partition.to_string()),
            header("input_record_offset", item.offset.to_string()),
        ];
        if let Some(timestamp) = item.timestamp {
            headers.push(header("input_record_timestamp", timestamp.to_string()));
        }
        let mut record = TopicRecord::new(Arc::clone(&self.topic)).value(self.value.of_json(report));
        record.key = item.key.as_ref().and_then(|key| self.key.of_value(key));
        record.headers = headers;
        record
    }
}

impl Text {
    fn of_value(self, value: &Value) -> Option<Bytes> {
        match value {
            Value::Null => None,
            Value::String(text) if self == Self::Plain => Some(text.as_bytes().clone()),
            Value::Bytes(bytes) if self == Self::Plain => Some(bytes.clone()),
            value => Some(self.of_json(&String::from_utf8_lossy(&plain::to_vec(value).ok()?))),
        }
    }

    fn of_json(self, json: &str) -> Bytes {
        // A JSON text is recognised by its first character.
        let text = || serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned());
        let written = match self {
            Self::Plain => text(),
            Self::Json if serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok() => json.to_owned(),
            Self::Json => json!(json).to_string(),
            Self::Schema => json!({"schema": {"type": "string", "optional": false}, "payload": text()}).to_string(),
        };
        written.into()
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = |target: &Option<Target>| target.as_ref().map(|target| Arc::clone(&target.topic));
        f.debug_struct("Reporter")
            .field("result", &topic(&self.result))
            .field("error", &topic(&self.error))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_follow_the_documented_format() {
        for (text, json, expected) in [
            (Text::Plain, r#"{"a":1}"#, r#"{"a":1}"#),
            (Text::Plain, r#""x \"y\"""#, r#"x "y""#),
            (Text::Plain, "not json", "not json"),
            (Text::Json, r#"{"a":1}"#, r#"{"a":1}"#),
            (Text::Json, r#""x""#, r#""x""#),
            (Text::Json, "not json", r#""not json""#),
            (Text::Schema, r#"{"a":1}"#, r#"{"schema":{"type":"string","optional":false},"payload":"{\"a\":1}"}"#),
        ] {
            assert_eq!(text.of_json(json), expected.as_bytes(), "{text:?} of {json}");
        }
        for (text, value, expected) in [
            (Text::Plain, Value::string("k"), Some("k")),
            (Text::Json, Value::string("k"), Some(r#""k""#)),
            (Text::Plain, Value::Int32(7), Some("7")),
            (Text::Json, Value::Null, None),
        ] {
            assert_eq!(text.of_value(&value), expected.map(Bytes::from), "{text:?} of {value:?}");
        }
    }
}
