use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;
use tributary_api::{Error, Result};
use tributary_listener::Peer;

use super::cors::Origin;
use super::{Cors, refuse, unavailable};

const NOT_RUNNING_RETRY_SECONDS: u32 = 2;
/// Connectors lease their paths one after the other when a process starts, and release them likewise when it stops. For
/// this long after the start or the release an unknown path is answered with 503 instead of 404.
const GRACE_PERIOD: Duration = Duration::from_secs(15);

/// Handles the requests of a path.
#[async_trait]
pub(crate) trait Endpoint: Send + Sync {
    async fn serve(&self, request: Request<Body>) -> Response;
}

/// The paths of a listener. A path belongs to a connector while it or its task leases it, and is served while the task
/// runs.
pub(super) struct Routes {
    opened: Instant,
    table: RwLock<Table>,
}

#[derive(Default)]
struct Table {
    routes: HashMap<String, Route>,
    /// Paths that were released a short time ago.
    released: HashMap<String, Instant>,
}

struct Route {
    owner: String,
    leases: usize,
    cors: Arc<Cors>,
    endpoint: Option<Arc<dyn Endpoint>>,
}

impl Default for Routes {
    fn default() -> Self {
        Self { opened: Instant::now(), table: RwLock::default() }
    }
}

impl Routes {
    /// Answers a request.
    pub(super) async fn dispatch(&self, request: Request<Body>) -> Response {
        let path = request.uri().path();
        let found = self.read().routes.get(path).map(|route| (route.cors.clone(), route.endpoint.clone()));
        let Some((cors, endpoint)) = found else {
            if self.may_come(path) {
                return not_running();
            }
            return refuse(StatusCode::NOT_FOUND, "nothing is served at this path");
        };
        let is_secure = request.extensions().get::<Peer>().is_some_and(|peer| peer.secure);
        let scheme = if is_secure { "https" } else { "http" };
        let origin = cors.origin(scheme, request.uri(), request.headers());
        if origin == Origin::Foreign {
            let reason = "this origin is not allowed: add it to cors.allowed.origins";
            return Cors::readable(refuse(StatusCode::FORBIDDEN, reason), &origin);
        }
        let response = match (Cors::preflight(request.method(), request.headers()), endpoint) {
            (Some(preflight), _) => preflight,
            (None, Some(endpoint)) => endpoint.serve(request).await,
            (None, None) => not_running(),
        };
        Cors::readable(response, &origin)
    }

    /// Leases a path to a connector; each lease is ended by [`release`](Self::release).
    pub(super) fn acquire(&self, path: &str, owner: &str, cors: &Arc<Cors>) -> Result<()> {
        let mut table = self.write();
        table.released.remove(path);
        match table.routes.entry(path.to_owned()) {
            Entry::Occupied(mut held) if held.get().owner == owner => {
                let route = held.get_mut();
                route.leases += 1;
                route.cors = cors.clone();
                Ok(())
            }
            Entry::Occupied(held) => Err(taken(path, &held.get().owner)),
            Entry::Vacant(free) => {
                free.insert(Route { owner: owner.to_owned(), leases: 1, cors: cors.clone(), endpoint: None });
                Ok(())
            }
        }
    }

    /// Why a connector cannot have a path.
    pub(super) fn conflict(&self, path: &str, owner: &str) -> Option<Error> {
        let table = self.read();
        table.routes.get(path).filter(|route| route.owner != owner).map(|route| taken(path, &route.owner))
    }

    pub(super) fn release(&self, path: &str) {
        let mut table = self.write();
        let Some(route) = table.routes.get_mut(path) else { return };
        route.leases -= 1;
        if route.leases == 0 {
            table.routes.remove(path);
            table.released.retain(|_, since| since.elapsed() < GRACE_PERIOD);
            table.released.insert(path.to_owned(), Instant::now());
        }
    }

    fn may_come(&self, path: &str) -> bool {
        let is_recent = |since: &Instant| since.elapsed() < GRACE_PERIOD;
        is_recent(&self.opened) || self.read().released.get(path).is_some_and(is_recent)
    }

    pub(super) fn serve(&self, path: &str, endpoint: Arc<dyn Endpoint>) {
        if let Some(route) = self.write().routes.get_mut(path) {
            route.endpoint = Some(endpoint);
        }
    }

    /// Stops serving, unless another endpoint has taken over.
    pub(super) fn unserve(&self, path: &str, endpoint: &Arc<dyn Endpoint>) {
        if let Some(route) = self.write().routes.get_mut(path)
            && route.endpoint.as_ref().is_some_and(|current| Arc::ptr_eq(current, endpoint))
        {
            route.endpoint = None;
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read()
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write()
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.read().routes.keys()).finish()
    }
}

fn taken(path: &str, owner: &str) -> Error {
    Error::config(format!("connector {owner} serves {path} already: choose another path or address"))
}

fn not_running() -> Response {
    unavailable("not running at the moment: retry later", NOT_RUNNING_RETRY_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status(routes: &Routes, path: &'static str) -> u16 {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = axum::http::Uri::from_static(path);
        routes.dispatch(request).await.status().as_u16()
    }

    #[tokio::test(start_paused = true)]
    async fn a_path_is_not_found_only_when_no_connector_will_register_it() {
        let routes = Routes::default();
        let cors = Arc::new(Cors::new(&[]));
        assert_eq!(status(&routes, "/collect").await, 503);
        tokio::time::advance(GRACE_PERIOD).await;
        assert_eq!(status(&routes, "/collect").await, 404);
        routes.acquire("/collect", "clicks", &cors).unwrap();
        assert_eq!(status(&routes, "/collect").await, 503);
        routes.release("/collect");
        assert_eq!((status(&routes, "/collect").await, status(&routes, "/other").await), (503, 404));
        tokio::time::advance(GRACE_PERIOD).await;
        assert_eq!(status(&routes, "/collect").await, 404);
    }
}
