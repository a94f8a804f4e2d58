use crate::offset::Offset;

/// Whether an entry that was recorded at one position counts for a reader that continues from another.
pub(super) fn is_at_or_before(recorded: Offset, wanted: Offset) -> bool {
    match recorded.commit.cmp(&wanted.commit) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        // A position without a change is the end of its commit.
        std::cmp::Ordering::Equal => wanted.change.is_none() || recorded.change <= wanted.change,
    }
}

/// Whether what was recorded at one position may not have been sent before the other one was stored. A structure has the
/// position of the record before it: if that is where a reader continues, the structure's own record may be missing.
pub(super) fn may_be_unsent(recorded: Offset, wanted: Offset) -> bool {
    (recorded.commit, recorded.change) == (wanted.commit, wanted.change) && recorded.serial >= wanted.serial
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsn::Lsn;

    fn at(commit: u8, change: Option<u8>) -> Offset {
        let lsn = |number: u8| Lsn::from_bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 0, number]);
        Offset { commit: lsn(commit), change: change.and_then(lsn), serial: 1, ..Offset::NONE }
    }

    #[test]
    fn positions_are_compared_by_commit_and_change() {
        assert!(is_at_or_before(at(1, Some(9)), at(2, Some(1))));
        assert!(is_at_or_before(at(2, Some(1)), at(2, Some(1))));
        assert!(!is_at_or_before(at(2, Some(2)), at(2, Some(1))));
        assert!(is_at_or_before(at(2, Some(2)), at(2, None)));
        assert!(!is_at_or_before(at(3, None), at(2, None)));
    }

    #[test]
    fn only_what_follows_the_very_position_may_be_unsent() {
        let serial = |serial| Offset { serial, ..at(2, Some(1)) };
        assert!(may_be_unsent(at(2, Some(1)), at(2, Some(1))));
        assert!(may_be_unsent(serial(2), serial(1)));
        assert!(!may_be_unsent(serial(1), serial(2)));
        assert!(!may_be_unsent(at(2, Some(1)), at(2, Some(2))));
        assert!(!may_be_unsent(at(1, Some(1)), at(2, Some(1))));
    }
}
