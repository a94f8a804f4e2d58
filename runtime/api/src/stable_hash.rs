//! Hashes that are the same in every build and on every machine, for what is stored or sent. They are quick and not safe
//! against who chooses the input.

/// The state of [`fnv1a_64`] before the first byte.
pub const FNV_64: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a with 32 bits.
///
/// ```
/// assert_eq!(tributary_api::stable_hash::fnv1a_32(b"foobar"), 0xbf9c_f968);
/// ```
pub fn fnv1a_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// FNV-1a with 64 bits, continued from a state: [`FNV_64`] at the beginning.
///
/// ```
/// use tributary_api::stable_hash::{FNV_64, fnv1a_64};
/// assert_eq!(fnv1a_64(FNV_64, b"foobar"), 0x8594_4171_f739_67e8);
/// assert_eq!(fnv1a_64(fnv1a_64(FNV_64, b"foo"), b"bar"), fnv1a_64(FNV_64, b"foobar"));
/// ```
pub fn fnv1a_64(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
