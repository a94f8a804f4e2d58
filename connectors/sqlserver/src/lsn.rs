//! Log sequence numbers.

use std::fmt;

/// A position in the log: 10 bytes, most significant first, so that byte order is log order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lsn([u8; Lsn::LENGTH]);

impl Lsn {
    pub(crate) const LENGTH: usize = 10;
    pub(crate) const ZERO: Self = Self([0; Self::LENGTH]);

    /// `None` if the length is wrong.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Parses the text form `00000027:00000758:0003`, in upper or lower case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let [file, block, slot] = parts[..] else { return None };
        if file.len() != 8 || block.len() != 8 || slot.len() != 4 {
            return None;
        }
        let mut bytes = [0; Self::LENGTH];
        bytes[..4].copy_from_slice(&u32::from_str_radix(file, 16).ok()?.to_be_bytes());
        bytes[4..8].copy_from_slice(&u32::from_str_radix(block, 16).ok()?.to_be_bytes());
        bytes[8..].copy_from_slice(&u16::from_str_radix(slot, 16).ok()?.to_be_bytes());
        Some(Self(bytes))
    }

    /// A position with this last number, for tests.
    #[cfg(test)]
    pub(crate) fn numbered(slot: u16) -> Self {
        let mut bytes = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0];
        bytes[8..].copy_from_slice(&slot.to_be_bytes());
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its text form, in lower case: written digit by digit, as every record has two of them.
    pub(crate) fn text(&self) -> String {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let mut text = String::with_capacity(2 * Self::LENGTH + 2);
        for (place, byte) in self.0.iter().enumerate() {
            if place == 4 || place == 8 {
                text.push(':');
            }
            text.push(DIGITS[usize::from(byte >> 4)]);
            text.push(DIGITS[usize::from(byte & 15)]);
        }
        text
    }

    /// The next position, as `sys.fn_cdc_increment_lsn` counts: one more, in all 80 bits.
    pub(crate) fn incremented(self) -> Self {
        let mut bytes = self.0;
        for byte in bytes.iter_mut().rev() {
            let (next, overflow) = byte.overflowing_add(1);
            *byte = next;
            if !overflow {
                return Self(bytes);
            }
        }
        // The last position has no next one.
        self
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn text_and_bytes_are_the_same_number() {
        let lsn = Lsn::from_bytes(&[0, 0, 0, 0x25, 0, 0, 0x0d, 0x98, 0, 0xa2]).unwrap();
        assert_eq!(lsn.to_string(), "00000025:00000d98:00a2");
        assert_eq!(Lsn::parse("00000025:00000D98:00A2"), Some(lsn));
    }

    #[test]
    fn a_malformed_lsn_is_none() {
        for text in ["", "NULL", "00000025:00000d98", "25:d98:a2", "00000025:00000d98:00a2:", "0000002g:00000d98:00a2"]
        {
            assert_eq!(Lsn::parse(text), None, "{text}");
        }
        assert_eq!(Lsn::from_bytes(&[0; 9]), None);
    }

    #[test]
    fn lsns_are_ordered_as_unsigned_bytes() {
        let lsn = |text| Lsn::parse(text).unwrap();
        assert!(lsn("000000ff:00000000:0000") > lsn("0000007f:ffffffff:ffff"));
        assert!(lsn("00000001:00000002:0003") > lsn("00000001:00000002:0002"));
    }

    #[test]
    fn an_incremented_lsn_carries_into_the_next_part() {
        let next = |text| Lsn::parse(text).unwrap().incremented().to_string();
        assert_eq!(next("00000027:00000758:0003"), "00000027:00000758:0004");
        assert_eq!(next("00000027:000007ff:ffff"), "00000027:00000800:0000");
        assert_eq!(next("ffffffff:ffffffff:ffff"), "ffffffff:ffffffff:ffff");
    }
}
