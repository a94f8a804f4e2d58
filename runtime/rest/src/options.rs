use std::fmt;
use std::sync::Arc;

use tower_http::cors::CorsLayer;
use tributary_api::{Props, Result};

use crate::cors;
use crate::response_headers::ResponseHeaders;

/// Tells all metrics in Prometheus' text format.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// How the REST API behaves.
#[derive(Clone, Default)]
pub struct RestOptions {
    pub(crate) cors: Option<CorsLayer>,
    pub(crate) response_headers: ResponseHeaders,
    pub(crate) metrics: Option<MetricsText>,
    pub(crate) admin_elsewhere: bool,
}

impl RestOptions {
    /// Reads `access.control.allow.origin`, `access.control.allow.methods`, `response.http.headers.config` and
    /// `admin.listeners` (given, even empty, it takes `/admin` off the main listeners).
    ///
    /// # Errors
    /// `Config`, naming the property.
    pub fn from_props(props: &Props) -> Result<Self> {
        Ok(Self {
            cors: cors::from_props(props)?,
            response_headers: ResponseHeaders::from_props(props)?,
            metrics: None,
            admin_elsewhere: props.contains_key("admin.listeners"),
        })
    }

    /// The same with `GET /metrics`.
    #[must_use]
    pub fn metrics(mut self, text: MetricsText) -> Self {
        self.metrics = Some(text);
        self
    }
}

impl fmt::Debug for RestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestOptions").field("admin_elsewhere", &self.admin_elsewhere).finish_non_exhaustive()
    }
}
