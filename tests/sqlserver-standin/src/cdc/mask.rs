//! Update masks: bit k-1 for the captured column of ordinal k, the last byte being the one of columns 1 to 8.

/// The mask with the bits of these columns, in the order of their ordinals.
pub(super) fn of(changed: &[bool]) -> Vec<u8> {
    let mut mask = vec![0; changed.len().div_ceil(8)];
    for at in changed.iter().enumerate().filter_map(|(at, changed)| changed.then_some(at)) {
        if let Some(byte) = mask.iter_mut().nth_back(at / 8) {
            *byte |= 1 << (at % 8);
        }
    }
    mask
}

/// The mask of an insert or a delete of so many columns.
pub(super) fn all(columns: usize) -> Vec<u8> {
    of(&vec![true; columns])
}

/// Whether the bit of this ordinal is set; a position outside the mask is not.
pub(super) fn is_set(mask: &[u8], ordinal: i32) -> bool {
    let Some(at) = ordinal.checked_sub(1).and_then(|at| usize::try_from(at).ok()) else { return false };
    mask.iter().nth_back(at / 8).is_some_and(|byte| byte & 1 << (at % 8) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_columns_are_in_the_last_byte() {
        assert_eq!(all(5), [0x1f]);
        assert_eq!(all(10), [0x03, 0xff]);
        let mut tenth = [false; 12];
        tenth[9] = true;
        assert_eq!(of(&tenth), [0x02, 0x00]);
        assert!(is_set(&of(&tenth), 10));
        assert!(!is_set(&of(&tenth), 2));
    }

    #[test]
    fn a_position_outside_the_mask_is_not_set() {
        assert!(!is_set(&[0xff], 0) && !is_set(&[0xff], 9) && !is_set(&[0xff], -1) && !is_set(&[0xff], i32::MIN));
    }
}
