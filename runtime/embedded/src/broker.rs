//! The in-process broker: options, start and stop.

mod connection;
mod coordinator;
mod directory;
mod end_txn;
mod fetch;
mod request;
mod routes;
mod slots;
mod store;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tansu_storage::Storage as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};
use tributary_listener::Share;

use self::connection::{ConnectionTimeouts, Connections};
use self::directory::Location;
use self::slots::ConnectionSlots;
use self::store::{Store, StoreOptions};
use crate::error::Error;
use crate::listen;

/// SQLite blocks the thread that calls it, so the broker has its own threads and leaves the caller's free. One of them
/// may be inside SQLite while the other one serves the sockets.
const THREADS: usize = 2;

/// How often old records of `delete` topics and superseded ones of `compact` topics are removed.
const MAINTENANCE: Duration = Duration::from_mins(10);

/// Pause after a failed accept (out of file handles, mostly), so that the loop does not spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long shutdown waits for requests in flight, and then for the storage to close.
const DRAIN: Duration = Duration::from_secs(1);
const CLOSE: Duration = Duration::from_millis(800);

/// Where a broker keeps its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerStorage {
    /// A SQLite database in this folder, which is created when absent and closed to all but its owner. One broker at a time
    /// may use it.
    Directory(PathBuf),
    /// Memory: gone when the broker stops.
    Memory,
}

/// How to start a [`Broker`].
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Where records, offsets and groups are kept.
    pub storage: BrokerStorage,
    /// The port on 127.0.0.1 to take when it is free; 0 takes any free one.
    pub preferred_port: u16,
    /// The cluster id that clients get. Data written under a different id in the same folder is not visible.
    pub cluster_id: String,
}

/// A running broker. Dropping it stops it at once; [`Broker::shutdown`] lets requests in flight finish.
pub struct Broker {
    addr: SocketAddr,
    closing: CancellationToken,
    connections: TaskTracker,
    store: Store,
    threads: Threads,
    location: Location,
}

impl Broker {
    /// Starts a broker and returns once it accepts connections.
    ///
    /// A taken port is no error: the broker then listens on a free one, see [`Broker::addr`].
    ///
    /// # Errors
    /// When the folder cannot be used or belongs to another running broker, when no socket can be opened, or when the
    /// storage cannot be opened.
    pub async fn start(options: BrokerOptions) -> Result<Self, Error> {
        let location = Location::prepare(&options.storage)?;
        let threads = Threads::start()?;
        let closing = CancellationToken::new();
        let connections = TaskTracker::new();

        let running = Server {
            options,
            storage_url: location.url().clone(),
            database: location.database().map(PathBuf::from),
            closing: closing.clone(),
            connections: connections.clone(),
        };
        let started = threads.handle().spawn(running.start()).await;
        let (addr, store) = started.map_err(|error| Error::Setup(error.into()))??;
        Ok(Self { addr, closing, connections, store, threads, location })
    }

    /// Where the broker listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The value for a client's `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.addr.to_string()
    }

    /// Applies the retention and compaction settings of the topics, which otherwise happens every ten minutes.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn maintain(&self) -> Result<(), Error> {
        self.store.maintain(SystemTime::now()).await.map_err(|error| Error::Storage(error.into()))
    }

    /// Stops accepting, wakes waiting fetches, lets requests in flight finish and closes the storage. Takes less than
    /// two seconds: requests that have not ended by then are aborted.
    pub async fn shutdown(self) {
        let Self { closing, connections, store, threads, location, .. } = self;
        closing.cancel();
        connections.close();
        if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
            debug!(open = connections.len(), "requests still in flight are cut off");
        }
        store.close();
        drop(store);
        threads.stop().await;
        drop(location);
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("addr", &self.addr).field("location", &self.location).finish_non_exhaustive()
    }
}

/// What the broker's threads need to start it.
struct Server {
    options: BrokerOptions,
    storage_url: url::Url,
    database: Option<PathBuf>,
    closing: CancellationToken,
    connections: TaskTracker,
}

impl Server {
    async fn start(self) -> Result<(SocketAddr, Store), Error> {
        let listener = listen::bind(self.options.preferred_port).await?;
        let addr = listener.local_addr().map_err(|source| Error::Bind { port: self.options.preferred_port, source })?;
        let store = Store::open(StoreOptions {
            url: self.storage_url,
            database: self.database,
            cluster_id: self.options.cluster_id,
            advertised: addr,
        })
        .await
        .map_err(|error| Error::Storage(error.into()))?;

        let routes = routes::build(&store, &self.closing).map_err(|error| Error::Setup(error.into()))?;
        let connections = Connections::new(routes, ConnectionTimeouts::default(), self.closing.clone());
        let slots = ConnectionSlots::new(Share::Broker.connections());
        self.connections.spawn(accept(listener, connections, slots, self.connections.clone(), self.closing.clone()));
        self.connections.spawn(maintain(store.clone(), self.closing));
        Ok((addr, store))
    }
}

/// Serves each connection as a task of `tracker`, until `closing` is cancelled.
async fn accept(
    listener: TcpListener,
    connections: Connections,
    slots: ConnectionSlots,
    tracker: TaskTracker,
    closing: CancellationToken,
) {
    loop {
        let next = async { (listener.accept().await, slots.take().await) };
        match closing.run_until_cancelled(next).await {
            None => return,
            Some((Ok((stream, peer)), slot)) => drop(tracker.spawn(connections.clone().serve(stream, peer, slot))),
            Some((Err(error), _)) => {
                debug!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Runs the storage's maintenance until the broker closes.
async fn maintain(store: Store, closing: CancellationToken) {
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + MAINTENANCE, MAINTENANCE);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = closing.cancelled() => return,
        }
        if let Err(error) = store.maintain(SystemTime::now()).await {
            warn!(%error, "cannot remove old records of the embedded broker");
        }
    }
}

/// The broker's own runtime. A runtime may not be dropped where tasks run, so it is shut down explicitly.
struct Threads {
    runtime: Option<Runtime>,
    handle: tokio::runtime::Handle,
}

impl Threads {
    fn start() -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(THREADS)
            .thread_name("embedded-broker")
            .enable_all()
            .build()
            .map_err(|error| Error::Setup(error.into()))?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), handle })
    }

    fn handle(&self) -> &tokio::runtime::Handle {
        &self.handle
    }

    /// Returns when the storage has closed its files, so that the folder can be opened again.
    async fn stop(mut self) {
        if let Some(runtime) = self.runtime.take() {
            let stopped = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(CLOSE)).await;
            if let Err(error) = stopped {
                debug!(%error, "the broker's threads did not stop in order");
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
