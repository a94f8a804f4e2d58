//! The formats of events: an envelope around records. Each record is serialised only once.
//!
//! The formats are those of Confluent's and Nordstrom's sinks and of AWS's Kafka trigger
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html>).

mod confluent;
mod esm;
mod nordstrom;
mod schema;

#[cfg(test)]
mod tests;

use std::io::Write;

use serde::Serialize;
use tributary_api::{Datum, Error, Record, Result, TopicPartition, json};

/// The format of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// As Confluent's sink writes it.
    Confluent {
        /// Keys and values are text that holds JSON.
        escaped: bool,
    },
    /// As AWS's own Kafka trigger writes it.
    Esm {
        /// `bootstrapServers`.
        servers: String,
        /// `eventSourceArn`.
        arn: Option<String>,
    },
    /// As Nordstrom's sink writes it, with keys and values as text.
    NordstromPlain {
        /// Events are arrays; otherwise a single record.
        array: bool,
    },
    /// As Nordstrom's sink writes it, with keys and values as JSON.
    NordstromJson {
        /// Events are arrays; one record alone without.
        array: bool,
        /// How much of the key's schema is written.
        key: Visibility,
        /// How much of the value's schema is written.
        value: Visibility,
    },
}

/// How much of a schema is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// Nothing.
    None,
    /// Its name and version.
    Name,
    /// Also the schema itself.
    All,
}

/// The text before and after the comma-separated records of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) head: Vec<u8>,
    pub(crate) tail: &'static [u8],
}

impl Format {
    /// The envelope of a partition's events.
    pub(crate) fn envelope(&self, partition: &TopicPartition) -> Envelope {
        match self {
            Self::Confluent { .. } | Self::NordstromPlain { array: true } | Self::NordstromJson { array: true, .. } => {
                Envelope { head: b"[".to_vec(), tail: b"]" }
            }
            Self::NordstromPlain { array: false } | Self::NordstromJson { array: false, .. } => {
                Envelope { head: Vec::new(), tail: b"" }
            }
            Self::Esm { servers, arn } => esm::envelope(servers, arn.as_deref(), partition),
        }
    }

    /// Appends a record in the event's format. On an error the caller must truncate what was written of it.
    ///
    /// # Errors
    /// `Data` when it cannot be written.
    pub(crate) fn write(&self, record: &Record, to: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Confluent { escaped } => confluent::write(record, *escaped, to),
            Self::Esm { .. } => esm::write(record, to),
            Self::NordstromPlain { .. } => nordstrom::plain(record, to),
            Self::NordstromJson { key, value, .. } => nordstrom::json(record, *key, *value, to),
        }
    }
}

impl Envelope {
    /// The size of an event with this many records of this size together.
    pub(crate) fn size(&self, records: usize, bytes: usize) -> usize {
        self.head.len() + bytes + records.saturating_sub(1) + self.tail.len()
    }

    /// An event of records.
    pub(crate) fn wrap<'a>(&self, records: impl ExactSizeIterator<Item = &'a [u8]>, bytes: usize) -> Vec<u8> {
        let mut event = Vec::with_capacity(self.size(records.len(), bytes));
        event.extend_from_slice(&self.head);
        for (index, record) in records.enumerate() {
            if index > 0 {
                event.push(b',');
            }
            event.extend_from_slice(record);
        }
        event.extend_from_slice(self.tail);
        event
    }
}

/// Writes a value as JSON.
fn put(to: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<()> {
    serde_json::to_writer(to, value).map_err(|error| Error::data("cannot write the record as JSON").cause(&error))
}

fn put_text(to: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = to.write_fmt(text);
}

/// Writes text as it is.
fn raw(to: &mut Vec<u8>, text: &str) {
    to.extend_from_slice(text.as_bytes());
}

/// A key or value as JSON.
fn put_datum(to: &mut Vec<u8>, datum: &Datum) -> Result<()> {
    json::to_writer(to, &datum.value)
}

/// The topic, partition and offset from which a record was consumed.
fn place(record: &Record) -> Result<(&str, i32, i64)> {
    let (topic, partition, offset) =
        record.consumed_from().ok_or_else(|| Error::fatal("a record must keep its origin"))?;
    Ok((topic, partition, offset))
}
