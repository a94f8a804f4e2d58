use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};

use tributary_api::stable_hash::{FNV_64, fnv1a_64};
use tributary_api::{Error, OffsetValue, Origin, SourceOffset, SourcePartition};
use tributary_kafka::Token;

/// Above this many known source partitions, idle ones are removed.
const KEPT_PARTITIONS: usize = 1024;
/// A token is the number of a queue and, below it, the number of a record in the queue. There are never more queues
/// than records in flight and kept partitions together, so the upper 16 bits stay free; they identify the task in a
/// shared producer.
pub(super) const SEQUENCE_BITS: u32 = 28;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;
/// The queue of records without a source partition: they are acknowledged, and have no offset to store.
const NO_PARTITION: u32 = 0;

/// The records of a source task that are in flight, in one queue for each source partition. Acknowledgements come in
/// any order; an offset may be stored once every record up to it is acknowledged or dropped (I1).
#[derive(Debug)]
pub(crate) struct InFlight {
    queues: Vec<PartitionQueue>,
    free: Vec<u32>,
    index: HashMap<Key, u32>,
    last: u32,
    records: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct PartitionQueue {
    partition: Option<SourcePartition>,
    key: Option<Key>,
    /// The sequence of the first entry, modulo the mask.
    base: u64,
    entries: VecDeque<Entry>,
    /// The offset of the last record of the acknowledged head run.
    storable: Option<SourceOffset>,
    state: Storage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Storage {
    /// What is storable is stored.
    #[default]
    Clean,
    /// There is an offset to store.
    Dirty,
    /// It is being stored.
    Storing,
    /// It is being stored, and there is a newer one.
    StoringDirty,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    /// Outputs that are not acknowledged.
    pending: u32,
    bytes: u32,
    /// Why one of its outputs was skipped: then the whole record counts as not written.
    lost: Option<Error>,
}

/// A partition as the key of the index: partitions with the same fields are equal, whatever the order of the fields.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key(pub(super) SourcePartition);

impl Eq for Key {}

impl InFlight {
    pub(crate) fn new() -> Self {
        Self {
            queues: vec![PartitionQueue::default()],
            free: Vec::new(),
            index: HashMap::new(),
            last: NO_PARTITION,
            records: 0,
            bytes: 0,
        }
    }

    /// Records that wait for their own acknowledgement or for that of an earlier record of their partition.
    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// Bytes of the records that are not acknowledged.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a record at the end of its partition's queue. Each of its outputs is sent with the returned token. A record
    /// without outputs was dropped and is complete.
    pub(crate) fn track(&mut self, origin: Origin, outputs: u32, bytes: usize) -> Token {
        let number = self.queue_of(&origin);
        let queue = &mut self.queues[number as usize];
        let sequence = queue.base.wrapping_add(queue.entries.len() as u64) & SEQUENCE_MASK;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        queue.entries.push_back(Entry { origin, pending: outputs, bytes, lost: None });
        self.records += 1;
        self.bytes += bytes as usize;
        if outputs == 0 {
            self.bytes -= bytes as usize;
            self.advance(number);
        }
        (u64::from(number) << SEQUENCE_BITS) | sequence
    }

    /// One output of a record is acknowledged. `finished` is called with the record's origin when it was the last one,
    /// and with the error if another of its outputs was skipped.
    pub(crate) fn acknowledge<R>(
        &mut self,
        token: Token,
        finished: impl FnOnce(&Origin, Option<Error>) -> R,
    ) -> Option<R> {
        self.complete_output(token, None, finished)
    }

    /// One output of a record is skipped, so that later records of its partition do not wait for it. `finished` is
    /// called as for an acknowledgement.
    #[cold]
    pub(crate) fn give_up<R>(
        &mut self,
        token: Token,
        why: Error,
        finished: impl FnOnce(&Origin, Option<Error>) -> R,
    ) -> Option<R> {
        self.complete_output(token, Some(why), finished)
    }

    fn complete_output<R>(
        &mut self,
        token: Token,
        lost: Option<Error>,
        finished: impl FnOnce(&Origin, Option<Error>) -> R,
    ) -> Option<R> {
        let number = u32::try_from(token >> SEQUENCE_BITS).ok()?;
        let queue = self.queues.get_mut(number as usize)?;
        let index = (token & SEQUENCE_MASK).wrapping_sub(queue.base) & SEQUENCE_MASK;
        let entry = queue.entries.get_mut(usize::try_from(index).ok()?)?;
        if entry.pending == 0 {
            return None;
        }
        entry.pending -= 1;
        if lost.is_some() {
            entry.lost = lost;
        }
        if entry.pending > 0 {
            return None;
        }
        let outcome = finished(&entry.origin, entry.lost.take());
        self.bytes -= entry.bytes as usize;
        if index == 0 {
            self.advance(number);
        }
        Some(outcome)
    }

    /// The origin of a record that is not complete.
    pub(crate) fn origin(&self, token: Token) -> Option<&Origin> {
        let queue = self.queues.get(usize::try_from(token >> SEQUENCE_BITS).ok()?)?;
        let index = (token & SEQUENCE_MASK).wrapping_sub(queue.base) & SEQUENCE_MASK;
        queue.entries.get(usize::try_from(index).ok()?).map(|entry| &entry.origin)
    }

    /// The offsets that may be stored and are not yet. [`stored`](Self::stored) must be called before the next call.
    pub(crate) fn take_storable(&mut self) -> Vec<(SourcePartition, SourceOffset)> {
        let mut storable = Vec::new();
        for queue in self.queues.iter_mut().filter(|queue| queue.state == Storage::Dirty) {
            if let (Some(partition), Some(offset)) = (&queue.partition, &queue.storable) {
                storable.push((partition.clone(), offset.clone()));
                queue.state = Storage::Storing;
            }
        }
        storable
    }

    /// The offsets last taken are durable; if not, they will be taken again.
    pub(crate) fn stored(&mut self, durable: bool) {
        for queue in &mut self.queues {
            queue.state = match queue.state {
                Storage::Storing if durable => Storage::Clean,
                Storage::Storing | Storage::StoringDirty => Storage::Dirty,
                state => state,
            };
        }
        if self.index.len() > KEPT_PARTITIONS {
            self.forget_idle();
        }
    }

    fn advance(&mut self, number: u32) {
        let queue = &mut self.queues[number as usize];
        while queue.entries.front().is_some_and(|entry| entry.pending == 0) {
            let Some(entry) = queue.entries.pop_front() else { break };
            queue.base = queue.base.wrapping_add(1) & SEQUENCE_MASK;
            self.records -= 1;
            if let Origin::Source { offset: Some(offset), .. } = entry.origin
                && queue.partition.is_some()
            {
                queue.storable = Some(offset);
                queue.state = match queue.state {
                    Storage::Storing | Storage::StoringDirty => Storage::StoringDirty,
                    Storage::Clean | Storage::Dirty => Storage::Dirty,
                };
            }
        }
    }

    fn queue_of(&mut self, origin: &Origin) -> u32 {
        let Origin::Source { partition: Some(partition), .. } = origin else { return NO_PARTITION };
        let last = self.queues[self.last as usize].partition.as_ref();
        if last.is_some_and(|last| last.ptr_eq(partition)) {
            return self.last;
        }
        let key = Key(partition.clone());
        if let Some(number) = self.index.get(&key) {
            self.last = *number;
            return self.last;
        }
        let queue =
            PartitionQueue { partition: Some(partition.clone()), key: Some(key.clone()), ..PartitionQueue::default() };
        self.last = self.free.pop().unwrap_or_else(|| {
            self.queues.push(PartitionQueue::default());
            u32::try_from(self.queues.len() - 1).unwrap_or(NO_PARTITION)
        });
        self.queues[self.last as usize] = queue;
        self.index.insert(key, self.last);
        self.last
    }

    /// Removes queues with nothing in flight and nothing to store; their numbers are used again.
    fn forget_idle(&mut self) {
        for (number, queue) in self.queues.iter_mut().enumerate().skip(1) {
            if queue.state == Storage::Clean
                && queue.entries.is_empty()
                && let Some(key) = queue.key.take()
            {
                queue.partition = None;
                queue.storable = None;
                self.index.remove(&key);
                self.free.extend(u32::try_from(number));
            }
        }
        self.last = NO_PARTITION;
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // A sum does not depend on the order of the entries.
        let sum = self.0.iter().fold(0_u64, |sum, entry| sum.wrapping_add(fingerprint(entry)));
        state.write_u64(sum);
    }
}

/// FNV-1a over a name and a value.
fn fingerprint((name, value): (&str, &OffsetValue)) -> u64 {
    let named = fnv1a_64(FNV_64, name.as_bytes());
    match value {
        OffsetValue::Null => named,
        OffsetValue::Boolean(value) => fnv1a_64(named, &[u8::from(*value)]),
        OffsetValue::Int(value) => fnv1a_64(named, &value.to_le_bytes()),
        // Zero and minus zero are equal.
        OffsetValue::Float(value) => fnv1a_64(named, &(value + 0.0).to_bits().to_le_bytes()),
        OffsetValue::String(value) => fnv1a_64(named, value.as_bytes()),
    }
}
