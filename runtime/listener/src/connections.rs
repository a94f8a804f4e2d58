use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::Client;
use crate::descriptors::Share;
use crate::progress::Progress;

/// Of those that could be cut off so many are at once, so that room is not looked for with each connection.
const AT_ONCE: usize = 32;
/// The request of a client that has just connected is on its way: so long it makes no room for another, unless it stands
/// in a crowd that waits.
const GRACE: Duration = Duration::from_millis(200);
/// So many are a crowd, if they are more than those at work. Then the oldest are old by what came after them.
const CROWD: usize = 16;
/// When all connections are at work, this is how often it is looked whether one waits.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Room for connections, which one listener has or several share. Cheap to clone; clones share.
///
/// While there is room, everyone comes in. When there is none, those make it that wait for their client: first those that
/// have never been asked for anything. Where all are at work, the next ones wait in the system's backlog.
#[derive(Clone)]
pub struct Connections(Arc<Inner>);

struct Inner {
    capacity: usize,
    room: Arc<Semaphore>,
    table: Mutex<Table>,
}

/// The connections that have not been told to end.
#[derive(Default)]
struct Table {
    next: u64,
    members: HashMap<u64, (Client, Arc<Progress>)>,
    clients: HashMap<Client, HashSet<u64>>,
}

impl Connections {
    /// Room for so many.
    pub fn new(capacity: usize) -> Self {
        let room = Arc::new(Semaphore::new(capacity.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner { capacity, room, table: Mutex::default() }))
    }

    /// What a share of the process's file descriptors has room for.
    pub fn sharing(share: Share) -> Self {
        Self::new(share.connections())
    }

    /// How many there can be.
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.capacity.saturating_sub(self.0.room.available_permits())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Room for one more, which is made if need be.
    pub(crate) async fn room(&self) -> OwnedSemaphorePermit {
        loop {
            let room = Arc::clone(&self.0.room);
            if let Ok(permit) = Arc::clone(&room).try_acquire_owned() {
                return permit;
            }
            self.make_room();
            if let Ok(Ok(permit)) = tokio::time::timeout(LOOK_AGAIN, room.acquire_owned()).await {
                return permit;
            }
        }
    }

    /// Cuts off some of those that wait.
    pub(crate) fn make_room(&self) {
        let mut table = self.lock();
        let members = table.members.keys().copied().collect();
        table.cut_off(members, self.0.capacity / AT_ONCE + 1);
    }

    /// Takes a connection in, unless its client has as many as it may and all of them are at work.
    pub(crate) fn admit(&self, room: OwnedSemaphorePermit, address: IpAddr, most: Option<usize>) -> Option<Member> {
        let client = Client::from(address);
        let mut table = self.lock();
        let own = table.clients.get(&client);
        if let Some((own, most)) = own.zip(most).filter(|(own, most)| own.len() >= *most) {
            let own = own.iter().copied().collect();
            if table.cut_off(own, most / AT_ONCE + 1) == 0 {
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
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connections({} of {})", self.len(), self.capacity())
    }
}

impl Table {
    /// Tells the first `count` of those that wait to end, and answers how many there were.
    fn cut_off(&mut self, among: Vec<u64>, count: usize) -> usize {
        let all = among.len();
        let rank = |id: u64| self.members.get(&id).and_then(|(_, progress)| progress.rank());
        let mut waiting: Vec<_> = among.into_iter().filter_map(|id| Some((rank(id)?, id))).collect();
        let crowd = waiting.len() >= CROWD && waiting.len() * 2 > all;
        if !crowd {
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

/// A connection's place; given back when dropped.
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
    async fn a_client_makes_room_for_itself_and_is_refused_when_all_its_connections_are_at_work() {
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
    async fn those_at_work_are_never_cut_off() {
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
    async fn the_oldest_of_a_crowd_make_room_at_once() {
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
