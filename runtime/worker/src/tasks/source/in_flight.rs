use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};

use tributary_api::{Error, OffsetValue, Origin, SourceOffset, SourcePartition};
use tributary_kafka::Token;

/// Above this many known source partitions, idle ones are forgotten.
const KEPT_PARTITIONS: usize = 1024;
/// A token is the number of a lane and, below it, the number of a record in the lane. There are fewer lanes than records on
/// the way and kept partitions together, so that both leave the upper 16 bits free, which tell tasks apart.
pub(super) const SEQUENCE_BITS: u32 = 28;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;
/// The lane of records without a source partition: acknowledged, never stored.
const UNPLACED: u32 = 0;

/// The records of a source task that are on their way, in one lane for each source partition. Acknowledgements come in
/// any order; an offset may be stored once every record up to it is acknowledged or dropped (I1).
#[derive(Debug)]
pub(crate) struct InFlight {
    lanes: Vec<Lane>,
    free: Vec<u32>,
    index: HashMap<Key, u32>,
    last: u32,
    records: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Lane {
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
    /// There is something to store.
    Dirty,
    /// It is being stored.
    Storing,
    /// It is being stored, and there is something newer.
    StoringDirty,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    /// Outputs that are not acknowledged.
    pending: u32,
    bytes: u32,
    /// Why one of its outputs was given up: a record is written as a whole or not.
    lost: Option<Error>,
}

/// A partition's place in the index: equal partitions are equal here, in whatever order their names stand.
#[derive(Clone, Debug, PartialEq)]
struct Key(SourcePartition);

impl Eq for Key {}

impl InFlight {
    pub(crate) fn new() -> Self {
        Self {
            lanes: vec![Lane::default()],
            free: Vec::new(),
            index: HashMap::new(),
            last: UNPLACED,
            records: 0,
            bytes: 0,
        }
    }

    /// Records that wait: for an acknowledgement of their own or of one before them.
    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// Bytes of the records that are not acknowledged.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a record behind all others of its partition. Each of its outputs is sent with the token that comes back.
    /// A record without outputs was dropped, and is done.
    pub(crate) fn track(&mut self, origin: Origin, outputs: u32, bytes: usize) -> Token {
        let number = self.lane_of(&origin);
        let lane = &mut self.lanes[number as usize];
        let sequence = lane.base.wrapping_add(lane.entries.len() as u64) & SEQUENCE_MASK;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        lane.entries.push_back(Entry { origin, pending: outputs, bytes, lost: None });
        self.records += 1;
        self.bytes += bytes as usize;
        if outputs == 0 {
            self.bytes -= bytes as usize;
            self.advance(number);
        }
        (u64::from(number) << SEQUENCE_BITS) | sequence
    }

    /// One output of a record is acknowledged. The record's origin is passed on when it was the last one, with the reason
    /// if one of its other outputs was given up.
    pub(crate) fn acknowledge<R>(
        &mut self,
        token: Token,
        finished: impl FnOnce(&Origin, Option<Error>) -> R,
    ) -> Option<R> {
        self.settle(token, None, finished)
    }

    /// One output of a record is given up: what is behind it goes on. Told like an acknowledgement.
    #[cold]
    pub(crate) fn give_up<R>(
        &mut self,
        token: Token,
        why: Error,
        finished: impl FnOnce(&Origin, Option<Error>) -> R,
    ) -> Option<R> {
        self.settle(token, Some(why), finished)
    }

    fn settle<R>(
        &mut self,
        token: Token,
        lost: Option<Error>,
        finished: impl FnOnce(&Origin, Option<Error>) -> R,
    ) -> Option<R> {
        let number = u32::try_from(token >> SEQUENCE_BITS).ok()?;
        let lane = self.lanes.get_mut(number as usize)?;
        let place = (token & SEQUENCE_MASK).wrapping_sub(lane.base) & SEQUENCE_MASK;
        let entry = lane.entries.get_mut(usize::try_from(place).ok()?)?;
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
        let told = finished(&entry.origin, entry.lost.take());
        self.bytes -= entry.bytes as usize;
        if place == 0 {
            self.advance(number);
        }
        Some(told)
    }

