use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::Client;
use crate::descriptors::Share;
use crate::progress::Progress;

/// How many waiting connections are closed at a time, so that this is not done for each new connection.
const CUT_OFF_BATCH: usize = 32;
/// A connection this young is not closed for another one, because its request is probably on its way, unless many are
/// waiting.
const GRACE: Duration = Duration::from_millis(200);
/// This many waiting connections are many, if they also outnumber the busy ones. Then the oldest are closed, however
/// young.
const MANY_WAITING: usize = 16;
/// When all connections are busy, how often it is checked whether one is waiting.
const WAITING_CHECK: Duration = Duration::from_millis(100);

/// A limit of connections, of one listener or shared by several. Cheap to clone; clones share.
///
/// At the limit, connections that wait for their client are closed for new ones, first those that never had a request.
/// If all are busy, new ones wait in the system's backlog.
#[derive(Clone)]
pub struct Connections(Arc<Inner>);

struct Inner {
    capacity: usize,
    room: Arc<Semaphore>,
    table: Mutex<Table>,
}

/// The connections that were not asked to close.
#[derive(Default)]
struct Table {
    next: u64,
    members: HashMap<u64, (Client, Arc<Progress>)>,
    clients: HashMap<Client, HashSet<u64>>,
}

impl Connections {
    /// A limit of this many.
    pub fn new(capacity: usize) -> Self {
        let room = Arc::new(Semaphore::new(capacity.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner { capacity, room, table: Mutex::default() }))
    }

    /// The limit of a share of the process's file descriptors.
    pub fn sharing(share: Share) -> Self {
        Self::new(share.connections())
    }

    /// The limit.
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }

    /// The number of open connections.
    pub fn len(&self) -> usize {
        self.0.capacity.saturating_sub(self.0.room.available_permits())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A permit for one more connection; closes waiting ones if necessary.
    pub(crate) async fn room(&self) -> OwnedSemaphorePermit {
        loop {
            let room = Arc::clone(&self.0.room);
            if let Ok(permit) = Arc::clone(&room).try_acquire_owned() {
                return permit;
            }
            self.make_room();
            if let Ok(Ok(permit)) = tokio::time::timeout(WAITING_CHECK, room.acquire_owned()).await {
                return permit;
            }
        }
    }

    /// Closes some waiting connections.
    pub(crate) fn make_room(&self) {
        let mut table = self.lock();
        let members = table.members.keys().copied().collect();
        table.cut_off(members, self.0.capacity / CUT_OFF_BATCH + 1);
    }

    /// Admits a connection, unless its client is at its limit and all its connections are busy.
    pub(crate) fn admit(&self, room: OwnedSemaphorePermit, address: IpAddr, most: Option<usize>) -> Option<Member> {
        let client = Client::from(address);
        let mut table = self.lock();
        let own = table.clients.get(&client);
        if let Some((own, most)) = own.zip(most).filter(|(own, most)| own.len() >= *most) {
            let own = own.iter().copied().collect();
            if table.cut_off(own, most / CUT_OFF_BATCH + 1) == 0 {
                return None;
            }
        }
        let id = table.next;
        table.next += 1;
        let progress = Arc::new(Progress::new());
        table.members.insert(id, (client, Arc::clone(&progress)));
        table.clients.entry(client).or_default().insert(id);
        drop(table);
        Some(Member { id, connections: self.clone(), progress, _room: room })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock()
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connections({} of {})", self.len(), self.capacity())
    }
}

impl Table {
    /// Asks the first `count` waiting connections to close, and returns how many there were.
    fn cut_off(&mut self, among: Vec<u64>, count: usize) -> usize {
        let all = among.len();
        let rank = |id: u64| self.members.get(&id).and_then(|(_, progress)| progress.rank());
        let mut waiting: Vec<_> = among.into_iter().filter_map(|id| Some((rank(id)?, id))).collect();
        let many = waiting.len() >= MANY_WAITING && waiting.len() * 2 > all;
        if !many {
            waiting.retain(|((_, since), _)| since.elapsed() >= GRACE);
        }
        if count < waiting.len() {
            waiting.select_nth_unstable(count);
            waiting.truncate(count);
        }
        for (_, id) in &waiting {
            if let Some(progress) = self.remove(*id) {
                progress.cut_off();
            }
        }
        waiting.len()
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Progress>> {
        let (client, progress) = self.members.remove(&id)?;
        if let Some(own) = self.clients.get_mut(&client) {
            own.remove(&id);
            if own.is_empty() {
                self.clients.remove(&client);
            }
        }
        Some(progress)
    }
}

/// The registration of a connection; removed when dropped.
#[derive(Debug)]
pub(crate) struct Member {
    id: u64,
    connections: Connections,
    progress: Arc<Progress>,
    _room: OwnedSemaphorePermit,
}

impl Member {
    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.connections.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;

    fn address(last: u8) -> IpAddr {
        [203, 0, 113, last].into()
    }

    async fn cut_off(member: &Member) -> bool {
        tokio::time::timeout(Duration::ZERO, member.progress.is_cut_off()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_clients_idle_connection_is_closed_for_its_next_and_with_all_busy_the_next_is_refused() {
        let connections = Connections::new(10);
        let admit = async |last| connections.admit(connections.room().await, address(last), Some(2));
        let first = admit(1).await.unwrap();
        let second = admit(1).await.unwrap();
        let other = admit(2).await.unwrap();
        assert!(admit(1).await.is_none(), "the first two have only just come");
        tokio::time::advance(Duration::from_secs(1)).await;
        let third = admit(1).await.unwrap();
        assert!(cut_off(&first).await && !cut_off(&second).await && !cut_off(&other).await);
        second.progress.request_begins(Version::HTTP_11);
        third.progress.request_begins(Version::HTTP_11);
        assert!(admit(1).await.is_none());
        drop(second);
        assert!(admit(1).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn busy_connections_are_never_closed() {
        let connections = Connections::new(3);
        let mut members = Vec::new();
        for last in 0..3 {
            members.push(connections.admit(connections.room().await, address(last), None).unwrap());
        }
        members[0].progress.request_begins(Version::HTTP_11);
        members[1].progress.upgrades();
        tokio::time::advance(Duration::from_secs(1)).await;
        connections.make_room();
        assert!(!cut_off(&members[0]).await && !cut_off(&members[1]).await && cut_off(&members[2]).await);
        assert_eq!(connections.len(), 3);
        members.pop();
        assert_eq!(connections.len(), 2);
        let next = connections.room().await;
        members.push(connections.admit(next, address(9), None).unwrap());
        assert_eq!((connections.len(), connections.lock().members.len()), (3, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_idle_connections_are_closed_at_once() {
        let connections = Connections::new(100);
        let mut members = Vec::new();
        for _ in 0..100 {
            members.push(connections.admit(connections.room().await, address(1), None).unwrap());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        connections.make_room();
        for (number, member) in members.iter().enumerate() {
            assert_eq!(cut_off(member).await, number < 4, "{number}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_waited_for_until_somebody_is_done() {
        let connections = Connections::new(1);
        let only = connections.admit(connections.room().await, address(1), None).unwrap();
        only.progress.request_begins(Version::HTTP_11);
        let leaves = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            only.progress.request_ends();
            only.progress.is_cut_off().await;
            drop(only);
        };
        let (_room, ()) = tokio::join!(connections.room(), leaves);
    }
}
