//! The in-process S3 endpoint: a folder for each bucket, requests signed with AWS Signature Version 4.

mod inside;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::{SecretKey, SimpleAuth};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use self::inside::InsideBuckets;
use crate::error::Error;
use crate::listen;
use crate::private::private_folder;

/// How long shutdown waits for requests in flight.
const DRAIN: Duration = Duration::from_secs(1);

/// How to start an [`ObjectStore`].
#[derive(Clone)]
pub struct ObjectStoreOptions {
    /// The folder that holds the buckets; created when absent, and closed to all but its owner.
    pub root: PathBuf,
    /// The port on 127.0.0.1 to take when it is free; 0 takes any free one.
    pub preferred_port: u16,
    /// The access key that clients sign with; not empty.
    pub access_key: String,
    /// The secret key that clients sign with; not empty.
    pub secret_key: String,
    /// The region that [`ObjectStore::region`] tells clients to use. A signature for another region is accepted too.
    pub region: String,
}

impl fmt::Debug for ObjectStoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStoreOptions")
            .field("root", &self.root)
            .field("preferred_port", &self.preferred_port)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// A running S3 endpoint. It is addressed path-style (`http://host:port/bucket/key`). Dropping it stops it at once.
pub struct ObjectStore {
    addr: SocketAddr,
    root: PathBuf,
    region: String,
    closing: CancellationToken,
    aborting: CancellationToken,
    connections: TaskTracker,
}

impl ObjectStore {
    /// Starts an endpoint and returns once it accepts connections. It runs on the runtime of the caller.
    ///
    /// A taken port is no error: the endpoint then listens on a free one, see [`ObjectStore::addr`].
    ///
    /// # Errors
    /// When a key is empty, the folder cannot be used or no socket can be opened.
    pub async fn start(options: ObjectStoreOptions) -> Result<Self, Error> {
        if options.access_key.is_empty() || options.secret_key.is_empty() {
            return Err(Error::Credentials);
        }
        let unusable = |source| Error::Directory { path: options.root.clone(), source };
        private_folder(&options.root).map_err(unusable)?;
        let root = options.root.canonicalize().map_err(unusable)?;
        let files = FileSystem::new(&root).map_err(|error| unusable(io::Error::other(format!("{error:?}"))))?;
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(options.access_key, SecretKey::from(options.secret_key)));
        service.set_access(InsideBuckets);
        let service = service.build();

        let listener = listen::bind(options.preferred_port).await?;
        let addr = listener.local_addr().map_err(|source| Error::Bind { port: options.preferred_port, source })?;
        let closing = CancellationToken::new();
        let aborting = CancellationToken::new();
        let connections = TaskTracker::new();
        let serve = {
            let (closing, aborting) = (closing.clone(), aborting.clone());
            move |stream, peer| serve(stream, peer, service.clone(), closing.clone(), aborting.clone())
        };
        connections.spawn(listen::accept(listener, connections.clone(), closing.clone(), serve));
        Ok(Self { addr, root, region: options.region, closing, aborting, connections })
    }

    /// Where the endpoint listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The endpoint's URL, for a client's `endpoint_url`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The region for clients to sign with.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Creates a bucket; one that exists is left as it is.
    ///
    /// # Errors
    /// When the name is no bucket name or its folder cannot be created.
    pub async fn create_bucket(&self, name: &str) -> Result<(), Error> {
        if !s3s::path::check_bucket_name(name) {
            return Err(Error::BucketName { name: name.to_owned() });
        }
        let path = self.root.join(name);
        tokio::fs::create_dir_all(&path).await.map_err(|source| Error::Directory { path, source })
    }

    /// Stops accepting, lets requests in flight finish for at most a second and cuts off the rest.
    pub async fn shutdown(self) {
        self.closing.cancel();
        self.connections.close();
        if tokio::time::timeout(DRAIN, self.connections.wait()).await.is_err() {
            debug!(open = self.connections.len(), "requests still in flight are cut off");
            self.aborting.cancel();
            self.connections.wait().await;
        }
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        self.closing.cancel();
        self.aborting.cancel();
    }
}

impl fmt::Debug for ObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStore")
            .field("addr", &self.addr)
            .field("root", &self.root)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Serves one connection until the client leaves, `closing` finds it between two requests, or `aborting` cuts it off.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    service: S3Service,
    closing: CancellationToken,
    aborting: CancellationToken,
) {
    let server = Arc::new(auto::Builder::new(TokioExecutor::new()));
    let connection = server.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut draining = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = closing.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = aborting.cancelled() => return,
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "s3 connection ended");
    }
}
