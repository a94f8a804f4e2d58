//! What signals remember of a person beyond their history: the basket, the segments seen last, and signals that last. It is a
//! record of its own beside the person's, written only where a pack asks for it, and deleted with the person's.

use bytes::Bytes;
use tributary_api::{Result, TransformContext};

use crate::personalize::PEOPLE;

/// The most entries of each kind; the oldest are removed.
const MAX: usize = 32;
/// The layout of the stored bytes. Others count as nothing remembered.
const FORMAT: u8 = 1;
const ENTRY: usize = 16;

/// The three lists, each of hashes with a time or another hash, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    lists: [Vec<(u64, i64)>; 3],
    changed: bool,
}

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    /// Products in the basket, and since when.
    Basket = 0,
    /// For a signal, the hash of the value that its field had last.
    Field = 1,
    /// For a signal and a product, until when it lasts.
    Lasting = 2,
}

impl Memory {
    pub(crate) fn load(person: &str, cx: &mut TransformContext<'_>) -> Result<Self> {
        Ok(cx.get(PEOPLE, &Self::key(person))?.and_then(|bytes| Self::decode(&bytes)).unwrap_or_default())
    }

    /// Writes it if it has changed; nothing remembered is no record.
    pub(crate) fn store(&self, person: &str, cx: &mut TransformContext<'_>) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let empty = self.lists.iter().all(Vec::is_empty);
        cx.put(PEOPLE, Self::key(person), (!empty).then(|| self.encode()))
    }

    /// Takes in what is remembered of an anonymous person who has become this one; the later time counts. Segments are of a
    /// profile, which an anonymous person has none of.
    pub(crate) fn merge(&mut self, other: &Self) {
        for list in [List::Basket, List::Lasting] {
            for (key, at) in &other.lists[list as usize] {
                if self.get(list, *key).is_none_or(|known| known < *at) {
                    self.set(list, *key, *at);
                }
            }
        }
    }

    /// The key of its record. No person's id holds a NUL.
    pub(crate) fn key(person: &str) -> Bytes {
        Bytes::from(format!("{person}\0memory"))
    }

    pub(crate) fn is_in_basket(&self, product: u64) -> bool {
        self.get(List::Basket, product).is_some()
    }

    pub(crate) fn put_in_basket(&mut self, product: u64, at: i64) {
        self.set(List::Basket, product, at);
    }

    pub(crate) fn take_from_basket(&mut self, product: u64) {
        self.remove(List::Basket, product);
    }

    /// Sets the value of a signal's field; returns the one before. None the first time.
    pub(crate) fn replace_field(&mut self, signal: u64, value: u64) -> Option<u64> {
        let before = self.get(List::Field, signal).map(i64::cast_unsigned);
        if before != Some(value) {
            self.set(List::Field, signal, value.cast_signed());
        }
        before
    }

    /// Whether a signal that was raised before still lasts.
    pub(crate) fn lasts(&self, signal: u64, now: i64) -> bool {
        self.get(List::Lasting, signal).is_some_and(|until| now < until)
    }

    pub(crate) fn let_last(&mut self, signal: u64, until: i64, now: i64) {
        let lasting = &mut self.lists[List::Lasting as usize];
        lasting.retain(|(_, until)| now < *until);
        self.set(List::Lasting, signal, until);
    }

    fn get(&self, list: List, key: u64) -> Option<i64> {
        self.lists[list as usize].iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    fn set(&mut self, list: List, key: u64, value: i64) {
        self.remove(list, key);
        let list = &mut self.lists[list as usize];
        if list.len() >= MAX {
            list.remove(0);
        }
        list.push((key, value));
        self.changed = true;
    }

    fn remove(&mut self, list: List, key: u64) {
        let list = &mut self.lists[list as usize];
        let before = list.len();
        list.retain(|(known, _)| *known != key);
        self.changed |= list.len() != before;
    }

    fn encode(&self) -> Bytes {
        let mut out = vec![FORMAT];
        for list in &self.lists {
            out.push(u8::try_from(list.len()).unwrap_or(u8::MAX));
            for (key, value) in list {
                out.extend_from_slice(&key.to_le_bytes());
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        out.into()
    }

    /// None if the bytes are no such record.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&format, mut rest) = bytes.split_first()?;
        let mut memory = Self::default();
        for list in &mut memory.lists {
            let (&length, behind) = rest.split_first()?;
            let (entries, behind) = behind.split_at_checked(usize::from(length) * ENTRY)?;
            for entry in entries.chunks_exact(ENTRY) {
                let (key, value) = entry.split_at(8);
                list.push((u64::from_le_bytes(key.try_into().ok()?), i64::from_le_bytes(value.try_into().ok()?)));
            }
            rest = behind;
        }
        (format == FORMAT && rest.is_empty()).then_some(memory)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn it_is_bounded_and_survives_its_encoding() {
        let mut memory = Memory::default();
        for n in 0..100_u64 {
            memory.put_in_basket(n, 1);
            memory.replace_field(n, u64::MAX - n);
            memory.let_last(n, 1_000, 0);
        }
        assert!(!memory.is_in_basket(67) && memory.is_in_basket(68));
        let bytes = memory.encode();
        assert_eq!(bytes.len(), 1 + 3 * (1 + MAX * ENTRY));
        let mut decoded = Memory::decode(&bytes).unwrap();
        assert_eq!(decoded.lists, memory.lists);
        assert_eq!(decoded.replace_field(99, 1), Some(u64::MAX - 99));
        for end in 0..bytes.len() {
            assert!(Memory::decode(&bytes[..end]).is_none(), "{end}");
        }
    }

    #[test]
    fn what_no_longer_lasts_is_forgotten() {
        let mut memory = Memory::default();
        memory.let_last(1, 10, 0);
        assert!(memory.lasts(1, 9) && !memory.lasts(1, 10));
        memory.let_last(2, 30, 20);
        assert_eq!(memory.lists[List::Lasting as usize], [(2, 30)]);
    }
}
