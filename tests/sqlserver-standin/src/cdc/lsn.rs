//! Log sequence numbers: the file's part (VLF), the block in it and the slot in the block.

use std::fmt;

use rand::{Rng, SeedableRng, rngs::StdRng};

/// A log sequence number. It holds as many bits as SQLite's integers have: 15 of the file's part, 32 of the block, 16 of
/// the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Lsn(u64);

impl Lsn {
    pub(crate) const ZERO: Lsn = Lsn(0);

    fn new(vlf: u16, block: u32, slot: u16) -> Lsn {
        Lsn(u64::from(vlf & 0x7fff) << 48 | u64::from(block) << 16 | u64::from(slot))
    }

    /// As SQLite keeps it.
    pub(crate) fn to_integer(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    pub(crate) fn from_integer(value: i64) -> Lsn {
        Lsn(u64::try_from(value).unwrap_or_default())
    }

    /// As `binary(10)`: big-endian, so that bytes compare as numbers do.
    pub(crate) fn to_bytes(self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[2..4].copy_from_slice(&self.0.to_be_bytes()[..2]);
        bytes[4..].copy_from_slice(&self.0.to_be_bytes()[2..]);
        bytes
    }

    /// None if it is not ten bytes, or a number that no allocator gives.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Lsn> {
        let bytes: &[u8; 10] = bytes.try_into().ok()?;
        if bytes[..2] != [0, 0] || bytes[2] > 0x7f {
            return None;
        }
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[2..]);
        Some(Lsn(u64::from_be_bytes(number)))
    }
}

/// `00000027:00000758:0003`
impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}:{:08x}:{:04x}", self.0 >> 48, self.0 >> 16 & 0xffff_ffff, self.0 & 0xffff)
    }
}

/// Gives out log sequence numbers, each greater than all before it, with the gaps that a log has: records that are not
/// of captured tables, blocks that are flushed half full, parts of the file that are used up.
#[derive(Debug)]
pub(crate) struct Allocator {
    last: Lsn,
    random: StdRng,
}

impl Allocator {
    /// Goes on after `last`, in another block; from zero it begins where a young database's log does.
    pub(crate) fn after(last: Lsn, seed: u64) -> Allocator {
        let mut random = StdRng::seed_from_u64(seed);
        let last = match last {
            Lsn::ZERO => Lsn::new(random.random_range(0x20..0x30), random.random_range(0x20..0x800), 0),
            last => last,
        };
        let mut allocator = Allocator { last, random };
        allocator.next_block();
        allocator
    }

    /// The number of the next record.
    pub(crate) fn record(&mut self) -> Lsn {
        let step = if self.random.random_ratio(1, 8) { self.random.random_range(2..5) } else { 1 };
        let slot = self.last.0 & 0xffff;
        // A block has room for some hundred records.
        if slot + step > 0x1ff {
            self.next_block();
        } else {
            self.last.0 += step;
        }
        self.last
    }

    /// The number of a commit: its block is written out, so the next record is in another.
    pub(crate) fn commit(&mut self) -> Lsn {
        let lsn = self.record();
        self.next_block();
        lsn
    }

    fn next_block(&mut self) {
        let (vlf, block) = (self.last.0 >> 48, self.last.0 >> 16 & 0xffff_ffff);
        self.last = if self.random.random_ratio(1, 4096) || block > 0xffff_0000 {
            Lsn((vlf + 1) << 48 | 0x10 << 16)
        } else {
            Lsn(vlf << 48 | (block + self.random.random_range(1..0x20)) << 16)
        };
    }
}

/// The number `by` away on the 80 bits, as `fn_cdc_increment_lsn` and `fn_cdc_decrement_lsn` count; it wraps.
pub(crate) fn step(lsn: &[u8; 10], up: bool) -> [u8; 10] {
    let mut bytes = [0; 16];
    bytes[6..].copy_from_slice(lsn);
    let number = u128::from_be_bytes(bytes);
    let next = if up { number.wrapping_add(1) } else { number.wrapping_sub(1) };
    let mut out = [0; 10];
    out.copy_from_slice(&next.to_be_bytes()[6..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_only_grow_and_keep_their_order_as_bytes() {
        let mut allocator = Allocator::after(Lsn::ZERO, 7);
        let mut last = Lsn::ZERO;
        for i in 0..100_000 {
            let next = if i % 3 == 0 { allocator.commit() } else { allocator.record() };
            assert!(next > last && next.to_bytes() > last.to_bytes());
            assert_eq!(Lsn::from_bytes(&next.to_bytes()), Some(next));
            assert_eq!(Lsn::from_integer(next.to_integer()), next);
            last = next;
        }
    }

    #[test]
    fn it_is_shown_in_three_parts() {
        let lsn = Lsn::new(0x27, 0x758, 3);
        assert_eq!(lsn.to_string(), "00000027:00000758:0003");
        assert_eq!(lsn.to_bytes(), [0, 0, 0, 0x27, 0, 0, 7, 0x58, 0, 3]);
    }

    #[test]
    fn a_step_carries_through_all_ten_bytes() {
        let low = [0, 0, 0, 0x27, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let high = [0, 0, 0, 0x28, 0, 0, 0, 0, 0, 0];
        assert_eq!((step(&low, true), step(&high, false)), (high, low));
        assert_eq!(step(&[0xff; 10], true), [0; 10]);
    }

    #[test]
    fn a_restart_goes_on_behind_the_last_number() {
        let last = Lsn::new(0x7f, 0x100, 0x30);
        assert!(Allocator::after(last, 1).record() > last);
    }
}
