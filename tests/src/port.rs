use std::fs::{File, OpenOptions, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

/// Below the range of ports for outgoing connections: the kernel must not use one of them between the check and the bind.
const PORTS: Range<u16> = 20_000..32_000;
/// How many ports a process of tests reserves at once.
const BLOCK: u16 = 100;

/// A free port of 127.0.0.1 that nobody else gets from here, in this process or in another one, before this one ends: not
/// between the check and the bind, and not while a server that was killed is started again.
pub fn free_port() -> Result<u16> {
    free_ports(1)
}

/// The first of `count` consecutive free ports.
pub fn free_ports(count: u16) -> Result<u16> {
    // Of the whole process, because its tests run side by side.
    static RESERVED: Mutex<Option<Block>> = Mutex::new(None);
    let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(first) = reserved.as_mut().and_then(|block| block.take(count)) {
            return Ok(first);
        }
        let spent = reserved.replace(Block::reserve(&folder()?)?);
        // Its lock stays: its ports are still in use.
        std::mem::forget(spent);
    }
}

/// Shared by all processes of tests of this user.
fn folder() -> Result<PathBuf> {
    let user = std::fs::metadata("/proc/self").context("look up the user")?.uid();
    let folder = std::env::temp_dir().join(format!("tributary-test-ports-{user}"));
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

/// Consecutive ports of which each is handed out once.
#[derive(Debug)]
struct Block {
    left: Range<u16>,
    /// Locked as long as it is open; the kernel unlocks it when the process ends.
    _lock: File,
}

impl Block {
    /// One that no other process has reserved.
    fn reserve(folder: &Path) -> Result<Self> {
        let starts = PORTS.step_by(usize::from(BLOCK));
        // From a random one on: a server that outlives its test does so in the first blocks.
        let skip = rand::random_range(0..starts.len());
        for first in starts.clone().cycle().skip(skip).take(starts.len()) {
            let file = folder.join(first.to_string());
            let lock = OpenOptions::new().create(true).append(true).open(&file);
            let lock = lock.with_context(|| format!("open {}", file.display()))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { left: first..first + BLOCK, _lock: lock }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("lock {}", file.display()));
                }
            }
        }
        bail!("all ports of {PORTS:?} are reserved by other processes of tests, end some of them")
    }

    /// The first of `count` ports in a row that can be bound; those before it are skipped for good.
    fn take(&mut self, count: u16) -> Option<u16> {
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        while self.left.len() >= usize::from(count) {
            let first = self.left.start;
            if (first..first + count).map(bind).collect::<Result<Vec<_>, _>>().is_ok() {
                self.left.start += count;
                return Some(first);
            }
            self.left.start += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_taken_port_is_not_handed_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut block = Block::reserve(folder.path()).unwrap();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        block.left = port..port + 1;
        assert_eq!(block.take(1), None);
        block.left = port - 1..port + 1;
        assert_eq!(block.take(2), None);
    }

    #[test]
    fn no_port_is_handed_out_twice_and_no_block_to_two_processes() {
        let count = PORTS.len() / usize::from(BLOCK);
        let folder = tempfile::tempdir().unwrap();
        let mut blocks: Vec<Block> = (0..count).map(|_| Block::reserve(folder.path()).unwrap()).collect();
        let starts: BTreeSet<u16> = blocks.iter().map(|block| block.left.start).collect();
        assert_eq!(starts.len(), count);
        assert!(Block::reserve(folder.path()).unwrap_err().to_string().contains("reserved by other processes"));
        let freed = blocks.remove(7);
        let first = freed.left.start;
        drop(freed);
        // A process that another test starts shares the lock until it executes its program.
        let end = Instant::now() + Duration::from_secs(30);
        let again = loop {
            match Block::reserve(folder.path()) {
                Ok(block) => break block,
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
        };
        assert_eq!(again.left.start, first, "an end frees its ports");

        let ports: Vec<u16> = (0..150).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
        assert!(ports.iter().all(|port| PORTS.contains(port)));
        let (three, next) = (free_ports(3).unwrap(), free_port().unwrap());
        assert!(!(three..three + 3).contains(&next));
    }
}
