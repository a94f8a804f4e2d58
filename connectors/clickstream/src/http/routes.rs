use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use tributary_api::{Error, Result};

use super::cors::Origin;
use super::{Cors, refuse, unavailable};

const NOT_RUNNING_RETRY_SECONDS: u32 = 2;

/// What answers the requests of a path.
#[async_trait]
pub(crate) trait Endpoint: Send + Sync {
    async fn serve(&self, request: Request<Body>) -> Response;
}

/// The paths of a listener. A path belongs to a connector while that or its task holds it, and is served while the
/// task runs.
#[derive(Default)]
pub(super) struct Routes(RwLock<HashMap<String, Route>>);

struct Route {
    owner: String,
    holds: usize,
    cors: Arc<Cors>,
    endpoint: Option<Arc<dyn Endpoint>>,
}

impl Routes {
    /// Answers a request.
    pub(super) async fn dispatch(&self, request: Request<Body>) -> Response {
        let found = self.read().get(request.uri().path()).map(|route| (route.cors.clone(), route.endpoint.clone()));
        let Some((cors, endpoint)) = found else {
            return refuse(StatusCode::NOT_FOUND, "nothing is served at this path");
        };
        let origin = cors.origin(request.headers());
        if origin == Origin::Foreign {
            let reason = "this origin is not allowed: add it to cors.allowed.origins";
            return Cors::readable(refuse(StatusCode::FORBIDDEN, reason), &origin);
        }
        let response = match (Cors::preflight(request.method(), request.headers()), endpoint) {
            (Some(preflight), _) => preflight,
            (None, Some(endpoint)) => endpoint.serve(request).await,
            (None, None) => unavailable("not running at the moment: try again", NOT_RUNNING_RETRY_SECONDS),
        };
        Cors::readable(response, &origin)
    }

    /// Takes a path for a connector; each hold is given back by [`let_go`](Self::let_go).
    pub(super) fn hold(&self, path: &str, owner: &str, cors: &Arc<Cors>) -> Result<()> {
        match self.write().entry(path.to_owned()) {
            Entry::Occupied(mut held) if held.get().owner == owner => {
                let route = held.get_mut();
                route.holds += 1;
                route.cors = cors.clone();
                Ok(())
            }
            Entry::Occupied(held) => {
                let other = &held.get().owner;
                Err(Error::config(format!("connector {other} serves {path} already: choose another path or address")))
            }
            Entry::Vacant(free) => {
                free.insert(Route { owner: owner.to_owned(), holds: 1, cors: cors.clone(), endpoint: None });
                Ok(())
            }
        }
    }

    pub(super) fn let_go(&self, path: &str) {
        let mut routes = self.write();
        if let Some(route) = routes.get_mut(path) {
            route.holds -= 1;
            if route.holds == 0 {
                routes.remove(path);
            }
        }
    }

    pub(super) fn serve(&self, path: &str, endpoint: Arc<dyn Endpoint>) {
        if let Some(route) = self.write().get_mut(path) {
            route.endpoint = Some(endpoint);
        }
    }

    /// Ends serving, unless another endpoint has taken over.
    pub(super) fn unserve(&self, path: &str, endpoint: &Arc<dyn Endpoint>) {
        if let Some(route) = self.write().get_mut(path)
            && route.endpoint.as_ref().is_some_and(|current| Arc::ptr_eq(current, endpoint))
        {
            route.endpoint = None;
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Route>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Route>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.read().keys()).finish()
    }
}
