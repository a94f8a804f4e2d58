use std::io;

/// A usual limit, where the system does not tell its own.
const USUAL_LIMIT: u64 = 1024;
/// The parts that the descriptors of a process are divided into.
const PARTS: u64 = 64;
/// Even a process that may open next to nothing can be asked how it is.
const LEAST: usize = 8;
/// A connection costs some 10 KB while idle: memory is the limit where descriptors are not.
const MOST: usize = 20_000;

/// Whose connections they are. The descriptors of the process are divided: what one of them has, no other can take. A
/// good quarter is nobody's, it is for files and for clients of brokers and databases.
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
    /// How many connections that is, under the limit that the process has now.
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

/// Raises the number of files that this process may have open to what the system allows it, and answers that. Shells
/// and services start with a lower one for the sake of programs that cannot do with large ones.
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
    fn a_good_quarter_is_nobodys() {
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
