use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tributary_api::{Result, Schema, SchemaRef};

use super::schema;
use super::write::Writer;

/// The maximum size of cached schema JSON: each record may have another schema, as long as itself.
const MAX_BYTES: usize = 4 << 20;

/// The JSON of schemas, by the identity of the schema: a task uses few of them repeatedly.
pub(super) struct WrittenSchemas {
    capacity: usize,
    /// The key is the address of the schema, which the entry keeps alive.
    known: HashMap<usize, (SchemaRef, Bytes)>,
}

impl WrittenSchemas {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, known: HashMap::new() }
    }

    pub(super) fn get(&mut self, schema: &SchemaRef, writer: &Writer) -> Result<Bytes> {
        let address = Arc::as_ptr(schema) as usize;
        if let Some((_, json)) = self.known.get(&address) {
            return Ok(json.clone());
        }
        let mut json = Vec::new();
        schema::write(&mut json, schema, None, writer)?;
        let json = Bytes::from(json);
        if self.capacity > 0 {
            make_room(&mut self.known, self.capacity);
            self.known.insert(address, (schema.clone(), json.clone()));
        }
        Ok(json)
    }
}

/// Schemas by the JSON they were read from. The same text gives the same `Arc`, so that later stages can compare
/// schemas by identity.
pub(super) struct ReadSchemas {
    capacity: usize,
    known: HashMap<Arc<str>, SchemaRef>,
    /// The size of the cached JSON, in bytes.
    bytes: usize,
    /// Usually the same schema is repeated: comparing is cheaper than hashing.
    last: Option<(Arc<str>, SchemaRef)>,
}

impl ReadSchemas {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, known: HashMap::new(), bytes: 0, last: None }
    }

    pub(super) fn get(&mut self, json: &str, parse: impl FnOnce() -> Result<Schema>) -> Result<SchemaRef> {
        if let Some((last, schema)) = &self.last
            && **last == *json
        {
            return Ok(schema.clone());
        }
        if let Some((json, schema)) = self.known.get_key_value(json) {
            self.last = Some((json.clone(), schema.clone()));
            return Ok(schema.clone());
        }
        let schema = parse()?.into_ref();
        if self.capacity > 0 && json.len() <= MAX_BYTES {
            if self.bytes + json.len() > MAX_BYTES {
                self.known.clear();
            }
            make_room(&mut self.known, self.capacity);
            self.bytes = if self.known.is_empty() { json.len() } else { self.bytes + json.len() };
            self.known.insert(json.into(), schema.clone());
        }
        Ok(schema)
    }
}

/// An endless number of different schemas is rare: clearing the cache is as good as tracking their use.
fn make_room<K, V>(known: &mut HashMap<K, V>, capacity: usize) {
    if known.len() >= capacity {
        known.clear();
    }
}
