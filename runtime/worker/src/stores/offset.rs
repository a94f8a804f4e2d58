use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tributary_api::{OffsetMap, Props, Result, SourceOffset, SourcePartition};
use tributary_kafka::{CompactedLog, LogRecord};

use super::log::{OnRecord, json, open, open_own};
use crate::settings::{InternalTopic, WorkerSettings};
use crate::tasks::{OffsetRecord, OffsetStore};

/// The offset topic: key `["connector",{partition}]`, value `{offset}`.
///
/// A Java worker finds an offset by the exact bytes of its key. A stored partition keeps its key, whatever the order of
/// its fields; a new one is written in the plugin's order.
#[derive(Clone)]
pub(crate) struct KafkaOffsetStore {
    log: CompactedLog,
    offsets: Arc<Mutex<Offsets>>,
}

type Offsets = HashMap<String, Vec<Entry>>;

struct Entry {
    key: Bytes,
    partition: SourcePartition,
    offset: SourceOffset,
}

impl KafkaOffsetStore {
    /// Opens the topic and reads it to its end.
    pub(crate) async fn open(settings: &WorkerSettings) -> Result<Self> {
        let (offsets, on_record) = reader();
        let log = open(settings, &settings.topics.offsets, "offsets", on_record).await?;
        Ok(Self { log, offsets })
    }

    /// Opens a connector's own topic, through clients as its tasks have them.
    pub(super) async fn open_own(
        settings: &WorkerSettings,
        topic: &str,
        connector: &str,
        props: &Props,
    ) -> Result<Self> {
        let (offsets, on_record) = reader();
        let topic = InternalTopic { name: topic.to_owned(), ..settings.topics.offsets.clone() };
        let log = open_own(settings, &topic, (connector, props), on_record).await?;
        Ok(Self { log, offsets })
    }

    /// Stops reading.
    pub(crate) async fn close(self) {
        self.log.close().await;
    }

    fn key(&self, connector: &str, partition: &SourcePartition) -> Result<Bytes> {
        let offsets = self.offsets.lock();
        let stored = offsets.get(connector).into_iter().flatten().find(|entry| entry.partition == *partition);
        stored.map_or_else(|| json(&(connector, partition)), |entry| Ok(entry.key.clone()))
    }
}

#[async_trait]
impl OffsetStore for KafkaOffsetStore {
    async fn all(&self, connector: &str) -> Result<Vec<(SourcePartition, SourceOffset)>> {
        self.log.read_to_end().await?;
        let offsets = self.offsets.lock();
        let entries = offsets.get(connector).into_iter().flatten();
        Ok(entries.map(|entry| (entry.partition.clone(), entry.offset.clone())).collect())
    }

    async fn get(&self, connector: &str, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        self.log.read_to_end().await?;
        let offsets = self.offsets.lock();
        Ok(of_partitions(&offsets, connector, partitions))
    }

    async fn get_settled(&self, connector: &str, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        self.log.read_past_transactions().await?;
        let offsets = self.offsets.lock();
        Ok(of_partitions(&offsets, connector, partitions))
    }

    fn topic(&self) -> &str {
        self.log.topic()
    }

    fn encode(&self, connector: &str, offsets: &[(SourcePartition, SourceOffset)]) -> Result<Vec<OffsetRecord>> {
        let one = |(partition, offset): &(SourcePartition, SourceOffset)| {
            Ok((self.key(connector, partition)?, Some(json(offset)?)))
        };
        offsets.iter().map(one).collect()
    }

    async fn put(&self, connector: &str, offsets: Vec<(SourcePartition, Option<SourceOffset>)>) -> Result<()> {
        let mut records = Vec::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            let value = offset.map(|offset| json(&offset)).transpose()?;
            records.push((self.key(connector, &partition)?, value));
        }
        self.log.write_all(records).await
    }
}

