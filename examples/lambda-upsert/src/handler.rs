use std::collections::BTreeMap;

use anyhow::{Context, Result};
use mongodb::bson::Document;
use serde_json::{Value, json};

use crate::bucket::{Bucket, Lines};
use crate::documents::document;
use crate::event::{Event, Message, Row};
use crate::notification::objects;
use crate::store::Store;

/// How many lines of an object are held in memory.
const LINES: usize = 1_000;

/// What is done with an event.
#[derive(Debug)]
pub(crate) struct Handler {
    bucket: Bucket,
    store: Store,
    id_field: String,
}

impl Handler {
    pub(crate) fn new(bucket: Bucket, store: Store, id_field: String) -> Self {
        Self { bucket, store, id_field }
    }

    /// Upserts the event's records. Failures are reported in the sender's format.
    pub(crate) async fn handle(&self, event: Value) -> Result<Value> {
        match Event::parse(event)? {
            Event::Messages(messages) => Ok(self.handle_messages(&messages).await),
            Event::Array(rows) => self.handle_array(&rows).await,
            Event::Partitions(rows) => Ok(self.handle_partitions(&rows).await),
        }
    }

    /// Each message separately: those that are not listed in the response are deleted from the queue, the others are
    /// delivered again.
    async fn handle_messages(&self, messages: &[Message]) -> Value {
        let mut failures = Vec::new();
        for message in messages {
            if let Err(error) = self.handle_message(message).await {
                let error = format!("{error:#}");
                tracing::warn!(message = message.message_id, error, "a message stays in the queue");
                failures.push(json!({"itemIdentifier": message.message_id}));
            }
        }
        json!({"batchItemFailures": failures})
    }

    async fn handle_message(&self, message: &Message) -> Result<()> {
        for object in objects(&message.body)? {
            if let Some(lines) = self.bucket.lines(&object).await? {
                let name = || format!("load s3://{}/{}", object.bucket, object.key);
                let count = self.load(lines).await.with_context(name)?;
                tracing::info!(bucket = object.bucket, key = object.key, count, "loaded an object");
            }
        }
        Ok(())
    }

    async fn load(&self, mut lines: Lines) -> Result<usize> {
        let (mut count, mut documents) = (0, Vec::with_capacity(LINES));
        loop {
            let line = lines.next()?;
            let is_last = line.is_none();
            if let Some(value) = line {
                let number = lines.number();
                documents.push(self.document(None, value).with_context(|| format!("understand line {number}"))?);
            }
            if is_last || documents.len() == LINES {
                self.store.upsert(&documents).await.map_err(|failure| failure.reason)?;
                count += documents.len();
                documents.clear();
            }
            if is_last {
                return Ok(count);
            }
        }
    }

    /// All or an error: the connector then splits the batch in two until the failing record is alone.
    async fn handle_array(&self, rows: &[Row]) -> Result<Value> {
        let mut documents = Vec::with_capacity(rows.len());
        for row in rows {
            documents.extend(self.document_of(row)?);
        }
        self.store.upsert(&documents).await.map_err(|failure| failure.reason)?;
        let done = rows.iter().map(|row| json!({"payload": {"upserted": row.value.is_some()}}));
        Ok(done.collect())
    }

    /// As far as it goes; of each partition the first record that is not written is named.
    async fn handle_partitions(&self, rows: &[Row]) -> Value {
        // Of each document the row from which it was made.
        let (mut documents, mut origins) = (Vec::new(), Vec::new());
        let mut understood = rows.len();
        for (place, row) in rows.iter().enumerate() {
            match self.document_of(row) {
                Ok(made) => {
                    origins.extend(made.is_some().then_some(place));
                    documents.extend(made);
                }
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "a record is not understood");
                    understood = place;
                    break;
                }
            }
        }
        let done = match self.store.upsert(&documents).await {
            Ok(()) => understood,
            Err(failure) => {
                tracing::warn!(error = failure.to_string(), "records are not written");
                origins.get(failure.first).copied().unwrap_or(understood)
            }
        };
        json!({"batchItemFailures": failures(&rows[done..])})
    }

    /// None for a tombstone: the bucket does not contain them, so they are ignored on both paths.
    fn document_of(&self, row: &Row) -> Result<Option<Document>> {
        let Some(value) = row.value.clone() else { return Ok(None) };
        let (partition, offset) = &row.position;
        let made = self.document(row.key.as_ref(), value);
        made.map(Some).with_context(|| format!("understand offset {offset} of {partition}"))
    }

    fn document(&self, key: Option<&Value>, value: Value) -> Result<Document> {
        // The JSON of a text, where a converter of texts wrote it to the object.
        let value = match value {
            Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            other => other,
        };
        document(&self.id_field, key, &value)
    }
}

/// The first of these rows of each partition.
fn failures(rows: &[Row]) -> Vec<Value> {
    let mut first = BTreeMap::new();
    for row in rows {
        let (partition, offset) = &row.position;
        let known = first.entry(partition).or_insert(*offset);
        *known = (*known).min(*offset);
    }
    let item = |(partition, offset): (&String, i64)| json!({"itemIdentifier": {"topic-partition": partition, "offset": offset}});
    first.into_iter().map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_record_of_each_partition_is_named() {
        let row = |partition: &str, offset| Row { position: (partition.into(), offset), key: None, value: None };
        let rows = [row("t-1", 7), row("t-0", 4), row("t-1", 6), row("t-0", 5)];
        let expected = [("t-0", 4), ("t-1", 6)]
            .map(|(partition, offset)| json!({"itemIdentifier": {"topic-partition": partition, "offset": offset}}));
        assert_eq!(failures(&rows), expected);
        assert_eq!(failures(&[]), Vec::<Value>::new());
    }
}
