use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Topic;

/// Which part of a source a record came from (a file, a table, a shard).
pub type SourcePartition = OffsetMap;

/// A position in a source partition.
pub type SourceOffset = OffsetMap;

/// Next offsets to read, by topic partition.
pub type Offsets = BTreeMap<TopicPartition, i64>;

/// A partition of a Kafka topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: impl Into<Topic>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A primitive value of a source partition or offset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OffsetValue {
    /// Null.
    Null,
    /// A boolean.
    Boolean(bool),
    /// An integer.
    Int(i64),
    /// A fraction.
    Float(f64),
    /// Text. Cloning costs a reference count: what is the same in many offsets is there once.
    String(ByteString),
}

/// Names with primitive values, in the order the plugin gave them: Java compares stored keys as bytes, so the
/// order is part of the format. Equality ignores it. Cloning costs a reference count; making one, one allocation.
///
/// ```
/// use tributary_api::OffsetMap;
/// let offset = OffsetMap::new([("position", 42_i64.into())]);
/// assert_eq!(offset.int("position"), Some(42));
/// assert_eq!(serde_json::to_string(&offset).unwrap(), r#"{"position":42}"#);
/// ```
#[derive(Clone)]
pub struct OffsetMap(Arc<[(Cow<'static, str>, OffsetValue)]>);

impl OffsetMap {
    /// A map of entries known when the plugin was written.
    pub fn new<const N: usize>(entries: [(&'static str, OffsetValue); N]) -> Self {
        Self(Arc::from(entries.map(|(name, value)| (Cow::Borrowed(name), value))))
    }

    /// The value under a name.
    pub fn get(&self, name: &str) -> Option<&OffsetValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// An integer under a name.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(OffsetValue::Int(n)) => Some(*n),
            _ => None,
        }
    }

    /// Text under a name.
    pub fn string(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(OffsetValue::String(text)) => Some(text),
            _ => None,
        }
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OffsetValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether both are the same object: a cheap test that is usually true.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl FromIterator<(String, OffsetValue)> for OffsetMap {
    fn from_iter<I: IntoIterator<Item = (String, OffsetValue)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect())
    }
}

impl PartialEq for OffsetMap {
    fn eq(&self, other: &Self) -> bool {
        self.ptr_eq(other)
            || (self.0.len() == other.0.len() && self.iter().all(|(name, value)| other.get(name) == Some(value)))
    }
}

impl fmt::Debug for OffsetMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for OffsetMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for OffsetMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = OffsetMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of primitive values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OffsetMap, A::Error> {
                let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(1));
                while let Some((name, value)) = map.next_entry::<String, OffsetValue>()? {
                    entries.push((Cow::Owned(name), value));
                }
                Ok(OffsetMap(entries.into()))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl From<i64> for OffsetValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for OffsetValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<&str> for OffsetValue {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for OffsetValue {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl From<ByteString> for OffsetValue {
    fn from(value: ByteString) -> Self {
        Self::String(value)
    }
}
