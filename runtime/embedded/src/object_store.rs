//! The in-process S3 endpoint: a folder for each bucket, requests signed with AWS Signature Version 4.

mod key_check;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Request;
use hyper::service::service_fn;
use s3s::auth::{SecretKey, SimpleAuth};
use s3s::service::S3ServiceBuilder;
use s3s::{Body, HttpResponse};
use s3s_fs::FileSystem;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};
use tributary_listener::{Connections, Listener, ListenerOptions, RequestBody, Share};

use self::key_check::KeyCheck;
use crate::error::Error;
use crate::listen;
use crate::private::private_folder;

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
    /// The region that [`ObjectStore::region`] returns to clients. A signature for another region is accepted too.
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
    serving: TaskTracker,
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
        service.set_access(KeyCheck);
        let service = service.build();

        let failed = |source| Error::Bind { port: options.preferred_port, source };
        let socket = listen::bind(options.preferred_port).await?;
        let room = ListenerOptions::new("s3", Connections::sharing(Share::Objects));
        let listener = Listener::on(socket, room).map_err(failed)?;
        let addr = listener.local_addr();
        let folder: Arc<Path> = root.clone().into();
        let service = service_fn(move |request: Request<RequestBody>| {
            let (service, folder) = (service.clone(), Arc::clone(&folder));
            async move {
                let (method, path) = (request.method().clone(), beginning(request.uri().path()));
                let answer = service.call(request.map(Body::http_body_unsync)).await;
                match answer.as_ref().map(HttpResponse::status) {
                    Ok(status) if status.is_server_error() => {
                        let folder = folder.display();
                        warn!(%method, ?path, %status, %folder, "the embedded s3 endpoint failed: check the disk of its folder");
                    }
                    Ok(status) if status.is_client_error() => debug!(%method, ?path, %status, "s3 request refused"),
                    Ok(_) => {}
                    Err(_) => debug!(%method, ?path, "s3 request not answered"),
                }
                answer
            }
        });
        let (closing, aborting, serving) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let serve = listener.serve(service, closing.clone());
        serving.spawn(aborting.clone().run_until_cancelled_owned(serve));
        serving.close();
        Ok(Self { addr, root, region: options.region, closing, aborting, serving })
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
        self.serving.wait().await;
    }
}

/// As much of a path as goes into a line of the log.
fn beginning(path: &str) -> String {
    const MOST: usize = 200;
    path.chars().take(MOST).collect()
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
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