fn reader() -> (Arc<Mutex<Offsets>>, OnRecord) {
    let offsets = Arc::<Mutex<Offsets>>::default();
    let of_reader = Arc::clone(&offsets);
    let on_record = move |record| read(&mut of_reader.lock(), record);
    (offsets, Box::new(on_record))
}

fn of_partitions(offsets: &Offsets, connector: &str, partitions: &[SourcePartition]) -> Vec<Option<SourceOffset>> {
    let entries = offsets.get(connector).map(Vec::as_slice).unwrap_or_default();
    let of = |partition: &SourcePartition| {
        entries.iter().find(|entry| entry.partition == *partition).map(|entry| entry.offset.clone())
    };
    partitions.iter().map(of).collect()
}

fn read(offsets: &mut Offsets, record: LogRecord) {
    let Some(key) = record.key else { return };
    let Ok((connector, partition)) = serde_json::from_slice::<(String, Option<OffsetMap>)>(&key) else {
        tracing::warn!(partition = record.partition, offset = record.offset, "ignored a key of the offset topic");
        return;
    };
    // A null partition is written by connectors that keep no offsets.
    let Some(partition) = partition else { return };
    let entries = offsets.entry(connector).or_default();
    let place = entries.iter().position(|entry| entry.key == key);
    let offset = record.value.as_deref().and_then(|value| serde_json::from_slice::<OffsetMap>(value).ok());
    match (place, offset) {
        (Some(place), Some(offset)) => entries[place].offset = offset,
        (Some(place), None) => drop(entries.swap_remove(place)),
        (None, Some(offset)) => entries.push(Entry { key, partition, offset }),
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn record(key: &str, value: Option<&str>) -> LogRecord {
        LogRecord {
            partition: 0,
            offset: 0,
            timestamp: None,
            key: Some(Bytes::copy_from_slice(key.as_bytes())),
            value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
        }
    }

    #[test]
    fn the_latest_offset_of_a_key_counts_and_a_tombstone_removes_it() {
        let mut offsets = Offsets::new();
        let key = r#"["c",{"server":"s","database":"d"}]"#;
        read(&mut offsets, record(key, Some(r#"{"position":1}"#)));
        read(&mut offsets, record(key, Some(r#"{"position":2}"#)));
        assert_eq!(offsets["c"][0].offset.int("position"), Some(2));
        assert_eq!(offsets["c"][0].key, key.as_bytes(), "java finds it by these bytes");
        read(&mut offsets, record(key, None));
        assert!(offsets["c"].is_empty());
    }

    #[test]
    fn offsets_are_returned_in_the_order_of_the_requested_partitions() {
        let mut offsets = Offsets::new();
        for (connector, table, position) in [("c", "a", 1), ("c", "b", 2), ("d", "c", 3)] {
            let key = format!(r#"["{connector}",{{"table":"{table}"}}]"#);
            read(&mut offsets, record(&key, Some(&format!(r#"{{"position":{position}}}"#))));
        }
        let asked = ["b", "c", "a"].map(|table| OffsetMap::new([("table", table.into())]));
        let positions = |connector: &str| -> Vec<Option<i64>> {
            let found = of_partitions(&offsets, connector, &asked).into_iter();
            found.map(|offset| offset.and_then(|offset| offset.int("position"))).collect()
        };
        assert_eq!(positions("c"), [Some(2), None, Some(1)], "another connector's offsets are not returned");
        assert_eq!(positions("d"), [None, Some(3), None]);
        assert_eq!(positions("nobody"), [None; 3]);
    }

    #[test]
    fn keys_that_are_not_of_the_format_are_skipped() {
        let mut offsets = Offsets::new();
        for key in ["not json", r#"{"a":1}"#, r#"["c"]"#, r#"[1,{}]"#, r#"["c",null]"#, r#"["c",{"a":[]}]"#] {
            read(&mut offsets, record(key, Some("{}")));
        }
        assert!(offsets.values().all(Vec::is_empty));
    }
}