    /// The origin of a record that is not done.
    pub(crate) fn origin(&self, token: Token) -> Option<&Origin> {
        let lane = self.lanes.get(usize::try_from(token >> SEQUENCE_BITS).ok()?)?;
        let place = (token & SEQUENCE_MASK).wrapping_sub(lane.base) & SEQUENCE_MASK;
        lane.entries.get(usize::try_from(place).ok()?).map(|entry| &entry.origin)
    }

    /// The offsets that may be stored and are not. To be followed by [`stored`](Self::stored) before the next call.
    pub(crate) fn take_storable(&mut self) -> Vec<(SourcePartition, SourceOffset)> {
        let mut storable = Vec::new();
        for lane in self.lanes.iter_mut().filter(|lane| lane.state == Storage::Dirty) {
            if let (Some(partition), Some(offset)) = (&lane.partition, &lane.storable) {
                storable.push((partition.clone(), offset.clone()));
                lane.state = Storage::Storing;
            }
        }
        storable
    }

    /// What was taken is durable, or it is not and will be taken again.
    pub(crate) fn stored(&mut self, durable: bool) {
        for lane in &mut self.lanes {
            lane.state = match lane.state {
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
        let lane = &mut self.lanes[number as usize];
        while lane.entries.front().is_some_and(|entry| entry.pending == 0) {
            let Some(entry) = lane.entries.pop_front() else { break };
            lane.base = lane.base.wrapping_add(1) & SEQUENCE_MASK;
            self.records -= 1;
            if let Origin::Source { offset: Some(offset), .. } = entry.origin
                && lane.partition.is_some()
            {
                lane.storable = Some(offset);
                lane.state = match lane.state {
                    Storage::Storing | Storage::StoringDirty => Storage::StoringDirty,
                    Storage::Clean | Storage::Dirty => Storage::Dirty,
                };
            }
        }
    }

    fn lane_of(&mut self, origin: &Origin) -> u32 {
        let Origin::Source { partition: Some(partition), .. } = origin else { return UNPLACED };
        let last = self.lanes[self.last as usize].partition.as_ref();
        if last.is_some_and(|last| last.ptr_eq(partition)) {
            return self.last;
        }
        let key = Key(partition.clone());
        if let Some(number) = self.index.get(&key) {
            self.last = *number;
            return self.last;
        }
        let lane = Lane { partition: Some(partition.clone()), key: Some(key.clone()), ..Lane::default() };
        self.last = self.free.pop().unwrap_or_else(|| {
            self.lanes.push(Lane::default());
            u32::try_from(self.lanes.len() - 1).unwrap_or(UNPLACED)
        });
        self.lanes[self.last as usize] = lane;
        self.index.insert(key, self.last);
        self.last
    }

    /// Lanes with nothing on the way and nothing to store make room: their numbers are used again.
    fn forget_idle(&mut self) {
        for (number, lane) in self.lanes.iter_mut().enumerate().skip(1) {
            if lane.state == Storage::Clean
                && lane.entries.is_empty()
                && let Some(key) = lane.key.take()
            {
                lane.partition = None;
                lane.storable = None;
                self.index.remove(&key);
                self.free.extend(u32::try_from(number));
            }
        }
        self.last = UNPLACED;
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
    let hash = |hash: u64, bytes: &[u8]| {
        bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    };
    let named = hash(0xcbf2_9ce4_8422_2325, name.as_bytes());
    match value {
        OffsetValue::Null => named,
        OffsetValue::Boolean(value) => hash(named, &[u8::from(*value)]),
        OffsetValue::Int(value) => hash(named, &value.to_le_bytes()),
        // Zero and minus zero are equal.
        OffsetValue::Float(value) => hash(named, &(value + 0.0).to_bits().to_le_bytes()),
        OffsetValue::String(value) => hash(named, value.as_bytes()),
    }
}
