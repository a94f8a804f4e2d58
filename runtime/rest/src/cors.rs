use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tributary_api::{Config, Error, Result};

const ORIGINS: &str = "access.control.allow.origin";
const METHODS: &str = "access.control.allow.methods";

/// The headers that a page of another origin may send.
const ALLOWED_HEADERS: [&str; 4] = ["x-requested-with", "content-type", "accept", "origin"];

/// `access.control.allow.origin`: the origins of pages that may send requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    pub(crate) fn of(worker: &Config) -> Result<Self> {
        let origins = worker.list(ORIGINS)?;
        Ok(Self(origins.iter().filter(|origin| !origin.is_empty()).cloned().collect()))
    }

    pub(crate) fn allow(&self, origin: &str) -> bool {
        self.any() || self.0.iter().any(|allowed| allowed == origin)
    }

    fn any(&self) -> bool {
        self.0.iter().any(|allowed| allowed == "*")
    }
}

/// The CORS layer for the allowed origins and `access.control.allow.methods`; none if no origin is allowed.
pub(crate) fn layer(origins: &Origins, worker: &Config) -> Result<Option<CorsLayer>> {
    if origins.0.is_empty() {
        return Ok(None);
    }
    let methods = worker.list(METHODS)?.iter().filter(|name| !name.is_empty());
    let methods: Vec<Method> = methods.map(|name| method(name)).collect::<Result<_>>()?;
    let methods = if methods.is_empty() { vec![Method::GET, Method::POST, Method::HEAD] } else { methods };
    let origin = match origins.any() {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(origins.0.iter().map(|name| header_value(name)).collect::<Result<Vec<_>>>()?),
    };
    let headers = ALLOWED_HEADERS.map(HeaderName::from_static);
    Ok(Some(CorsLayer::new().allow_origin(origin).allow_methods(methods).allow_headers(headers)))
}

fn method(name: &str) -> Result<Method> {
    Method::from_bytes(name.as_bytes())
        .map_err(|_| Error::config_at(METHODS, format!("{METHODS} has {name}, which is no HTTP method")))
}

fn header_value(origin: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(origin)
        .map_err(|_| Error::config_at(ORIGINS, format!("{ORIGINS} has {origin}, which no header can hold")))
}
