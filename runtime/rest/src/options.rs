use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use tower_http::cors::CorsLayer;
use tributary_api::{ConfigDef, Props, Result};

use crate::basic_auth::BasicAuth;
use crate::cors::{self, Origins};
use crate::definition::rest_definition;
use crate::loopback::{self, Loopback};
use crate::response_headers::ResponseHeaders;

/// Returns all metrics in Prometheus' text format.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// How the REST API behaves.
#[derive(Clone, Default)]
pub struct RestOptions {
    pub(crate) cors: Option<CorsLayer>,
    pub(crate) response_headers: ResponseHeaders,
    pub(crate) basic_auth: Option<BasicAuth>,
    pub(crate) metrics: Option<MetricsText>,
    pub(crate) admin_elsewhere: bool,
    pub(crate) loopback: Loopback,
}

impl RestOptions {
    /// The worker's properties that REST reads.
    pub fn definition() -> ConfigDef {
        rest_definition()
    }

    /// Reads the properties of [`definition`](Self::definition), except the listeners. If `admin.listeners` is set,
    /// even to nothing, the main listeners do not serve `/admin`.
    ///
    /// # Errors
    /// `Config`, naming the property.
    pub fn from_props(props: &Props) -> Result<Self> {
        let worker = Self::definition().parse(props)?;
        let origins = Origins::of(&worker)?;
        Ok(Self {
            cors: cors::layer(&origins, &worker)?,
            response_headers: ResponseHeaders::of(&worker)?,
            basic_auth: BasicAuth::of(&worker)?,
            metrics: None,
            admin_elsewhere: props.contains_key("admin.listeners"),
            loopback: Loopback::of(&worker, origins)?,
        })
    }

    /// The same with `GET /metrics`.
    #[must_use]
    pub fn metrics(mut self, text: MetricsText) -> Self {
        self.metrics = Some(text);
        self
    }

    /// The same with one more name of this machine, which a listener on loopback accepts.
    #[must_use]
    pub fn own_host(mut self, name: &str) -> Self {
        self.loopback = self.loopback.also(name);
        self
    }

    /// Restricts a router for a listener on loopback.
    pub(crate) fn on_loopback(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self.loopback.clone(), loopback::check))
    }
}

impl fmt::Debug for RestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestOptions").field("admin_elsewhere", &self.admin_elsewhere).finish_non_exhaustive()
    }
}
