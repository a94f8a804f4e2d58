use std::collections::VecDeque;

use tributary_api::{Record, Result, TopicPartition};

use crate::config::Settings;
use crate::object::Object;
use crate::upload::{Completed, Uploader};

/// The objects of one partition: the current one, and full ones that wait to be written.
#[derive(Debug)]
pub(crate) struct PartitionWriter {
    partition: TopicPartition,
    current: Option<Object>,
    full: VecDeque<Object>,
    /// The next offset; lower ones were added already and are repeated when a batch is put again.
    next: Option<i64>,
    /// All lower offsets are safe.
    safe: Option<i64>,
    /// The offset from which the partition must be read again; records that come before that are ignored.
    read_from: Option<i64>,
}

impl PartitionWriter {
    pub(crate) fn new(partition: TopicPartition) -> Self {
        Self { partition, current: None, full: VecDeque::new(), next: None, safe: None, read_from: None }
    }

    /// Whether a record of this offset is new, neither added already nor to be read again.
    pub(crate) fn expects(&self, offset: i64) -> bool {
        self.read_from.is_none() && self.next.is_none_or(|next| offset >= next)
    }

    /// Adds an expected record; returns how many bytes it added. A record that fails adds nothing.
    pub(crate) fn append(&mut self, offset: i64, record: &Record, settings: &Settings) -> Result<usize> {
        let object = self
            .current
            .get_or_insert_with(|| Object::new(settings.names.object(&self.partition, offset), offset, settings.gzip));
        let before = object.buffered();
        if let Err(error) = object.append(offset, record, &settings.format) {
            if object.records() == 0 {
                self.current = None;
            }
            return Err(error);
        }
        let added = object.buffered().saturating_sub(before);
        self.next = Some(offset + 1);
        if object.records() >= settings.flush_size {
            self.seal()?;
        }
        Ok(added)
    }

    /// Skips an expected record.
    pub(crate) fn skip(&mut self, offset: i64) {
        self.next = Some(offset + 1);
        if self.current.is_none() && self.full.is_empty() {
            self.safe = self.next;
        }
    }

    /// Seals the current object.
    pub(crate) fn seal(&mut self) -> Result<()> {
        if let Some(object) = self.current.take() {
            self.full.push_back(object.seal()?);
        }
        Ok(())
    }

    /// Bytes held in memory.
    pub(crate) fn buffered(&self) -> usize {
        self.current.iter().chain(&self.full).map(Object::buffered).sum()
    }

    /// Whether there is something to send.
    pub(crate) fn has_work(&self, part_size: usize) -> bool {
        !self.full.is_empty() || self.current.as_ref().is_some_and(|object| object.buffered() >= part_size)
    }

    /// Writes the full objects in order, and a part of the current one if it is large enough. Returns whether an object
    /// was completed.
    ///
    /// # Errors
    /// Nothing is lost: the next call sends it again.
    pub(crate) async fn send(&mut self, uploader: &Uploader, part_size: usize) -> Result<bool> {
        let mut any = false;
        while let Some(object) = self.full.front_mut() {
            let completed = object.complete(uploader).await?;
            let (start, end) = (object.start(), object.end());
            let safe = match completed {
                Completed::Written => end + 1,
                Completed::Present(Some(theirs)) => theirs + 1,
                // Only its first offset is known, from its name.
                Completed::Present(None) => start + 1,
                Completed::Vanished => start,
            };
            self.full.pop_front();
            self.safe = Some(safe);
            any = true;
            if safe != end + 1 {
                tracing::warn!(
                    partition = %self.partition, start, end, from = safe, ?completed,
                    "an object differs from the one sent: reading the partition again",
                );
                self.read_again(safe, uploader).await;
                return Ok(true);
            }
        }
        if self.current.is_none() {
            self.safe = self.next;
        }
        if let Some(object) = &mut self.current
            && object.buffered() >= part_size
            && !object.send_part(uploader).await?
        {
            let start = object.start();
            tracing::warn!(partition = %self.partition, start, "an upload has vanished: reading the partition again");
            self.read_again(start, uploader).await;
        }
        if self.current.as_ref().is_some_and(|object| object.parts() + 1 >= uploader.settings.max_parts) {
            // The next call completes it, with the rest as its last part.
            self.seal()?;
        }
        Ok(any)
    }

    /// The next offset that may be committed.
    pub(crate) fn safe(&self) -> Option<i64> {
        self.safe
    }

    /// The offset from which the partition must be read again, if it must; records are expected from there afterwards.
    pub(crate) fn take_read_from(&mut self) -> Option<i64> {
        let from = self.read_from.take()?;
        self.next = Some(from);
        Some(from)
    }

    /// Discards incomplete objects.
    pub(crate) async fn discard(&mut self, uploader: &Uploader) {
        for object in self.current.take().into_iter().chain(self.full.drain(..)) {
            object.discard(uploader).await;
        }
    }

    async fn read_again(&mut self, from: i64, uploader: &Uploader) {
        self.discard(uploader).await;
        self.read_from = Some(from);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use tributary_api::{Datum, Props};
    use tributary_embedded::{ObjectStore, ObjectStoreOptions};

    use super::*;
    use crate::client::connect;
    use crate::config::definition;

    #[tokio::test]
    async fn an_object_ends_before_it_has_more_parts_than_s3_allows() {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("bucket")).unwrap();
        let options = ObjectStoreOptions {
            root: folder.path().to_path_buf(),
            preferred_port: 0,
            access_key: "key".to_owned(),
            secret_key: "a-secret-key".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let store = ObjectStore::start(options).await.unwrap();
        let props: Props = [
            ("format.class", "JsonFormat"),
            ("storage.class", "S3Storage"),
            ("s3.bucket.name", "bucket"),
            ("s3.region", "us-east-1"),
            ("store.url", &format!("http://{}", store.addr())),
            ("aws.access.key.id", "key"),
            ("aws.secret.access.key", "a-secret-key"),
            ("flush.size", "1000000"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let config = definition().parse(&props).unwrap();
        let settings = Arc::new(Settings { max_parts: 3, ..Settings::new(&config).unwrap() });
        let uploader = Uploader { client: connect(&config).await.unwrap(), settings: Arc::clone(&settings) };
        let mut writer = PartitionWriter::new(TopicPartition::new("t", 0));
        // A part has at least 5 MiB.
        let large = "x".repeat(5_300_000);
        for offset in 0..4 {
            writer.append(offset, &Record::new("t", Datum::schemaless(large.as_str())), &settings).unwrap();
            writer.send(&uploader, 1).await.unwrap();
        }
        writer.send(&uploader, 1).await.unwrap();
        let list = uploader.client.list_objects_v2().bucket("bucket").send().await.unwrap();
        let mut keys: Vec<String> = list.contents.into_iter().flatten().filter_map(|object| object.key).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["topics/t/partition=0/t+0+0000000000.json", "topics/t/partition=0/t+0+0000000002.json"]);
        assert_eq!(writer.safe(), Some(4));
        store.shutdown().await;
    }
}
