//! Assignment as Unleash's SDKs do it, for experiments that have begun there: the same people stay in the same variants.

/// The seed of variants; that of rollouts is 0.
const VARIANT_SEED: u32 = 86_028_157;
/// Unleash's weights are parts of so much.
const WHOLE: f64 = 1000.0;

/// The variant of a person in a group; none outside the rollout. `weights` are shares, `coverage` is that of the rollout.
pub(crate) fn variant(group: &str, person: &str, weights: &[f64], coverage: f64) -> Option<usize> {
    let text = format!("{group}:{person}");
    if f64::from(normalized(&text, 0, 100)) > coverage * 100.0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share from 0 to 1")]
    let parts: Vec<u32> = weights.iter().map(|weight| (weight * WHOLE).round() as u32).collect();
    variant_of_parts(&text, &parts)
}

/// The first variant at which the sum of the weights reaches the person's number.
fn variant_of_parts(text: &str, parts: &[u32]) -> Option<usize> {
    let number = normalized(text, VARIANT_SEED, parts.iter().sum());
    let mut sum = 0;
    parts.iter().position(|part| {
        sum += part;
        *part > 0 && sum >= number
    })
}

/// From 1 up to, and with, `whole`.
fn normalized(text: &str, seed: u32, whole: u32) -> u32 {
    murmur3(text.as_bytes(), seed) % whole.max(1) + 1
}

/// MurmurHash3 for x86 with 32 bits.
fn murmur3(bytes: &[u8], seed: u32) -> u32 {
    let mix = |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (blocks, rest) = bytes.as_chunks::<4>();
    let hash = blocks.iter().fold(seed, |hash, block| {
        (hash ^ mix(u32::from_le_bytes(*block))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    let last = rest.iter().rev().fold(0, |last, byte| last << 8 | u32::from(*byte));
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let hash = hash ^ mix(last) ^ length;
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published with the algorithm.
    #[test]
    fn the_hash_is_murmur3() {
        for (text, seed, hash) in [
            ("", 0, 0),
            ("", 1, 0x514e_28b7),
            ("", 0xffff_ffff, 0x81f1_6f39),
            ("test", 0, 0xba6b_d213),
            ("Hello, world!", 0x9747_b28c, 0x2488_4cba),
            ("aaa", 0x9747_b28c, 0x283e_0130),
        ] {
            assert_eq!(murmur3(text.as_bytes(), seed), hash, "{text}");
        }
    }

    /// Of Unleash's client specification, 08-variants: feature, weights, and users with their variants.
    #[test]
    fn variants_are_unleashs() {
        for (feature, weights, users) in [
            ("Feature.Variants.B", &[1, 1][..], &[("2", 1), ("0", 0)][..]),
            ("Feature.Variants.C", &[33, 33, 33], &[("232", 0), ("607", 1), ("656", 2)]),
            ("Feature.Variants.D", &[1, 49, 50], &[("712", 0), ("525", 1), ("537", 2)]),
        ] {
            for (user, variant) in users {
                assert_eq!(variant_of_parts(&format!("{feature}:{user}"), weights), Some(*variant), "{feature} {user}");
            }
        }
    }

    /// 03-gradual-rollout-user-id: half of the users.
    #[test]
    fn rollouts_are_unleashs() {
        let covered = |user, coverage| variant("AB12A", user, &[1.0], coverage).is_some();
        assert!(covered("123", 1.0) && covered("122", 0.5) && !covered("155", 0.5) && !covered("122", 0.0));
    }
}
