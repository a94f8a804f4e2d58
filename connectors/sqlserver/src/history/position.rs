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
}
