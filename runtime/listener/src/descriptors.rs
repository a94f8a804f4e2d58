use std::io;

/// A usual limit, if the system's is not available.
const USUAL_LIMIT: u64 = 1024;
/// The descriptors of a process are divided into this many parts.
const PARTS: u64 = 64;
/// The minimum, so that even a process with a very low limit can be monitored.
const LEAST: usize = 8;
/// An idle connection takes about 10 KB: with many descriptors memory is the limit.
const MOST: usize = 20_000;

/// A user of file descriptors. The process's descriptors are divided, so that one user cannot exhaust another's. A good
/// quarter is reserved for files and for clients of brokers and databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The listeners of the website's connectors, all together.
    Website,
    /// `listeners`.
    Rest,
    /// `admin.listeners`.
    Admin,
    /// The demo shop.
    Shop,
    /// The embedded S3 endpoint.
    Objects,
    /// The embedded broker.
    Broker,
}

impl Share {
    /// The number of connections under the process's current limit.
    pub fn connections(self) -> usize {
        self.of(descriptor_limit())
    }

    fn of(self, descriptors: u64) -> usize {
        let connections = (descriptors / PARTS).saturating_mul(self.parts());
        usize::try_from(connections).unwrap_or(MOST).clamp(LEAST, MOST)
    }

    const fn parts(self) -> u64 {
        match self {
            Self::Website => 22,
            Self::Rest => 4,
            Self::Admin => 2,
            Self::Shop => 4,
            Self::Objects => 6,
            Self::Broker => 8,
        }
    }
}

/// How many files this process may have open.
pub fn descriptor_limit() -> u64 {
    rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(USUAL_LIMIT, |(soft, _)| soft)
}

/// Raises the soft limit of open files to the hard limit, and returns it. The soft limit is lower by default only for
/// programs that cannot handle a large one.
///
/// # Errors
/// The system's; the limit is then as before.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Share; 6] = [Share::Website, Share::Rest, Share::Admin, Share::Shop, Share::Objects, Share::Broker];

    #[test]
    fn the_shares_leave_a_quarter_of_the_limit_free() {
        for limit in [256, 1024, 4096, 20_000] {
            let all: usize = ALL.iter().map(|share| share.of(limit)).sum();
            assert!(all <= usize::try_from(limit).unwrap() * 3 / 4, "{all} of {limit}");
        }
    }

    #[test]
    fn shares_are_bounded_both_ways() {
        assert_eq!(Share::Website.of(1024), 352);
        assert_eq!(Share::Rest.of(1024), 64);
        assert_eq!(Share::Admin.of(64), LEAST);
        assert_eq!(Share::Website.of(u64::MAX), MOST);
    }
}
