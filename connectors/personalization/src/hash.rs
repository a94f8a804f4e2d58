//! Hashes that are stored in state: the algorithm must never change.

use tributary_api::stable_hash::{FNV_64, fnv1a_64};

/// FNV-1a with 64 bits, over parts with a separator between them.
pub(crate) fn stable_hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    // The separator is a byte that no UTF-8 text holds.
    parts.into_iter().fold(FNV_64, |hash, part| fnv1a_64(fnv1a_64(hash, part.as_bytes()), &[0xff]))
}
