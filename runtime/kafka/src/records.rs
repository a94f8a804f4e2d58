use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tributary_api::{ByteString, TimestampType, Topic};
use tributary_librdkafka::{Fetched, Message, code};

/// A record as it was consumed. Keys, values and headers of records polled together share one buffer, which is freed
/// when the last of them is dropped: copy what is kept for long.
#[derive(Clone, Debug, PartialEq)]
pub struct RawRecord {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The meaning of the timestamp.
    pub timestamp_type: TimestampType,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone.
    pub value: Option<Bytes>,
    /// The headers, in order. Bytes in a name that are not UTF-8 are replaced.
    pub headers: Vec<(ByteString, Option<Bytes>)>,
}

/// Copies fetched messages into records.
#[derive(Default)]
pub(crate) struct Copier {
    /// Topic names, shared by all their records.
    names: HashMap<Box<str>, Topic>,
    /// Where the topics of one batch are in memory, the latest last.
    seen: Vec<(usize, Topic)>,
}

impl Copier {
    /// The records among the messages; errors are passed to the function instead.
    pub(crate) fn copy(&mut self, fetched: &Fetched, mut on_error: impl FnMut(Message<'_>)) -> Vec<RawRecord> {
        self.seen.clear();
        let mut arena = BytesMut::with_capacity(fetched.iter().map(|message| size(&message)).sum());
        let mut records = Vec::with_capacity(fetched.len());
        for message in fetched.iter() {
            if message.code() != code::NONE {
                on_error(message);
                continue;
            }
            let (timestamp, timestamp_type) = message.timestamp();
            records.push(RawRecord {
                topic: self.topic(&message),
                partition: message.partition(),
                offset: message.offset(),
                timestamp,
                timestamp_type,
                key: message.key().map(|key| put(&mut arena, key)),
                value: message.value().map(|value| put(&mut arena, value)),
                headers: message.headers().map(|(name, value)| header(&mut arena, name, value)).collect(),
            });
        }
        records
    }

    fn topic(&mut self, message: &Message<'_>) -> Topic {
        let address = message.topic_address();
        if let Some((_, topic)) = self.seen.iter().rev().find(|(seen, _)| *seen == address) {
            return Arc::clone(topic);
        }
        let name = message.topic();
        let topic = match self.names.get(name) {
            Some(topic) => Arc::clone(topic),
            None => {
                let topic = Topic::from(name);
                self.names.insert(name.into(), Arc::clone(&topic));
                topic
            }
        };
        self.seen.push((address, Arc::clone(&topic)));
        topic
    }
}

/// Headers are rare, and found only by parsing: the buffer grows for them.
fn size(message: &Message<'_>) -> usize {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    length(message.key()) + length(message.value())
}

fn put(arena: &mut BytesMut, bytes: &[u8]) -> Bytes {
    arena.extend_from_slice(bytes);
    arena.split().freeze()
}

fn header(arena: &mut BytesMut, name: &[u8], value: Option<&[u8]>) -> (ByteString, Option<Bytes>) {
    let name = match std::str::from_utf8(name) {
        Ok(_) => ByteString::try_from(put(arena, name)).unwrap_or_default(),
        Err(_) => ByteString::from(String::from_utf8_lossy(name).into_owned()),
    };
    (name, value.map(|value| put(arena, value)))
}
