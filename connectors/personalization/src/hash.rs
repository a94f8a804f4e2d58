//! Hashes that are stored in state: the algorithm must never change.

/// FNV-1a with 64 bits, over parts with a separator between them.
pub(crate) fn stable_hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    parts.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, part| {
        let hash = part.bytes().fold(hash, step);
        step(hash, 0xff) // a byte that no UTF-8 text holds
    })
}
